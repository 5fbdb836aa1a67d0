//! The bytes of a manifest, by a request of Landfall's own: `oci-client` reads one of any length into memory, and follows a registry
//! to a place without TLS.
//!
//! Threats: a manifest that a tag names has no digest yet that would show other bytes, so it comes from no place without TLS. A body
//! may have no end, or stall.

use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use oci_client::Reference as OciReference;
use oci_client::secrets::RegistryAuth;
use reqwest::header::ACCEPT;
use reqwest::{Response, StatusCode};

use super::client::{Client, Failure, Opened};
use super::manifest::ACCEPTED;
use super::registry::Repository;
use super::web;
use crate::error::Result;
use crate::reference::Reference;

/// The most bytes of a manifest: what registries accept at most.
pub(super) const LIMIT_BYTES: usize = 4 << 20;

/// The digest that a registry states.
const DIGEST: &str = "docker-content-digest";

/// What a registry is asked for.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The repository that has it.
    pub repository: &'a Repository,
    /// The image for which the repository is opened.
    pub image: &'a OciReference,
    /// Path below that of the repository.
    pub path: &'a str,
    /// The media types that are accepted.
    pub accept: &'a str,
}

impl Client {
    /// The bytes of a manifest, by its digest where the reference has one, else by its tag.
    pub(super) async fn manifest_bytes(&self, reference: &Reference) -> Result<std::result::Result<Vec<u8>, Failure>> {
        let repository = self.repository(reference);
        let image = match (reference.digest, &reference.tag) {
            (Some(digest), _) => repository.digested(digest),
            (None, tag) => repository.tagged(tag.as_deref().unwrap_or("latest")),
        };
        let name = image.digest().or(image.tag()).unwrap_or_default();
        let (path, accept) = (format!("manifests/{name}"), ACCEPTED.join(", "));
        let question = Question { repository: &repository, image: &image, path: &path, accept: &accept };
        Ok(match self.ask_in(question).await? {
            Ok(response) => read(response, self.longest_stall()).await,
            Err(failure) => Err(failure),
        })
    }

    /// Asks for something of a repository, and once more where the token has ended.
    pub(super) async fn ask_in(&self, question: Question<'_>) -> Result<std::result::Result<Response, Failure>> {
        let answer = self.ask_opened(question).await?;
        if answer.as_ref().is_ok_and(|response| response.status() == StatusCode::UNAUTHORIZED) {
            // The token may have ended; a new one is refused for another reason.
            self.close(question.repository).await;
            return self.ask_opened(question).await;
        }
        Ok(answer)
    }

    /// Asks with what opens the repository. Where the registry leads to another host, the HTTP client sends no authorization there.
    async fn ask_opened(&self, question: Question<'_>) -> Result<std::result::Result<Response, Failure>> {
        let Question { repository, image, path, accept } = question;
        let opened = match self.open(repository, image).await? {
            Ok(opened) => opened,
            Err(failure) => return Ok(Err(failure)),
        };
        let registry = repository.endpoint.registry.as_str();
        let request = self.web(registry).await?.get(repository.address(image, path)).header(ACCEPT, accept);
        let request = match opened {
            Opened { token: Some(token), .. } => request.bearer_auth(token),
            Opened { auth: RegistryAuth::Basic(user, password), token: None } => {
                request.basic_auth(user, Some(password))
            }
            Opened { token: None, .. } => request,
        };
        Ok(web::send(request, self.registries.proxies(registry)).await)
    }
}

/// The bytes of an answer, which must be those of the digest that it states.
async fn read(response: Response, longest_stall: Duration) -> std::result::Result<Vec<u8>, Failure> {
    let stated = response.headers().get(DIGEST).and_then(|value| value.to_str().ok());
    let stated: Option<Sha256> = stated.and_then(|text| text.parse().ok());
    let bytes = web::read(response, LIMIT_BYTES, longest_stall, codes::IMAGE_MISSING).await?;
    match stated.filter(|stated| *stated != Sha256::of(&bytes)) {
        Some(stated) => {
            let what = format!("it states the digest {stated}, and sends other bytes");
            Err(Failure::Final(codes::FETCH_MISMATCH, what.into()))
        }
        None => Ok(bytes),
    }
}
