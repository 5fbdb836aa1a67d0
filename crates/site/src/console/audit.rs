//! The host's part of the console's audit log: the key that signs checkpoints, and the ledger of signed ones. Both are
//! in one file, so a key never outlives its ledger. It is the site's key, which also signs reports of usage and answers
//! about the license without a ledger.

use jiff::{Timestamp, Unit};
use landfall_audit::{AuditError, Checkpoint, CheckpointRequest, Ledger, SiteKey};
use landfall_bundle_spec::trust::PublicKey;
use landfall_engine::step::StepError;
use landfall_error_codes::CodedError as _;
use landfall_license::answer::{Answer, AnswerError, SealedAnswer};
use landfall_license::usage::{ReportContents, UsageReport};
use serde::{Deserialize, Serialize};

use super::files::ConsoleFiles;

/// File with the key and the ledger.
pub(crate) const AUDIT_FILE: &str = "audit.json";

/// Content of the file. No `Debug`: the key must not reach a log.
#[derive(Serialize, Deserialize)]
struct AuditFile {
    /// Private key as PEM.
    key: String,
    ledger: Ledger,
}

/// The host's signatures of the console's audit log, and the key.
pub struct AuditRecord {
    key: SiteKey,
    /// Ledger of signed checkpoints.
    pub ledger: Ledger,
}

impl AuditRecord {
    /// Reads the record; `None` if the console has never requested a signature.
    pub fn read(files: &ConsoleFiles) -> Result<Option<Self>, StepError> {
        let Some(AuditFile { key, ledger }) = files.read(AUDIT_FILE)? else { return Ok(None) };
        Ok(Some(Self { key: SiteKey::from_pem(&key).map_err(audit_error)?, ledger }))
    }

    /// Reads the record, or creates it with a new key. On the disk on return.
    pub fn ensure(files: &ConsoleFiles) -> Result<Self, StepError> {
        if let Some(known) = Self::read(files)? {
            return Ok(known);
        }
        // The agent's measurement, an operation and the host API may each be the first.
        let _lock = files.lock()?;
        if let Some(known) = Self::read(files)? {
            return Ok(known);
        }
        let made = Self { key: SiteKey::generate().map_err(audit_error)?, ledger: Ledger::default() };
        made.write(files)?;
        Ok(made)
    }

    /// Signs the checkpoint of a request. On the disk on return. A refused request changes nothing.
    pub fn sign(
        mut self,
        files: &ConsoleFiles,
        site: &str,
        request: &CheckpointRequest,
        now: Timestamp,
    ) -> Result<Checkpoint, StepError> {
        let now = now.round(Unit::Millisecond).unwrap_or(now);
        let signed = self.ledger.sign(&self.key, site, request, now).map_err(audit_error)?;
        self.write(files)?;
        Ok(signed)
    }

    /// Signs a report of usage.
    pub fn sign_usage(&self, contents: ReportContents<'_>) -> Result<UsageReport, StepError> {
        let unsigned = UsageReport::new_unsigned(contents, self.key.public());
        let message = unsigned.message().map_err(|error| StepError::new(error.code(), error.to_string()))?;
        Ok(unsigned.with_signature(&self.sign_message(&message)?))
    }

    /// Signs a message. No other kind of signed message may begin in the same way.
    pub fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, StepError> {
        self.key.sign(message).map_err(audit_error)
    }

    /// Signs an answer to software. It is not recorded, because it expires.
    pub fn seal(&self, answer: &Answer) -> Result<SealedAnswer, StepError> {
        let unsigned = answer.to_unsigned().map_err(answer_error)?;
        let signature = self.sign_message(unsigned.message())?;
        unsigned.seal(self.public_key().id(), signature).map_err(answer_error)
    }

    /// Returns the public key.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    fn write(&self, files: &ConsoleFiles) -> Result<(), StepError> {
        files.write(AUDIT_FILE, &AuditFile { key: self.key.to_pem(), ledger: self.ledger.clone() })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn audit_error(error: AuditError) -> StepError {
    StepError::new(error.code(), error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn answer_error(error: AnswerError) -> StepError {
    StepError::new(error.code(), error.to_string())
}

#[cfg(test)]
mod tests {
    use landfall_audit::{Entry, Follower, Head, Outcome};
    use landfall_error_codes::codes;
    use landfall_host::paths::SitePaths;
    use landfall_license::answer::{Nonce, Question, Subject};

    use super::*;

    fn request(begin: Head, object: &str) -> CheckpointRequest {
        let entry = Entry {
            action: "user.create".to_owned(),
            actor: "alice".to_owned(),
            at: "2026-11-20T08:00:00Z".parse().unwrap(),
            correlation: String::new(),
            detail: String::new(),
            from: "192.0.2.7".to_owned(),
            number: begin.number + 1,
            object: object.to_owned(),
            outcome: Outcome::Done,
        };
        let (text, mut follower) = (entry.canonical().unwrap(), Follower::behind(begin));
        follower.extend(&text).unwrap();
        CheckpointRequest { entries: vec![text], head: follower.head(), restart: None, newer: None, start: None }
    }

    /// Messages signed for software cannot be read as checkpoints, whose text begins with its context.
    #[test]
    fn signed_answers_are_not_checkpoints() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        let record = AuditRecord::ensure(&files).unwrap();
        let question = Question { subject: Subject::Feature("export".to_owned()), nonce: Nonce([7; 16]) };
        let answer = Answer::new(&question, None, "site", Timestamp::UNIX_EPOCH);
        assert!(answer.to_unsigned().unwrap().message().starts_with(b"{\"graceUntil\":"));
        let sealed = record.seal(&answer).unwrap();
        assert_eq!(sealed.open(record.public_key(), &question).unwrap(), answer);
        let read = AuditRecord::ensure(&files).unwrap();
        assert!(read.public_key() == record.public_key() && read.ledger == Ledger::default(), "it is not remembered");
    }

    #[test]
    fn parallel_first_calls_share_key() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        let keys = std::thread::scope(|scope| {
            let made: Vec<_> =
                (0..8).map(|_| scope.spawn(|| AuditRecord::ensure(&files).unwrap().public_key().id())).collect();
            made.into_iter().map(|made| made.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(keys.len(), 1);
    }

    #[test]
    fn signed_checkpoint_is_remembered() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        assert!(AuditRecord::read(&files).unwrap().is_none());
        let key = AuditRecord::ensure(&files).unwrap().public_key().clone();
        let sign = |request: &CheckpointRequest| {
            AuditRecord::ensure(&files).unwrap().sign(&files, "site", request, Timestamp::UNIX_EPOCH)
        };
        let first = sign(&request(Head::EMPTY, "bob")).unwrap();
        let next = request(first.head, "carol");
        let second = sign(&next).unwrap();
        assert_eq!((first.sequence, second.sequence), (1, 2));
        let again = sign(&next).unwrap_err();
        assert_eq!(again.code(), codes::AUDIT_FORKED, "its number is that of an earlier entry");
        let other = sign(&request(first.head, "mallory")).unwrap_err();
        assert_eq!(other.code(), codes::AUDIT_FORKED);
        let kept = AuditRecord::read(&files).unwrap().unwrap();
        assert_eq!(kept.ledger.last, Some(second), "what was refused changed nothing");
        assert_eq!(*kept.public_key(), key);
    }
}
