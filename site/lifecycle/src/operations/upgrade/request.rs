//! What a person asks for.

use std::path::Path;

use landfall_cluster::Edits;

use crate::site_secrets::{BroughtSecrets, NO_SECRETS};

/// A person's request for an upgrade.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The bundle, one of its parts, or the folder that holds them.
    pub bundle: &'a Path,
    /// The file of a license, in place of the one that the site has.
    pub license: Option<&'a Path>,
    /// What becomes of fields that other managers have edited.
    pub policy: Edits,
    /// Names of warnings that are accepted.
    pub accept: &'a [String],
    /// Secrets that the release asks for.
    pub secrets: &'a BroughtSecrets,
}

impl<'a> UpgradeRequest<'a> {
    /// To the release of this bundle, with nothing that a person may add.
    pub fn to(bundle: &'a Path) -> Self {
        Self { bundle, license: None, policy: Edits::Refuse, accept: &[], secrets: &NO_SECRETS }
    }
}
