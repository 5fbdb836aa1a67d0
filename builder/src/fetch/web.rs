//! HTTP as registries and servers of files share it: what is followed, how an answer is read, and what a bad one means.
//!
//! Threats: a server, or whoever sits before it, may lead to a place without TLS, where anyone may read and change what is
//! sent, credentials included; send another range than was asked for; or answer with more than fits into memory.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use landfall_error_codes::{Code, codes};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED};
use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;
use url::Url;

use super::client::{BlobBytes, Failure, root_cause};
use super::registries::is_loopback;
use crate::error::{BuildError, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Whoever says nothing for so long has dropped the connection.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const USER_AGENT: &str = concat!("landfall/", env!("CARGO_PKG_VERSION"));
const REDIRECTS: usize = 10;
/// Of the answer to a failed request, what is read for the reason.
const REASON_LIMIT_BYTES: usize = 64 << 10;

/// An address that is not spoken to, since it is without TLS.
#[derive(Debug, thiserror::Error)]
#[error("it leads to {0}, which is not HTTPS")]
pub(super) struct NotHttps(pub Url);

/// Something whose bytes come.
pub(super) struct OpenFile {
    pub bytes: BlobBytes,
    /// Bytes of the whole, where the server says.
    pub total: Option<u64>,
    /// What tells this version from others, where the server says.
    pub version: Option<String>,
}

impl OpenFile {
    /// Its bytes, unless the server says that there are other many than the lock says.
    pub(super) fn of_size(self, size: u64) -> std::result::Result<BlobBytes, Failure> {
        match self.total {
            Some(total) if total != size => {
                let what = format!("{total} bytes where the lock says {size}");
                Err(Failure::Final(codes::FETCH_MISMATCH, what.into()))
            }
            _ => Ok(self.bytes),
        }
    }
}

/// What speaks HTTP, and follows only where it may.
pub(super) fn client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::custom(follow))
        .build()
        .map_err(|error| BuildError::new(codes::FETCH_FAILED, "cannot speak HTTPS").because(error))
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    if attempt.previous().len() > REDIRECTS {
        return attempt.error(format!("there are more than {REDIRECTS} redirections"));
    }
    let to = attempt.url().clone();
    let allowed = attempt.previous().last().is_some_and(|from| may_lead(from, &to));
    if allowed { attempt.follow() } else { attempt.error(NotHttps(to)) }
}

/// Whether one address may send us to another: to HTTPS; without TLS only from a place without TLS, on the same host or
/// on this machine.
pub(super) fn may_lead(from: &Url, to: &Url) -> bool {
    match to.scheme() {
        "https" => true,
        "http" => {
            from.scheme() == "http" && (from.host_str() == to.host_str() || to.host_str().is_some_and(is_loopback))
        }
        _ => false,
    }
}

/// Sends a request; an answer of any status is an answer.
pub(super) async fn send(request: RequestBuilder) -> std::result::Result<Response, Failure> {
    request.send().await.map_err(|error| {
        // A way that may not be gone will not become one that may.
        if !error.is_redirect() {
            return Failure::Transient(error.into());
        }
        let code = if refused_for_tls(&error) { codes::PLAIN_HTTP_REFUSED } else { codes::FETCH_FAILED };
        Failure::Final(code, root_cause(&error).into())
    })
}

fn refused_for_tls(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(<dyn std::error::Error>::is::<NotHttps>)
}

/// The bytes of a good answer to a request for those from `offset` on; `missing` says that there is no such thing.
pub(super) async fn opened(response: Response, offset: u64, missing: Code) -> std::result::Result<OpenFile, Failure> {
    let version = version(response.headers());
    let (resumed, total) = match response.status() {
        StatusCode::OK => (offset == 0, response.content_length()),
        StatusCode::PARTIAL_CONTENT => (true, Some(range_total(response.headers(), offset)?)),
        _ => return Err(failure(response, missing).await),
    };
    let stream = response.bytes_stream().map_err(std::io::Error::other).boxed();
    Ok(OpenFile { bytes: BlobBytes { resumed, stream }, total, version })
}

/// The whole of a good answer, if it has at most so many bytes.
pub(super) async fn read(
    response: Response,
    limit_bytes: usize,
    missing: Code,
) -> std::result::Result<Vec<u8>, Failure> {
    if response.status() != StatusCode::OK {
        return Err(failure(response, missing).await);
    }
    let too_long = || Failure::Final(codes::FETCH_MISMATCH, format!("more than {limit_bytes} bytes").into());
    beginning(response, limit_bytes).await?.ok_or_else(too_long)
}

/// The bytes of an answer, or nothing when there are more than so many.
async fn beginning(mut response: Response, limit_bytes: usize) -> std::result::Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| Failure::Transient(error.into()))? {
        if bytes.len() + piece.len() > limit_bytes {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}

/// A strong tag, else the time of the last change.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// Bytes of the whole from `Content-Range: bytes 5-9/10`, which must begin where it was asked to.
fn range_total(headers: &HeaderMap, offset: u64) -> std::result::Result<u64, Failure> {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let total = text
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('/'))
        .filter(|(range, _)| range.split_once('-').is_some_and(|(from, _)| from.parse() == Ok(offset)))
        .and_then(|(_, total)| total.parse().ok());
    total.ok_or_else(|| {
        let what = format!("the range `{}` where the bytes from {offset} on were asked for", text.escape_default());
        Failure::Final(codes::FETCH_FAILED, what.into())
    })
}

/// What a bad answer means, with the reason that a registry gives.
async fn failure(response: Response, missing: Code) -> Failure {
    let status = response.status();
    let code = match status.as_u16() {
        404 | 410 => Some(missing),
        401 | 403 => Some(codes::CREDENTIALS_REFUSED),
        416 => Some(codes::FETCH_MISMATCH),
        408 | 429 | 500.. => None,
        _ => Some(codes::FETCH_FAILED),
    };
    // Without the reason, the status still says it.
    let body = beginning(response, REASON_LIMIT_BYTES).await.ok().flatten().unwrap_or_default();
    let cause = match reason(&body) {
        Some(reason) => format!("it answers {status}: {reason}"),
        None => format!("it answers {status}"),
    };
    match code {
        Some(code) => Failure::Final(code, cause.into()),
        None => Failure::Transient(cause.into()),
    }
}

#[derive(Deserialize)]
struct Reasons {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    #[serde(default)]
    message: String,
}

/// The first reason in the form that registries share. It comes from outside: nothing of it reaches a terminal as it is.
fn reason(body: &[u8]) -> Option<String> {
    let reasons: Reasons = serde_json::from_slice(body).ok()?;
    let first = reasons.errors.first()?;
    Some(format!("{} {}", first.code.escape_default(), first.message.escape_default()).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_is_gone_only_from_there_and_not_to_another_machine() {
        let may = |from: &str, to: &str| may_lead(&from.parse().expect("address"), &to.parse().expect("address"));
        assert!(may("https://a.example/1", "https://b.example/2"));
        assert!(may("http://127.0.0.1/1", "https://b.example/2"));
        assert!(may("http://127.0.0.1:5000/1", "http://localhost:6000/2"));
        assert!(may("http://mirror.example/1", "http://mirror.example:8080/2"));
        assert!(!may("https://a.example/1", "http://a.example/1"));
        assert!(!may("https://127.0.0.1/1", "http://127.0.0.1/1"));
        assert!(!may("http://mirror.example/1", "http://other.example/1"));
        assert!(!may("https://a.example/1", "ftp://a.example/1"));
    }

    #[test]
    fn the_reason_of_a_registry_is_told_in_plain_letters() {
        let body = br#"{"errors": [{"code": "DENIED", "message": "no\u001b[31m"}, {"code": "OTHER"}]}"#;
        assert_eq!(reason(body).as_deref(), Some("DENIED no\\u{1b}[31m"));
        assert_eq!(reason(b"<html>"), None);
        assert_eq!(reason(br#"{"errors": []}"#), None);
    }
}
