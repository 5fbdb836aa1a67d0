//! A later program, for tests of two programs at one site: it writes an additional field into each of its documents.
//!
//! It is a copy of this program whose [`mark`] ends with another byte. So it has a different digest, without a second
//! build.

use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;

use serde_json::{Map, Value};

/// Field that a later program adds.
pub const FIELD: &str = "later";

/// Last byte of a later program's mark.
pub const LATER_END: u8 = b'1';

static MARK: [u8; 40] = *b"landfall: documents of this program    0";

/// Fields of documents that are signed, identified by their bytes, or read by programs other than Landfall.
const FIXED_FIELDS: [&str; 7] =
    ["apiVersion", "cniVersion", "mediaType", "payload", "schemaVersion", "signature", "signatures"];

/// Folders of an installed site.
const SITE_FOLDERS: [&str; 2] = ["/etc/landfall", "/var/lib/landfall"];

/// Files and folders in these that are chained or identified by their bytes.
const FIXED_PLACES: [&str; 4] = ["backups/repository", "registry", "releases", "usage.jsonl"];

/// Bytes that tell programs apart, once in each program.
#[must_use]
pub fn mark() -> &'static [u8] {
    &MARK
}

/// Returns true in a later program.
fn is_later() -> bool {
    black_box(&MARK).last() == Some(&LATER_END)
}

/// Returns the bytes of a file as this program writes them.
#[must_use]
pub fn document<'a>(path: &Path, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let extended = (is_later() && is_own_document(path)).then(|| with_later_field(bytes)).flatten();
    extended.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

/// Returns the payload of a journal's record as this program writes it.
#[must_use]
pub fn payload(bytes: Vec<u8>) -> Vec<u8> {
    if is_later() { with_later_field(&bytes).unwrap_or(bytes) } else { bytes }
}

/// Returns a payload without the additional field if this is a later program, which knows that field.
#[must_use]
pub fn known_payload(bytes: &[u8]) -> Cow<'_, [u8]> {
    let ending = ending();
    match bytes.strip_suffix(ending.as_bytes()).filter(|_| is_later()) {
        Some(document) => Cow::Owned([document, b"}"].concat()),
        None => Cow::Borrowed(bytes),
    }
}

/// Returns true for a document of a site that may have another field.
fn is_own_document(path: &Path) -> bool {
    let inside = SITE_FOLDERS.iter().find_map(|folder| path.strip_prefix(folder).ok());
    inside.is_some_and(|path| !FIXED_PLACES.iter().any(|fixed| path.starts_with(fixed)))
}

/// Adds the field to a document, or to each of several documents on separate lines; `None` for other bytes.
fn with_later_field(bytes: &[u8]) -> Option<Vec<u8>> {
    if let Some(whole) = extended_document(bytes) {
        return Some(whole);
    }
    let lines: Option<Vec<_>> = bytes.split_inclusive(|byte| *byte == b'\n').map(extended_document).collect();
    lines.filter(|lines| lines.len() > 1).map(|lines| lines.concat())
}

fn extended_document(bytes: &[u8]) -> Option<Vec<u8>> {
    let document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let is_fixed = document.keys().any(|field| FIXED_FIELDS.contains(&field.as_str()));
    let end = bytes.iter().rposition(|byte| *byte == b'}').filter(|_| !is_fixed && !document.is_empty())?;
    Some([bytes[..end].trim_ascii_end(), ending().as_bytes(), &bytes[end + 1..]].concat())
}

/// Replacement for the last byte of a document, with the field.
fn ending() -> String {
    format!(",\"{FIELD}\":{{\"program\":true}}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_gain_later_field() {
        let extended = |text: &str| with_later_field(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        let one = r#"{"a":1,"later":{"program":true}}"#;
        assert_eq!(extended("{\"a\":1}\n"), Some(format!("{one}\n")));
        assert_eq!(extended("{\"a\":1}\n{\"a\":1}\n"), Some(format!("{one}\n{one}\n")));
        assert_eq!(extended("{\n  \"a\": {}\n}\n").as_deref(), Some("{\n  \"a\": {},\"later\":{\"program\":true}}\n"));
        for other in ["", "{}", "[1]", "text\n", "{\"a\":1}\nrest\n", r#"{"payload":"","signatures":[]}"#] {
            assert_eq!(extended(other), None, "{other}");
        }
    }

    #[test]
    fn only_own_documents_are_extended() {
        assert!(is_own_document(Path::new("/var/lib/landfall/marks.json")));
        for other in [
            "/etc/cni/net.d/10-site.conflist",
            "/root/landfall/key.json",
            "/var/lib/landfall/backups/repository/keys/0123",
            "/var/lib/landfall/registry/docker/index",
            "/var/lib/landfall/usage.jsonl",
        ] {
            assert!(!is_own_document(Path::new(other)), "{other}");
        }
    }

    /// Holds in programs and in tests, unless the mark is changed.
    #[test]
    fn current_build_has_no_later_mark() {
        let bytes = br#"{"a":1}"#;
        assert_eq!(*document(Path::new("/var/lib/landfall/marks.json"), bytes), bytes[..]);
        assert_eq!(payload(bytes.to_vec()), bytes);
        assert_eq!(*known_payload(bytes), bytes[..]);
        assert!(mark().ends_with(b"0"));
    }
}
