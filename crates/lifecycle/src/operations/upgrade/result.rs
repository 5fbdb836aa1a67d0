//! Result of an upgrade or a rollback.

use schemars::JsonSchema;
use serde::Serialize;

use crate::steps::action::Action;
use crate::steps::load::Load;
use landfall_engine::plan::Plan;
use landfall_site::pins::Pins;

/// Result of an upgrade or a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeOutcome {
    /// Name of the release.
    pub release: String,
    /// Version of the release.
    pub version: String,
    /// Version of the previous release, which the site keeps.
    pub previous: String,
    /// Components that were added or changed, in order.
    pub changed: Vec<String>,
    /// Components that were removed; their data stays.
    pub removed: Vec<String>,
    /// Streams that were restored from a backup, in order: `COMPONENT/RULE`.
    pub restored: Vec<String>,
    /// Read time of the restored data, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<String>,
    /// Version of Kubernetes, such as `v1.36.3`, if the node pack changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
}

impl UpgradeOutcome {
    /// Returns the result of a committed operation.
    pub(in crate::operations) fn of(pins: &Pins, plan: &Plan<Action>) -> Self {
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        let (mut restored, mut restored_from, mut kubernetes) = (Vec::new(), None, None);
        for planned in plan.all() {
            match &planned.action {
                // The second wait, before the proofs, covers all components.
                Action::ComponentReady(ready) if planned.id.0 == format!("ready/{}", ready.component) => {
                    changed.push(ready.component.clone());
                }
                Action::NodeReady(ready) => kubernetes = Some(ready.kubernetes.clone()),
                Action::Load(Load { stream, .. }) => {
                    restored.push(format!("{}/{}", stream.component, stream.rule));
                    restored_from = Some(stream.time.clone());
                }
                Action::Retire(retire) => {
                    if let Action::Component(component) = &*retire.before {
                        removed.push(component.owner.component.clone());
                    }
                }
                _ => {}
            }
        }
        // A component whose volumes change is removed and recreated.
        removed.retain(|component| !changed.contains(component));
        Self {
            release: pins.release.clone(),
            version: pins.version.clone(),
            previous: pins.kept.first().map(|kept| kept.version.clone()).unwrap_or_default(),
            changed,
            removed,
            restored,
            restored_from,
            kubernetes,
        }
    }
}
