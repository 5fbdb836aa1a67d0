//! What is asked of a registry, through `oci-client`: blobs from a byte on, and the tokens that open it. Manifests are asked for in
//! `manifest_bytes`.
//!
//! Threats: a registry may redirect to a server without TLS. Bytes from there count only if they have the requested
//! digest, and no credentials go to another host; ADR 14 names the risk that is left.

use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use oci_client::client::{BlobResponse, Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference as OciReference, RegistryOperation};

use super::client::{BlobBytes, Client, Failure, Opened};
use super::pace::paced;
use super::registries::{Endpoint, Registries};
use super::web::{self, CONNECT_TIMEOUT, READ_TIMEOUT, USER_AGENT};
use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// A port without a listener, to which nothing is sent: it keeps `oci-client` from the proxies of the environment.
const NO_PROXY: (&str, &str) = ("http://127.0.0.1:9", "*,0.0.0.0/0,::/0");

/// One repository of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Repository {
    /// The registry.
    pub endpoint: Endpoint,
    /// Its name there.
    pub name: String,
}

impl Repository {
    pub(super) fn tagged(&self, tag: &str) -> OciReference {
        OciReference::with_tag(self.endpoint.registry.clone(), self.name.clone(), tag.to_owned())
    }

    pub(super) fn digested(&self, digest: Sha256) -> OciReference {
        OciReference::with_digest(self.endpoint.registry.clone(), self.name.clone(), digest.to_string())
    }

    /// The address of what this path names, where the registry of this image answers.
    pub(super) fn address(&self, image: &OciReference, path: &str) -> String {
        let scheme = if self.endpoint.plain_http { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}/{path}", image.resolve_registry(), self.name)
    }
}

impl Registries {
    /// Where upstream has the manifest of a tag, and where a mirror has it that is asked instead.
    pub(crate) fn manifest_addresses(&self, reference: &Reference) -> (String, Option<String>) {
        let address = |endpoint: Endpoint| {
            let name = format!("{}{}", endpoint.prefix, reference.repository);
            let tag = reference.tag.as_deref().unwrap_or("latest");
            let repository = Repository { endpoint, name };
            repository.address(&repository.tagged(tag), &format!("manifests/{tag}"))
        };
        let upstream = address(Self::default().endpoint(&reference.host));
        let asked = address(self.endpoint(&reference.host));
        let mirror = (asked != upstream).then_some(asked);
        (upstream, mirror)
    }
}

impl Client {
    /// Opens a blob at a byte; the registry may ignore the offset.
    pub(super) async fn blob(
        &self,
        reference: &Reference,
        digest: Sha256,
        size: u64,
        offset: u64,
    ) -> Result<std::result::Result<BlobBytes, Failure>> {
        let repository = self.repository(reference);
        let (resumed, answer) = match self.blob_from(&repository, digest, offset).await? {
            Ok(BlobResponse::Full(stream)) => (offset == 0, stream),
            Ok(BlobResponse::Partial(stream)) => (true, stream),
            Err(failure) => return Ok(Err(failure)),
        };
        let expected = if resumed { size.saturating_sub(offset) } else { size };
        match answer.content_length.filter(|length| *length != expected) {
            Some(_) if resumed && offset > 0 => {
                let what = format!("a part of the rest where all bytes from {offset} on were asked for");
                Ok(Err(Failure::Final(codes::RANGE_WRONG, what.into())))
            }
            Some(length) => {
                let what = format!("{length} bytes where {expected} are left of the {size} that the lock says");
                Ok(Err(Failure::Final(codes::FETCH_MISMATCH, what.into())))
            }
            None => Ok(Ok(BlobBytes { resumed, stream: paced(answer.stream, self.longest_stall()) })),
        }
    }

    /// Asks for a range even from the first byte: `oci-client` does not hash a partial answer a second time.
    async fn blob_from(
        &self,
        repository: &Repository,
        digest: Sha256,
        offset: u64,
    ) -> Result<std::result::Result<BlobResponse, Failure>> {
        let (image, name) = (repository.digested(digest), digest.to_string());
        let oci = self.oci(&repository.endpoint)?;
        for is_last in [false, true] {
            if let Err(failure) = self.open(repository, &image).await? {
                return Ok(Err(failure));
            }
            match oci.pull_blob_stream_partial(&image, name.as_str(), offset, None).await {
                Err(OciDistributionError::UnauthorizedError { .. }) if !is_last => self.close(repository).await,
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) => return self.failed(repository, &image, &name, error).await.map(Err),
            }
        }
        Ok(Err(self.failure(repository, OciDistributionError::UnauthorizedError { url: String::new() })))
    }

    /// Forgets the authorization of a repository: a token that replaced an identity token expires after minutes.
    pub(super) async fn close(&self, repository: &Repository) {
        self.opened.lock().await.remove(repository);
    }

    pub(super) fn repository(&self, reference: &Reference) -> Repository {
        let endpoint = self.registries.endpoint(&reference.host);
        let name = format!("{}{}", endpoint.prefix, reference.repository);
        Repository { endpoint, name }
    }

    /// Gets what opens a repository, which `oci-client` then keeps, too.
    pub(super) async fn open(
        &self,
        repository: &Repository,
        image: &OciReference,
    ) -> Result<std::result::Result<Opened, Failure>> {
        // One at a time: several would all ask for the token of one repository.
        let mut opened = self.opened.lock().await;
        if let Some(found) = opened.get(repository) {
            return Ok(Ok(found.clone()));
        }
        let auth = match self.authorization(repository).await? {
            Ok(auth) => auth,
            Err(failure) => return Ok(Err(failure)),
        };
        let oci = self.oci(&repository.endpoint)?;
        let token = match oci.auth(image, &auth, RegistryOperation::Pull).await {
            Ok(token) => token,
            Err(error) => return self.no_token(repository, &auth, error).await.map(Err),
        };
        let found = Opened { auth, token };
        opened.insert(repository.clone(), found.clone());
        Ok(Ok(found))
    }

    /// What an error of a registry means, with the wait that the registry asks for. `oci-client` keeps no headers, so a registry
    /// that limits requests is asked once more, for the headers alone.
    async fn failed(
        &self,
        repository: &Repository,
        image: &OciReference,
        blob: &str,
        error: OciDistributionError,
    ) -> Result<Failure> {
        if matches!(error, OciDistributionError::AuthenticationFailure(_)) {
            // The token that opened it has expired, and no other one is given.
            let opened = self.opened.lock().await.get(repository).cloned();
            let auth = opened.map_or(RegistryAuth::Anonymous, |opened| opened.auth);
            return self.no_token(repository, &auth, error).await;
        }
        let may_say = may_say_how_long(&error);
        Ok(match self.failure(repository, error) {
            Failure::Transient { code, cause, wait: None } if may_say => {
                Failure::Transient { code, cause, wait: self.wait(repository, image, blob).await? }
            }
            failure => failure,
        })
    }

    /// The wait that a registry asks for; none if it names none, or answers otherwise by now.
    async fn wait(&self, repository: &Repository, image: &OciReference, blob: &str) -> Result<Option<Duration>> {
        let registry = repository.endpoint.registry.as_str();
        let mut request = self.web(registry).await?.head(repository.address(image, &format!("blobs/{blob}")));
        let opened = self.opened.lock().await.get(repository).cloned();
        if let Some(token) = opened.and_then(|opened| opened.token) {
            request = request.bearer_auth(token);
        }
        Ok(web::send(request, self.registries.proxies(registry)).await.ok().as_ref().and_then(web::wait_of))
    }

    /// The client for registries with TLS, or without.
    fn oci(&self, endpoint: &Endpoint) -> Result<&oci_client::Client> {
        let cell = &self.way(&endpoint.registry).oci[usize::from(endpoint.plain_http)];
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = oci_client::Client::try_from(self.configuration(endpoint)).map_err(|error| {
            BuildError::new(codes::FETCH_FAILED, "the client for registries cannot be made").because(error)
        })?;
        Ok(cell.get_or_init(|| client))
    }

    fn configuration(&self, endpoint: &Endpoint) -> ClientConfig {
        let proxies = self.registries.proxies(&endpoint.registry);
        let has_none = proxies.http().is_none() && proxies.https().is_none();
        let plain = if has_none { Some(NO_PROXY.0) } else { proxies.http() };
        let authorities = self.registries.authorities(&endpoint.registry);
        ClientConfig {
            protocol: if endpoint.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            extra_root_certificates: authorities
                .map(|authority| Certificate { encoding: CertificateEncoding::Pem, data: authority.pem().to_vec() })
                .collect(),
            http_proxy: plain.map(str::to_owned),
            https_proxy: proxies.https().map(str::to_owned),
            no_proxy: Some(if has_none { NO_PROXY.1.to_owned() } else { proxies.none() }),
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        }
    }

    /// What an error of the registry that has a repository means.
    pub(super) fn failure(&self, repository: &Repository, error: OciDistributionError) -> Failure {
        match error {
            OciDistributionError::RequestError(error) => {
                web::unanswered(&error, self.registries.proxies(&repository.endpoint.registry))
            }
            OciDistributionError::RegistryError { envelope, .. } => {
                let Some(first) = envelope.errors.first() else {
                    return Failure::Final(codes::FETCH_FAILED, "it refuses without a reason".into());
                };
                // The message comes from outside: a terminal gets it escaped.
                let reason = format!("it answers {} {}", wire_name(&first.code), first.message.escape_default());
                registry_code(&first.code).map_or_else(
                    || Failure::Transient { code: codes::RATE_LIMITED, cause: reason.clone().into(), wait: None },
                    |code| Failure::Final(code, reason.clone().into()),
                )
            }
            OciDistributionError::ServerError { code, .. } => {
                web::status_failure(code, None, None, codes::IMAGE_MISSING)
            }
            OciDistributionError::UnauthorizedError { .. } => {
                Failure::Final(codes::CREDENTIALS_REFUSED, "it answers 401 Unauthorized".into())
            }
            OciDistributionError::AuthenticationFailure(reason) => {
                let reason: String = reason.chars().take(300).flat_map(char::escape_default).collect();
                Failure::Final(codes::CREDENTIALS_REFUSED, format!("it gives no token: {reason}").into())
            }
            error @ OciDistributionError::DigestError(_) => Failure::Final(codes::FETCH_MISMATCH, error.into()),
            error => Failure::Final(codes::FETCH_FAILED, error.into()),
        }
    }
}

/// Whether a registry refused for a time only, which it may name.
fn may_say_how_long(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ServerError { code, .. } => [429, 503].contains(code),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.first().is_some_and(|first| registry_code(&first.code).is_none())
        }
        _ => false,
    }
}

/// A registry's own word for a refusal, as it is on the wire and in other tools' messages: `MANIFEST_UNKNOWN`.
fn wire_name(code: &OciErrorCode) -> String {
    let name = serde_json::to_value(code).ok();
    name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("an error").to_owned()
}

/// What a registry's own word for a refusal means; nothing for a transient one.
fn registry_code(code: &OciErrorCode) -> Option<Code> {
    match code {
        OciErrorCode::Toomanyrequests => None,
        OciErrorCode::BlobUnknown
        | OciErrorCode::ManifestUnknown
        | OciErrorCode::ManifestBlobUnknown
        | OciErrorCode::NameUnknown
        | OciErrorCode::NotFound => Some(codes::IMAGE_MISSING),
        OciErrorCode::Unauthorized | OciErrorCode::Denied => Some(codes::CREDENTIALS_REFUSED),
        _ => Some(codes::FETCH_FAILED),
    }
}
