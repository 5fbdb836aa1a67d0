//! Requests to servers of S3: signed by Amazon's version 4 in their address, with the keys of the server.
//!
//! Threats: a signed address opens what it names to whoever reads it, for a quarter of an hour. It goes to its own server alone, is
//! never followed elsewhere, and is in no message: those name the address without a signature. A server's reason is shown by its code
//! alone, since the rest may quote the request.

use std::time::Duration;

use jiff::Timestamp;
use landfall_error_codes::codes;
use reqwest::Response;
use reqwest::header::ETAG;
use rusty_s3::Method;
use rusty_s3::signing::sign;
use url::Url;

use super::ask::Of;
use super::client::{Client, Failure};
use super::registries::is_loopback;
use super::web;
use crate::error::{BuildError, Result};

/// For how long a signed address is valid, in seconds.
const SIGNED_SECONDS: u64 = 15 * 60;

impl<'a> Of<'a> {
    /// Whether a server of S3 has it.
    pub(super) fn is_of_bucket(self) -> bool {
        self.region().is_some()
    }

    /// The region for which a request is signed.
    fn region(self) -> Option<&'a str> {
        match self {
            Self::ObjectList { region, .. } | Self::Object { region, .. } => Some(region),
            Self::Server | Self::Index | Self::HubList | Self::Hub { .. } => None,
        }
    }

    /// What is asked about a bucket, in the order in which it is signed.
    fn query(self) -> Vec<(&'a str, &'a str)> {
        let Self::ObjectList { prefix, after, .. } = self else { return Vec::new() };
        let after = after.map(|token| ("continuation-token", token));
        after.into_iter().chain([("encoding-type", "url"), ("list-type", "2"), ("prefix", prefix)]).collect()
    }
}

impl Client {
    /// The address of a request to a bucket with what is asked, signed where there are keys for its server. Others stay as they are.
    pub(super) fn signed(&self, mut address: Url, of: Of<'_>) -> Result<Url> {
        let Some(region) = of.region() else { return Ok(address) };
        let query = of.query();
        let Some(keys) = self.registries.bucket_keys(&address).or_else(|| self.environment_keys.as_ref()?.of(&address))
        else {
            if !query.is_empty() {
                address.query_pairs_mut().extend_pairs(&query);
            }
            return Ok(address);
        };
        let host = web::authority(&address);
        if address.scheme() == "http" && !is_loopback(&host) {
            let what = format!("{host} would get a signed request without TLS");
            return Err(BuildError::new(codes::PLAIN_HTTP_REFUSED, what));
        }
        let (key, secret, token) = (keys.key(), keys.secret(), keys.token());
        let (now, query, headers) = (Timestamp::now(), query.iter().copied(), std::iter::empty());
        Ok(sign(&now, Method::Get, address, key, secret, token, region, SIGNED_SECONDS, query, headers))
    }
}

/// Why an object is refused before any of its bytes is read: it is not the one that the list of its bucket names. What has no tag, or
/// one that is not of the bytes, is not compared.
pub(super) fn replaced(of: Of<'_>, response: &Response) -> Option<Failure> {
    let Of::Object { tag: Some(listed), .. } = of else { return None };
    let found = response.headers().get(ETAG)?.to_str().ok()?.trim();
    let is_weak = [found, listed].iter().any(|tag| tag.starts_with("W/"));
    let found = found.trim_matches('"');
    if is_weak || found.is_empty() || found == listed {
        return None;
    }
    let found = found.escape_default();
    let what = format!(
        "it was replaced after its bucket was listed, and has the ETag `{found}` where the list has `{listed}`"
    );
    Some(Failure::Final(codes::FETCH_MISMATCH, what.into()))
}

/// What an answer of a server of S3 means that is not a good one.
pub(super) async fn refused(response: Response, longest_stall: Duration) -> Failure {
    let status = response.status();
    match web::failure(response, longest_stall, codes::FILE_MISSING).await {
        // Another region, another address, a wrong key.
        Failure::Final(_, cause) if status.is_redirection() || matches!(status.as_u16(), 400 | 401 | 403) => {
            Failure::Final(codes::OBJECT_REFUSED, cause)
        }
        failure => failure,
    }
}
