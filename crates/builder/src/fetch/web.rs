//! HTTP for servers of files and tokens: permitted redirects, and the reading and classification of responses.
//!
//! Threats: a server, or an attacker in front of it, may redirect to a server without TLS. Anyone can read and change
//! what is sent there, including credentials. It may send a range other than the requested one, or answer with more
//! than fits into memory.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use landfall_error_codes::{Code, codes};
use reqwest::header::{CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;
use url::Url;

use super::client::{BlobBytes, Failure, root_cause};
use super::pace::{Pace, with_pace};
use super::proxies::Proxies;
use super::registries::{Registries, is_loopback};
use crate::error::{BuildError, Result};

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Read timeout, after which the connection counts as dropped. A slow body fails earlier, by its pace.
pub(super) const READ_TIMEOUT: Duration = Duration::from_mins(1);
pub(super) const USER_AGENT: &str = concat!("landfall/", env!("CARGO_PKG_VERSION"));
pub(super) const REDIRECTS: usize = 10;
/// Bytes of an error response that are read for the reason.
const REASON_LIMIT_BYTES: usize = 64 << 10;

/// Error for a URL that is refused because it has no TLS.
#[derive(Debug, thiserror::Error)]
#[error("it redirects to {0}, which is not HTTPS")]
pub(super) struct NotHttps(pub Url);

/// A response whose body is a stream.
pub(super) struct OpenFile {
    pub bytes: BlobBytes,
    /// Size of the complete file in bytes, if the server states it.
    pub total: Option<u64>,
    /// Identifier of this version of the file, if the server states one.
    pub version: Option<String>,
}

impl OpenFile {
    /// The body, or a failure if the server states a size other than the lock's.
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

/// HTTP client for a host; it follows only permitted redirects.
pub(super) fn client(registries: &Registries, host: &str) -> Result<reqwest::Client> {
    client_that(redirect::Policy::custom(follow), registries, host)
}

/// HTTP client for requests with headers that depend on the server; it follows no redirects.
pub(super) fn client_without_redirects(registries: &Registries, host: &str) -> Result<reqwest::Client> {
    client_that(redirect::Policy::none(), registries, host)
}

fn client_that(policy: redirect::Policy, registries: &Registries, host: &str) -> Result<reqwest::Client> {
    let mut builder = registries.proxies(host).apply(reqwest::Client::builder())?;
    for authority in registries.authorities(host) {
        builder = builder.add_root_certificate(authority.certificate()?);
    }
    builder
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(USER_AGENT)
        .redirect(policy)
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

/// Returns true if `from` may redirect to `to`: to HTTPS always; to plain HTTP only from plain HTTP, on the same host
/// or on the loopback interface.
pub(super) fn may_lead(from: &Url, to: &Url) -> bool {
    match to.scheme() {
        "https" => true,
        "http" => {
            from.scheme() == "http" && (from.host_str() == to.host_str() || to.host_str().is_some_and(is_loopback))
        }
        _ => false,
    }
}

/// Sends a request. A response with any status counts as success.
pub(super) async fn send(request: RequestBuilder, proxies: &Proxies) -> std::result::Result<Response, Failure> {
    request.send().await.map_err(|error| send_failure(&error, proxies))
}

/// Classifies a missing response; the message names the proxy of the request.
pub(super) fn send_failure(error: &reqwest::Error, proxies: &Proxies) -> Failure {
    // A retry would hit the forbidden redirect again.
    if error.is_redirect() {
        let code = if refused_for_tls(error) { codes::PLAIN_HTTP_REFUSED } else { codes::FETCH_FAILED };
        return Failure::Final(code, root_cause(error).into());
    }
    let cause = root_cause(error);
    let proxy = error.url().and_then(|url| proxies.of(url));
    let host = error.url().map_or_else(|| "the server".to_owned(), authority);
    let through = |cause: &str| match &proxy {
        Some(proxy) => format!("through the proxy {proxy}: {cause}"),
        None => cause.to_owned(),
    };
    if cause.contains("invalid peer certificate") {
        return Failure::Final(codes::CERTIFICATE_UNKNOWN, through(&cause).into());
    }
    if cause.contains("received corrupt message") {
        return Failure::Final(codes::FETCH_FAILED, through(&format!("it does not speak TLS ({cause})")).into());
    }
    if error.is_connect() && (error.is_timeout() || is_unreachable(error)) {
        let who = proxy.as_ref().map_or(host, |proxy| format!("the proxy {proxy}"));
        return Failure::Unreachable { who, cause: through(&cause).into() };
    }
    Failure::transient(through(&cause))
}

/// Host of a URL, with the port unless that is the default.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("the server");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Returns true if a host name is unknown or a port has no listener, for which a retry a minute later seldom helps.
fn is_unreachable(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(|cause| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ConnectionRefused | HostUnreachable | NetworkUnreachable))
            || cause.to_string().starts_with("dns error")
    })
}

fn refused_for_tls(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(<dyn std::error::Error>::is::<NotHttps>)
}

/// Checks the response to a request for the bytes from `offset`, and opens its body.
///
/// `missing` is the code if the file does not exist. The body may deliver almost nothing for at most `longest_stall`.
pub(super) async fn open_body(
    response: Response,
    offset: u64,
    longest_stall: Duration,
    missing: Code,
) -> std::result::Result<OpenFile, Failure> {
    let version = version(response.headers());
    let (resumed, total) = match response.status() {
        StatusCode::OK => (offset == 0, response.content_length()),
        StatusCode::PARTIAL_CONTENT => (true, Some(range_total(response.headers(), offset)?)),
        _ => return Err(failure(response, longest_stall, missing).await),
    };
    let stream = with_pace(response.bytes_stream().map_err(std::io::Error::other).boxed(), longest_stall);
    Ok(OpenFile { bytes: BlobBytes { resumed, stream }, total, version })
}

/// Reads a successful response of at most `limit_bytes` into memory.
pub(super) async fn read(
    response: Response,
    limit_bytes: usize,
    longest_stall: Duration,
    missing: Code,
) -> std::result::Result<Vec<u8>, Failure> {
    if response.status() != StatusCode::OK {
        return Err(failure(response, longest_stall, missing).await);
    }
    let too_long = || Failure::Final(codes::BODY_TOO_LONG, format!("more than {limit_bytes} bytes").into());
    beginning(response, limit_bytes, longest_stall).await?.ok_or_else(too_long)
}

/// Reads a body; `None` if it exceeds the limit.
async fn beginning(
    mut response: Response,
    limit_bytes: usize,
    longest_stall: Duration,
) -> std::result::Result<Option<Vec<u8>>, Failure> {
    let (mut bytes, mut pace) = (Vec::new(), Pace::new(longest_stall));
    loop {
        let piece = pace.wait(response.chunk()).await.map_err(|stalled| Failure::Stalled(stalled.into()))?;
        let Some(piece) = piece.map_err(Failure::transient)? else { return Ok(Some(bytes)) };
        if bytes.len() + piece.len() > limit_bytes {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
        pace.count(piece.len());
    }
}

/// A strong `ETag`, otherwise `Last-Modified`.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// Total size from `Content-Range: bytes 5-9/10`, whose start must equal `offset`.
fn range_total(headers: &HeaderMap, offset: u64) -> std::result::Result<u64, Failure> {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let total = text
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('/'))
        .filter(|(range, _)| range.split_once('-').is_some_and(|(from, _)| from.parse() == Ok(offset)))
        .and_then(|(_, total)| total.parse().ok());
    total.ok_or_else(|| {
        let what = format!("the range `{}` where the bytes from {offset} on were asked for", text.escape_default());
        Failure::Final(codes::RANGE_WRONG, what.into())
    })
}

/// Target of a redirect; `None` if the response is not a redirect. A target without TLS must satisfy [`may_lead`].
pub(super) fn redirect_target(response: &Response) -> std::result::Result<Option<Url>, Failure> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect);
    let Some(location) = location else { return Ok(None) };
    let from = response.url();
    let to = location.to_str().ok().and_then(|text| from.join(text).ok());
    let to = to.ok_or_else(|| {
        Failure::Final(codes::FETCH_FAILED, "it redirects to something that is not an address".into())
    })?;
    if may_lead(from, &to) { Ok(Some(to)) } else { Err(Failure::Final(codes::PLAIN_HTTP_REFUSED, NotHttps(to).into())) }
}

/// Classifies an error response, with the server's reason.
pub(super) async fn failure(response: Response, longest_stall: Duration, missing: Code) -> Failure {
    let (status, wait) = (response.status(), retry_after(response.headers()));
    // If the reason cannot be read, the status suffices.
    let body = beginning(response, REASON_LIMIT_BYTES, longest_stall).await.ok().flatten().unwrap_or_default();
    status_failure(status.as_u16(), reason(&body).or_else(|| object_reason(&body)), wait, missing)
}

/// Classifies an error status.
pub(super) fn status_failure(status: u16, reason: Option<String>, wait: Option<Duration>, missing: Code) -> Failure {
    let shown = StatusCode::from_u16(status).map_or_else(|_| status.to_string(), |status| status.to_string());
    let cause = match reason {
        Some(reason) => format!("it answers {shown}: {reason}"),
        None => format!("it answers {shown}"),
    };
    match status {
        404 | 410 => Failure::Final(missing, cause.into()),
        401 | 403 => Failure::Final(codes::CREDENTIALS_REFUSED, cause.into()),
        416 => Failure::Final(codes::FETCH_MISMATCH, cause.into()),
        429 => Failure::Transient { code: codes::RATE_LIMITED, cause: cause.into(), wait },
        408 | 500.. => Failure::Transient { code: codes::FETCH_FAILED, cause: cause.into(), wait },
        _ => Failure::Final(codes::FETCH_FAILED, cause.into()),
    }
}

/// Value of `Retry-After`: seconds, or a time relative to the server's own clock if the response states that.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text: &str| DateTimeParser::new().parse_timestamp(text).ok();
    let now = text(DATE).and_then(time).unwrap_or_else(Timestamp::now);
    // A time in the past means no wait.
    Some(Duration::try_from(time(asked)?.duration_since(now)).unwrap_or_default())
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

/// First reason of an error response in the form that registries share; escaped for a terminal, because it comes from
/// outside.
fn reason(body: &[u8]) -> Option<String> {
    let reasons: Reasons = serde_json::from_slice(body).ok()?;
    let first = reasons.errors.first()?;
    Some(format!("{} {}", first.code.escape_default(), first.message.escape_default()).trim_end().to_owned())
}

/// Error code of an S3 server. The rest of the response may quote the request.
fn object_reason(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (code, _) = text.split_once("<Code>")?.1.split_once("</Code>")?;
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_never_weaken_tls() {
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
    fn retry_after_has_two_forms() {
        let asked = |retry_after: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry_after.parse().expect("header"));
            headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().expect("header"));
            super::retry_after(&headers)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO), "it has passed");
        assert_eq!(asked("Tue, 31 Dec 2999 23:59:59 GMT").map(|wait| wait > Duration::from_hours(1)), Some(true));
        for none in ["", "soon", "-1", "99999999999999999999", "Sun, 06 Nov 1994"] {
            assert_eq!(asked(none), None, "{none}");
        }
    }

    #[test]
    fn registry_reasons_are_escaped() {
        let body = br#"{"errors": [{"code": "DENIED", "message": "no\u001b[31m"}, {"code": "OTHER"}]}"#;
        assert_eq!(reason(body).as_deref(), Some("DENIED no\\u{1b}[31m"));
        assert_eq!(reason(b"<html>"), None);
        assert_eq!(reason(br#"{"errors": []}"#), None);
        let of_s3 = b"<Error><Code>AccessDenied</Code><StringToSign>x</StringToSign></Error>";
        assert_eq!(object_reason(of_s3).as_deref(), Some("AccessDenied"));
        for other in [&b"<Code>a b</Code>"[..], b"<Code></Code>", b"\xff<Code>A</Code>", b"<Code>A"] {
            assert_eq!(object_reason(other), None);
        }
    }
}
