//! One client per registry, with the credentials of the Docker configuration; failures told apart by what can be done.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::stream::BoxStream;
use landfall_bundle_spec::codes;
use landfall_bundle_spec::{Code, Sha256};
use landfall_media::progress::{Event, Progress};
use oci_client::Reference as OciReference;
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol, SizedStream};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use sha2::Digest as _;
use tokio::sync::{Mutex, OnceCell};

use super::credentials::DockerConfiguration;
use super::manifest::ACCEPTED;
use super::registries::{Endpoint, Registries};
use super::retry::Retry;
use crate::error::{BuildError, Result};
use crate::reference::Reference;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Whoever says nothing for so long has dropped the connection.
pub(super) const READ_TIMEOUT: Duration = Duration::from_mins(1);
pub(super) const USER_AGENT: &str = concat!("landfall/", env!("CARGO_PKG_VERSION"));
/// The largest manifest that is accepted, as registries limit it themselves.
const MANIFEST_LIMIT_BYTES: usize = 4 << 20;

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
    docker: DockerConfiguration,
    retry: Retry,
    clients: Mutex<HashMap<Endpoint, oci_client::Client>>,
    /// For files, which need no credentials; made when the first is asked for.
    pub(super) web: OnceCell<reqwest::Client>,
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
        Self { registries, docker, retry, clients: Mutex::new(HashMap::new()), web: OnceCell::new() }
    }

    /// Fetches a manifest by its digest where the reference has one, else by its tag, and checks what comes.
    pub async fn manifest(&self, reference: &Reference, progress: &dyn Progress) -> Result<RawManifest> {
        let mut failures = 0;
        loop {
            let (client, address) = self.reach(reference).await?;
            let auth = self.docker.credentials(&self.registries.endpoint(&reference.host).registry).await?;
            let failure = match client.pull_manifest_raw(&address, &auth, &ACCEPTED).await {
                Ok((bytes, _)) => return raw_manifest(reference, bytes.to_vec()),
                Err(error) => classify(error),
            };
            failures += 1;
            let registry = self.registries.endpoint(&reference.host).registry;
            let what = format!("the manifest of {reference}");
            self.pause_or_give_up(&registry, &what, failure, failures, progress).await?;
        }
    }

    /// Opens a blob at a byte; the registry may ignore where.
    pub(super) async fn blob(
        &self,
        reference: &Reference,
        digest: Sha256,
        size: u64,
        offset: u64,
    ) -> Result<std::result::Result<BlobBytes, Failure>> {
        let (client, address) = self.reach(reference).await?;
        let auth = self.docker.credentials(&self.registries.endpoint(&reference.host).registry).await?;
        client.store_auth_if_needed(address.resolve_registry(), &auth).await;
        let descriptor = OciDescriptor {
            digest: digest.to_string(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        };
        Ok(match client.pull_blob_stream_partial(&address, &descriptor, offset, None).await {
            Ok(BlobResponse::Partial(sized)) => rest_of_blob(sized, size - offset),
            Ok(BlobResponse::Full(sized)) => Ok(BlobBytes { resumed: offset == 0, stream: sized.stream }),
            Err(error) => Err(classify(error)),
        })
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

    /// The client of the registry that holds a reference, and its address there.
    async fn reach(&self, reference: &Reference) -> Result<(oci_client::Client, OciReference)> {
        let endpoint = self.registries.endpoint(&reference.host);
        let repository = format!("{}{}", endpoint.prefix, reference.repository);
        let registry = endpoint.registry.clone();
        let address = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => OciReference::with_digest(registry, repository, digest.to_string()),
            (None, tag) => OciReference::with_tag(registry, repository, tag.clone().unwrap_or_else(|| "latest".into())),
        };
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(&endpoint) {
            return Ok((client.clone(), address));
        }
        let client = oci_client::Client::try_from(ClientConfig {
            protocol: if endpoint.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        })
        .map_err(|error| {
            BuildError::new(codes::FETCH_FAILED, format!("cannot speak to {}", endpoint.registry)).because(error)
        })?;
        clients.insert(endpoint, client.clone());
        Ok((client, address))
    }
}

/// Refuses a range that is not the one that was asked for.
fn rest_of_blob(sized: SizedStream, rest: u64) -> std::result::Result<BlobBytes, Failure> {
    match sized.content_length {
        Some(length) if length != rest => {
            Err(Failure::Final(codes::FETCH_MISMATCH, format!("{length} bytes instead of {rest}").into()))
        }
        _ => Ok(BlobBytes { resumed: true, stream: sized.stream }),
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
fn root_cause(error: &dyn std::error::Error) -> String {
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
    if bytes.len() > MANIFEST_LIMIT_BYTES {
        return Err(mismatch(format!("has {} bytes, more than registries allow", bytes.len())));
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

fn classify(error: OciDistributionError) -> Failure {
    use OciDistributionError as Error;
    let by_status = |status: u16| match status {
        404 => Some(codes::IMAGE_MISSING),
        401 | 403 => Some(codes::CREDENTIALS_REFUSED),
        408 | 429 | 500.. => None,
        _ => Some(codes::FETCH_FAILED),
    };
    let code = match &error {
        Error::RequestError(_) | Error::IoError(_) => None,
        Error::ServerError { code, .. } => by_status(*code),
        Error::UnauthorizedError { .. } | Error::AuthenticationFailure(_) => Some(codes::CREDENTIALS_REFUSED),
        Error::ImageManifestNotFoundError(_) => Some(codes::IMAGE_MISSING),
        Error::DigestError(_) => Some(codes::FETCH_MISMATCH),
        Error::RegistryError { envelope, .. } => {
            let has = |wanted: &[OciErrorCode]| envelope.errors.iter().any(|error| wanted.contains(&error.code));
            if has(&[OciErrorCode::Toomanyrequests]) {
                None
            } else if has(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                Some(codes::CREDENTIALS_REFUSED)
            } else if has(&[
                OciErrorCode::ManifestUnknown,
                OciErrorCode::BlobUnknown,
                OciErrorCode::ManifestBlobUnknown,
                OciErrorCode::NameUnknown,
                OciErrorCode::NotFound,
            ]) {
                Some(codes::IMAGE_MISSING)
            } else {
                Some(codes::FETCH_FAILED)
            }
        }
        _ => Some(codes::FETCH_FAILED),
    };
    match code {
        Some(code) => Failure::Final(code, error.into()),
        None => Failure::Transient(error.into()),
    }
}
