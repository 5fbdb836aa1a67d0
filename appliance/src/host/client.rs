//! Client of the host's API over TLS with both certificates pinned. Each request uses its own connection: requests are
//! rare, and no broken connection is reused.

use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use axum::http::{Method, Request, StatusCode, header};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_license::answer::{Question, SealedAnswer};
use landfall_peer::{
    AUDIT_BYTES, AuditPage, BackupRequest, Claim, ComponentLogs, ComponentResources, EntryPiece, KeptSecret,
    LicenseRequest, MediaPage, OperationPage, PlanPage, Problem, ProgressPage, RemovalRequest, Request as HostRequest,
    SecretRequest, SupportPage, Upload, UploadRequest, UploadsPage, UsersWord, routes,
};
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{ChangeRequest, Host, HostError, KnownPosition, Topic};

/// Time limit of a connection and its handshakes.
const CONNECT: Duration = Duration::from_secs(3);
/// Time limit of a document. The host queries the cluster, which may not answer immediately.
const DOCUMENT: Duration = Duration::from_secs(15);
/// Time limit of news: the host waits 20 seconds for them.
const NEWS: Duration = Duration::from_secs(30);
/// Time limit of an action, which the host only begins.
const ACTION: Duration = Duration::from_secs(30);
/// Maximum size of an answer, in bytes.
const LIMIT: usize = 16 << 20;

/// Body of a request.
struct Content {
    kind: &'static str,
    bytes: Vec<u8>,
}

impl Content {
    const NONE: Self = Self { kind: "application/json", bytes: Vec::new() };

    fn json(value: &impl Serialize) -> Result<Self, HostError> {
        let bytes = serde_json::to_vec(value).map_err(|error| HostError::unreadable(&error))?;
        Ok(Self { bytes, ..Self::NONE })
    }
}

/// Reply to a request.
struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Reply {
    /// Returns the document of a reply with this status; another status is a refusal.
    fn document<T: DeserializeOwned>(&self, expected: StatusCode) -> Result<T, HostError> {
        self.expect(expected)?;
        serde_json::from_slice(&self.body).map_err(|error| HostError::unreadable(&error))
    }

    /// Like [`Self::document`], with `None` for a missing document.
    fn optional_document<T: DeserializeOwned>(&self) -> Result<Option<T>, HostError> {
        if self.status == StatusCode::NOT_FOUND { Ok(None) } else { self.document(StatusCode::OK).map(Some) }
    }

    /// Returns an error unless the reply has this status.
    fn expect(&self, expected: StatusCode) -> Result<(), HostError> {
        if self.status == expected { Ok(()) } else { Err(self.refusal_error()) }
    }

    /// Returns why a request was refused. A reply without a problem document still has its status.
    fn refusal_error(&self) -> HostError {
        let status = self.status;
        let problem = serde_json::from_slice(&self.body).unwrap_or_else(|_| Problem {
            status: status.as_u16(),
            title: format!("the host answered {status}"),
            detail: None,
            code: None,
            hint: None,
        });
        problem.into()
    }
}

/// Client for the host at an address.
pub struct Client {
    address: String,
    tls: TlsConnector,
}

impl Client {
    /// Creates a client for the host at this address and port.
    pub fn new(address: String, tls: Arc<rustls::ClientConfig>) -> Self {
        Self { address, tls: TlsConnector::from(tls) }
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, HostError> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| HostError::unreachable(&error))?;
        let _delays = stream.set_nodelay(true);
        // The certificate is pinned, so no name is compared; this one only completes the handshake.
        let name = ServerName::try_from("landfall-host").map_err(|error| HostError::unreachable(&error))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| HostError::unreachable(&error))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| HostError::unreachable(&error))?;
        tokio::spawn(connection.map(drop));
        Ok(sender)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, HostError> {
        let late = |_| HostError::unreachable(&"the connection was not made in time");
        let mut sender = timeout(CONNECT, self.connect()).await.map_err(late)??;
        let response = sender.send_request(request).await.map_err(|error| HostError::unreachable(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LIMIT).collect().await;
        // A host that sends too much is reachable.
        let broken = |error: BoxError| {
            if error.is::<LengthLimitError>() { HostError::unreadable(&error) } else { HostError::unreachable(&error) }
        };
        Ok(Reply { status, body: body.map_err(broken)?.to_bytes() })
    }

    async fn ask(
        &self,
        method: Method,
        path: String,
        content: Content,
        patience: Duration,
    ) -> Result<Reply, HostError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "landfall-host")
            .header(header::CONTENT_TYPE, content.kind)
            .body(Full::new(Bytes::from(content.bytes)))
            .map_err(|error| HostError::unreadable(&error))?;
        let late = |_| HostError::late(&format!("no answer in {} seconds", patience.as_secs()));
        timeout(patience, self.exchange(request)).await.map_err(late)?
    }

    async fn get<T: DeserializeOwned>(&self, path: String, patience: Duration) -> Result<T, HostError> {
        self.ask(Method::GET, path, Content::NONE, patience).await?.document(StatusCode::OK)
    }

    /// Like [`Self::get`], with `None` for a missing document.
    async fn find<T: DeserializeOwned>(&self, path: String) -> Result<Option<T>, HostError> {
        self.ask(Method::GET, path, Content::NONE, DOCUMENT).await?.optional_document()
    }

    /// Sends the only entry of a request in pieces, and the request itself with the last one.
    async fn post_in_pieces(&self, entry: &str, request: &CheckpointRequest) -> Result<Reply, HostError> {
        let mut offset = 0;
        loop {
            let mut end = entry.len().min(offset + AUDIT_BYTES);
            while !entry.is_char_boundary(end) {
                end -= 1;
            }
            let text = entry[offset..end].to_owned();
            let is_last = end == entry.len();
            let request = is_last.then(|| CheckpointRequest { entries: Vec::new(), ..request.clone() });
            let answer = self.post(routes::AUDIT_ENTRY, &EntryPiece { offset, text, request }).await?;
            if is_last || answer.status != StatusCode::NO_CONTENT {
                return Ok(answer);
            }
            offset = end;
        }
    }

    /// Begins a backup or a drill, by its path.
    async fn begin(&self, path: &str, by: &str, correlation: &str) -> Result<(), HostError> {
        let request = BackupRequest { by: by.to_owned(), correlation: correlation.to_owned() };
        self.post(path, &request).await?.expect(StatusCode::ACCEPTED)
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<Reply, HostError> {
        self.ask(Method::POST, path.to_owned(), Content::json(body)?, ACTION).await
    }
}

fn route(topic: Topic) -> &'static str {
    match topic {
        Topic::Status => routes::STATUS,
        Topic::Releases => routes::RELEASES,
        Topic::History => routes::HISTORY,
        Topic::Backups => routes::BACKUPS,
        Topic::License => routes::LICENSE,
        Topic::Settings => routes::SETTINGS,
        Topic::Usage => routes::USAGE,
        Topic::UsageReport => routes::USAGE_REPORT,
    }
}

impl Host for Client {
    fn document(&self, topic: Topic) -> BoxFuture<'_, Result<Option<Value>, HostError>> {
        self.find(route(topic).to_owned()).boxed()
    }

    fn progress(&self, known: KnownPosition) -> BoxFuture<'_, Result<ProgressPage, HostError>> {
        let KnownPosition { run, after, running } = known;
        self.get(format!("{}?run={run}&after={after}&running={running}", routes::PROGRESS), NEWS).boxed()
    }

    fn logs<'a>(&'a self, component: &'a str, lines: u32) -> BoxFuture<'a, Result<ComponentLogs, HostError>> {
        self.get(format!("{}/{component}?lines={lines}", routes::LOGS), DOCUMENT).boxed()
    }

    fn resources<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<ComponentResources, HostError>> {
        self.get(format!("{}/{component}", routes::RESOURCES), DOCUMENT).boxed()
    }

    fn claim<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<bool, HostError>> {
        async move {
            let reply = self.post(routes::CLAIMS, &Claim { token: token.to_owned() }).await?;
            if reply.status == StatusCode::FORBIDDEN {
                return Ok(false);
            }
            reply.expect(StatusCode::NO_CONTENT).map(|()| true)
        }
        .boxed()
    }

    fn begin_backup<'a>(&'a self, by: &'a str, correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>> {
        self.begin(routes::BACKUPS, by, correlation).boxed()
    }

    fn begin_drill<'a>(&'a self, by: &'a str, correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>> {
        self.begin(routes::DRILLS, by, correlation).boxed()
    }

    fn import_license<'a>(
        &'a self,
        by: &'a str,
        correlation: &'a str,
        license: &'a str,
    ) -> BoxFuture<'a, Result<(), HostError>> {
        async move {
            let [by, correlation, license] = [by, correlation, license].map(str::to_owned);
            self.post(routes::LICENSE, &LicenseRequest { by, correlation, license })
                .await?
                .expect(StatusCode::NO_CONTENT)
        }
        .boxed()
    }

    fn keep_secret<'a>(&'a self, request: &'a SecretRequest) -> BoxFuture<'a, Result<KeptSecret, HostError>> {
        async move { self.post(routes::SECRETS, request).await?.document(StatusCode::OK) }.boxed()
    }

    fn note_users(&self, users: u64) -> BoxFuture<'_, Result<(), HostError>> {
        async move { self.post(routes::USAGE, &UsersWord { users }).await?.expect(StatusCode::NO_CONTENT) }.boxed()
    }

    fn license_answer<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<SealedAnswer, HostError>> {
        async move {
            let reply = self.post(routes::LICENSE_ANSWERS, question).await?;
            reply.expect(StatusCode::OK)?;
            SealedAnswer::read(&reply.body).map_err(|error| HostError::unreadable(&error))
        }
        .boxed()
    }

    fn audit(&self) -> BoxFuture<'_, Result<AuditPage, HostError>> {
        self.get(routes::AUDIT.to_owned(), DOCUMENT).boxed()
    }

    fn sign_audit<'a>(&'a self, request: &'a CheckpointRequest) -> BoxFuture<'a, Result<Checkpoint, HostError>> {
        async move {
            let reply = match request.entries.as_slice() {
                [entry] if entry.len() > AUDIT_BYTES => self.post_in_pieces(entry, request).await?,
                _ => self.post(routes::AUDIT, request).await?,
            };
            reply.document(StatusCode::OK)
        }
        .boxed()
    }

    fn media(&self) -> BoxFuture<'_, Result<MediaPage, HostError>> {
        self.get(routes::MEDIA.to_owned(), DOCUMENT).boxed()
    }

    fn operation(&self) -> BoxFuture<'_, Result<Option<OperationPage>, HostError>> {
        self.find(routes::OPERATION.to_owned()).boxed()
    }

    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<PlanPage>, HostError>> {
        self.find(format!("{}/{digest}", routes::PLANS)).boxed()
    }

    fn request<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<HostRequest>, HostError>> {
        self.find(format!("{}/{id}", routes::REQUESTS)).boxed()
    }

    fn hand_over<'a>(&'a self, request: &'a ChangeRequest) -> BoxFuture<'a, Result<HostRequest, HostError>> {
        async move { self.post(request.route(), request).await?.document(StatusCode::ACCEPTED) }.boxed()
    }

    fn support(&self) -> BoxFuture<'_, Result<SupportPage, HostError>> {
        self.get(routes::SUPPORT.to_owned(), DOCUMENT).boxed()
    }

    fn support_piece<'a>(&'a self, id: &'a str, offset: u64) -> BoxFuture<'a, Result<Bytes, HostError>> {
        async move {
            let path = format!("{}/{id}?offset={offset}", routes::SUPPORT);
            let reply = self.ask(Method::GET, path, Content::NONE, DOCUMENT).await?;
            reply.expect(StatusCode::OK).map(|()| reply.body)
        }
        .boxed()
    }

    fn uploads(&self) -> BoxFuture<'_, Result<UploadsPage, HostError>> {
        self.get(routes::UPLOADS.to_owned(), DOCUMENT).boxed()
    }

    fn begin_upload<'a>(&'a self, request: &'a UploadRequest) -> BoxFuture<'a, Result<Upload, HostError>> {
        async move { self.post(routes::UPLOADS, request).await?.document(StatusCode::OK) }.boxed()
    }

    fn add_piece<'a>(&'a self, id: &'a str, offset: u64, piece: Vec<u8>) -> BoxFuture<'a, Result<Upload, HostError>> {
        async move {
            let content = Content { kind: "application/octet-stream", bytes: piece };
            let path = format!("{}/{id}?offset={offset}", routes::UPLOADS);
            self.ask(Method::PATCH, path, content, ACTION).await?.document(StatusCode::OK)
        }
        .boxed()
    }

    fn remove_upload<'a>(&'a self, id: &'a str, request: &'a RemovalRequest) -> BoxFuture<'a, Result<(), HostError>> {
        async move {
            let (path, content) = (format!("{}/{id}", routes::UPLOADS), Content::json(request)?);
            self.ask(Method::DELETE, path, content, ACTION).await?.expect(StatusCode::NO_CONTENT)
        }
        .boxed()
    }
}
