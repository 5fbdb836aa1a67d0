//! Approval of an upgrade, rollback, restore or change of settings before it begins. It names a digest, which the
//! current plan must match.

use landfall_bundle_spec::Sha256;
use landfall_engine::plan::Plan;
use sha2::Digest as _;

use super::Operations;
use super::configure::PreparedConfigure;
use super::error::{OperationError, Result};
use super::restore::PreparedRestore;
use super::upgrade::PreparedUpgrade;
use crate::steps::action::Action;

/// Domain of the digest, which distinguishes it from Landfall's other digests.
const DOMAIN: &str = "landfall.dev/approval/1";

/// Replacement for the token, which differs each time that the same change is planned.
const WORD: &str = "token";

impl PreparedUpgrade<'_> {
    /// Returns the digest that an approval names: SHA-256 over the installed bundle, the new bundle, and every step
    /// with its parameters. Planning the same change again on the same site gives the same digest.
    pub fn approval(&self) -> Result<Sha256> {
        let text = text_of(self.plan(), self.operations)?;
        Ok(digest(self.pins.bundle, self.bundle(), &text, &self.token))
    }

    /// Begins the upgrade or rollback if it matches the approval, without waiting: its systemd unit ends it. Its
    /// journal is on the disk on return.
    pub fn begin_approved(self, approved: Sha256) -> Result<()> {
        refuse_different(self.approval()?, approved)?;
        let operations = self.operations;
        self.begin_with_media()?;
        operations.start_unit();
        Ok(())
    }
}

impl PreparedRestore<'_> {
    /// Returns the digest that an approval names, as for an upgrade: SHA-256 over the installed bundle and every step
    /// with its parameters. These include the backup, the time and the volumes.
    pub fn approval(&self) -> Result<Sha256> {
        let text = text_of(self.plan(), self.operations)?;
        Ok(digest(self.pins.bundle, self.pins.bundle, &text, &self.token))
    }

    /// Begins the restore if it matches the approval, without waiting: its systemd unit ends it. Its journal is on the
    /// disk on return. Returns the reason if the latest logs could not be saved first.
    pub fn begin_approved(self, approved: Sha256) -> Result<Option<String>> {
        refuse_different(self.approval()?, approved)?;
        let (operations, unsaved) = (self.operations, self.save_what_goes());
        self.begin()?;
        operations.start_unit();
        Ok(unsaved)
    }
}

impl PreparedConfigure<'_> {
    /// Returns the digest that an approval names: SHA-256 over the installed bundle and every step with its parameters.
    /// These include each changed field with both values.
    pub fn approval(&self) -> Result<Sha256> {
        let text = text_of(self.plan(), self.operations)?;
        Ok(digest(self.pins.bundle, self.pins.bundle, &text, ""))
    }

    /// Begins the change if it matches the approval, without waiting: its systemd unit ends it. Its journal is on the
    /// disk on return. Fails if edits would be lost.
    pub fn begin_approved(self, approved: Sha256) -> Result<()> {
        refuse_different(self.approval()?, approved)?;
        self.refuse_edited()?;
        let operations = self.operations;
        self.begin()?;
        operations.start_unit();
        Ok(())
    }
}

fn text_of(plan: &Plan<Action>, operations: &Operations) -> Result<String> {
    serde_json::to_string(plan).map_err(|source| OperationError::Plan { path: operations.paths.journal(), source })
}

fn refuse_different(found: Sha256, approved: Sha256) -> Result<()> {
    if found == approved { Ok(()) } else { Err(OperationError::PlanDiffers { found, approved }) }
}

fn digest(installed: Sha256, later: Sha256, plan: &str, token: &str) -> Sha256 {
    let plan = if token.is_empty() { plan.to_owned() } else { plan.replace(token, WORD) };
    let mut digest = sha2::Sha256::new();
    for part in [DOMAIN, &installed.to_string(), &later.to_string(), &plan] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Sha256(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_digest_ignores_only_the_token() {
        let (one, other) = (Sha256([1; 32]), Sha256([2; 32]));
        let plan = |token: &str, image: &str| format!(r#"[{{"copy":"data.before-{token}","image":"{image}"}}]"#);
        let first = digest(one, other, &plan("0a1b2c3d", "db:1"), "0a1b2c3d");
        assert_eq!(first, digest(one, other, &plan("ffeeddcc", "db:1"), "ffeeddcc"));
        assert_ne!(first, digest(one, other, &plan("ffeeddcc", "db:2"), "ffeeddcc"));
        assert_ne!(first, digest(other, other, &plan("ffeeddcc", "db:1"), "ffeeddcc"));
        assert_ne!(first, digest(one, one, &plan("ffeeddcc", "db:1"), "ffeeddcc"));
        assert_eq!(digest(one, other, "[]", ""), digest(one, other, "[]", "0a1b2c3d"));
    }
}
