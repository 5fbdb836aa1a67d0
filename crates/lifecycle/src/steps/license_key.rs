//! Public key with which pods of a component verify this site's answers about the license, in a `ConfigMap` of its
//! namespace. The same key signs the console's audit log.

use std::time::Duration;

use landfall_release_document::{ComponentEntry, ReleaseDocument};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject};
use crate::context::Site;
use landfall_bundle_spec::trust::PublicKey;
use landfall_cluster::{Cluster, ObjectName, Owner};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::paths::SitePaths;
use landfall_site::console::{AuditRecord, ConsoleFiles};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseKey {
    /// Namespace of the `ConfigMap`.
    pub namespace: String,
    /// Owner: the first component in the namespace that has a license check.
    pub owner: Owner,
}

impl LicenseKey {
    /// Returns one step for each namespace of a release whose pods have a license check.
    pub(crate) fn all(release: &ReleaseDocument) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for component in release.components.iter().filter(|component| component.license_check) {
            if all.iter().all(|key| key.namespace != component.namespace) {
                let owner = Owner { release: release.name.clone(), component: component.name.clone() };
                all.push(Self { namespace: component.namespace.clone(), owner });
            }
        }
        all
    }

    fn name(&self) -> ObjectName {
        ObjectName::new("v1", "ConfigMap", &self.namespace, ComponentEntry::LICENSE_KEY)
    }

    fn required_object(&self, key: &PublicKey) -> RequiredObject {
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": ComponentEntry::LICENSE_KEY, "namespace": self.namespace},
            "data": {ComponentEntry::LICENSE_KEY_FILE: key.to_pem()},
        });
        self.owner.mark(&mut object);
        RequiredObject::new(object)
    }

    /// Creates the key if needed, and applies the object.
    pub(crate) fn apply(&self, paths: &SitePaths, cluster: &Cluster) -> Result<(), StepError> {
        let record = AuditRecord::ensure(&ConsoleFiles::of(paths))?;
        Ok(objects::apply(cluster, &[self.required_object(record.public_key())])?)
    }
}

impl Step<Site> for LicenseKey {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        match AuditRecord::read(&ConsoleFiles::of(&site.peer.paths))? {
            Some(record) => objects::observe(&site.cluster.connect()?, &[self.required_object(record.public_key())]),
            None => Ok(ObservedState::Absent),
        }
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        Ok(json!({ "files_existed": site.peer.folder().exists() }))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        self.apply(&site.peer.paths, &site.cluster.connect()?)?;
        Ok(json!({ "object": self.name().to_string() }))
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        if !site.undo.removing_cluster {
            site.cluster.connect()?.delete(&self.name(), Duration::from_secs(DELETION_SECONDS))?;
        }
        // The first step that needs the console's files, including this key, creates them.
        if before["files_existed"] == json!(false) { ConsoleFiles::of(&site.peer.paths).remove() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use landfall_audit::SiteKey;

    use super::*;

    #[test]
    fn pods_get_only_the_public_key() {
        let key = SiteKey::generate().unwrap();
        let owner = Owner { release: "starter".to_owned(), component: "reports".to_owned() };
        let step = LicenseKey { namespace: "reports".to_owned(), owner };
        let object = step.required_object(key.public()).object;
        assert_eq!(ObjectName::of(&object).unwrap(), step.name());
        let text = object["data"]["key.pem"].as_str().unwrap();
        assert_eq!(PublicKey::from_pem("key.pem", text).unwrap(), *key.public());
        assert!(!object.to_string().contains("PRIVATE"));
    }
}
