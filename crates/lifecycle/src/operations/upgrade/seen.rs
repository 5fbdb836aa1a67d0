//! Observations of the host and its site before an upgrade or a rollback is planned, each made once.

use std::collections::BTreeSet;

use landfall_documents::status::StatusReport;
use landfall_error_codes::codes;
use landfall_host::facts::{self, Facts, ProbedGpus};

use super::super::Operations;
use super::super::bundle::TrustedRelease;
use super::super::configure::fitted_to;
use super::super::error::Result;
use crate::plan::models::FittedModels;
use landfall_site::configuration::SiteConfiguration;
use landfall_site::findings::Finding;

/// State of the site, and the fit of the models on its host.
pub(super) struct CurrentState {
    status: StatusReport,
    /// Figures of the target release's models.
    pub(super) fitted: FittedModels,
}

impl Operations {
    /// Examines the host and the site for an upgrade. Missing requirements of the host refuse it later.
    pub(super) fn see_for_upgrade(
        &self,
        release: &TrustedRelease,
        settings: &SiteConfiguration,
    ) -> Result<(CurrentState, Facts)> {
        let gpus = ProbedGpus::recent(&self.paths);
        // Only rules need speeds, and measuring them writes beside databases in use.
        let collect = if release.release.rules.is_empty() { facts::collect } else { facts::collect_measured };
        let facts = collect(&self.paths, &gpus)?;
        let fitted = fitted_to(&facts, &release.release, &release.verified, settings);
        Ok((CurrentState { status: self.status_with(|| gpus)?, fitted }, facts))
    }

    /// Like [`Self::see_for_upgrade`], for a rollback: missing facts of the host do not stop it.
    pub(super) fn see_for_rollback(
        &self,
        release: &TrustedRelease,
        settings: &SiteConfiguration,
    ) -> Result<CurrentState> {
        let gpus = ProbedGpus::recent(&self.paths);
        let fitted = self.fit_models(release, settings, &gpus)?;
        Ok(CurrentState { status: self.status_with(|| gpus)?, fitted })
    }
}

impl CurrentState {
    /// Returns the names of the ready components.
    pub(super) fn ready_components(&self) -> BTreeSet<String> {
        let ready = self.status.components.iter().filter(|component| component.reasons.is_empty());
        ready.map(|component| component.component.clone()).collect()
    }

    /// Returns true if there are nodes and all of them are ready.
    pub(super) fn is_node_ready(&self) -> bool {
        !self.status.nodes.is_empty() && self.status.nodes.iter().all(|node| node.ready)
    }

    /// Returns a blocker if the site is not ready.
    pub(super) fn unready(&self) -> Option<Finding> {
        unready(&self.status)
    }
}

/// Returns a blocker with the reasons why a site is not ready.
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
    // Most notes are not reasons, but one may be the only information about the wait.
    let found = if found.is_empty() { report.notes.clone() } else { found };
    Some(Finding::new(codes::UPGRADE_UNREADY, found.join("; "), "everything is ready"))
}
