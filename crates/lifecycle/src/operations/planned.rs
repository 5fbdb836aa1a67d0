//! The plan of an install on this host, or on a host that a file describes.

use std::path::Path;

use jiff::Timestamp;
use landfall_bundle_spec::head::Contents;
use landfall_documents::warning::AcceptedWarning;
use landfall_release_document::{DataRoom, ReleaseDocument};

use landfall_engine::plan::Plan;
use landfall_host::facts::Facts;

use super::bundle::TrustedRelease;
use super::configure::fitted_to;
use super::error::{OperationError, Result};
use super::kept::Adoption;
use super::trust::Trust;
use crate::plan::figures::{FiguresInputs, PlanFigures};
use crate::plan::install::{InstallInputs, InstallPlan, plan_install};
use crate::preflight::{Sizes, Subject, preflight};
use crate::steps::action::Action;
use landfall_site::configuration::{ResolvedValues, SiteConfiguration};
use landfall_site::findings::{self, Finding, Severity, accepted_warnings, refuse_unknown, sort};
use landfall_site::license::Licensing;
use landfall_site::site_secrets::{BroughtSecrets, GivenSecrets, NewSecrets, SecretInputs};

/// A planned install. It changes nothing and cannot be run.
pub struct PlannedInstall {
    pub(super) release: TrustedRelease,
    pub(super) trust: Trust,
    pub(super) settings: SiteConfiguration,
    pub(super) facts: Facts,
    pub(super) plan: InstallPlan,
    /// The applicable license.
    pub(super) licensing: Licensing,
    /// Warnings of preflight, and notes about kept data and the license.
    pub(super) notes: Vec<String>,
    /// Warnings that a person has accepted.
    pub(super) accepted: Vec<AcceptedWarning>,
    /// Figures of models that were fitted to the host.
    pub(super) fitted: ResolvedValues,
    /// Secret values that a person supplied.
    pub(super) secrets: NewSecrets,
}

/// A person's inputs to an install.
pub(super) struct SuppliedInputs<'a> {
    /// The site configuration's file.
    pub(super) site: Option<&'a Path>,
    /// Treatment of kept data.
    pub(super) adoption: Adoption,
    /// The applicable license.
    pub(super) licensing: Licensing,
    /// Names of warnings that are accepted on the command line.
    pub(super) accept: &'a [String],
    /// Supplied secrets.
    pub(super) secrets: &'a BroughtSecrets,
}

/// A person's inputs, parsed and checked against the release, but independent of the host.
pub(super) struct CheckedInputs<'a> {
    release: TrustedRelease,
    trust: Trust,
    configuration: SiteConfiguration,
    adoption: Adoption,
    licensing: Licensing,
    /// Blockers of the license.
    licensed: Vec<Finding>,
    accept: &'a [String],
    secrets: GivenSecrets,
}

impl<'a> SuppliedInputs<'a> {
    /// Parses all inputs that a person may have mistyped.
    ///
    /// # Errors
    /// The first input that cannot be read, or that the release does not know.
    pub(super) fn judge(self, release: TrustedRelease, trust: Trust) -> Result<CheckedInputs<'a>> {
        let Self { site, mut adoption, licensing, accept, secrets } = self;
        let configuration = match site {
            Some(path) => SiteConfiguration::read(path, release.site_schema())?,
            None => SiteConfiguration::default(),
        };
        refuse_unknown(&configuration.accept, &release.release)?;
        let secrets = first_secrets(&release.release, &configuration, secrets)?;
        let licensed = adoption.applicable_blockers(licensing.blockers(&release.release, release.built_at()));
        Ok(CheckedInputs { release, trust, configuration, adoption, licensing, licensed, accept, secrets })
    }
}

impl CheckedInputs<'_> {
    /// Returns true if there are problems that no change of the host can fix.
    pub(super) fn has_findings(&self) -> bool {
        !(self.secrets.findings.is_empty() && self.adoption.blockers.is_empty() && self.licensed.is_empty())
    }

    /// Plans for the host of these facts, if nothing blocks and all required warnings are accepted.
    ///
    /// # Errors
    /// All blockers at once, of the host and of the person's inputs.
    pub(super) fn plan(self, facts: Facts) -> Result<PlannedInstall> {
        let Self { release, trust, configuration, adoption, licensing, licensed, accept, secrets } = self;
        let built_at = release.verified.identity().built_at;
        let fitted = fitted_to(&facts, &release.release, &release.verified, &configuration);
        let subject = Subject {
            facts: &facts,
            release: &release.release,
            configuration: &configuration,
            sizes: sizes(&release.verified, &release.release),
            host_ports: &release.host_ports(&configuration, &fitted.values),
            built_at: &built_at,
        };
        let mut findings = preflight(&subject);
        findings.extend(fitted.findings);
        findings.extend(secrets.findings);
        findings.extend(adoption.blockers);
        findings.extend(licensed);
        findings::accept(&mut findings, accept, &configuration.accept)?;
        sort(&mut findings);
        let (blockers, others): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::stops);
        if !blockers.is_empty() {
            return Err(OperationError::NotReady { blockers });
        }
        let plan = plan_install(&InstallInputs {
            release: &release.release,
            documents: &release.documents,
            facts: &facts,
            configuration: &configuration,
            fitted: &fitted.values,
            secrets: &secrets.numbers,
            adopted: &adoption.volumes,
        })?;
        let warnings = others.iter().filter(|finding| finding.severity == Severity::Warning).map(Finding::note);
        let notes = warnings.chain(adoption.notes).chain(licensing.note.clone()).collect();
        let accepted = accepted_warnings(&others);
        let (settings, fitted, secrets) = (configuration, fitted.values, secrets.new);
        Ok(PlannedInstall { release, trust, settings, facts, plan, licensing, notes, accepted, fitted, secrets })
    }
}

impl PlannedInstall {
    /// Returns the plan.
    pub fn plan(&self) -> &Plan<Action> {
        &self.plan.plan
    }

    /// Returns its time and space on that host.
    pub fn figures(&self) -> Result<PlanFigures> {
        let verified = &self.release.verified;
        let inputs = FiguresInputs {
            plan: &self.plan.plan,
            release: &self.release.release,
            documents: &self.release.documents,
            blobs: verified.blobs().entries(),
            head_bytes: verified.head_bytes().len() as u64,
            facts: &self.facts,
        };
        Ok(PlanFigures::of(&inputs)?)
    }

    /// Returns the facts on which it is based.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns the warnings, which do not block.
    pub fn warnings(&self) -> &[String] {
        &self.notes
    }

    /// Returns the warnings that a person has accepted.
    pub fn accepted_warnings(&self) -> &[AcceptedWarning] {
        &self.accepted
    }

    /// Returns the figures of models that were fitted to the host, by the names of the release's values. They include
    /// the site's own settings.
    pub fn model_figures(&self) -> &ResolvedValues {
        &self.fitted
    }

    /// Returns the release.
    pub fn release(&self) -> &TrustedRelease {
        &self.release
    }
}

/// Returns the values of a release's secrets on a site without earlier ones. Fails if a name is unknown to the release.
pub(super) fn first_secrets(
    release: &ReleaseDocument,
    configuration: &SiteConfiguration,
    brought: &BroughtSecrets,
) -> Result<GivenSecrets> {
    let asked = SecretInputs {
        release,
        values: &configuration.values,
        configured: Some(&configuration.secrets),
        brought,
        kept: None,
        now: Timestamp::now(),
    };
    asked.refuse_unknown()?;
    Ok(asked.choose_secrets())
}

/// Returns the space that the release takes, including its unpacked layers in containerd.
pub(super) fn sizes(contents: &Contents, release: &ReleaseDocument) -> Sizes {
    let blobs = contents.blobs().entries();
    let inodes = blobs.iter().filter_map(|entry| entry.layer).map(|layer| layer.inodes);
    let room = DataRoom::of(blobs, &release.requirements);
    Sizes { room, unpacked_inodes: inodes.fold(0, u64::saturating_add) }
}
