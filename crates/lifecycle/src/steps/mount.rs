//! An artifact's files as a volume that pods of one namespace read through a claim.
//!
//! The files are hard links into the content store, so nothing may ever write to them. The volume is offered for
//! reading only and bound to one claim, and pods mount that claim read-only (see [`super::component`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject};
use crate::context::ComponentContext;
use landfall_cluster::{ObjectName, Owner};
use landfall_engine::step::{ObservedState, Step, StepError};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Namespace of the claim.
    pub namespace: String,
    /// Its owner.
    pub owner: Owner,
    /// Name of the claim.
    pub claim: String,
    /// Folder of the artifact's files within the site's folder of files.
    pub folder: String,
    /// Total size of its files in bytes.
    pub size_bytes: u64,
    /// Name of the node that has the files.
    pub node: String,
}

impl Mount {
    /// Returns the name of the claim object.
    pub fn claim_name(&self) -> ObjectName {
        ObjectName::new("v1", "PersistentVolumeClaim", &self.namespace, &self.claim)
    }

    fn volume_name(&self) -> ObjectName {
        ObjectName::new("v1", "PersistentVolume", "", &format!("landfall-{}-{}", self.namespace, self.claim))
    }

    /// Returns the volume and the claim, each naming the other. No other claim can take the volume, and no provisioner
    /// makes one.
    fn required_objects(&self, context: &ComponentContext) -> [RequiredObject; 2] {
        let volume = self.volume_name().name;
        let common = json!({"accessModes": ["ReadOnlyMany"], "storageClassName": "", "volumeMode": "Filesystem"});
        let mut volume_spec = common.clone();
        volume_spec["capacity"] = json!({"storage": self.size_bytes.max(1).to_string()});
        volume_spec["persistentVolumeReclaimPolicy"] = json!("Retain");
        volume_spec["hostPath"] = json!({"path": context.content.files().join(&self.folder), "type": "Directory"});
        volume_spec["claimRef"] = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": self.namespace, "name": self.claim,
        });
        volume_spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [self.node]},
        ]}]}});
        let mut claim_spec = common;
        claim_spec["resources"] = json!({"requests": {"storage": self.size_bytes.max(1).to_string()}});
        claim_spec["volumeName"] = json!(volume);
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": volume_spec,
        });
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.claim, "namespace": self.namespace}, "spec": claim_spec,
        });
        [volume, claim].map(|mut object| {
            self.owner.mark(&mut object);
            RequiredObject::new(object)
        })
    }
}

impl Step<ComponentContext> for Mount {
    fn observe(&self, context: &mut ComponentContext) -> Result<ObservedState, StepError> {
        objects::observe(&context.cluster.connect()?, &self.required_objects(context))
    }

    fn act(&self, context: &mut ComponentContext, _before: &Value) -> Result<Value, StepError> {
        let (cluster, wanted) = (context.cluster.connect()?, self.required_objects(context));
        // A volume's folder never changes: a volume with files of another release is replaced, with its claim.
        let found = cluster.get(&self.volume_name())?;
        let is_other = found.is_some_and(|volume| volume["spec"]["hostPath"] != wanted[0].object["spec"]["hostPath"]);
        if is_other {
            self.undo(context, &Value::Null)?;
        }
        objects::apply(&cluster, &wanted)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut ComponentContext, _before: &Value) -> Result<(), StepError> {
        if context.undo.removing_cluster {
            return Ok(());
        }
        let cluster = context.cluster.connect()?;
        for object in [self.claim_name(), self.volume_name()] {
            cluster.delete(&object, Duration::from_secs(DELETION_SECONDS))?;
        }
        Ok(())
    }
}
