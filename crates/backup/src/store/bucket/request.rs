//! A request to a bucket's server: signed, bounded, and retried if its failure may be transient.

use std::error::Error as _;
use std::io::Read as _;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::RANGE;
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::Bucket;
use crate::error::{BucketError, Trouble};

/// Header that carries an upload's SHA-256.
pub(super) const CHECKSUM: &str = "x-amz-checksum-sha256";

/// Maximum bytes of an answer: no file of a repository comes close to it.
const LARGEST_ANSWER: u64 = 256 << 20;

/// Bytes assumed for the time limit of an answer of unknown size: a thousand names, or a small file.
const EXPECTED_ANSWER: u64 = 4 << 20;

/// Maximum bytes of an answer that explains a failure.
const LARGEST_REASON: u64 = 16 << 10;

/// Codes by which servers report that they are full.
const FULL: [&str; 7] = [
    "QuotaExceeded",
    "InsufficientStorage",
    "StorageFull",
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "ServiceQuotaExceeded",
    "StorageQuotaExceeded",
];

/// Codes by which servers report that a request arrived altered.
const DISTURBED: [&str; 4] = ["BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentChecksumMismatch"];

/// A request.
pub(super) struct Request {
    method: Method,
    /// Additional header and value.
    header: Option<(&'static str, String)>,
    pub(super) body: Bytes,
    /// Maximum bytes transferred, which determine the time limit.
    bytes: u64,
}

impl Request {
    pub(super) fn list() -> Self {
        Self { method: Method::GET, header: None, body: Bytes::new(), bytes: EXPECTED_ANSWER }
    }

    /// Creates a request for an object, or for a range of its bytes; with the size of the answer, if known.
    pub(super) fn get(part: Option<(u32, u32)>, bytes: Option<u64>) -> Self {
        let range = |(offset, length): (u32, u32)| {
            let end = u64::from(offset) + u64::from(length).saturating_sub(1);
            (RANGE.as_str(), format!("bytes={offset}-{end}"))
        };
        let bytes = bytes.unwrap_or(EXPECTED_ANSWER);
        Self { method: Method::GET, header: part.map(range), body: Bytes::new(), bytes }
    }

    /// Creates an upload, and returns the value of its header [`CHECKSUM`], which is signed.
    pub(super) fn put(bytes: &[u8]) -> (Self, String) {
        let checksum = STANDARD.encode(Sha256::digest(bytes));
        let (header, body) = (Some((CHECKSUM, checksum.clone())), Bytes::copy_from_slice(bytes));
        (Self { method: Method::PUT, header, body, bytes: bytes.len() as u64 }, checksum)
    }

    pub(super) fn delete() -> Self {
        Self { method: Method::DELETE, header: None, body: Bytes::new(), bytes: 0 }
    }
}

/// Failure of one attempt.
enum TryFailure {
    /// The object does not exist.
    Missing,
    /// The object is shorter than the requested range.
    Short,
    /// The failure is permanent.
    Lasting(Trouble, String),
    /// The failure may be transient.
    Passing(Trouble, String),
}

impl Bucket {
    /// Sends a request and returns the answer; a missing object is an error.
    pub(super) fn send(
        &self,
        request: &Request,
        sign: impl Fn(&rusty_s3::Bucket, &rusty_s3::Credentials) -> Url,
    ) -> Result<Bytes, BucketError> {
        let missing = || self.give_up(Trouble::Refused, "HTTP 404".to_owned());
        self.find(request, sign)?.ok_or_else(missing)
    }

    /// Like [`Self::send`], with `None` for a missing object. A persistent failure is returned for every later request
    /// as well.
    pub(super) fn find(
        &self,
        request: &Request,
        sign: impl Fn(&rusty_s3::Bucket, &rusty_s3::Credentials) -> Url,
    ) -> Result<Option<Bytes>, BucketError> {
        let mut pause = self.limits.pause;
        for remaining in (0..self.limits.tries).rev() {
            if let Some(failure) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return Err(failure);
            }
            if Instant::now() >= self.until {
                let hours = self.limits.total.as_secs_f64() / 3600.0;
                return Err(self.give_up(Trouble::Slow, format!("{hours:.1} hours were not enough")));
            }
            // The signature contains a time.
            match self.try_once(request, sign(&self.signed, &self.credentials.0)) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(TryFailure::Missing) => return Ok(None),
                Err(TryFailure::Short) => return Ok(Some(Bytes::new())),
                Err(TryFailure::Passing(..)) if remaining > 0 => std::thread::sleep(pause),
                Err(TryFailure::Lasting(trouble, said) | TryFailure::Passing(trouble, said)) => {
                    return Err(self.give_up(trouble, said));
                }
            }
            pause *= 4;
        }
        Err(self.give_up(Trouble::Unreachable, "it was not tried".to_owned()))
    }

    pub(super) fn give_up(&self, trouble: Trouble, said: String) -> BucketError {
        let error = BucketError::new(&self.place, trouble, said);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error).clone()
    }

    fn try_once(&self, request: &Request, url: Url) -> Result<Bytes, TryFailure> {
        let limit = self.limits.of(request.bytes);
        let begun = Instant::now();
        let mut sent = self.client.request(request.method.clone(), url).timeout(limit);
        if let Some((name, value)) = &request.header {
            sent = sent.header(*name, value);
        }
        if request.method == Method::PUT {
            sent = sent.body(request.body.clone());
        }
        let answer = sent.send().map_err(|error| failure_of(error, limit))?;
        let status = answer.status();
        let most = if status.is_success() { LARGEST_ANSWER } else { LARGEST_REASON };
        let mut body = Vec::new();
        answer.take(most).read_to_end(&mut body).map_err(|error| {
            let is_late = begun.elapsed() >= limit;
            // The client's text may contain its address.
            let said = if is_late { late(limit) } else { format!("the answer broke off ({:?})", error.kind()) };
            TryFailure::Passing(if is_late { Trouble::Slow } else { Trouble::Unreachable }, said)
        })?;
        if status.is_success() { Ok(body.into()) } else { Err(judge(status, &code_in(&body))) }
    }
}

fn failure_of(error: reqwest::Error, limit: Duration) -> TryFailure {
    if error.is_timeout() && !error.is_connect() {
        TryFailure::Passing(Trouble::Slow, late(limit))
    } else if error.is_builder() {
        TryFailure::Lasting(Trouble::Answer, error_text(error))
    } else {
        TryFailure::Passing(Trouble::Unreachable, error_text(error))
    }
}

/// Returns the client's error on one line and without the address, whose query is signed.
pub(super) fn error_text(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn late(limit: Duration) -> String {
    format!("a request took more than {} s", limit.as_secs())
}

/// Interprets an answer other than success. `code` is the server's error code, or empty.
fn judge(status: StatusCode, code: &str) -> TryFailure {
    let said = if code.is_empty() {
        format!("HTTP {}", status.as_u16())
    } else {
        format!("{code} (HTTP {})", status.as_u16())
    };
    match status.as_u16() {
        _ if FULL.contains(&code) => TryFailure::Lasting(Trouble::Full, said),
        507 => TryFailure::Lasting(Trouble::Full, said),
        404 if code == "NoSuchBucket" => TryFailure::Lasting(Trouble::Refused, said),
        404 => TryFailure::Missing,
        416 => TryFailure::Short,
        408 | 429 => TryFailure::Passing(Trouble::Slow, said),
        503 if code == "SlowDown" => TryFailure::Passing(Trouble::Slow, said),
        500..=599 if status != StatusCode::NOT_IMPLEMENTED => TryFailure::Passing(Trouble::Unreachable, said),
        // The bytes were changed or cut off in transit.
        400 if DISTURBED.contains(&code) => TryFailure::Passing(Trouble::Unreachable, said),
        // Another region, or another address.
        300..=399 | 401 | 403 => TryFailure::Lasting(Trouble::Refused, said),
        _ => TryFailure::Lasting(Trouble::Answer, said),
    }
}

/// Returns the code in an S3 answer; the rest of the answer may quote the request.
fn code_in(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let is_code = |code: &&str| code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric());
    code.filter(is_code).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_map_to_failures() {
        let meaning = |status: u16, code: &str| match judge(StatusCode::from_u16(status).unwrap(), code) {
            TryFailure::Missing => "missing".to_owned(),
            TryFailure::Short => "short".to_owned(),
            TryFailure::Lasting(trouble, said) => format!("{trouble:?}: {said}"),
            TryFailure::Passing(trouble, said) => format!("{trouble:?}, tried again: {said}"),
        };
        let table = [
            (404, "NoSuchKey", "missing"),
            (404, "NoSuchBucket", "Refused: NoSuchBucket (HTTP 404)"),
            (416, "InvalidRange", "short"),
            (403, "AccessDenied", "Refused: AccessDenied (HTTP 403)"),
            (403, "RequestTimeTooSkewed", "Refused: RequestTimeTooSkewed (HTTP 403)"),
            (403, "QuotaExceeded", "Full: QuotaExceeded (HTTP 403)"),
            (400, "XMinioAdminBucketQuotaExceeded", "Full: XMinioAdminBucketQuotaExceeded (HTTP 400)"),
            (507, "", "Full: HTTP 507"),
            (301, "PermanentRedirect", "Refused: PermanentRedirect (HTTP 301)"),
            (503, "SlowDown", "Slow, tried again: SlowDown (HTTP 503)"),
            (429, "", "Slow, tried again: HTTP 429"),
            (500, "InternalError", "Unreachable, tried again: InternalError (HTTP 500)"),
            (501, "NotImplemented", "Answer: NotImplemented (HTTP 501)"),
            (400, "BadDigest", "Unreachable, tried again: BadDigest (HTTP 400)"),
            (400, "InvalidRequest", "Answer: InvalidRequest (HTTP 400)"),
            (418, "", "Answer: HTTP 418"),
        ];
        for (status, code, expected) in table {
            assert_eq!(meaning(status, code), expected);
        }
    }

    #[test]
    fn only_error_code_is_kept() {
        let body = b"<Error><Code>AccessDenied</Code><Message>AKIA</Message><StringToSign>x</StringToSign></Error>";
        assert_eq!(code_in(body), "AccessDenied");
        for other in [&b""[..], b"<Code>", b"<Code>a b</Code>", b"<html>no</html>", b"\xff<Code></Code>"] {
            assert_eq!(code_in(other), "");
        }
    }
}
