//! Fetches the bytes of a manifest.
//!
//! Threats: a manifest named by a tag has no known digest that would reveal other bytes. So it is not fetched from a
//! server without TLS. A body may be endless or stall.

use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use reqwest::Response;

use super::client::{Client, Failure};
use super::registry::Question;
use super::web;
use crate::error::Result;
use crate::manifest::ACCEPTED;
use crate::reference::Reference;

/// Maximum size of a manifest in bytes: the limit of registries.
pub(super) const LIMIT_BYTES: usize = 4 << 20;

/// Header with the digest that a registry states.
const DIGEST: &str = "docker-content-digest";

impl Client {
    /// Fetches a manifest by its digest if the reference has one, otherwise by its tag.
    pub(super) async fn manifest_bytes(&self, reference: &Reference) -> Result<std::result::Result<Vec<u8>, Failure>> {
        let repository = self.repository(reference);
        let name = match (reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| "latest".to_owned()),
        };
        let (path, accept) = (format!("manifests/{name}"), ACCEPTED.join(", "));
        let question = Question { repository: &repository, path: &path, accept: &accept, from: None };
        Ok(match self.ask_in(question).await? {
            Ok(response) => read(response, self.longest_stall()).await,
            Err(failure) => Err(failure),
        })
    }
}

/// Reads the body of a response. Returns a failure unless it has the digest that the response states.
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
