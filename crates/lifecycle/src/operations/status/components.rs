//! Components that status must not overlook.

use landfall_documents::status::{ComponentStatus, StatusReport};
use landfall_release_document::ReleaseDocument;

/// Adds the release's components that are unknown to the cluster, as not ready. Deleting a namespace also deletes the
/// inventory, and the report must not hide the loss. A cluster that did not answer adds none.
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
