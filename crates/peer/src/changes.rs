//! Documents of the host's API about changes that a person approves: media, plans, requests and their outcomes.
//!
//! Nothing in a request becomes a path, an argument or a shell word. A request names objects that the host itself has
//! found, kept or planned; the host looks them up, and uses its own values from then on.

use landfall_documents::change::Change;
use landfall_documents::failure::{Blocker, StepFailure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Problem;

/// Maximum length of a person's name and of an ID, in bytes.
const TEXT_BYTES: usize = 96;

/// Requester, with the ID by which a repeated request is recognized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// ID of the request, created by the console: lower-case hexadecimal digits and `-`.
    pub request: String,
    /// Name of the user.
    pub by: String,
    /// ID that leads to the request in the appliance's log.
    pub correlation: String,
    /// Name of the user who approved it first, if the console requires two approvals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

impl Requester {
    /// Returns true if its parts are short and without characters that have a special meaning elsewhere.
    pub fn is_sound(&self) -> bool {
        let is_visible = |text: &str| text.len() <= TEXT_BYTES && !text.chars().any(crate::is_hidden);
        let is_first_visible = self.first.as_deref().is_none_or(is_visible);
        is_id(&self.request) && is_visible(&self.by) && is_visible(&self.correlation) && is_first_visible
    }
}

/// JSON Schema pattern for [`is_id`].
pub const ID_PATTERN: &str = "^(sha256:)?[0-9a-f-]{8,96}$";

/// Returns true if a text can be an ID or a digest: 8 to 96 lower-case hexadecimal digits, `-` and the prefix
/// `sha256:`.
pub fn is_id(text: &str) -> bool {
    let rest = text.strip_prefix("sha256:").unwrap_or(text);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    (8..=TEXT_BYTES).contains(&rest.len()) && rest.bytes().all(is_digit)
}

/// Request for a look at the media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookRequest {
    /// The requester.
    #[serde(flatten)]
    pub asking: Requester,
}

/// Request for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The requester.
    #[serde(flatten)]
    pub asking: Requester,
    /// The change to plan.
    #[serde(flatten)]
    pub change: Change,
}

/// Approval of a change. Its parts must match the approved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedRequest {
    /// The requester.
    #[serde(flatten)]
    pub asking: Requester,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Digest of the plan that the person saw.
    pub plan: String,
    /// Name of the site, as the person typed it.
    pub confirm: String,
}

/// Request to undo the open change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortRequest {
    /// The requester.
    #[serde(flatten)]
    pub asking: Requester,
    /// Number of the operation that the person saw: no other operation is affected.
    pub operation: u64,
}

/// State of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestState {
    /// The host processes the request.
    Running,
    /// The request is done: the plan exists, or the change has begun.
    Done,
    /// The request was refused, or failed.
    Failed,
    /// State of a newer version.
    #[serde(other)]
    Unknown,
}

/// Request and its outcome. The host forgets it when its API restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Request ID, as it was sent.
    pub request: String,
    /// Requested action: `look`, `plan`, `upgrade`, `rollback`, `restore`, `configure`, `abort`.
    pub verb: String,
    /// Name of the user.
    pub by: String,
    /// User who approved it first, if two people approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Start time, RFC 3339 in UTC.
    pub begun: String,
    /// State of the request.
    pub state: RequestState,
    /// Digest of the plan, if one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Reason for its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub problem: Option<Problem>,
    /// All blockers, if several were found together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    /// Notes for a person: the cause of waiting while the host processes the request, and data that was not saved
    /// before a begun change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Reason why a request about a change failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The problem.
    pub problem: Box<Problem>,
    /// Every blocker, if there are several.
    pub blockers: Vec<Blocker>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), blockers: Vec::new() }
    }
}

/// Result of the host's last look at the media.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaPage {
    /// Time of the look, RFC 3339 in UTC; null if there was none since its API started.
    pub looked: Option<String>,
    /// Bundles, and media that cannot be read.
    pub media: Vec<Medium>,
}

/// Bundle on a medium, or a medium that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Medium {
    /// ID that the host issued.
    pub id: String,
    /// Location for a person: `USB stick sdb1`, `/media/stick`. Not trusted: the writer of a stick chooses its names.
    pub place: String,
    /// Name of the bundle's files. Not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Release, once its signatures were verified by the root that the site trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<MediumRelease>,
    /// Size of its files in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Reason why it cannot be used; absent if it can be planned with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub problem: Option<Problem>,
}

/// Release with verified signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediumRelease {
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// Build time, RFC 3339 in UTC; absent if only a newer Landfall can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_at: Option<String>,
    /// True if the root that signed it is for development only.
    pub development: bool,
    /// True if it needs a newer Landfall than the site's. It contains that version, which then plans.
    pub newer: bool,
    /// Counter of the release: a later release of the same name has a higher one; absent if only a newer Landfall can
    /// read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<u64>,
}

/// Plan that the host keeps until its approval, for an hour, or until its API restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanPage {
    /// Digest that an approval names: SHA-256 over the planned steps, the bundle and the earlier release.
    pub digest: String,
    /// Planned change.
    #[serde(flatten)]
    pub change: Change,
    /// Name of the site, which a person types to approve.
    pub site: String,
    /// Creation time, RFC 3339 in UTC.
    pub made: String,
    /// Output of `landfall upgrade --dry-run --json`; for a restore or a change of settings, of `landfall restore` or
    /// `landfall configure` with these options.
    pub document: Value,
}

/// State of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    /// The operation executes its steps.
    Forward,
    /// The operation undoes its steps.
    Back,
    /// The operation is committed.
    Committed,
    /// The operation is undone: everything is as before.
    Undone,
    /// State of a newer version.
    #[serde(other)]
    Unknown,
}

/// Latest operation, by its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationPage {
    /// Number of the operation, which an abort names.
    pub number: u64,
    /// Operation: `upgrade`, `rollback`, `restore`, `configure` …
    pub operation: String,
    /// Name and version of the earlier release, if the operation changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Name and version of the release after the commit.
    pub to: String,
    /// State of the operation.
    pub state: OperationState,
    /// True if a process executes it now.
    pub running: bool,
    /// True if it can still be undone on request.
    pub can_abort: bool,
    /// Time of its last record, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// User who requested the undo, or another cause of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_because: Option<String>,
    /// Failure of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<StepFailure>,
    /// Requester: a user or an API key of the console, or a user of the host; absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Approver, if it is another person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// ID of the console's request for it, which is in the logs of console and host, and in the audit log. Absent if a
    /// person at the host began it, or before the host last booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
}

#[cfg(test)]
mod tests {
    use landfall_documents::change::DataChoice;
    use serde_json::json;

    use super::*;

    fn asking(by: &str, first: Option<&str>) -> Requester {
        Requester {
            request: "0123abcd".to_owned(),
            by: by.to_owned(),
            correlation: String::new(),
            first: first.map(str::to_owned),
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        let sound = ["0123abcd", "sha256:00ff00ff00ff", "2b1d7c1e-4a3f-4d5c-8a53-0f0e0d0c0b0a"];
        assert!(sound.into_iter().all(is_id));
        let unsound =
            ["", "../../etc", "0123abc", "0123ABCD", "0123abcd\n", "0123abcd;reboot", "sha256:", "sha1:0123abcd"];
        assert!(!unsound.into_iter().any(is_id));
        assert!(!is_id(&"a".repeat(97)));
        let asking = |by: &str| asking(by, None);
        assert!(asking("ada").is_sound() && !asking("ada\u{1b}[2J").is_sound() && !asking(&"a".repeat(97)).is_sound());
        assert!(!self::asking("ada", Some("bob\n")).is_sound() && self::asking("ada", Some("bob")).is_sound());
    }

    #[test]
    fn plan_request_is_flat() {
        let request = PlanRequest {
            asking: Requester { correlation: "c".to_owned(), ..asking("ada", None) },
            change: Change::Rollback { version: "1.0.0".to_owned(), data: Some(DataChoice::Keep) },
        };
        let written = serde_json::to_value(&request).unwrap();
        let expected = json!({
            "request": "0123abcd", "by": "ada", "correlation": "c",
            "change": "rollback", "version": "1.0.0", "data": "keep",
        });
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<PlanRequest>(written).unwrap(), request);
        let restore = |at: Option<&str>, components: &[&str]| PlanRequest {
            asking: asking("ada", None),
            change: Change::Restore {
                backup: None,
                at: at.map(str::to_owned),
                components: components.iter().map(|name| (*name).to_owned()).collect(),
            },
        };
        let all = restore(None, &[]);
        assert_eq!(serde_json::to_value(&all).unwrap()["change"], "restore");
        for request in [all, restore(Some("2026-11-20T08:00:00Z"), &["db", "kv"])] {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<PlanRequest>(&text).unwrap(), request, "{text}");
        }
    }
}
