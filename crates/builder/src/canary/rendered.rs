//! Checks that two versions of a component's workload can run at once. This requires several pods, no volume for a
//! single node, no host port, and Services that reach the pods.

use landfall_release_document::{Canary, ProofTrial, RequestProof};
use serde_json::Value;

use super::LocatedCanary;
use crate::definition::Definition;
use crate::error::Result;
use crate::proofs;
use crate::rendered::RenderedComponent;
use crate::workloads;

/// JSON Pointer of a Deployment's replica count.
const REPLICAS: &str = "/spec/replicas";

/// Returns an error for a canary of a missing workload, or of one whose pods cannot run next to those of another
/// version.
pub fn check(definition: &Definition, components: &[RenderedComponent]) -> Result<()> {
    for rendered in components {
        let Some(declared) = LocatedCanary::of(&definition.sources, &definition.release, rendered.index) else {
            continue;
        };
        let canary = declared.canary(&definition.release)?;
        let (name, wanted) = (&declared.component.name.value, &declared.definition.workload);
        let workload = workloads::find(name, &rendered.objects, &wanted.value)
            .map_err(|unknown| unknown.at(|what| declared.invalid(wanted, "workload", what)))?;
        let replicas = replicas(definition, name, workload);
        let unfit = one_pod(&wanted.value, replicas).or_else(|| unfit(declared, workload, &rendered.objects));
        if let Some(reason) = unfit {
            return Err(declared.impossible(&reason));
        }
        for request in requests(definition, &canary)? {
            if let Some(reason) = unreachable_reason(&request, workload, &rendered.objects) {
                return Err(declared.invalid(&declared.definition.proofs, "proofs", reason));
            }
        }
    }
    Ok(())
}

/// Replica count of a workload if a site sets nothing.
fn replicas(definition: &Definition, component: &str, workload: &Value) -> u64 {
    let mut set = definition.release.values.iter().filter_map(|value| {
        let is_it = value.targets.iter().any(|target| {
            target.component.value == component
                && workload["kind"] == *target.kind
                && workload["metadata"]["name"] == *target.name
                && target.path.value == REPLICAS
        });
        value.default.as_ref().filter(|_| is_it)?.value.as_u64()
    });
    set.next_back().or_else(|| workload.pointer(REPLICAS)?.as_u64()).unwrap_or(1)
}

fn one_pod(workload: &str, replicas: u64) -> Option<String> {
    let pods = if replicas == 1 { "one pod".to_owned() } else { format!("{replicas} pods") };
    (replicas < 2).then(|| format!("{workload} has {pods}, so nothing of the earlier form serves beside it"))
}

/// Reason why pods of two versions cannot run at once.
fn unfit(declared: LocatedCanary<'_>, workload: &Value, objects: &[Value]) -> Option<String> {
    let name = &declared.definition.workload.value;
    let (spec, pod) = (&workload["spec"], &workload["spec"]["template"]["spec"]);
    if spec["strategy"]["type"] == "Recreate" {
        return Some(format!("{name} ends all its pods before it starts others (`strategy: Recreate`)"));
    }
    let mut containers = ["initContainers", "containers"].iter().flat_map(|field| list(&pod[field]));
    let has_host_port =
        containers.any(|container| list(&container["ports"]).iter().any(|port| port["hostPort"].is_u64()));
    if pod["hostNetwork"] == true || has_host_port {
        return Some(format!("pods of {name} use ports of the host, which only one pod can have"));
    }
    let claims =
        list(&pod["volumes"]).iter().filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    let is_mount = |claim: &&str| declared.component.mounts.iter().any(|mount| mount.claim.value == **claim);
    let held = claims.into_iter().filter(|claim| !is_mount(claim)).find(|claim| !is_shared(claim, objects))?;
    Some(format!("pods of {name} write to the claim `{held}`, which is not for many of them (`ReadWriteMany`)"))
}

/// Returns true if the access modes of a component's claim always allow pods on several nodes.
fn is_shared(claim: &str, objects: &[Value]) -> bool {
    let is_it = |object: &&Value| object["kind"] == "PersistentVolumeClaim" && object["metadata"]["name"] == claim;
    let modes = objects.iter().find(is_it).map(|found| list(&found["spec"]["accessModes"]));
    let shared = ["ReadWriteMany", "ReadOnlyMany"];
    modes.is_some_and(|modes| !modes.is_empty() && modes.iter().all(|mode| shared.iter().any(|one| mode == one)))
}

/// Requests among the proofs of a canary.
fn requests(definition: &Definition, canary: &Canary) -> Result<Vec<RequestProof>> {
    let declared = proofs::declared_proofs(&definition.sources, &definition.release)?;
    let wanted = declared.into_iter().filter(|proof| canary.proofs.contains(&proof.name));
    let requests = wanted.filter_map(|proof| match proof.trial {
        ProofTrial::Request(request) => Some(request),
        ProofTrial::Command(_) => None,
    });
    Ok(requests.collect())
}

/// Reason why a request to a Service does not reach the pods of a workload. The existence of the Service was checked
/// before.
fn unreachable_reason(request: &RequestProof, workload: &Value, objects: &[Value]) -> Option<String> {
    let is_it = |object: &&Value| object["kind"] == "Service" && object["metadata"]["name"] == *request.service;
    let service = objects.iter().find(is_it)?;
    let template = &workload["spec"]["template"];
    let selector = service["spec"]["selector"].as_object().filter(|selector| !selector.is_empty());
    let selects = |(label, value): (&String, &Value)| template["metadata"]["labels"][label] == *value;
    if !selector.is_some_and(|selector| selector.iter().all(selects)) {
        return Some(format!("Service/{} does not select the pods of the canary's workload", request.service));
    }
    let mut ports = list(&service["spec"]["ports"]).iter();
    let port = ports.find(|port| port["port"] == request.port.get())?;
    let target = port["targetPort"].as_str()?;
    let mut named = list(&template["spec"]["containers"]).iter().flat_map(|container| list(&container["ports"]));
    let is_unknown = !named.any(|port| port["name"] == target);
    is_unknown
        .then(|| format!("no container of the canary's pod has the port `{target}` of Service/{}", request.service))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
