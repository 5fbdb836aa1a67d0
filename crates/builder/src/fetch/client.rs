//! The HTTP client for all registries and servers: what their requests share, and failures classified by remedy.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use futures_util::stream::BoxStream;
use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use landfall_media::progress::{Event, Progress};
use oci_client::secrets::RegistryAuth;
use tokio::sync::{Mutex, OnceCell};

use super::bucket_keys::EnvironmentKeys;
use super::credentials::DockerConfiguration;
use super::pace::StallError;
use super::proxies::Proxies;
use super::registries::Registries;
use super::registry::Repository;
use super::retry::{LONGEST_ASKED, Retry, Tries};
use super::web;
use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;
use crate::manifest::{ACCEPTED, SCHEMA_1, media_type_of};
use crate::reference::Reference;

/// Bytes that must arrive before a stall for the attempt to count as progress, after which the attempts start over.
const STALLED_PROGRESS_BYTES: u64 = 1 << 20;

/// Environment variable with the token of a hub.
const HUB_TOKEN: &str = "HF_TOKEN";

/// A manifest as received.
#[derive(Debug, Clone)]
pub struct RawManifest {
    /// SHA-256 of the bytes.
    pub digest: Sha256,
    /// Media type, as stated in the document itself.
    pub media_type: String,
    /// The bytes as received.
    pub bytes: Vec<u8>,
}

/// Client of all registries and servers that a release needs.
pub struct Client {
    pub(super) registries: Registries,
    pub(super) docker: DockerConfiguration,
    retry: Retry,
    /// Servers and proxies that did not answer and were given up: further requests to them fail immediately.
    given_up: std::sync::Mutex<HashSet<String>>,
    /// Notes that were already reported, so that a problem of all transfers is reported once.
    noted: std::sync::Mutex<HashSet<String>>,
    /// HTTP clients by the numbers that the registries file assigns to groups of hosts.
    ways: Vec<Way>,
    /// Authentication of each repository that was opened so far.
    pub(super) opened: Mutex<HashMap<Repository, RegistryAuth>>,
    /// Token from the environment, which only one hub receives.
    pub(super) hub_token: Option<String>,
    /// Keys from the environment, which sign requests to some S3 servers.
    pub(super) environment_keys: Option<EnvironmentKeys>,
}

/// HTTP clients for hosts that share proxies and authorities; each is created at its first request.
#[derive(Default)]
pub(super) struct Way {
    /// Client that follows redirects.
    web: OnceCell<reqwest::Client>,
    /// Client for requests whose redirects Landfall follows itself.
    web_without_redirects: OnceCell<reqwest::Client>,
}

/// A failed request, classified by remedy.
#[derive(Debug)]
pub(super) enum Failure {
    /// Transient: a retry may succeed, after the wait that the server asks for. `code` applies if no attempt succeeds.
    Transient { code: Code, cause: Cause, wait: Option<Duration> },
    /// The body of a response stalled: almost nothing arrived for too long.
    Stalled(Cause),
    /// The server cannot be reached, according to the error; `who` is the server or the proxy.
    Unreachable { who: String, cause: Cause },
    /// Permanent: a retry would also fail.
    Final(Code, Cause),
}

impl Failure {
    /// Creates a transient failure with the general code and no wait.
    pub(super) fn transient(cause: impl Into<Cause>) -> Self {
        Self::Transient { code: codes::FETCH_FAILED, cause: cause.into(), wait: None }
    }

    /// Classifies an error that ended the body of a response early.
    pub(super) fn from_body_error(error: std::io::Error) -> Self {
        let is_stalled = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<StallError>);
        if is_stalled { Self::Stalled(error.into()) } else { Self::transient(error) }
    }

    /// Returns true if an attempt that failed after `bytes` counts as progress, after which the attempts start over.
    ///
    /// Without this minimum, a server that sends a few bytes and stalls each time would be asked forever.
    pub(super) fn is_after_progress(failure: Option<&Self>, bytes: u64) -> bool {
        let least = if matches!(failure, Some(Self::Stalled(_))) { STALLED_PROGRESS_BYTES } else { 1 };
        bytes >= least
    }
}

/// Cause of a failed request, as reported by the HTTP library.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of a blob as a stream.
pub(super) struct BlobBytes {
    /// True if the stream starts at the requested offset; false if it starts at the first byte.
    pub resumed: bool,
    /// The bytes.
    pub stream: BoxStream<'static, std::io::Result<bytes::Bytes>>,
}

impl Client {
    /// Creates a client from the registries file, if given, and the Docker configuration of this user.
    pub fn from_configuration(registries: Option<&Path>) -> Result<Self> {
        let registries = registries.map_or_else(|| Ok(Registries::default()), Registries::read)?;
        let registries = registries.or_proxies(Proxies::of_environment());
        let client = Self::new(registries, DockerConfiguration::load()?, Retry::default());
        let environment_keys = EnvironmentKeys::read();
        Ok(Self { hub_token: std::env::var(HUB_TOKEN).ok(), environment_keys, ..client })
    }

    /// Creates a client with the given registries, credentials and retry policy.
    pub fn new(registries: Registries, docker: DockerConfiguration, retry: Retry) -> Self {
        let (given_up, noted) = Default::default();
        let ways = std::iter::repeat_with(Way::default).take(registries.ways()).collect();
        Self {
            registries,
            docker,
            retry,
            given_up,
            noted,
            ways,
            opened: Mutex::default(),
            hub_token: None,
            environment_keys: None,
        }
    }

    /// HTTP clients for a host, which is written with its port unless that is the default.
    pub(super) fn way(&self, host: &str) -> &Way {
        &self.ways[self.registries.way(host)]
    }

    /// Index of Python packages for entries of the lock that do not name one.
    pub(crate) fn package_index(&self) -> Option<&FileUrl> {
        self.registries.package_index()
    }

    /// HTTP client for a registry. Redirect targets and the token server are reached in the same way as the registry.
    pub(super) async fn web(&self, registry: &str) -> Result<&reqwest::Client> {
        let make = || async { web::client(&self.registries, registry) };
        self.way(registry).web.get_or_try_init(make).await
    }

    /// HTTP client for files of a host; it does not follow redirects.
    pub(super) async fn web_without_redirects(&self, host: &str) -> Result<&reqwest::Client> {
        let make = || async { web::client_without_redirects(&self.registries, host) };
        self.way(host).web_without_redirects.get_or_try_init(make).await
    }

    /// Fetches a manifest by its digest if the reference has one, otherwise by its tag, and checks the response.
    pub async fn manifest(&self, reference: &Reference, progress: &dyn Progress) -> Result<RawManifest> {
        let registry = self.registries.endpoint(&reference.host).registry;
        let what = format!("the manifest of {reference}");
        let ask = async || self.manifest_bytes(reference).await;
        raw_manifest(reference, self.answer(&registry, &what, progress, ask).await?)
    }

    /// Repeats a request until it succeeds or fails permanently.
    pub(super) async fn answer<T>(
        &self,
        host: &str,
        what: &str,
        progress: &dyn Progress,
        ask: impl AsyncFn() -> Result<std::result::Result<T, Failure>>,
    ) -> Result<T> {
        let mut tries = self.tries();
        loop {
            match ask().await? {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.pause_or_give_up(host, what, failure, &mut tries, progress).await?,
            }
        }
    }

    /// Starts the retries of one transfer.
    pub(super) fn tries(&self) -> Tries {
        self.retry.start()
    }

    /// Time for which the body of a response may bring almost nothing.
    pub(super) fn longest_stall(&self) -> Duration {
        self.retry.longest_stall
    }

    /// Waits before the next attempt, or returns the final error for the user.
    pub(super) async fn pause_or_give_up(
        &self,
        host: &str,
        what: &str,
        failure: Failure,
        tries: &mut Tries,
        progress: &dyn Progress,
    ) -> Result<()> {
        let (code, cause, wait, note) = match failure {
            Failure::Final(code, cause) => (code, cause, None, String::new()),
            Failure::Transient { code, cause, wait: None } => {
                let note = format!("{host}: {what} failed ({}); trying again", root_cause(&*cause));
                (code, cause, tries.next(None), note)
            }
            Failure::Transient { code, cause, wait: Some(asked) } => {
                let (said, seconds) = (root_cause(&*cause), asked.as_secs());
                let note =
                    format!("{host}: {what} failed ({said}); trying again after the {seconds} s that it asks for");
                let wait = tries.next(Some(asked));
                let cause = if wait.is_some() { cause } else { too_long(&said, asked).into() };
                (code, cause, wait, note)
            }
            Failure::Stalled(cause) => {
                let note = format!("{host}: {what} stalled ({}); trying again", root_cause(&*cause));
                (codes::BODY_STALLED, cause, tries.next_stalled(), note)
            }
            Failure::Unreachable { who, cause } => {
                let wait = if contains(&self.given_up, &who) { None } else { tries.next_unreachable() };
                if wait.is_none() {
                    insert(&self.given_up, who.clone());
                }
                let note = format!("{who} does not answer ({}); trying again", root_cause(&*cause));
                (codes::HOST_UNREACHABLE, cause, wait, note)
            }
        };
        match wait {
            Some(wait) => {
                if insert(&self.noted, note.clone()) {
                    progress.event(Event::Note(note));
                }
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Err(BuildError::new(code, sentence(code, host, what)).because(cause)),
        }
    }
}

/// Reason for which a server that asks for a long wait is given up.
fn too_long(said: &str, asked: Duration) -> String {
    let (asked, longest) = (asked.as_secs(), LONGEST_ASKED.as_secs());
    format!("{said}, and it asks for a wait of {asked} s; Landfall waits at most {longest} s in all")
}

fn contains(set: &std::sync::Mutex<HashSet<String>>, text: &str) -> bool {
    set.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(text)
}

/// Adds a text; returns true if it is new.
fn insert(set: &std::sync::Mutex<HashSet<String>>, text: String) -> bool {
    set.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(text)
}

/// Codes for requests that a server refuses, and for waits that a server asks for and Landfall refuses.
const REFUSALS: [Code; 5] =
    [codes::CREDENTIALS_REFUSED, codes::HUB_ACCESS, codes::HUB_REALM, codes::OBJECT_REFUSED, codes::REGISTRY_REALM];

fn sentence(code: Code, host: &str, what: &str) -> String {
    match code {
        code if code == codes::IMAGE_MISSING || code == codes::FILE_MISSING => format!("{host} does not have {what}"),
        code if REFUSALS.contains(&code) => format!("{host} refuses {what}"),
        code if code == codes::RATE_LIMITED => format!("{host} limits requests and refused {what}"),
        _ => format!("{host} does not deliver {what}"),
    }
}

/// The innermost cause of an error; the layers above it repeat the address.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn raw_manifest(reference: &Reference, bytes: Vec<u8>) -> Result<RawManifest> {
    let mismatch = |what: String| BuildError::new(codes::FETCH_MISMATCH, format!("the manifest of {reference} {what}"));
    let digest = Sha256::of(&bytes);
    if let Some(wanted) = reference.digest.filter(|wanted| *wanted != digest) {
        return Err(mismatch(format!("is {digest} instead of {wanted}")));
    }
    let media_type = media_type_of(&bytes).map_err(|error| mismatch("is not JSON".into()).because(error))?;
    if media_type.starts_with(SCHEMA_1) {
        let what = format!("{reference} is an image of Docker's schema 1 ({media_type})");
        return Err(BuildError::new(codes::IMAGE_SCHEMA_1, what));
    }
    if !ACCEPTED.contains(&media_type.as_str()) {
        return Err(mismatch(format!("is of the type {media_type}, which Landfall does not know")));
    }
    Ok(RawManifest { digest, media_type, bytes })
}
