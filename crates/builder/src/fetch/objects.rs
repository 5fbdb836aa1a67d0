//! Requests to S3 servers, signed in the URL with AWS Signature Version 4 and the server's keys.
//!
//! Threats: anyone who reads a signed URL can use it for a quarter of an hour. It is sent only to its own server,
//! redirects are not followed, and messages contain the URL without the signature. Only the code of a server's reason
//! is shown, because the rest may quote the request.

use std::time::Duration;

use jiff::Timestamp;
use landfall_error_codes::codes;
use reqwest::Response;
use reqwest::header::ETAG;
use rusty_s3::Method;
use rusty_s3::signing::sign;
use url::Url;

use super::ask::RequestTarget;
use super::client::{Client, Failure};
use super::registries::is_loopback;
use super::web;
use crate::error::{BuildError, Result};

/// Validity of a signed URL, in seconds.
const SIGNED_SECONDS: u64 = 15 * 60;

impl<'a> RequestTarget<'a> {
    /// Returns true if an S3 server has the content.
    pub(super) fn is_of_bucket(self) -> bool {
        self.region().is_some()
    }

    /// Region for which a request is signed.
    fn region(self) -> Option<&'a str> {
        match self {
            Self::ObjectList { region, .. } | Self::Object { region, .. } => Some(region),
            Self::Server | Self::Index | Self::HubList | Self::Hub { .. } => None,
        }
    }

    /// Query parameters for a list of objects, in the order of the signature.
    fn query(self) -> Vec<(&'a str, &'a str)> {
        let Self::ObjectList { prefix, after, .. } = self else { return Vec::new() };
        let after = after.map(|token| ("continuation-token", token));
        after.into_iter().chain([("encoding-type", "url"), ("list-type", "2"), ("prefix", prefix)]).collect()
    }
}

impl Client {
    /// URL of a request to a bucket with its query, signed if there are keys for its server. Other URLs are unchanged.
    pub(super) fn sign_url(&self, mut address: Url, of: RequestTarget<'_>) -> Result<Url> {
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

/// Failure for an object whose `ETag` differs from the one in the bucket's list, before its bytes are read. Missing or
/// weak tags are not compared.
pub(super) fn etag_mismatch(of: RequestTarget<'_>, response: &Response) -> Option<Failure> {
    let RequestTarget::Object { tag: Some(listed), .. } = of else { return None };
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

/// Classifies an error response of an S3 server.
pub(super) async fn s3_failure(response: Response, longest_stall: Duration) -> Failure {
    let status = response.status();
    match web::failure(response, longest_stall, codes::FILE_MISSING).await {
        // The region, the URL or the key is wrong.
        Failure::Final(_, cause) if status.is_redirection() || matches!(status.as_u16(), 400 | 401 | 403) => {
            Failure::Final(codes::OBJECT_REFUSED, cause)
        }
        failure => failure,
    }
}
