//! The site's registry as a static pod on loopback. It serves before the API server and the network exist, and never
//! writes.

use std::time::Duration;

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::NodeContext;
use crate::steps::wait;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::files::OwnFile;
use landfall_site::registry::answers;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Reference of the image, which containerd already has.
    pub image: String,
    /// Seconds without an answer until it counts as failed.
    pub seconds: u64,
}

impl Registry {
    fn files(&self, context: &NodeContext) -> Vec<OwnFile> {
        let manifest = serde_json::to_vec_pretty(&self.pod(context)).unwrap_or_default();
        vec![
            OwnFile::new(context.host.paths.registry_configuration(), CONFIGURATION, 0o644),
            OwnFile::new(context.host.paths.static_pods().join("landfall-registry.yaml"), manifest, 0o600),
        ]
    }

    fn pod(&self, context: &NodeContext) -> Value {
        let mount = |name: &str, path: &str| json!({ "name": name, "mountPath": path, "readOnly": true });
        let registry = context.content.registry();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "landfall-registry",
                "namespace": "kube-system",
                "labels": { "app.kubernetes.io/name": "registry", "app.kubernetes.io/managed-by": "landfall" },
            },
            "spec": {
                "hostNetwork": true,
                "priorityClassName": "system-node-critical",
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "registry",
                    "image": self.image,
                    "imagePullPolicy": "Never",
                    "args": ["serve", "/etc/registry.yaml"],
                    "env": [{ "name": "OTEL_TRACES_EXPORTER", "value": "none" }],
                    "resources": { "requests": { "cpu": "20m", "memory": "32Mi" } },
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": { "drop": ["ALL"] },
                    },
                    "readinessProbe": {
                        "httpGet": { "host": registry.ip(), "port": registry.port(), "path": "/v2/" },
                        "periodSeconds": 10,
                    },
                    "volumeMounts": [mount("storage", "/registry"), mount("configuration", "/etc/registry.yaml")],
                }],
                "volumes": [
                    { "name": "storage", "hostPath": { "path": context.content.folder(), "type": "Directory" } },
                    { "name": "configuration", "hostPath": { "path": context.host.paths.registry_configuration(),
                        "type": "File" } },
                ],
            },
        })
    }
}

const CONFIGURATION: &str = "# Written by Landfall: the registry reads what was staged, and never writes.
version: 0.1
log:
  level: info
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: /registry
  maintenance:
    readonly:
      enabled: true
http:
  addr: 127.0.0.1:5000
";

impl Step<NodeContext> for Registry {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        Ok(match files::observe(&self.files(context))? {
            ObservedState::Done if answers(context.content.registry()).is_err() => {
                ObservedState::Partial("the registry does not answer".to_owned())
            }
            other => other,
        })
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        files::write(&self.files(context))?;
        let registry = context.content.registry();
        let what = format!("the registry serves at {registry}");
        let lacks = || answers(registry).err().map(|reason| StepError::new(codes::NODE_TIMEOUT, reason));
        let seconds = wait::until(&*context.progress, &what, Duration::from_secs(self.seconds), lacks)?;
        Ok(json!({ "seconds": seconds }))
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        files::remove(&self.files(context))?;
        files::remove_folder_if_empty(&context.host.paths.static_pods())
    }
}
