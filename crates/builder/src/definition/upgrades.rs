//! Versions that can be upgraded to a release.

use landfall_error_codes::codes;
use landfall_release_document::{ReleaseDocument, UpgradeFault, UpgradeField, UpgradePath, check_upgrades};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Release, Sources};
use crate::error::{BuildError, Result};

/// A version that can be upgraded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeDefinition {
    /// The earlier version.
    pub from: Spanned<String>,
    /// Version that must be installed in between.
    #[serde(default)]
    pub through: Option<Spanned<String>>,
}

impl Release {
    /// The versions in the form of the release document.
    pub fn upgrade_paths(&self) -> Option<Vec<UpgradePath>> {
        let path = |upgrade: &UpgradeDefinition| UpgradePath {
            from: upgrade.from.value.clone(),
            through: upgrade.through.as_ref().map(|through| through.value.clone()),
        };
        self.upgrades.as_ref().map(|upgrades| upgrades.iter().map(path).collect())
    }
}

/// Returns an error for a list that contradicts itself or names the release itself.
pub(super) fn check(sources: &Sources, release: &Release) -> Result<()> {
    refuse_endless_soak(sources, release)?;
    let (Some(upgrades), Some(paths)) = (&release.upgrades, release.upgrade_paths()) else { return Ok(()) };
    check_upgrades(&release.version.value, &paths).map_err(|UpgradeFault { index, field, what }| {
        let upgrade = &upgrades[index];
        let (field, at) = match (field, &upgrade.through) {
            (UpgradeField::Through, Some(through)) => ("through", through),
            _ => ("from", &upgrade.from),
        };
        let place = sources.place(at.referenced, format!("upgrades[{index}].{field}"));
        BuildError::at(codes::RELEASE_INVALID, place, format!("the list of upgrades has {what}"))
    })
}

fn refuse_endless_soak(sources: &Sources, release: &Release) -> Result<()> {
    let longest = ReleaseDocument::LONGEST_SOAK_SECONDS;
    match &release.soak_seconds {
        Some(seconds) if !(1..=longest).contains(&seconds.value) => {
            let place = sources.place(seconds.referenced, "soakSeconds");
            let what = format!("an upgrade can watch a release for 1 to {longest} seconds, not {}", seconds.value);
            Err(BuildError::at(codes::RELEASE_INVALID, place, what))
        }
        _ => Ok(()),
    }
}
