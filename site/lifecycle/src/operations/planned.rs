//! What an install would do on a host, this one or one that a file describes.

use std::path::Path;

use landfall_bundle_spec::head::Contents;
use landfall_release_document::{DataRoom, ReleaseDocument};

use super::bundle::TrustedRelease;
use super::error::{OperationError, Result};
use super::kept::Adoption;
use super::trust::Trust;
use crate::configuration::SiteConfiguration;
use crate::license::Licensing;
use crate::plan::install::{InstallInputs, InstallPlan, plan_install};
use crate::preflight::{Finding, Severity, Sizes, Subject, preflight, sort};
use crate::steps::action::Action;
use landfall_engine::plan::Plan;
use landfall_host::facts::Facts;

/// A planned install: nothing is changed by having it, and it cannot be run.
pub struct PlannedInstall {
    pub(super) release: TrustedRelease,
    pub(super) trust: Trust,
    pub(super) settings: SiteConfiguration,
    pub(super) facts: Facts,
    pub(super) plan: InstallPlan,
    /// The license that counts.
    pub(super) licensing: Licensing,
    /// Warnings of preflight, and what a person should know of kept data and the license.
    pub(super) notes: Vec<String>,
}

impl PlannedInstall {
    /// Plans from the known facts, once nothing blocks. `facts` is called after all input that a person may have
    /// mistyped was read; `brought` says what happens to kept data, and which license counts.
    pub(super) fn new(
        release: TrustedRelease,
        trust: Trust,
        site: Option<&Path>,
        brought: (Adoption, Licensing),
        facts: impl FnOnce() -> Result<Facts>,
    ) -> Result<Self> {
        let configuration = match site {
            Some(path) => SiteConfiguration::read(path, release.site_schema())?,
            None => SiteConfiguration::default(),
        };
        let facts = facts()?;
        let built_at = release.verified.identity().built_at;
        let subject = Subject {
            facts: &facts,
            release: &release.release,
            configuration: &configuration,
            sizes: sizes(&release.verified, &release.release),
            built_at: &built_at,
        };
        let (adoption, licensing) = brought;
        let mut findings = preflight(&subject);
        findings.extend(adoption.blockers);
        findings.extend(licensing.blockers(&release.release, release.built_at()));
        sort(&mut findings);
        let (blockers, others): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::is_blocker);
        if !blockers.is_empty() {
            return Err(OperationError::NotReady { blockers });
        }
        let plan = plan_install(&InstallInputs {
            release: &release.release,
            documents: &release.documents,
            facts: &facts,
            configuration: &configuration,
            adopted: &adoption.volumes,
        })?;
        let warnings = others.iter().filter(|finding| finding.severity == Severity::Warning).map(Finding::note);
        let notes = warnings.chain(adoption.notes).chain(licensing.note.clone()).collect();
        Ok(Self { release, trust, settings: configuration, facts, plan, licensing, notes })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan<Action> {
        &self.plan.plan
    }

    /// The facts on which it is based.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Warnings, which do not block.
    pub fn warnings(&self) -> &[String] {
        &self.notes
    }

    /// The release.
    pub fn release(&self) -> &TrustedRelease {
        &self.release
    }
}

/// The space that the release takes, its layers once containerd has unpacked them included.
pub(super) fn sizes(contents: &Contents, release: &ReleaseDocument) -> Sizes {
    let blobs = contents.blobs().entries();
    let inodes = blobs.iter().filter_map(|entry| entry.layer).map(|layer| layer.inodes);
    let room = DataRoom::of(blobs, &release.requirements);
    Sizes { room, unpacked_inodes: inodes.fold(0, u64::saturating_add) }
}
