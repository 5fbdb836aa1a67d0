//! Requests to a registry: content of a repository, with authentication, and blobs from an offset.
//!
//! Threats: a registry may redirect to another server. One without TLS is refused, and no credentials go to another
//! host; the bytes of a blob are used only if they have the requested digest.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use oci_client::secrets::RegistryAuth;
use reqwest::header::{ACCEPT, RANGE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::client::{BlobBytes, Client, Failure};
use super::registries::{Endpoint, Registries};
use super::token::{Challenge, open_with};
use super::web;
use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// Host name that serves docker.io.
const DOCKER_HUB: &str = "index.docker.io";

/// A repository in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Repository {
    /// Endpoint of the registry.
    pub endpoint: Endpoint,
    /// Name of the repository there.
    pub name: String,
}

/// A request to a repository.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Path below that of the repository.
    pub path: &'a str,
    /// Accepted media types.
    pub accept: &'a str,
    /// Offset, for a blob.
    pub from: Option<u64>,
}

impl Repository {
    /// URL of the registry's root.
    pub(super) fn root(&self) -> Result<Url> {
        parse_address(&self.registry())
    }

    /// URL of a path in the repository.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{}/{path}", self.registry(), self.name)
    }

    fn registry(&self) -> String {
        let scheme = if self.endpoint.plain_http { "http" } else { "https" };
        let host = if self.endpoint.registry == "docker.io" { DOCKER_HUB } else { &self.endpoint.registry };
        format!("{scheme}://{host}/v2/")
    }
}

fn parse_address(address: &str) -> Result<Url> {
    Url::parse(address)
        .map_err(|error| BuildError::new(codes::FETCH_FAILED, format!("{address} is not an address")).because(error))
}

impl Registries {
    /// URL of a tag's manifest upstream, and on a mirror that is used instead.
    pub(crate) fn manifest_addresses(&self, reference: &Reference) -> (String, Option<String>) {
        let address = |endpoint: Endpoint| {
            let name = format!("{}{}", endpoint.prefix, reference.repository);
            let tag = reference.tag.as_deref().unwrap_or("latest");
            Repository { endpoint, name }.address(&format!("manifests/{tag}"))
        };
        let upstream = address(Self::default().endpoint(&reference.host));
        let asked = address(self.endpoint(&reference.host));
        let mirror = (asked != upstream).then_some(asked);
        (upstream, mirror)
    }
}

impl Client {
    /// Opens a blob at an offset, which the registry may ignore.
    pub(super) async fn blob(
        &self,
        reference: &Reference,
        digest: Sha256,
        size: u64,
        offset: u64,
    ) -> Result<std::result::Result<BlobBytes, Failure>> {
        let repository = self.repository(reference);
        let path = format!("blobs/{digest}");
        let question = Question { repository: &repository, path: &path, accept: "*/*", from: Some(offset) };
        let response = match self.ask_in(question).await? {
            Ok(response) => response,
            Err(failure) => return Ok(Err(failure)),
        };
        let length = response.content_length();
        let opened = web::open_body(response, offset, self.longest_stall(), codes::IMAGE_MISSING).await;
        Ok(opened.and_then(|file| of_length(file.bytes, length, size, offset)))
    }

    /// Sends a request to a repository, and once more with new authentication if it is refused with another challenge.
    ///
    /// This happens if the token has expired, or if the registry's root is public but the repository is not.
    pub(super) async fn ask_in(&self, question: Question<'_>) -> Result<std::result::Result<Response, Failure>> {
        let repository = question.repository;
        let opened = match self.open(repository).await? {
            Ok(opened) => opened,
            Err(failure) => return Ok(Err(failure)),
        };
        let response = match self.ask_opened(question, opened.clone()).await? {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => response,
            answer => return Ok(answer),
        };
        let challenge = Challenge::of(&response, &parse_address(&repository.address(question.path))?);
        match self.reopen(repository, &opened, challenge).await? {
            Ok(opened) => self.ask_opened(question, opened).await,
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Sends a request with the repository's authentication. The HTTP client sends none to another host after a
    /// redirect.
    async fn ask_opened(
        &self,
        question: Question<'_>,
        opened: RegistryAuth,
    ) -> Result<std::result::Result<Response, Failure>> {
        let Question { repository, path, accept, from } = question;
        let registry = repository.endpoint.registry.as_str();
        let request = self.web(registry).await?.get(repository.address(path)).header(ACCEPT, accept);
        let request = match from {
            Some(from) => request.header(RANGE, format!("bytes={from}-")),
            None => request,
        };
        Ok(web::send(open_with(request, opened), self.registries.proxies(registry)).await)
    }

    pub(super) fn repository(&self, reference: &Reference) -> Repository {
        let endpoint = self.registries.endpoint(&reference.host);
        let name = format!("{}{}", endpoint.prefix, reference.repository);
        Repository { endpoint, name }
    }

    /// Authentication of a repository: the known one, or the one that the registry asks for.
    async fn open(&self, repository: &Repository) -> Result<std::result::Result<RegistryAuth, Failure>> {
        // One at a time: otherwise, each parallel request would ask for its own token for the same repository.
        let mut opened = self.opened.lock().await;
        if let Some(found) = opened.get(repository) {
            return Ok(Ok(found.clone()));
        }
        Ok(self.authorization(repository).await?.inspect(|found| {
            opened.insert(repository.clone(), found.clone());
        }))
    }

    /// New authentication for a repository that refused the previous one.
    async fn reopen(
        &self,
        repository: &Repository,
        sent: &RegistryAuth,
        challenge: Challenge,
    ) -> Result<std::result::Result<RegistryAuth, Failure>> {
        let mut opened = self.opened.lock().await;
        match opened.get(repository) {
            // A parallel request has already renewed it.
            Some(found) if found != sent => return Ok(Ok(found.clone())),
            _ => drop(opened.remove(repository)),
        }
        let found = if challenge.is_none() {
            self.authorization(repository).await?
        } else {
            self.authorization_by(repository, challenge).await?
        };
        Ok(found.inspect(|found| {
            opened.insert(repository.clone(), found.clone());
        }))
    }
}

/// Checks the length of a blob's body; returns a failure if it cannot be the requested rest.
fn of_length(bytes: BlobBytes, length: Option<u64>, size: u64, offset: u64) -> std::result::Result<BlobBytes, Failure> {
    let expected = if bytes.resumed { size.saturating_sub(offset) } else { size };
    match length.filter(|length| *length != expected) {
        Some(_) if bytes.resumed && offset > 0 => {
            let what = format!("a part of the rest where all bytes from {offset} on were asked for");
            Err(Failure::Final(codes::RANGE_WRONG, what.into()))
        }
        Some(length) => {
            let what = format!("{length} bytes where {expected} are left of the {size} that the lock says");
            Err(Failure::Final(codes::FETCH_MISMATCH, what.into()))
        }
        None => Ok(bytes),
    }
}
