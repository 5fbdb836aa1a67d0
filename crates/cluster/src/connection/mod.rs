//! Connection to an API server, and the only place where requests are made and repeated.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::ClusterError;
use super::kinds::Kinds;
use super::retry::{Backoff, Failure, denies_rights};

/// Timeout for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Timeout for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Default time during which a request is repeated: on a slow disk an API server takes minutes to restart.
const PATIENCE: Duration = Duration::from_mins(3);

/// A cluster, reached through its API server. Clones share connections and known kinds.
///
/// It must not be used or dropped inside an asynchronous runtime, because it blocks internally.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<SharedConnection>,
    patience: Duration,
    /// Deadline for all requests through this value; `None` if each answer has its own limit.
    until: Option<Instant>,
}

struct SharedConnection {
    runtime: Runtime,
    client: Client,
    /// Configuration of the client, with no limit on how long a connection may be silent.
    patient: Config,
    server: String,
    kinds: Mutex<Kinds>,
}

/// A request, as it is repeated and as errors describe it.
pub(super) struct Call<'a> {
    pub method: Method,
    pub path: String,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// Verb for error messages, such as `read` or `apply`.
    pub verb: &'static str,
    /// The object of the request.
    pub what: &'a dyn Display,
}

impl Call<'_> {
    /// Request that asks whether the API server is ready, which includes having loaded RBAC.
    pub(super) fn readiness() -> Self {
        Self {
            method: Method::GET,
            path: "/readyz".to_owned(),
            content_type: "",
            body: Vec::new(),
            verb: "ask",
            what: &"whether the API server is ready",
        }
    }

    pub(super) fn action(&self) -> String {
        format!("{} {}", self.verb, self.what)
    }
}

/// Outcome of a request that never succeeded: the last failure, and the seconds spent.
pub(super) struct GivenUp {
    pub failure: Failure,
    pub seconds: u64,
}

impl Cluster {
    /// Reads a kubeconfig; the first request connects. Proxies of the environment are never used: the API server is on
    /// this node or next to it.
    pub fn connect(kubeconfig: &Path) -> Result<Self, ClusterError> {
        fn kubeconfig_error(path: &Path) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> ClusterError {
            let path = path.to_owned();
            |source| ClusterError::Kubeconfig { path, source }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .thread_name("cluster")
            .build()
            .map_err(|error| kubeconfig_error(kubeconfig)(error.into()))?;
        let file = Kubeconfig::read_from(kubeconfig).map_err(|error| kubeconfig_error(kubeconfig)(error.into()))?;
        let options = KubeConfigOptions::default();
        let (client, patient, server) = runtime
            .block_on(async {
                let mut config = Config::from_custom_kubeconfig(file, &options).await?;
                config.connect_timeout = Some(CONNECT_TIMEOUT);
                (config.read_timeout, config.write_timeout) = (None, None);
                config.proxy_url = None;
                config.default_retry = false;
                let patient = config.clone();
                config.read_timeout = Some(ANSWER_TIMEOUT);
                config.write_timeout = Some(ANSWER_TIMEOUT);
                let server = config.cluster_url.to_string();
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((Client::try_from(config)?, patient, server))
            })
            .map_err(kubeconfig_error(kubeconfig))?;
        let shared = Arc::new(SharedConnection { runtime, client, patient, server, kinds: Mutex::default() });
        Ok(Self { shared, patience: PATIENCE, until: None })
    }

    /// Returns the same cluster with another limit on how long a request is repeated; zero means a single attempt.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), patience, until: self.until }
    }

    /// Returns the same cluster with a limit, starting now, on all requests through it together. A server that accepts
    /// connections but never answers delays a caller no longer than this.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { until: Some(Instant::now() + limit), ..self.clone() }
    }

    /// Waits, at most this long, until the API server answers, ready or not. A few seconds show that it is stopped or
    /// gone; a request that matters may take longer.
    pub fn answers(&self, limit: Duration) -> Result<(), ClusterError> {
        let call = Call::readiness();
        match self.within(limit).with_patience(limit).attempt(&call) {
            Ok(_) | Err(GivenUp { failure: Failure::Status(_) | Failure::Starting(_), .. }) => Ok(()),
            Err(given_up) => Err(self.error(&call, given_up)),
        }
    }

    /// Returns the limit for the next answer.
    fn answer_limit(&self) -> Duration {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(ANSWER_TIMEOUT, |left| left.min(ANSWER_TIMEOUT))
    }

    /// Returns how long a request is repeated.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Returns a separate client for one conversation with a program, which may be silent for any length of time.
    pub(super) fn talking(&self) -> kube::Result<Client> {
        self.wait_for(async { Client::try_from(self.shared.patient.clone()) })
    }

    /// Blocks until a future of the connections completes.
    pub(super) fn wait_for<T>(&self, what: impl Future<Output = T>) -> T {
        self.shared.runtime.block_on(what)
    }

    /// Runs a future in the background.
    pub(super) fn spawn<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.shared.runtime.spawn(what)
    }

    /// Returns the API server's URL.
    pub fn server(&self) -> &str {
        &self.shared.server
    }

    pub(super) fn kinds(&self) -> &Mutex<Kinds> {
        &self.shared.kinds
    }

    /// Repeats a request until it succeeds, fails permanently, or patience runs out.
    pub(super) fn attempt(&self, call: &Call<'_>) -> Result<String, GivenUp> {
        let started = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let failure = match self.once_with_rights(call) {
                Ok(text) => return Ok(text),
                Err(failure) => failure,
            };
            let delay = backoff.delay(failure.wait_asked_for());
            let is_over = self.until.is_some_and(|until| Instant::now() + delay >= until);
            if is_over || !failure.is_transient() || started.elapsed() + delay > self.patience {
                return Err(GivenUp { failure, seconds: started.elapsed().as_secs() });
            }
            tracing::debug!(action = call.action(), ?failure, ?delay, "request failed, repeating it");
            std::thread::sleep(delay);
        }
    }

    /// Makes a request once. A refusal counts only if the API server is ready: a newly started one refuses every
    /// request.
    fn once_with_rights(&self, call: &Call<'_>) -> Result<String, Failure> {
        match self.once(call) {
            Err(Failure::Status(status)) if denies_rights(&status) => match self.once(&Call::readiness()) {
                // The server may have become ready in between.
                Ok(_) => self.once(call),
                Err(_) => Err(Failure::Starting(status)),
            },
            answer => answer,
        }
    }

    fn once(&self, call: &Call<'_>) -> Result<String, Failure> {
        let mut request = Request::builder().method(call.method.clone()).uri(&call.path);
        if !call.content_type.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, call.content_type);
        }
        let request = request
            .header(http::header::ACCEPT, "application/json, text/plain, */*")
            .body(call.body.clone())
            .map_err(kube::Error::HttpError)?;
        let limit = self.answer_limit();
        let answer = async { tokio::time::timeout(limit, self.shared.client.request_text(request)).await };
        match self.shared.runtime.block_on(answer) {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure::TimedOut(limit)),
        }
    }

    /// Makes a request and converts a failure to an error that names action and object.
    pub(super) fn call(&self, call: &Call<'_>) -> Result<String, ClusterError> {
        self.attempt(call).map_err(|given_up| self.error(call, given_up))
    }

    /// Like [`Self::call`], and parses the answer as JSON.
    pub(super) fn call_json(&self, call: &Call<'_>) -> Result<Value, ClusterError> {
        let text = self.call(call)?;
        parse(call, &text)
    }

    pub(super) fn error(&self, call: &Call<'_>, given_up: GivenUp) -> ClusterError {
        let action = call.action();
        match given_up.failure {
            Failure::Status(status) => ClusterError::Refused { action, status },
            failure => ClusterError::Unreachable {
                action,
                server: self.server().to_owned(),
                seconds: given_up.seconds,
                source: failure.into(),
            },
        }
    }
}

/// Parses an answer as JSON.
pub(super) fn parse(call: &Call<'_>, text: &str) -> Result<Value, ClusterError> {
    serde_json::from_str(text).map_err(|source| ClusterError::Answer { action: call.action(), source: source.into() })
}

#[cfg(test)]
pub(crate) mod tests;
