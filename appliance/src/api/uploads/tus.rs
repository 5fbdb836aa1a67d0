//! The headers of tus 1.0.0, the protocol in which a bundle arrives: an upload that was cut off continues where it
//! stopped.
//!
//! The extensions creation, expiration and termination are supported. Lengths must be announced, and requests have no
//! checksums: every chunk of a bundle has a signed one. `X-HTTP-Method-Override` is ignored, because rights belong to
//! methods.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use landfall_peer::UPLOAD_BYTES;

use crate::host::Upload;
use crate::refusal::Refusal;

/// Version of the protocol.
const VERSION: &str = "1.0.0";
/// Supported extensions.
const EXTENSIONS: &str = "creation,expiration,termination";

const RESUMABLE: &str = "tus-resumable";
const VERSIONS: &str = "tus-version";
const EXTENSION: &str = "tus-extension";
const MAX_SIZE: &str = "tus-max-size";
const LENGTH: &str = "upload-length";
const DEFERRED: &str = "upload-defer-length";
const OFFSET: &str = "upload-offset";
const METADATA: &str = "upload-metadata";
const EXPIRES: &str = "upload-expires";

/// Content type of a body with bytes of an upload.
pub(super) const OCTETS: &str = "application/offset+octet-stream";

/// Maximum length of a file's name, in bytes.
const NAME_BYTES: usize = 255;
/// Name of a file without one.
const UNNAMED: &str = "bundle";

/// Extractor that requires this version of the protocol. `GET` is not part of the protocol, and need not state it.
pub struct TusVersion;

impl<S: Send + Sync> FromRequestParts<S> for TusVersion {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        match parts.headers.get(RESUMABLE) {
            Some(version) if version == VERSION => Ok(Self),
            None if parts.method == Method::GET => Ok(Self),
            _ => Err(Refusal::Protocol),
        }
    }
}

/// Middleware that adds the version to every answer, and the known versions to the refusal of another one.
pub(super) async fn add_version(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let refused = response.status() == StatusCode::PRECONDITION_FAILED;
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, HeaderValue::from_static(VERSION));
    if refused {
        headers.insert(VERSIONS, HeaderValue::from_static(VERSION));
    }
    response
}

/// Returns headers with the console's capabilities, and the maximum upload size if the host states it.
pub(super) fn abilities(room_bytes: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VERSIONS, HeaderValue::from_static(VERSION));
    headers.insert(EXTENSION, HeaderValue::from_static(EXTENSIONS));
    if let Some(room) = room_bytes {
        headers.insert(MAX_SIZE, HeaderValue::from(room));
    }
    headers
}

/// Returns headers with the progress of an upload.
pub(super) fn progress(upload: &Upload) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(OFFSET, HeaderValue::from(upload.received_bytes));
    headers.insert(LENGTH, HeaderValue::from(upload.size_bytes));
    let expires = upload.expires.parse::<Timestamp>().ok();
    let written = expires.and_then(|time| DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok());
    if let Some(value) = written.and_then(|written| HeaderValue::try_from(written).ok()) {
        headers.insert(EXPIRES, value);
    }
    headers
}

/// Announcement of a new upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UploadAnnouncement {
    /// Total size in bytes.
    pub(super) size_bytes: u64,
    /// Name of the file.
    pub(super) name: String,
}

impl UploadAnnouncement {
    /// Reads the headers of a request that creates an upload.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        if headers.contains_key(DEFERRED) {
            return Err(Refusal::Invalid(
                "upload-defer-length: the length must be known, so send upload-length".to_owned(),
            ));
        }
        let size_bytes = number(headers, LENGTH)?;
        if !(1..=UPLOAD_BYTES).contains(&size_bytes) {
            return Err(Refusal::Invalid(format!("upload-length: from 1 to {UPLOAD_BYTES} bytes")));
        }
        Ok(Self { size_bytes, name: file_name(headers) })
    }
}

/// Returns the offset of a request's bytes.
pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Refusal> {
    number(headers, OFFSET)
}

/// Reads a header that is a number in decimal digits only.
fn number(headers: &HeaderMap, name: &str) -> Result<u64, Refusal> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let digits = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Refusal::Invalid(format!("{name}: a number of bytes")))
}

/// Returns the name of the file, as text for people. It is sanitized, not refused, because nothing depends on it.
fn file_name(headers: &HeaderMap) -> String {
    let metadata = headers.get(METADATA).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut pairs = metadata.split(',').filter_map(|pair| pair.trim().split_once(' '));
    let encoded = pairs.find_map(|(key, value)| (key == "filename").then_some(value.trim()));
    let bytes = encoded.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let seen =
        String::from_utf8_lossy(&bytes).chars().filter(|letter| !landfall_peer::is_hidden(*letter)).collect::<String>();
    let end = seen.char_indices().map(|(begin, letter)| begin + letter.len_utf8()).take_while(|end| *end <= NAME_BYTES);
    let name = &seen[..end.last().unwrap_or_default()];
    if name.trim().is_empty() { UNNAMED.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap()))
            .collect()
    }

    fn name_from_metadata(metadata: &str) -> String {
        file_name(&headers(&[("upload-metadata", metadata)]))
    }

    #[test]
    fn any_upload_name_is_accepted() {
        let encoded = |name: &str| format!("filename {}", STANDARD.encode(name));
        assert_eq!(name_from_metadata(&encoded("a-1.0-abababababab.landfall")), "a-1.0-abababababab.landfall");
        assert_eq!(name_from_metadata(&format!("empty,type dGV4dA==, {}", encoded("b"))), "b");
        assert_eq!(name_from_metadata(&encoded("../../etc/shadow\n\u{1b}[2J")), "../../etc/shadow[2J");
        assert_eq!(name_from_metadata(&encoded(&"ä".repeat(1000))), "ä".repeat(127));
        for odd in ["", "filename", "filename %%%", "filename ", &encoded(" \n")] {
            assert_eq!(name_from_metadata(odd), "bundle", "{odd:?}");
        }
        assert_eq!(file_name(&HeaderMap::new()), "bundle");
    }

    #[test]
    fn upload_numbers_are_bounded_digits() {
        let announced = |length: &str| {
            UploadAnnouncement::read(&headers(&[("upload-length", length)])).map(|read| read.size_bytes).ok()
        };
        assert_eq!(announced("17"), Some(17));
        for odd in ["", "0", "-1", "+1", "1.0", "0x10", "9007199254740992", "99999999999999999999", " 1"] {
            assert_eq!(announced(odd), None, "{odd:?}");
        }
        let deferred = UploadAnnouncement::read(&headers(&[("upload-length", "7"), ("upload-defer-length", "1")]));
        assert!(matches!(deferred, Err(Refusal::Invalid(what)) if what.starts_with("upload-defer-length: ")));
        let missing = offset(&HeaderMap::new());
        assert!(matches!(missing, Err(Refusal::Invalid(what)) if what.starts_with("upload-offset: ")));
        assert_eq!(offset(&headers(&[("upload-offset", "0")])).ok(), Some(0));
    }

    #[test]
    fn expiry_uses_http_date() {
        let upload = Upload {
            id: "0123abcd".to_owned(),
            name: "a".to_owned(),
            size_bytes: 9,
            received_bytes: 4,
            checked_bytes: 0,
            by: "ada".to_owned(),
            begun: "2026-11-20T08:00:00Z".to_owned(),
            expires: "2026-11-21T08:00:00Z".to_owned(),
            release: None,
            medium: None,
        };
        let headers = progress(&upload);
        assert_eq!(headers["upload-expires"], "Sat, 21 Nov 2026 08:00:00 GMT");
        assert_eq!(
            (headers["upload-offset"].to_str().unwrap(), headers["upload-length"].to_str().unwrap()),
            ("4", "9")
        );
    }
}
