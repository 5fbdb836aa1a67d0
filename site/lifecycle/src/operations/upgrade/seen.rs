//! What is found out about the host and its site before an upgrade or a rollback is planned: each of it once.

use std::collections::BTreeSet;

use landfall_error_codes::codes;
use landfall_host::facts::{self, Facts, ProbedGpus};

use super::super::Operations;
use super::super::bundle::TrustedRelease;
use super::super::configure::fitted_to;
use super::super::error::Result;
use super::super::status::StatusReport;
use crate::configuration::SiteConfiguration;
use crate::plan::models::Fitted;
use crate::preflight::Finding;

/// What is true of the site and of the models that its host can run.
pub(super) struct Seen {
    status: StatusReport,
    /// Figures of the models of the release that will be there.
    pub(super) fitted: Fitted,
}

impl Operations {
    /// Looks at the host and the site for an upgrade, which is refused for what the host lacks.
    pub(super) fn see_for_upgrade(
        &self,
        release: &TrustedRelease,
        settings: &SiteConfiguration,
    ) -> Result<(Seen, Facts)> {
        let gpus = ProbedGpus::recent(&self.paths);
        // Only rules ask for speeds, and to measure them is to write beside living databases.
        let collect = if release.release.rules.is_empty() { facts::collect } else { facts::collect_measured };
        let facts = collect(&self.paths, &gpus)?;
        let fitted = fitted_to(&facts, &release.release, &release.verified, settings);
        Ok((Seen { status: self.status_with(|| gpus)?, fitted }, facts))
    }

    /// The same for a rollback: what of the host is not needed stops none.
    pub(super) fn see_for_rollback(&self, release: &TrustedRelease, settings: &SiteConfiguration) -> Result<Seen> {
        let gpus = ProbedGpus::recent(&self.paths);
        let fitted = self.fitted(release, settings, &gpus)?;
        Ok(Seen { status: self.status_with(|| gpus)?, fitted })
    }
}

impl Seen {
    /// Names of the components that are ready.
    pub(super) fn ready_components(&self) -> BTreeSet<String> {
        let ready = self.status.components.iter().filter(|component| component.reasons.is_empty());
        ready.map(|component| component.component.clone()).collect()
    }

    /// Whether there are nodes, and all of them are ready.
    pub(super) fn is_node_ready(&self) -> bool {
        !self.status.nodes.is_empty() && self.status.nodes.iter().all(|node| node.ready)
    }

    /// Why the site is not ready, as a blocker; none if it is.
    pub(super) fn unready(&self) -> Option<Finding> {
        unready(&self.status)
    }
}

/// Why a site is not ready, as a blocker; none if it is.
pub(super) fn unready(report: &StatusReport) -> Option<Finding> {
    if report.ready {
        return None;
    }
    let components = report
        .components
        .iter()
        .flat_map(|component| component.reasons.iter().map(|reason| format!("{}: {reason}", component.component)));
    let nodes = report.nodes.iter().filter_map(|node| Some(format!("{}: {}", node.name, node.reason.as_ref()?)));
    let found: Vec<String> = nodes.chain(components).collect();
    // Most notes are no reasons; one may be the only word on what the site waits for.
    let found = if found.is_empty() { report.notes.clone() } else { found };
    Some(Finding::new(codes::UPGRADE_UNREADY, found.join("; "), "everything is ready"))
}
