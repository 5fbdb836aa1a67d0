//! What an install would do on a host, this one or one that a file describes.

use std::path::Path;

use landfall_bundle_spec::Sha256;

use super::bundle::TrustedRelease;
use super::error::{OperationError, Result};
use super::trust::Trust;
use crate::configuration::SiteConfiguration;
use crate::plan::install::{InstallInputs, InstallPlan, plan_install};
use crate::preflight::{Sizes, preflight};
use crate::steps::action::Action;
use landfall_engine::plan::Plan;
use landfall_host::facts::Facts;

/// A planned install: nothing is changed by having it, and it cannot be run.
pub struct PlannedInstall {
    pub(super) release: TrustedRelease,
    pub(super) trust: Trust,
    /// Digest of the site's configuration.
    pub(super) configuration: Sha256,
    pub(super) facts: Facts,
    pub(super) plan: InstallPlan,
}

impl PlannedInstall {
    /// Plans from what is known, once nothing blocks. `facts` is asked for after everything that a person may have
    /// mistyped was read.
    pub(super) fn new(
        release: TrustedRelease,
        trust: Trust,
        site: Option<&Path>,
        facts: impl FnOnce() -> Result<Facts>,
    ) -> Result<Self> {
        let configuration = match site {
            Some(path) => SiteConfiguration::read(path, release.site_schema())?,
            None => SiteConfiguration::default(),
        };
        let facts = facts()?;
        let built_at = release.verified.identity().built_at;
        let blockers = preflight(&facts, &release.release, &configuration, sizes(&release), &built_at);
        if !blockers.is_empty() {
            return Err(OperationError::NotReady { blockers });
        }
        let plan = plan_install(&InstallInputs {
            release: &release.release,
            documents: &release.documents,
            facts: &facts,
            configuration: &configuration,
        })?;
        Ok(Self { release, trust, configuration: configuration.digest(), facts, plan })
    }

    /// What would be done.
    pub fn plan(&self) -> &Plan<Action> {
        &self.plan.plan
    }

    /// The facts that it was planned from.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The release.
    pub fn release(&self) -> &TrustedRelease {
        &self.release
    }
}

/// What the release's layers take once containerd has unpacked them.
fn sizes(release: &TrustedRelease) -> Sizes {
    let layers = release.verified.blobs().entries().iter().filter_map(|entry| entry.layer);
    layers.fold(Sizes::default(), |sizes, layer| Sizes {
        unpacked_bytes: sizes.unpacked_bytes + layer.unpacked_bytes,
        unpacked_inodes: sizes.unpacked_inodes + layer.inodes,
    })
}
