//! The host's key in memory, and its part of the audit log, for tests of what asks it.

use jiff::Timestamp;
use landfall_audit::{AuditError, Checkpoint, CheckpointWish, Ledger, SiteKey};
use landfall_error_codes::Coded as _;
use landfall_license::answer::{Answer, Question, SealedAnswer};
use landfall_peer::{AuditPage, Problem};

/// A key, and what was signed with it.
pub struct Signer {
    /// The key.
    pub key: SiteKey,
    /// What it has signed.
    pub ledger: Ledger,
}

impl Signer {
    /// One with a new key, which has signed nothing.
    pub fn generate() -> Result<Self, AuditError> {
        Ok(Self { key: SiteKey::generate()?, ledger: Ledger::default() })
    }

    /// What the host answers about it.
    pub fn page(&self) -> AuditPage {
        AuditPage { key: self.key.public().to_pem(), last: self.ledger.last.clone() }
    }

    /// Signs the answer of a site without a license.
    pub fn answer(&self, site: &str, question: &Question, now: Timestamp) -> Result<SealedAnswer, Problem> {
        let refused = |title: String| Problem { status: 500, title, detail: None, code: None, hint: None };
        let unsigned = Answer::new(question, None, site, now).unsigned().map_err(|error| refused(error.to_string()))?;
        let signature = self.key.sign(unsigned.message()).map_err(|error| refused(error.to_string()))?;
        unsigned.seal(self.key.public().id(), signature).map_err(|error| refused(error.to_string()))
    }

    /// Signs what a wish comes to.
    pub fn sign(&mut self, site: &str, wish: &CheckpointWish, now: Timestamp) -> Result<Checkpoint, Problem> {
        self.ledger.sign(&self.key, site, wish, now).map_err(|error| {
            let code = Some(error.code().id.to_owned());
            Problem { status: 409, title: error.to_string(), detail: None, code, hint: None }
        })
    }
}
