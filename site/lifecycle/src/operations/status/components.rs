//! Components that status must not overlook.

use landfall_release_document::ReleaseDocument;

use super::StatusReport;
use landfall_cluster::ComponentStatus;

/// Adds the components of the release that the cluster knows nothing of, as not ready: with a namespace its inventory
/// goes, too, and what is gone must not pass for all that there is. A cluster that did not answer says nothing.
pub(super) fn add_missing(report: &mut StatusReport, release: &ReleaseDocument) {
    if report.nodes.is_empty() {
        return;
    }
    for component in &release.components {
        let is_known = |found: &ComponentStatus| found.component == component.name;
        if !report.components.iter().any(is_known) {
            let gone =
                format!("the cluster has no list of its objects: they were deleted from {}", component.namespace);
            report.components.push(ComponentStatus {
                component: component.name.clone(),
                namespace: component.namespace.clone(),
                release: release.name.clone(),
                ready: 0,
                total: 0,
                reasons: vec![gone],
            });
        }
    }
}
