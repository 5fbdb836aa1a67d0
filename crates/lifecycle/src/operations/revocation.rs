//! Revocations that reach a site without a bundle.

use std::path::Path;

use landfall_bundle_spec::limits::AREA_FILE_BYTES;
use landfall_bundle_spec::trust::{Revocation, Root};
use landfall_host::files;
use landfall_site::marks::Marks;
use landfall_site::pins::{PinnedTrust, Pins};

use super::Operations;
use super::error::{OperationError, Result};

impl Operations {
    /// Imports a revocation that the site's pinned root trusts, and returns the revocation in force. It is stored
    /// durably. Running software is not affected, but the named releases can no longer be installed here.
    pub fn import_revocation(&self, path: &Path) -> Result<Revocation> {
        Ok(Marks::learn(&self.paths, &self.trusted_revocation(path)?)?)
    }

    /// Reads a revocation that the site's pinned root trusts. Changes nothing.
    pub(super) fn trusted_revocation(&self, path: &Path) -> Result<Revocation> {
        let pinned = self.pinned_trust()?.ok_or_else(|| OperationError::TrustMissing { bundle: path.to_owned() })?;
        let bytes =
            files::read_at_most(path, AREA_FILE_BYTES).map_err(|error| OperationError::io("read", path, error))?;
        let refused = |source| OperationError::Refused { path: path.to_owned(), source: Box::new(source) };
        let root = Root::read("the pinned root document", pinned.root.as_bytes()).map_err(refused)?;
        let revocation = Revocation::read(&path.display().to_string(), &bytes).map_err(refused)?;
        revocation.verify(&root).map_err(refused)?;
        Ok(revocation)
    }

    /// Fails if a release was revoked since its operation began. The operation can still be undone.
    pub(super) fn expect_not_revoked(&self, pins: &Pins) -> Result<()> {
        let Some(known) = Marks::read(&self.paths)?.revocation()? else { return Ok(()) };
        known
            .check(&pins.release, &pins.version, pins.bundle)
            .map_err(|source| OperationError::Refused { path: self.head_file(pins.bundle), source: Box::new(source) })
    }

    /// Returns the newest root that the site's operations pinned, if any.
    pub(super) fn pinned_trust(&self) -> Result<Option<PinnedTrust>> {
        Ok(self.history()?.newest_trust()?.cloned())
    }
}
