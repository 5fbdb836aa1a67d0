//! Namespace of a drill: as restricted as its component's own, and deleted after any result.

use std::time::Duration;

use landfall_cluster::drill::DrillNamespace;
use landfall_cluster::{ClusterError, Owner};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_release_document::ComponentEntry;
use landfall_release_document::container::DRILL_NAMESPACE;

use super::{Drill, network};
use crate::content::minor_version;

/// Time limit for creating or deleting a namespace.
pub(super) const LIMIT: Duration = Duration::from_mins(5);

/// Maximum length of a namespace's name.
const LONGEST_NAME: usize = 63;

impl Drill<'_> {
    /// Runs `act` in the namespace of a component's drill, which exists only during the call.
    pub(super) fn within<T>(
        &self,
        component: &str,
        act: impl FnOnce(&str, &Owner) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let entry = self.component(component)?;
        let owner = Owner { release: self.release.name.clone(), component: component.to_owned() };
        let name = name(component);
        let namespace = DrillNamespace {
            name: &name,
            owner: &owner,
            pod_security: &pod_security(entry)?,
            pod_security_version: &minor_version(self.release)?,
            quota: &entry.quota,
            has_runtime: network::is_there(self.paths),
        };
        let done =
            self.cluster.make_drill(&namespace, LIMIT).map_err(StepError::from).and_then(|()| act(&name, &owner));
        // The drill's result matters more than a remaining namespace, which the next drill deletes.
        if let Err(error) = self.cluster.delete_drill(&name, LIMIT) {
            tracing::warn!(namespace = name, %error, "the namespace of a drill stays");
        }
        done
    }

    fn component(&self, name: &str) -> Result<&ComponentEntry, StepError> {
        self.release.components.iter().find(|component| component.name == name).ok_or_else(|| {
            let what = format!("the installed release has no component {name}");
            StepError::new(codes::RESTORE_OTHER_VERSION, what)
        })
    }

    /// Copies the objects that pods refer to into the namespace. Missing objects are skipped: the pod's start shows
    /// whether it needs them.
    pub(super) fn copy_references(
        &self,
        pod: &serde_json::Value,
        from: &str,
        to: &str,
        owner: &Owner,
    ) -> Result<(), ClusterError> {
        for reference in landfall_cluster::drill::references(pod) {
            if let Some(object) = self.cluster.get(&reference.object(from))? {
                self.cluster.apply(&landfall_cluster::drill::copy(&object, to, owner))?;
            }
        }
        Ok(())
    }
}

fn pod_security(component: &ComponentEntry) -> Result<String, StepError> {
    let level = serde_json::to_value(component.pod_security)
        .map_err(|error| StepError::new(codes::BUG, "a level of Pod Security cannot be written").because(error))?;
    Ok(level.as_str().unwrap_or_default().to_owned())
}

fn name(component: &str) -> String {
    let mut name = format!("{DRILL_NAMESPACE}{component}");
    name.truncate(LONGEST_NAME);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_names_fit_a_label() {
        assert_eq!(name("postgres"), "landfall-drill-postgres");
        let long = name(&format!("{}-{}", "a".repeat(47), "b".repeat(15)));
        assert_eq!(long, format!("landfall-drill-{}", "a".repeat(47)));
    }
}
