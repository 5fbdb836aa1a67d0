//! What is asked of a registry: what a repository has, with what opens it, and blobs from a byte on.
//!
//! Threats: a registry may redirect to another server. One without TLS is refused, and no credentials go to another host; bytes of a blob
//! count only if they have the requested digest.

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

/// Where docker.io answers.
const DOCKER_HUB: &str = "index.docker.io";

/// One repository of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Repository {
    /// The registry.
    pub endpoint: Endpoint,
    /// Its name there.
    pub name: String,
}

/// What a repository is asked for.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The repository that has it.
    pub repository: &'a Repository,
    /// Path below that of the repository.
    pub path: &'a str,
    /// The media types that are accepted.
    pub accept: &'a str,
    /// From which byte on, where it is a blob.
    pub from: Option<u64>,
}

impl Repository {
    /// The address of the registry itself.
    pub(super) fn root(&self) -> Result<Url> {
        parsed(&self.registry())
    }

    /// The address of what this path names.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{}/{path}", self.registry(), self.name)
    }

    fn registry(&self) -> String {
        let scheme = if self.endpoint.plain_http { "http" } else { "https" };
        let host = if self.endpoint.registry == "docker.io" { DOCKER_HUB } else { &self.endpoint.registry };
        format!("{scheme}://{host}/v2/")
    }
}

fn parsed(address: &str) -> Result<Url> {
    Url::parse(address)
        .map_err(|error| BuildError::new(codes::FETCH_FAILED, format!("{address} is not an address")).because(error))
}

impl Registries {
    /// Where upstream has the manifest of a tag, and where a mirror has it that is asked instead.
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
    /// Opens a blob at a byte; the registry may ignore the offset.
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
        let opened = web::opened(response, offset, self.longest_stall(), codes::IMAGE_MISSING).await;
        Ok(opened.and_then(|file| of_length(file.bytes, length, size, offset)))
    }

    /// Asks for something of a repository. A refusal says what opens it, where that is not what was sent: another token, since the first
    /// one has ended, or one at all, since the registry opens only itself to everyone.
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
        let challenge = Challenge::of(&response, &parsed(&repository.address(question.path))?);
        match self.reopen(repository, &opened, challenge).await? {
            Ok(opened) => self.ask_opened(question, opened).await,
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Asks with what opens the repository. Where the registry leads to another host, the HTTP client sends no authorization there.
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

    /// What opens a repository: what opened it before, or what the registry asks for.
    async fn open(&self, repository: &Repository) -> Result<std::result::Result<RegistryAuth, Failure>> {
        // One at a time: several would all ask for the token of one repository.
        let mut opened = self.opened.lock().await;
        if let Some(found) = opened.get(repository) {
            return Ok(Ok(found.clone()));
        }
        Ok(self.authorization(repository).await?.inspect(|found| {
            opened.insert(repository.clone(), found.clone());
        }))
    }

    /// What opens a repository that refused what was sent.
    async fn reopen(
        &self,
        repository: &Repository,
        sent: &RegistryAuth,
        challenge: Challenge,
    ) -> Result<std::result::Result<RegistryAuth, Failure>> {
        let mut opened = self.opened.lock().await;
        match opened.get(repository) {
            // Another request has it already.
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

/// The bytes of a blob, unless so many come as cannot be its rest.
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
