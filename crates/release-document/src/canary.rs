//! Canaries: an upgrade tries the new form of a component in one pod, next to the running ones.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::fields::{CheckResult, check_workload, escape_shortened, require};
use crate::{ComponentData, ComponentEntry, Proof, ProofTrial, ReleaseDocument, Workload, WorkloadKind};

/// A trial of a component before an upgrade changes it. One pod of the new form runs next to the earlier ones and is
/// proved before the rest follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Workload of the pod: a Deployment of the component.
    pub workload: Workload,
    /// Names of the proofs that the pod must pass, in order. Each is a proof of this component.
    pub proofs: Vec<String>,
    /// Seconds for which the pod is watched after it begins to get requests.
    pub soak_seconds: u64,
}

impl Canary {
    /// Maximum time in seconds for which a pod is watched: an hour.
    pub const LONGEST_SOAK_SECONDS: u64 = 3600;

    /// Maximum number of proofs of a pod.
    pub const PROOFS: usize = 16;

    /// Returns an error for the first invalid part of a component's canary: its data, its workload, or its proofs. This
    /// check does not know the rendered objects of the workload.
    pub fn check(&self, component: &str, data: ComponentData, proofs: &[Proof]) -> Result<(), String> {
        check_workload(&self.workload)?;
        require(self.workload.kind == WorkloadKind::Deployment, || {
            format!("a canary of {}, where a Deployment is required", self.workload)
        })?;
        require(data != ComponentData::Migrated, || {
            "a canary, although an upgrade changes its data: two forms of it must not meet the same data".to_owned()
        })?;
        let longest = Self::LONGEST_SOAK_SECONDS;
        require(self.soak_seconds <= longest, || {
            format!("a canary that is watched for {} seconds, where up to {longest} are allowed", self.soak_seconds)
        })?;
        let count = self.proofs.len();
        require((1..=Self::PROOFS).contains(&count), || {
            format!("a canary with {count} proofs, where 1 to {} are allowed", Self::PROOFS)
        })?;
        let mut seen = BTreeSet::new();
        self.proofs.iter().try_for_each(|name| {
            require(seen.insert(name), || format!("the proof `{}` twice in its canary", escape_shortened(name)))?;
            self.check_proof(component, name, proofs)
        })
    }

    /// Checks that the pod can run a proof: it is a proof of this component, and a command runs in this workload.
    fn check_proof(&self, component: &str, name: &str, proofs: &[Proof]) -> CheckResult {
        let proof = proofs.iter().find(|proof| proof.name == *name && proof.component == component);
        let proof =
            proof.ok_or_else(|| format!("`{}` in its canary, which is not a proof of it", escape_shortened(name)))?;
        match &proof.trial {
            ProofTrial::Command(command) => require(command.workload == self.workload, || {
                format!("the proof `{}` in its canary, which runs in {}", escape_shortened(name), command.workload)
            }),
            ProofTrial::Request(_) => Ok(()),
        }
    }
}

/// Checks a component's canary, if it has one.
pub(crate) fn check_canary(release: &ReleaseDocument, component: &ComponentEntry) -> CheckResult {
    let Some(canary) = &component.canary else { return Ok(()) };
    let checked = canary.check(&component.name, component.data, &release.proofs);
    checked.map_err(|what| format!("it has {what}, in component {}", escape_shortened(&component.name)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn release(canary: &Value, data: &str) -> Result<ReleaseDocument, String> {
        let rule = json!({"name": "data", "workload": {"kind": "StatefulSet", "name": "db"}, "volume": "data",
            "limit_seconds": 60, "save": ["save"], "load": ["load"],
            "checks": [{"shows": "It is whole", "arguments": ["check"], "limit_seconds": 30,
                "expect": {"exit_code": 0}}]});
        let rules = if data == "none" { json!([]) } else { json!([rule]) };
        let component = |name: &str, more: &Value| {
            let mut component = json!({"name": name, "namespace": name, "needs": [],
                "objects": "documents/objects/web.json",
                "pod_security": "restricted", "ready_seconds": 60});
            component.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            component
        };
        let more = json!({"canary": canary, "data": data, "backup": rules});
        let command = |name: &str, component: &str, workload: &str| {
            json!({"name": name, "component": component, "shows": "It works", "limit_seconds": 30,
                "trial": {"command": {
                "workload": {"kind": "Deployment", "name": workload}, "arguments": ["true"],
                "expect": {"exit_code": 0}}}})
        };
        let document = json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "3.0.0", "counter": 9, "assembled": false,
            "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "values": [],
            "components": [component("web", &more), component("other", &json!({}))],
            "requirements": {"cores": 1, "memory_bytes": 1, "data_bytes": 1},
            "proofs": [command("answers", "web", "web"), command("elsewhere", "web", "worker"),
                command("foreign", "other", "web")],
        });
        ReleaseDocument::read(document.to_string().as_bytes())
            .map_err(|error| std::error::Error::source(&error).unwrap().to_string())
    }

    fn canary(workload: &str, proofs: &[&str], soak_seconds: u64) -> Value {
        let (kind, name) = workload.split_once('/').unwrap();
        json!({"workload": {"kind": kind, "name": name}, "proofs": proofs, "soak_seconds": soak_seconds})
    }

    #[test]
    fn deployment_canary_is_read() {
        for data in ["none", "kept"] {
            let read = release(&canary("Deployment/web", &["answers"], 60), data).unwrap();
            let canary = read.components[0].canary.as_ref().unwrap();
            assert_eq!((canary.proofs.as_slice(), canary.soak_seconds), (["answers".to_owned()].as_slice(), 60));
            assert!(read.components[1].canary.is_none());
        }
    }

    #[test]
    fn invalid_canaries_are_refused() {
        let many = vec!["answers"; 17];
        for (canary, data, what) in [
            (canary("StatefulSet/web", &["answers"], 0), "none", "a canary of StatefulSet/web"),
            (canary("Deployment/a b", &["answers"], 0), "none", "not the name of an object"),
            (canary("Deployment/web", &["answers"], 0), "migrated", "must not meet the same data"),
            (canary("Deployment/web", &["answers"], 3601), "none", "watched for 3601 seconds"),
            (canary("Deployment/web", &[], 0), "none", "with 0 proofs"),
            (canary("Deployment/web", &many, 0), "none", "with 17 proofs"),
            (canary("Deployment/web", &["answers", "answers"], 0), "none", "`answers` twice"),
            (canary("Deployment/web", &["unknown"], 0), "none", "`unknown` in its canary, which is not a proof of it"),
            (canary("Deployment/web", &["foreign"], 0), "none", "`foreign` in its canary, which is not a proof of it"),
            (canary("Deployment/web", &["elsewhere"], 0), "none", "which runs in Deployment/worker"),
        ] {
            let refused = release(&canary, data).unwrap_err();
            assert!(refused.contains(what) && refused.contains("component web"), "{refused}");
        }
    }
}
