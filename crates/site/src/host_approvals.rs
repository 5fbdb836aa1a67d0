//! Approval by the host of changes that the console requests, if a person at the host requires it.
//!
//! An attacker who controls the console can approve everything that its users can. The setting is a file of the host,
//! which no route of the API writes. Only root on the host can approve, once, for the digest of one plan.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use landfall_bundle_spec::Sha256;
use landfall_documents::change::Change;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Time for which a change waits for the host's approval.
pub const PATIENCE: Duration = Duration::from_mins(15);

/// Minimum number of a digest's digits on the command line.
const DIGITS: usize = 8;

/// Maximum size in bytes of a waiting change's file: plans are long.
const FILE_BYTES: u64 = 16 << 20;

const WAITING: &str = "waiting";
const APPROVED: &str = "approved";
const REFUSED: &str = "refused";

/// Change that waits for a decision on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingChange {
    /// Digest of its plan, which the console's users have approved.
    pub plan: String,
    /// Change that waits.
    #[serde(flatten)]
    pub change: Change,
    /// User of the console who requested it.
    pub by: String,
    /// User who approved it first, if two people approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Time at which it expires, RFC 3339 in UTC.
    pub until: String,
    /// Plan of this host: the output of the change's command with `--dry-run --json`.
    pub document: Value,
}

/// Decision of a person at the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The change may begin.
    Approved,
    /// The change may not begin.
    Refused,
}

impl Word {
    fn suffix(self) -> &'static str {
        match self {
            Self::Approved => APPROVED,
            Self::Refused => REFUSED,
        }
    }
}

/// The setting, and the waiting changes.
#[derive(Debug, Clone)]
pub struct HostApprovals {
    setting: PathBuf,
    folder: PathBuf,
}

/// A change that waits until this is dropped.
#[derive(Debug)]
pub struct ApprovalRequest {
    approvals: HostApprovals,
    plan: Sha256,
}

impl HostApprovals {
    /// Returns the approvals of this host.
    pub fn of(paths: &SitePaths) -> Self {
        Self { setting: paths.host_approval(), folder: paths.approvals() }
    }

    /// Returns true if the host must approve. An unreadable setting counts as true.
    pub fn is_required(&self) -> bool {
        self.setting.try_exists().unwrap_or(true)
    }

    /// Sets whether the host must approve. On the disk on return.
    pub fn require(&self, wanted: bool) -> Result<(), StepError> {
        if !wanted {
            return Ok(durable::remove_file(&self.setting)?);
        }
        if let Some(folder) = self.setting.parent() {
            durable::create_folder(folder)?;
        }
        Ok(durable::write_file(&self.setting, b"root approves on this host what the console asks for\n", 0o600)?)
    }

    /// Removes all waiting changes, which must be requested again. Called when the process that requests approvals
    /// starts.
    pub fn clear(&self) -> Result<(), StepError> {
        for entry in fs_err::read_dir(&self.folder).into_iter().flatten().flatten() {
            durable::remove_file(&entry.path())?;
        }
        Ok(())
    }

    /// Returns the waiting changes by digest.
    pub fn waiting(&self) -> Vec<WaitingChange> {
        let entries = fs_err::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_waiting(path)).collect();
        files.sort();
        let now = Timestamp::now();
        let waits = |waiting: &WaitingChange| waiting.until.parse::<Timestamp>().is_ok_and(|until| now < until);
        files.iter().filter_map(|file| read(file)).filter(waits).collect()
    }

    /// Answers the only waiting change whose digest has this prefix, with or without `sha256:`. Returns the change.
    pub fn say(&self, word: Word, digest: &str) -> Result<WaitingChange, StepError> {
        let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
        let unknown = |why: String| StepError::new(codes::APPROVAL_UNKNOWN, why);
        if digits.len() < DIGITS {
            return Err(unknown(format!("{digest} is too short: {DIGITS} digits of the digest are needed")));
        }
        let mut found = self
            .waiting()
            .into_iter()
            .filter(|waiting| waiting.plan.strip_prefix("sha256:").is_some_and(|plan| plan.starts_with(digits)));
        let (waiting, other) = (found.next(), found.next());
        let waiting = waiting.filter(|_| other.is_none());
        let waiting =
            waiting.ok_or_else(|| unknown(format!("no change waits whose plan's digest begins with {digits}")))?;
        let plan = waiting.plan.parse().map_err(|_| unknown(format!("{} is no digest", waiting.plan)))?;
        durable::write_file(&self.path(plan, word.suffix()), b"", 0o600)?;
        Ok(waiting)
    }

    /// Requests the administrator's approval of a change, which waits until the result is dropped. Earlier answers do
    /// not count.
    pub fn ask(&self, plan: Sha256, waiting: &WaitingChange) -> Result<ApprovalRequest, StepError> {
        durable::create_folder_with_mode(&self.folder, 0o700)?;
        let asked = ApprovalRequest { approvals: self.clone(), plan };
        asked.forget()?;
        let text = serde_json::to_vec(waiting)
            .map_err(|error| StepError::new(codes::BUG, "a change that waits has no JSON form").because(error))?;
        durable::write_file(&self.path(plan, WAITING), &text, 0o600)?;
        Ok(asked)
    }

    fn path(&self, plan: Sha256, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}.{suffix}", plan.to_hex()))
    }
}

impl ApprovalRequest {
    /// Returns the answer, if there is one. Both answers together are a refusal.
    pub fn word(&self) -> Option<Word> {
        [Word::Refused, Word::Approved]
            .into_iter()
            .find(|word| self.approvals.path(self.plan, word.suffix()).symlink_metadata().is_ok())
    }

    fn forget(&self) -> Result<(), StepError> {
        for suffix in [WAITING, APPROVED, REFUSED] {
            durable::remove_file(&self.approvals.path(self.plan, suffix))?;
        }
        Ok(())
    }
}

impl Drop for ApprovalRequest {
    fn drop(&mut self) {
        // A leftover does not count for the next request.
        let _left = self.forget();
    }
}

fn is_waiting(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == WAITING)
}

fn read(path: &Path) -> Option<WaitingChange> {
    let bytes = files::read_at_most(path, FILE_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::*;

    fn approvals() -> (tempfile::TempDir, HostApprovals) {
        let root = tempfile::tempdir().unwrap();
        let approvals = HostApprovals::of(&SitePaths::below(root.path()));
        (root, approvals)
    }

    fn waiting(plan: Sha256, until: &str) -> WaitingChange {
        WaitingChange {
            plan: plan.to_string(),
            change: Change::Rollback { version: "1.0.0".to_owned(), data: None },
            by: "ada".to_owned(),
            first: None,
            until: until.to_owned(),
            document: serde_json::json!({ "to": "shop 1.0.0" }),
        }
    }

    const LATER: &str = "2100-01-01T00:00:00Z";

    #[test]
    fn unreadable_setting_requires_approval() {
        let (root, approvals) = approvals();
        assert!(!approvals.is_required());
        approvals.require(true).unwrap();
        assert!(HostApprovals::of(&SitePaths::below(root.path())).is_required());
        approvals.require(false).unwrap();
        approvals.require(false).unwrap();
        assert!(!approvals.is_required());
        // A path that is not a folder cannot be examined.
        durable::write_file(&root.path().join("etc"), b"", 0o600).unwrap_or_else(|_| {
            fs_err::remove_dir_all(root.path().join("etc")).unwrap();
            durable::write_file(&root.path().join("etc"), b"", 0o600).unwrap();
        });
        assert!(approvals.is_required());
    }

    #[test]
    fn word_counts_once_per_plan() {
        let (_root, approvals) = approvals();
        let [one, other] = [Sha256([0xab; 32]), Sha256([0xac; 32])];
        let asked = approvals.ask(one, &waiting(one, LATER)).unwrap();
        let second = approvals.ask(other, &waiting(other, LATER)).unwrap();
        assert_eq!((asked.word(), second.word()), (None, None));
        assert_eq!(approvals.waiting(), [waiting(one, LATER), waiting(other, LATER)]);
        let said = approvals.say(Word::Approved, &one.to_string()[.."sha256:".len() + DIGITS]).unwrap();
        assert_eq!((said, asked.word(), second.word()), (waiting(one, LATER), Some(Word::Approved), None));
        approvals.say(Word::Refused, &one.to_hex()).unwrap();
        assert_eq!(asked.word(), Some(Word::Refused), "a refusal is stronger");
        drop(asked);
        assert_eq!(approvals.waiting(), [waiting(other, LATER)]);
        assert_eq!(approvals.ask(one, &waiting(one, LATER)).unwrap().word(), None, "it is asked for again");
        approvals.clear().unwrap();
        assert_eq!(approvals.waiting(), []);
    }

    #[test]
    fn only_waiting_plans_take_words() {
        let (_root, approvals) = approvals();
        let (plan, old) = (Sha256([0xab; 32]), Sha256([0xef; 32]));
        let _asked = approvals.ask(plan, &waiting(plan, LATER)).unwrap();
        let _old = approvals.ask(old, &waiting(old, "2026-01-01T00:00:00Z")).unwrap();
        for digest in ["", "ab", "abababa", "cdcdcdcd", "../../..", &old.to_string()] {
            let refused = approvals.say(Word::Approved, digest).unwrap_err();
            assert_eq!(refused.code(), codes::APPROVAL_UNKNOWN, "{digest}");
        }
    }
}
