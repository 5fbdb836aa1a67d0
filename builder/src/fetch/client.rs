//! The way to all registries and servers: what is common to their requests, and failures told apart by what can be done.

use std::collections::HashMap;
use std::path::Path;

use futures_util::stream::BoxStream;
use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use landfall_media::progress::{Event, Progress};
use sha2::Digest as _;
use tokio::sync::{Mutex, OnceCell};

use super::credentials::DockerConfiguration;
use super::manifest::ACCEPTED;
use super::registries::Registries;
use super::retry::Retry;
use super::token::{Authorization, Repository};
use super::web;
use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// The bytes of a manifest and what they are.
#[derive(Debug, Clone)]
pub struct RawManifest {
    /// SHA-256 of the bytes.
    pub digest: Sha256,
    /// Media type, as the document itself says.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A way to all registries and servers that a release needs.
pub struct Client {
    pub(super) registries: Registries,
    pub(super) docker: DockerConfiguration,
    retry: Retry,
    /// What opened each repository so far.
    pub(super) authorizations: Mutex<HashMap<Repository, Authorization>>,
    /// Made when the first request is.
    web: OnceCell<reqwest::Client>,
}

/// A failed request, by what can be done about it.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may pass: try again.
    Transient(Cause),
    /// It will not pass.
    Final(Code, Cause),
}

/// Why a request failed, as whoever made it says.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of a blob as they come.
pub(super) struct BlobBytes {
    /// Whether they begin where they were asked to, rather than at the first byte.
    pub resumed: bool,
    /// The bytes.
    pub stream: BoxStream<'static, std::io::Result<bytes::Bytes>>,
}

impl Client {
    /// A client with the registries file, where one is given, and the Docker configuration of this user.
    pub fn configured(registries: Option<&Path>) -> Result<Self> {
        let registries = registries.map_or_else(|| Ok(Registries::default()), Registries::read)?;
        Ok(Self::new(registries, DockerConfiguration::load()?, Retry::default()))
    }

    /// A client that reaches registries so.
    pub fn new(registries: Registries, docker: DockerConfiguration, retry: Retry) -> Self {
        Self { registries, docker, retry, authorizations: Mutex::new(HashMap::new()), web: OnceCell::new() }
    }

    /// What speaks HTTP.
    pub(super) async fn web(&self) -> Result<&reqwest::Client> {
        self.web.get_or_try_init(|| async { web::client() }).await
    }

    /// Fetches a manifest by its digest where the reference has one, else by its tag, and checks what comes.
    pub async fn manifest(&self, reference: &Reference, progress: &dyn Progress) -> Result<RawManifest> {
        let mut failures = 0;
        loop {
            let failure = match self.manifest_bytes(reference).await? {
                Ok(bytes) => return raw_manifest(reference, bytes),
                Err(failure) => failure,
            };
            failures += 1;
            let registry = self.registries.endpoint(&reference.host).registry;
            let what = format!("the manifest of {reference}");
            self.pause_or_give_up(&registry, &what, failure, failures, progress).await?;
        }
    }

    /// Waits before the next try, or turns the failure into the error that a person sees.
    pub(super) async fn pause_or_give_up(
        &self,
        host: &str,
        what: &str,
        failure: Failure,
        failures: u32,
        progress: &dyn Progress,
    ) -> Result<()> {
        let (code, cause) = match failure {
            Failure::Final(code, cause) => (code, cause),
            Failure::Transient(cause) => match self.retry.wait(failures) {
                Some(wait) => {
                    let root = root_cause(&*cause);
                    progress.event(Event::Note(format!("{host}: {what} failed ({root}); trying again")));
                    tokio::time::sleep(wait).await;
                    return Ok(());
                }
                None => (codes::FETCH_FAILED, cause),
            },
        };
        Err(BuildError::new(code, sentence(code, host, what)).because(cause))
    }
}

fn sentence(code: Code, host: &str, what: &str) -> String {
    match code {
        code if code == codes::IMAGE_MISSING || code == codes::FILE_MISSING => format!("{host} does not have {what}"),
        code if code == codes::CREDENTIALS_REFUSED => format!("{host} refuses {what}"),
        _ => format!("{host} does not deliver {what}"),
    }
}

/// What lies at the bottom of an error: the layers above it repeat the address.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn raw_manifest(reference: &Reference, bytes: Vec<u8>) -> Result<RawManifest> {
    let mismatch = |what: String| BuildError::new(codes::FETCH_MISMATCH, format!("the manifest of {reference} {what}"));
    let digest = Sha256(sha2::Sha256::digest(&bytes).into());
    if let Some(wanted) = reference.digest.filter(|wanted| *wanted != digest) {
        return Err(mismatch(format!("is {digest} instead of {wanted}")));
    }
    let document: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| mismatch("is not JSON".into()).because(error))?;
    // An OCI document may leave its media type out; what it holds then says what it is.
    let implied = if document.get("manifests").is_some() { ACCEPTED[2] } else { ACCEPTED[0] };
    let media_type = document.get("mediaType").and_then(serde_json::Value::as_str).unwrap_or(implied).to_owned();
    if !ACCEPTED.contains(&media_type.as_str()) {
        return Err(mismatch(format!("is of the type {media_type}, which Landfall does not know")));
    }
    Ok(RawManifest { digest, media_type, bytes })
}
