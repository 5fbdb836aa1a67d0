//! The host's part of the audit log in memory, for tests of what asks it.

use jiff::Timestamp;
use landfall_audit::{AuditError, Checkpoint, CheckpointWish, Ledger, SiteKey};
use landfall_error_codes::Coded as _;
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

    /// Signs what a wish comes to.
    pub fn sign(&mut self, site: &str, wish: &CheckpointWish, now: Timestamp) -> Result<Checkpoint, Problem> {
        self.ledger.sign(&self.key, site, wish, now).map_err(|error| {
            let code = Some(error.code().id.to_owned());
            Problem { status: 409, title: error.to_string(), detail: None, code, hint: None }
        })
    }
}
