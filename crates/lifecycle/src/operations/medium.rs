//! Relation of a bundle on a medium to this site, from its head alone, for a list from which a person chooses. An
//! upgrade examines the bundle again.
//!
//! Unlike an upgrade, this never runs the program that a bundle carries.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_media::Payload;

use super::Operations;
use super::bundle::SignedHead;
use super::error::{OperationError, Result};
use super::trust::Trust;
use super::upgrade::refuse_unrelated;
use landfall_site::marks::Marks;

/// A release that was found and whose signatures were verified by the site's trusted root.
#[derive(Debug)]
pub struct FoundRelease {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Build time, RFC 3339 in UTC; `None` if only a newer Landfall can read it.
    pub built_at: Option<String>,
    /// True if its root is for development only.
    pub development: bool,
    /// True if it needs a newer Landfall, which it carries.
    pub newer: bool,
    /// Its counter; `None` if only a newer Landfall can read it.
    pub counter: Option<u64>,
    /// Reason why it cannot replace the installed release; `None` if it can be planned.
    pub refusal: Option<OperationError>,
}

/// An examined bundle.
pub(super) struct ExaminedBundle {
    /// Its relation to this site.
    pub(super) found: FoundRelease,
    /// ID of the bundle.
    pub(super) bundle: Sha256,
    /// Description of its payload for copying and checking; `None` if only a newer Landfall can read it.
    pub(super) payload: Option<Payload>,
}

impl Operations {
    /// Examines the head of a bundle. Fails if it is not trusted. Changes nothing.
    pub fn look_at(&self, bundle: &Path) -> Result<FoundRelease> {
        Ok(self.judge(bundle)?.found)
    }

    /// Like [`Self::look_at`], with the payload's description.
    pub(super) fn judge(&self, bundle: &Path) -> Result<ExaminedBundle> {
        let history = self.history()?;
        let pins = history
            .last_committed()
            .and_then(super::past::JournaledOperation::pins)
            .ok_or(OperationError::NotInstalled)?;
        // Uses the same root as an upgrade, even after a rollback.
        let trust = Trust::from_pinned(history.newest_trust()?.unwrap_or(&pins.trust));
        let head = SignedHead::open(bundle, &trust, &self.io.media)?;
        let marks = Marks::read(&self.paths)?;
        if let Some(known) = marks.revocation()? {
            head.check_revoked(&known)?;
        }
        let (id, (name, version)) = (head.id(), head.announced_release());
        let development = head.is_development();
        if let Err(newer) = head.check_requirements() {
            let refusal = if head.carries_program() { None } else { Some(newer) };
            let found =
                FoundRelease { name, version, built_at: None, development, newer: true, counter: None, refusal };
            return Ok(ExaminedBundle { found, bundle: id, payload: None });
        }
        let (_, release) = head.into_release()?;
        let identity = release.verified.identity();
        let refusal = refuse_unrelated(pins, &release).and_then(|()| Ok(marks.check(&identity, id)?)).err();
        let (built_at, counter) = (Some(identity.built_at), Some(identity.counter));
        let found = FoundRelease { name, version, built_at, development, newer: false, counter, refusal };
        Ok(ExaminedBundle { found, bundle: id, payload: Some(release.payload()) })
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::{CodedError as _, codes};

    use crate::operations::testing::operations;

    #[test]
    fn empty_machine_looks_at_no_medium() {
        let (root, operations) = operations();
        let error = operations.look_at(root.path()).unwrap_err();
        assert_eq!(error.code(), codes::NOT_INSTALLED);
    }
}
