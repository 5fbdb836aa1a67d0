//! What is asked of a registry: manifests and blobs, over HTTPS, or without TLS where that is loopback or configured.
//!
//! The requests are our own, since each must be free of plain HTTP on its whole way: the registry, where it leads, and where
//! it sends for a token.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, RANGE};
use reqwest::{RequestBuilder, Response, StatusCode};

use super::client::{BlobBytes, Client, Failure};
use super::manifest::ACCEPTED;
use super::token::Repository;
use super::web;
use crate::error::Result;
use crate::reference::Reference;

/// The largest manifest that is accepted, as registries limit it themselves.
const MANIFEST_LIMIT_BYTES: usize = 4 << 20;

impl Client {
    /// The bytes of a manifest, by its digest where the reference has one, else by its tag.
    pub(super) async fn manifest_bytes(&self, reference: &Reference) -> Result<std::result::Result<Vec<u8>, Failure>> {
        let repository = self.repository(reference);
        let name = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        };
        let address = repository.address(&format!("manifests/{name}"))?;
        let web = self.web().await?;
        let answer = self.ask(&repository, || web.get(address.clone()).header(ACCEPT, ACCEPTED.join(", "))).await?;
        Ok(match answer {
            Ok(response) => web::read(response, MANIFEST_LIMIT_BYTES, codes::IMAGE_MISSING).await,
            Err(failure) => Err(failure),
        })
    }

    /// Opens a blob at a byte; the registry may ignore where.
    pub(super) async fn blob(
        &self,
        reference: &Reference,
        digest: Sha256,
        size: u64,
        offset: u64,
    ) -> Result<std::result::Result<BlobBytes, Failure>> {
        let repository = self.repository(reference);
        let address = repository.address(&format!("blobs/{digest}"))?;
        let web = self.web().await?;
        let answer = self.ask(&repository, || {
            let request = web.get(address.clone()).header(ACCEPT_ENCODING, "identity");
            if offset > 0 { request.header(RANGE, format!("bytes={offset}-")) } else { request }
        });
        Ok(match answer.await? {
            Ok(response) => {
                web::opened(response, offset, codes::IMAGE_MISSING).await.and_then(|open| open.of_size(size))
            }
            Err(failure) => Err(failure),
        })
    }

    /// Asks with what opened the repository before; where the registry wants more, gets it and asks once more.
    async fn ask(
        &self,
        repository: &Repository,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<std::result::Result<Response, Failure>> {
        let known = self.authorizations.lock().await.get(repository).cloned();
        let asked = match &known {
            Some(authorization) => authorization.give(request()),
            None => request(),
        };
        let response = match web::send(asked).await {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => response,
            answer => return Ok(answer),
        };
        let authorization = match self.authorize(repository, &response).await? {
            Ok(Some(authorization)) => authorization,
            Ok(None) => return Ok(Ok(response)),
            Err(failure) => return Ok(Err(failure)),
        };
        let response = web::send(authorization.give(request())).await;
        self.authorizations.lock().await.insert(repository.clone(), authorization);
        Ok(response)
    }

    fn repository(&self, reference: &Reference) -> Repository {
        let endpoint = self.registries.endpoint(&reference.host);
        let name = format!("{}{}", endpoint.prefix, reference.repository);
        Repository { endpoint, name }
    }
}
