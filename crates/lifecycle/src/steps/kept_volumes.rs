//! Offers volumes of an earlier installation to their claims before any pod requests them. Each volume names its claim:
//! the claim gets no new, empty volume, and no other claim can take it.

use std::time::Duration;

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject};
use crate::context::Site;
use landfall_cluster::{ObjectName, Owner};
use landfall_engine::step::{ObservedState, Step, StepError};

/// Component that provides the storage class of such volumes, and the class.
const STORAGE: (&str, &str) = ("storage", "local-path");

/// Capacity of every volume. A folder has no size of its own. A claim that requests more than its volume offers would
/// get a new, empty volume.
const CAPACITY: &str = "1Pi";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptVolumes {
    /// Name of the release.
    pub release: String,
    /// Name of the node that has the folders.
    pub node: String,
    /// The volumes.
    pub volumes: Vec<AdoptedVolume>,
}

/// A volume that is used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptedVolume {
    /// Namespace of its claim.
    pub namespace: String,
    /// Its claim.
    pub claim: String,
    /// Folder in the folder of volumes: the volume's name, an underscore and a suffix.
    pub folder: String,
    /// Component of the volume, if known.
    pub component: Option<String>,
    /// The access modes of the claim.
    pub access_modes: Vec<String>,
}

impl AdoptedVolume {
    /// Returns the name of the volume object, which stays the same.
    fn name(&self) -> ObjectName {
        let name = self.folder.split('_').next().unwrap_or_default();
        ObjectName::new("v1", "PersistentVolume", "", name)
    }
}

impl KeptVolumes {
    fn required_objects(&self, site: &Site) -> Vec<RequiredObject> {
        self.volumes.iter().map(|volume| RequiredObject::new(self.object(volume, site))).collect()
    }

    fn object(&self, volume: &AdoptedVolume, site: &Site) -> Value {
        let component = volume.component.clone().unwrap_or_else(|| STORAGE.0.to_owned());
        let mut object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume.name().name},
            "spec": {
                "accessModes": volume.access_modes,
                "capacity": {"storage": CAPACITY},
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "namespace": volume.namespace, "name": volume.claim,
                },
                "hostPath": {"path": site.data.volumes().join(&volume.folder), "type": "Directory"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": [self.node]},
                ]}]}},
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": STORAGE.1,
                "volumeMode": "Filesystem",
            },
        });
        Owner { release: self.release.clone(), component }.mark(&mut object);
        object
    }
}

impl Step<Site> for KeptVolumes {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        objects::observe(&site.cluster.connect()?, &self.required_objects(site))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        for volume in &self.volumes {
            let path = site.data.volumes().join(&volume.folder);
            if !path.is_dir() {
                let what = format!("{}, with the data of {}, does not exist", path.display(), volume.claim);
                return Err(StepError::new(codes::KEPT_MISSING, what));
            }
        }
        objects::apply(&site.cluster.connect()?, &self.required_objects(site))?;
        Ok(Value::Null)
    }

    /// Removes the objects, but never the folders.
    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        if site.undo.removing_cluster {
            return Ok(());
        }
        let cluster = site.cluster.connect()?;
        for volume in &self.volumes {
            cluster.delete(&volume.name(), Duration::from_secs(DELETION_SECONDS))?;
        }
        Ok(())
    }
}
