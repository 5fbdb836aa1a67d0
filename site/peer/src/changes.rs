//! Documents of the host's API about changes that a person approves: media, plans, requests and their outcomes.
//!
//! Nothing in a request becomes a path, an argument or a shell word. A request names objects that the host itself has
//! found, kept or planned; the host looks them up, and uses its own values from then on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Problem;

/// Maximum length of a person's name and of an ID, in bytes.
const TEXT_BYTES: usize = 96;

/// Requester, with the ID by which a repeated request is recognized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
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

impl Asking {
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

/// JSON Schema pattern for [`is_backup_time`].
pub const BACKUP_TIME_PATTERN: &str = "^(default|([01][0-9]|2[0-3]):[0-5][0-9])$";

/// Returns true if a text can be the time of each day's backup: a time of day such as `03:15`, or `default` for the
/// usual one.
pub fn is_backup_time(text: &str) -> bool {
    let is_below = |digits: &str, limit: u8| {
        let are_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        are_two && digits.parse::<u8>().is_ok_and(|number| number < limit)
    };
    let is_time = |(hour, minute): (&str, &str)| is_below(hour, 24) && is_below(minute, 60);
    text == "default" || text.split_once(':').is_some_and(is_time)
}

/// What becomes of data that the installed release has changed, in a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataFate {
    /// It stays as it is.
    Keep,
    /// It is that of the newest proven backup of the earlier release.
    Restore,
}

/// A change of the site that a person plans and approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// The release on a medium takes the place of the installed one.
    Upgrade {
        /// Id of the medium, as the host issued it.
        medium: String,
    },
    /// A release that the site keeps takes the place of the installed one.
    Rollback {
        /// Its version.
        version: String,
        /// What becomes of data that the installed release has changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<DataFate>,
    },
    /// Data of the installed release becomes what a backup has. The release stays.
    Restore {
        /// Id of the backup, as the host lists it; without one, the newest proven one, or the newest from which the time can be reached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup: Option<String>,
        /// The time as of which data returns, RFC 3339. Data without a log returns as of its backup.
        #[schemars(extend("format" = "date-time"))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
        /// The components whose data it is; with none, all that the backup has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        components: Vec<String>,
    },
    /// Settings of the installed release change. The release stays.
    Configure {
        /// The values that change, by name; null returns to the release's default. The others stay as they are.
        values: BTreeMap<String, Value>,
        /// Other values of secrets that the site gives: by the secret's name, the id under which the host keeps the value. Values themselves are in
        /// no change.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        secrets: BTreeMap<String, String>,
        /// Another time of each day's backup, in the host's time zone, such as `03:15`; `default` returns to the usual one.
        #[schemars(regex(pattern = BACKUP_TIME_PATTERN))]
        #[serde(default, rename = "backupTime", skip_serializing_if = "Option::is_none")]
        backup_time: Option<String>,
    },
}

impl Change {
    /// Returns the verb.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Upgrade { .. } => "upgrade",
            Self::Rollback { .. } => "rollback",
            Self::Restore { .. } => "restore",
            Self::Configure { .. } => "configure",
        }
    }
}

/// Request for a look at the media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookWish {
    /// The requester.
    #[serde(flatten)]
    pub asking: Asking,
}

/// Request for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanWish {
    /// The requester.
    #[serde(flatten)]
    pub asking: Asking,
    /// The change to plan.
    #[serde(flatten)]
    pub change: Change,
}

/// Approval of a change. Its parts must match the approved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedWish {
    /// The requester.
    #[serde(flatten)]
    pub asking: Asking,
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
pub struct AbortWish {
    /// The requester.
    #[serde(flatten)]
    pub asking: Asking,
    /// Number of the operation that the person saw: no other operation is affected.
    pub operation: u64,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestState {
    /// The host works on it.
    Running,
    /// It is done: the plan is there, or the change has begun.
    Done,
    /// It was refused, or failed.
    Failed,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// A request, and what became of it. The host forgets it when its API starts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its id, as it was sent.
    pub request: String,
    /// What was wanted: `look`, `plan`, `upgrade`, `rollback`, `restore`, `configure`, `abort`.
    pub verb: String,
    /// The user's name.
    pub by: String,
    /// The user who approved it first, where two people approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub begun: String,
    /// How far it is.
    pub state: RequestState,
    /// Digest of the plan, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub problem: Option<Problem>,
    /// Every blocker, where several were found at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    /// What a person should read: what it waits for while the host works on it, and what could not be saved before what has begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One of several reasons against a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// Entry of the registry of codes.
    pub code: String,
    /// What it is, in a few words.
    pub what: String,
    /// What was found, and what is needed.
    pub why: String,
    /// What to do about it.
    pub next: String,
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

/// What the host found when it last looked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaPage {
    /// When it looked, RFC 3339 in UTC; none where it has not since its API started.
    pub looked: Option<String>,
    /// The bundles, and media that cannot be read.
    pub media: Vec<Medium>,
}

/// A bundle on a medium, or a medium that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Medium {
    /// What the host knows it by.
    pub id: String,
    /// Where it is, for a person: `USB stick sdb1`, `/media/stick`. Not trusted: names on a stick are its writer's.
    pub place: String,
    /// Name of the bundle's files. Not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The release, once its signatures were verified by the root that the site trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<MediumRelease>,
    /// Bytes of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Why it cannot be used; none where it can be planned with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub problem: Option<Problem>,
}

/// A release whose signatures were verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediumRelease {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// When it was built, RFC 3339 in UTC; none where only a newer Landfall can read that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_at: Option<String>,
    /// Whether the root that signed it is for development only.
    pub development: bool,
    /// Whether it needs a newer Landfall than the site's. It carries that one, which then plans.
    pub newer: bool,
    /// Its place among the releases of its name: the later one has the higher; none where only a newer Landfall can read that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<u64>,
}

/// A plan that the host keeps until it is approved, an hour has passed, or its API starts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanPage {
    /// What an approval names: SHA-256 over what would be done, with which bundle, from which release.
    pub digest: String,
    /// What is planned.
    #[serde(flatten)]
    pub change: Change,
    /// Name of the site, which a person types to approve.
    pub site: String,
    /// When it was made, RFC 3339 in UTC.
    pub made: String,
    /// What `landfall upgrade --dry-run --json` prints; of a restore or a change of settings, what `landfall restore` or `landfall
    /// configure` prints with these options.
    pub document: Value,
}

/// The state of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    /// It does its steps.
    Forward,
    /// It undoes its steps.
    Back,
    /// It is done.
    Committed,
    /// Everything is as it was before.
    Undone,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// The latest operation, by its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationPage {
    /// Its number: what an abort names.
    pub number: u64,
    /// What it does: `upgrade`, `rollback`, `restore`, `configure` …
    pub operation: String,
    /// Name and version of the release before, where it changes that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Name and version of the release that is there once it is committed.
    pub to: String,
    /// Its state.
    pub state: OperationState,
    /// Whether a process works on it now.
    pub running: bool,
    /// Whether it may still be undone on request.
    pub can_abort: bool,
    /// When its last record was written, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Who asked for the undo, or what else it followed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_because: Option<String>,
    /// Why a step failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<OperationFailure>,
    /// Who asked for it: a user or an API key of the console, or a user of the host; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Who approved it, where that is somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Id of the console's request that asked for it: the logs of the console and of the host have it, and so has the audit log. None where a
    /// person at the host began it, or before the host last booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationFailure {
    /// What the step does.
    pub step: String,
    /// Its code.
    pub code: String,
    /// What failed.
    pub what: String,
    /// Why, outermost cause first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asking(by: &str, first: Option<&str>) -> Asking {
        Asking {
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
    fn backup_times_have_one_form() {
        assert!(["00:00", "03:15", "23:59", "default"].into_iter().all(is_backup_time));
        let others =
            ["", "3:15", "24:00", "03:60", "03:15:00", "+3:15", "03:15 --dry-run", "Default", "\u{663}\u{663}:15"];
        assert!(!others.into_iter().any(is_backup_time));
    }

    #[test]
    fn change_without_time_keeps_its_form() {
        let earlier = json!({ "change": "configure", "values": { "a.mode": "slow" } });
        let change: Change = serde_json::from_value(earlier.clone()).unwrap();
        assert_eq!(serde_json::to_value(&change).unwrap(), earlier);
        let timed = json!({ "change": "configure", "values": {}, "backupTime": "03:15" });
        let change: Change = serde_json::from_value(timed.clone()).unwrap();
        assert!(matches!(&change, Change::Configure { backup_time: Some(time), .. } if time == "03:15"));
        assert_eq!(serde_json::to_value(&change).unwrap(), timed);
    }

    #[test]
    fn plan_request_is_flat() {
        let wish = PlanWish {
            asking: Asking { correlation: "c".to_owned(), ..asking("ada", None) },
            change: Change::Rollback { version: "1.0.0".to_owned(), data: Some(DataFate::Keep) },
        };
        let written = serde_json::to_value(&wish).unwrap();
        let expected = json!({
            "request": "0123abcd", "by": "ada", "correlation": "c",
            "change": "rollback", "version": "1.0.0", "data": "keep",
        });
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<PlanWish>(written).unwrap(), wish);
        let restore = |at: Option<&str>, components: &[&str]| PlanWish {
            asking: asking("ada", None),
            change: Change::Restore {
                backup: None,
                at: at.map(str::to_owned),
                components: components.iter().map(|name| (*name).to_owned()).collect(),
            },
        };
        let all = restore(None, &[]);
        assert_eq!(serde_json::to_value(&all).unwrap()["change"], "restore");
        for wish in [all, restore(Some("2026-11-20T08:00:00Z"), &["db", "kv"])] {
            let text = serde_json::to_string(&wish).unwrap();
            assert_eq!(serde_json::from_str::<PlanWish>(&text).unwrap(), wish, "{text}");
        }
    }
}
