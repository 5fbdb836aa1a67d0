//! What a bundle on a medium is to this site, by its head alone: a look, for a list that a person chooses from. An upgrade looks again.
//!
//! Unlike an upgrade, a look never runs the program that a bundle carries.

use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_media::Payload;

use super::Operations;
use super::bundle::SignedHead;
use super::error::{OperationError, Result};
use super::trust::Trust;
use super::upgrade::refuse_unrelated;
use crate::marks::Marks;

/// What was found. The release is there once its signatures were verified by the root that the site trusts.
#[derive(Debug)]
pub struct FoundRelease {
    /// Name, once verified.
    pub name: String,
    /// Version.
    pub version: String,
    /// When it was built, RFC 3339 in UTC; none where only a newer Landfall can read that.
    pub built_at: Option<String>,
    /// Whether its root is for development only.
    pub development: bool,
    /// Whether it needs a newer Landfall, which it carries.
    pub newer: bool,
    /// Its place among the releases of its name; none where only a newer Landfall can read that.
    pub counter: Option<u64>,
    /// Why it cannot take the place of the installed release; none where it can be planned with.
    pub refusal: Option<OperationError>,
}

/// A bundle that was looked at.
pub(super) struct Judged {
    /// What it is to this site.
    pub(super) found: FoundRelease,
    /// Id of the bundle.
    pub(super) bundle: Sha256,
    /// What copying and checking of its payload need; none where only a newer Landfall can read that.
    pub(super) payload: Option<Payload>,
}

impl Operations {
    /// Looks at the head of a bundle. An error means that nothing of it is trusted. Changes nothing.
    pub fn look_at(&self, bundle: &Path) -> Result<FoundRelease> {
        Ok(self.judge(bundle)?.found)
    }

    /// The same, for one who continues with the payload.
    pub(super) fn judge(&self, bundle: &Path) -> Result<Judged> {
        let history = self.history()?;
        let pins = history.committed().and_then(super::history::Past::pins).ok_or(OperationError::NotInstalled)?;
        // The root that an upgrade would judge by, also after a rollback.
        let trust = Trust::pinned(history.newest_trust()?.unwrap_or(&pins.trust));
        let head = SignedHead::open(bundle, &trust, &self.io.media)?;
        let marks = Marks::read(&self.paths)?;
        if let Some(known) = marks.revocation()? {
            head.check_revoked(&known)?;
        }
        let (id, (name, version)) = (head.id(), head.announced());
        let development = head.is_development();
        if let Err(newer) = head.check_requirements() {
            let refusal = if head.carries_program() { None } else { Some(newer) };
            let found =
                FoundRelease { name, version, built_at: None, development, newer: true, counter: None, refusal };
            return Ok(Judged { found, bundle: id, payload: None });
        }
        let (_, release) = head.understood()?;
        let identity = release.verified.identity();
        let refusal = refuse_unrelated(pins, &release).and_then(|()| Ok(marks.check(&identity, id)?)).err();
        let (built_at, counter) = (Some(identity.built_at), Some(identity.counter));
        let found = FoundRelease { name, version, built_at, development, newer: false, counter, refusal };
        Ok(Judged { found, bundle: id, payload: Some(release.payload()) })
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::{Coded as _, codes};

    use crate::operations::testing::operations;

    #[test]
    fn nothing_is_looked_at_where_nothing_is_installed() {
        let (root, operations) = operations();
        let error = operations.look_at(root.path()).unwrap_err();
        assert_eq!(error.code(), codes::NOT_INSTALLED);
    }
}
