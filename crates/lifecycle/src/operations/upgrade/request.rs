//! A person's request for an upgrade.

use std::path::Path;

use landfall_cluster::Edits;

use landfall_site::site_secrets::{BroughtSecrets, NO_SECRETS};

/// A request for an upgrade.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The bundle, one of its parts, or the folder of the parts.
    pub bundle: &'a Path,
    /// File of a license, which replaces the site's license.
    pub license: Option<&'a Path>,
    /// Treatment of fields that other managers have edited.
    pub policy: Edits,
    /// Names of accepted warnings.
    pub accept: &'a [String],
    /// Supplied secrets.
    pub secrets: &'a BroughtSecrets,
}

impl<'a> UpgradeRequest<'a> {
    /// Returns a request for the release of this bundle, without options.
    pub fn to(bundle: &'a Path) -> Self {
        Self { bundle, license: None, policy: Edits::Refuse, accept: &[], secrets: &NO_SECRETS }
    }
}
