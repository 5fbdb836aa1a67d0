//! Documents of the host's API about the bundle that a browser uploads. The host keeps one at a time.
//!
//! The name is text for people and never becomes a path: the host names the file itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Medium, MediumRelease, Problem, Requester, is_hidden};

/// Maximum bytes of a piece, which the host makes durable before it answers.
pub const PIECE_BYTES: usize = 4 << 20;
/// Maximum bytes of an upload: the limit of the bundle's format. The room on the host's disk is smaller.
pub const UPLOAD_BYTES: u64 = (1 << 53) - 1;

/// Maximum length of an uploaded file's name, in bytes.
const NAME_BYTES: usize = 255;

/// Request to upload a bundle. The ID of the request becomes that of the upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRequest {
    /// The requester.
    #[serde(flatten)]
    pub asking: Requester,
    /// Name of the file, as given by the browser.
    pub name: String,
    /// Size of the whole bundle in bytes.
    pub size_bytes: u64,
}

impl UploadRequest {
    /// Returns true if its parts are within bounds, and its name has no characters that have a special meaning
    /// elsewhere.
    pub fn is_sound(&self) -> bool {
        let is_named = (1..=NAME_BYTES).contains(&self.name.len()) && !self.name.chars().any(is_hidden);
        self.asking.is_sound() && is_named && (1..=UPLOAD_BYTES).contains(&self.size_bytes)
    }
}

/// Request to remove an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalRequest {
    /// The requester.
    #[serde(flatten)]
    pub asking: Requester,
}

/// Uploads on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadsPage {
    /// Maximum size of a new upload in bytes: the free space on the host's disk, minus a reserve.
    pub room_bytes: u64,
    /// Upload, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
    /// Last refused upload; forgotten when a new one begins, and when the host's API restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedUpload>,
}

/// Bundle that arrives from a browser, or has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// ID that the host issued.
    pub id: String,
    /// Name of the file. Not trusted.
    pub name: String,
    /// Size of the whole bundle in bytes.
    pub size_bytes: u64,
    /// Bytes on the host's disk, without gaps from the first byte.
    pub received_bytes: u64,
    /// Number of these bytes that match the signed content.
    pub checked_bytes: u64,
    /// User who began it.
    pub by: String,
    /// Start time, RFC 3339 in UTC.
    pub begun: String,
    /// Time at which it is removed unless it is continued or used, RFC 3339 in UTC.
    pub expires: String,
    /// Release, once its signatures were verified by the root that the site trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<MediumRelease>,
    /// ID of the medium that a plan names, once all of it has arrived and was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
}

impl Upload {
    /// Returns the upload as a medium, once all of it has arrived and was checked.
    pub fn as_medium(&self) -> Option<Medium> {
        Some(Medium {
            id: self.medium.clone()?,
            place: format!("uploaded by {}", self.by),
            bundle: Some(self.name.clone()),
            release: self.release.clone(),
            size_bytes: Some(self.size_bytes),
            problem: None,
        })
    }
}

/// Upload that was discarded because of its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedUpload {
    /// Name of the file. Not trusted.
    pub name: String,
    /// User who began it.
    pub by: String,
    /// Time of the refusal, RFC 3339 in UTC.
    pub at: String,
    /// Reason for the refusal.
    #[schemars(with = "Value")]
    pub problem: Problem,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_upload_names_are_unsound() {
        let asking =
            Requester { request: "0123abcd".to_owned(), by: "ada".to_owned(), correlation: String::new(), first: None };
        let request =
            |name: &str, size_bytes| UploadRequest { asking: asking.clone(), name: name.to_owned(), size_bytes };
        for name in ["starter-1.1.0-0123456789ab.landfall", "../../etc/shadow", "bundle (1).landfall", "ä"] {
            assert!(request(name, 1).is_sound(), "{name}: it is text, and no path");
        }
        for name in ["", "a\nb", "a\u{1b}[2Jb", "gnp.\u{202e}landfall", "a\u{200b}b", &"x".repeat(256)] {
            assert!(!request(name, 1).is_sound(), "{name}");
        }
        assert!(
            !request("a", 0).is_sound()
                && !request("a", UPLOAD_BYTES + 1).is_sound()
                && request("a", UPLOAD_BYTES).is_sound()
        );
        let written = serde_json::to_value(request("a", 7)).unwrap();
        let expected = serde_json::json!({
            "request": "0123abcd", "by": "ada", "correlation": "", "name": "a", "size_bytes": 7,
        });
        assert_eq!(written, expected);
    }
}
