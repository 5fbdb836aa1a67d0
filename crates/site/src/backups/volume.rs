//! Current volume of a rule: its folder, and how its workload is stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use landfall_cluster::drill::claims;
use landfall_cluster::{Cluster, Inventory, ObjectName, selector};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;
use landfall_release_document::{ArtifactMount, BackupRule, ComponentEntry, ReleaseDocument};
use serde_json::Value;

use super::stop::Stop;
use crate::pods::object_name;

/// A volume with data, and its workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveVolume {
    /// Name of the volume's folder in the folder of volumes.
    pub folder: String,
    /// Parameters for stopping the workload.
    pub stop: Stop,
}

impl LiveVolume {
    /// Returns true if a rule has a volume: its workload and its claim exist.
    pub fn exists(cluster: &Cluster, namespace: &str, rule: &BackupRule) -> Result<bool, StepError> {
        let Some(live) = cluster.get(&object_name(namespace, &rule.workload))? else { return Ok(false) };
        let Some(claim) = claims(&live).remove(&rule.volume) else { return Ok(false) };
        Ok(cluster.get(&ObjectName::new("v1", "PersistentVolumeClaim", namespace, &claim))?.is_some())
    }

    /// Returns the volume of a component's rule in this namespace. Fails if the workload cannot be stopped or the
    /// volume is not a folder of this site.
    pub fn of(cluster: &Cluster, paths: &SitePaths, namespace: &str, rule: &BackupRule) -> Result<Self, StepError> {
        let name = object_name(namespace, &rule.workload);
        let missing = || StepError::new(codes::BACKUP_POD, format!("{name} does not exist"));
        let live = cluster.get(&name)?.ok_or_else(missing)?;
        let replicas = cluster.replicas(&name)?.ok_or_else(|| {
            StepError::new(codes::RESTORE_IMPOSSIBLE, format!("{name} cannot be stopped: it has no number of pods"))
        })?;
        refuse_unfit(&live, &name, replicas)?;
        let claims = claims(&live);
        let claim = claims.get(&rule.volume).ok_or_else(|| {
            let what = format!("{name} has no volume {} of its own", rule.volume);
            StepError::new(codes::RESTORE_IMPOSSIBLE, what)
        })?;
        let folder = folder(cluster, &paths.storage(), namespace, claim)?;
        let pods = selector(&live["spec"]["selector"]);
        // The workload was stopped by hand, but must run with the restored data.
        let stop = Stop { workload: name, pods, replicas: replicas.max(1) };
        Ok(Self { folder, stop })
    }
}

/// Kinds of workloads that stop by their number of pods.
const SCALED: [&str; 2] = ["Deployment", "StatefulSet"];

impl LiveVolume {
    /// Returns every volume that a component's workloads can write to, with or without a rule, each with the workload
    /// to stop. Claims without a volume and artifacts are skipped. Fails if a workload cannot be stopped or a volume is
    /// not a folder of this site.
    pub fn of_component(
        cluster: &Cluster,
        paths: &SitePaths,
        release: &ReleaseDocument,
        component: &ComponentEntry,
    ) -> Result<Vec<Self>, StepError> {
        let writers = writers(cluster, release, component)?;
        let volume = |writer: Writer| {
            let stop = writer.stop()?;
            refuse_lost_claims(&writer.live, &writer.name)?;
            Ok(Self { folder: folder(cluster, &paths.storage(), &component.namespace, &writer.claim)?, stop })
        };
        writers.into_iter().map(volume).collect()
    }
}

/// Returns how further running workloads stop that can write to one of these volumes. Workloads of several components
/// in a namespace may share a claim. Fails if one cannot be stopped.
pub fn stops_beside<'a>(
    cluster: &Cluster,
    paths: &SitePaths,
    release: &'a ReleaseDocument,
    volumes: &[LiveVolume],
) -> Result<Vec<(&'a ComponentEntry, Stop)>, StepError> {
    let mut found = Vec::new();
    if volumes.is_empty() {
        return Ok(found);
    }
    for component in &release.components {
        for writer in writers(cluster, release, component)? {
            // A claim with a volume elsewhere does not share these.
            let folder = folder(cluster, &paths.storage(), &component.namespace, &writer.claim).ok();
            if folder.is_some_and(|folder| is_beside(volumes, &folder, &writer.name)) {
                let stop = writer.stop()?;
                found.extend((stop.replicas > 0).then_some((component, stop)));
            }
        }
    }
    Ok(found)
}

/// Returns true if another workload writes to the folder of one of these volumes.
fn is_beside(volumes: &[LiveVolume], folder: &str, workload: &ObjectName) -> bool {
    volumes.iter().any(|volume| volume.folder == folder)
        && volumes.iter().all(|volume| volume.stop.workload != *workload)
}

/// A workload that can write to a claim.
struct Writer {
    name: ObjectName,
    live: Value,
    replicas: Option<u32>,
    claim: String,
}

impl Writer {
    /// Returns how it stops.
    fn stop(&self) -> Result<Stop, StepError> {
        let Self { name, live, replicas, claim } = self;
        let replicas = replicas.ok_or_else(|| {
            let what = format!("{name} writes to the claim {claim} and cannot be stopped: it has no number of pods");
            StepError::new(codes::RESTORE_IMPOSSIBLE, what)
        })?;
        Ok(Stop { workload: name.clone(), pods: selector(&live["spec"]["selector"]), replicas })
    }
}

/// Returns every workload of a component, once for each claim with a volume that it can write to.
fn writers(cluster: &Cluster, release: &ReleaseDocument, component: &ComponentEntry) -> Result<Vec<Writer>, StepError> {
    let namespace = &component.namespace;
    // Pods may read artifacts that another component of their namespace mounts.
    let beside = release.components.iter().filter(|other| other.namespace == *namespace);
    let mounts: Vec<&ArtifactMount> = beside.flat_map(|other| &other.mounts).collect();
    let inventory = Inventory::read(cluster, namespace, &component.name)?;
    let mut found = Vec::new();
    for name in inventory.into_iter().flat_map(|inventory| inventory.objects) {
        if !SCALED.contains(&name.kind.as_str()) && name.kind != "DaemonSet" {
            continue;
        }
        let Some(live) = cluster.get(&name)? else { continue };
        let replicas = cluster.replicas(&name)?;
        for claim in written_claims(&live, replicas.unwrap_or(1), &mounts) {
            if is_bound(cluster, namespace, &claim)? {
                found.push(Writer { name: name.clone(), live: live.clone(), replicas, claim });
            }
        }
    }
    Ok(found)
}

/// Returns true if a claim exists and has a volume.
fn is_bound(cluster: &Cluster, namespace: &str, claim: &str) -> Result<bool, StepError> {
    let found = cluster.get(&ObjectName::new("v1", "PersistentVolumeClaim", namespace, claim))?;
    Ok(found.is_some_and(|found| found["spec"]["volumeName"].is_string()))
}

/// Returns the claims that a workload's pods can write to, for each pod. Claims of artifacts are left out: they have
/// the release's name, or that name with the first digits of the artifact's digest.
fn written_claims(live: &Value, pods: u32, mounts: &[&ArtifactMount]) -> BTreeSet<String> {
    let is_artifact = |claim: &str| {
        mounts.iter().any(|mount| {
            let rest = claim.strip_prefix(mount.claim.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_digits))
        })
    };
    let volumes = live["spec"]["template"]["spec"]["volumes"].as_array().into_iter().flatten();
    let read_only: BTreeSet<&str> = volumes
        .filter(|volume| volume["persistentVolumeClaim"]["readOnly"] == true)
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    let templates = live["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let templates: BTreeSet<&str> = templates.filter_map(|template| template["metadata"]["name"].as_str()).collect();
    let (set, first) = (live["metadata"]["name"].as_str().unwrap_or_default(), &live["spec"]["ordinals"]["start"]);
    let first = first.as_u64().unwrap_or(0);
    let mut written = BTreeSet::new();
    for (volume, claim) in claims(live) {
        if templates.contains(volume.as_str()) {
            let count = u64::from(pods.max(1));
            written.extend((first..first + count).map(|ordinal| format!("{volume}-{set}-{ordinal}")));
        } else if !read_only.contains(volume.as_str()) && !is_artifact(&claim) {
            written.insert(claim);
        }
    }
    written
}

fn is_digits(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Adds the volumes without a rule to those with one. A known workload keeps its way of stopping.
pub fn with_others(mut known: Vec<LiveVolume>, all: Vec<LiveVolume>) -> Vec<LiveVolume> {
    let stops: BTreeMap<String, Stop> =
        known.iter().map(|volume| (volume.stop.workload.to_string(), volume.stop.clone())).collect();
    for mut volume in all {
        if let Some(stop) = stops.get(&volume.stop.workload.to_string()) {
            volume.stop = stop.clone();
        }
        if !known.contains(&volume) {
            known.push(volume);
        }
    }
    known
}

/// Returns a token that names an operation in the folder of volumes.
pub fn new_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}

/// Fails if a workload's data is not in one permanent volume. With several pods, each has its own volume, and a claim
/// that is deleted with its pods takes the data along.
fn refuse_unfit(live: &Value, name: &ObjectName, replicas: u32) -> Result<(), StepError> {
    let refused = |why: String| Err(StepError::new(codes::RESTORE_IMPOSSIBLE, format!("{name} {why}")));
    if live["kind"] == "StatefulSet" && replicas > 1 {
        return refused(format!("has {replicas} pods, each with a volume of its own"));
    }
    refuse_lost_claims(live, name)
}

/// Fails if a workload's claims are deleted with its pods.
fn refuse_lost_claims(live: &Value, name: &ObjectName) -> Result<(), StepError> {
    if live.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenScaled").is_some_and(|policy| policy == "Delete") {
        let what = format!("{name} deletes its volumes when it is stopped (whenScaled: Delete)");
        return Err(StepError::new(codes::RESTORE_IMPOSSIBLE, what));
    }
    Ok(())
}

/// Returns the name of a claim's folder in the folder of volumes.
fn folder(cluster: &Cluster, storage: &Path, namespace: &str, claim: &str) -> Result<String, StepError> {
    let refused = |why: &str| StepError::new(codes::RESTORE_IMPOSSIBLE, format!("the claim {namespace}/{claim} {why}"));
    let found = cluster.get(&ObjectName::new("v1", "PersistentVolumeClaim", namespace, claim))?;
    let found = found.ok_or_else(|| refused("does not exist"))?;
    let volume = found["spec"]["volumeName"].as_str().ok_or_else(|| refused("has no volume"))?;
    let volume = cluster.get(&ObjectName::new("v1", "PersistentVolume", "", volume))?.unwrap_or_default();
    folder_of(&volume, storage).map_err(|why| refused(&why))
}

/// Returns the name of a volume's folder, directly below the folder of volumes.
pub fn folder_of(volume: &Value, storage: &Path) -> Result<String, String> {
    let spec = &volume["spec"];
    let path = spec["hostPath"]["path"].as_str().or(spec["local"]["path"].as_str());
    let path = path.ok_or("has a volume that is not a folder of this host")?;
    let folder = Path::new(path).strip_prefix(storage).ok().and_then(Path::to_str);
    let folder = folder.filter(|folder| !folder.is_empty() && !folder.contains('/') && *folder != "..");
    folder.map(str::to_owned).ok_or_else(|| format!("has its volume at {path}, which is not the site's"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn workloads_without_one_lasting_volume_are_refused() {
        let name = ObjectName::new("apps/v1", "StatefulSet", "shop", "db");
        let refusal = |kind: &str, policy: &str, replicas| {
            let live = json!({"kind": kind, "spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": policy}}});
            refuse_unfit(&live, &name, replicas).err().map(|error| error.to_string())
        };
        assert_eq!((refusal("StatefulSet", "Retain", 1), refusal("Deployment", "Retain", 3)), (None, None));
        let several = refusal("StatefulSet", "Retain", 2).unwrap();
        assert!(several.ends_with("has 2 pods, each with a volume of its own"), "{several}");
        let deleting = refusal("StatefulSet", "Delete", 1).unwrap();
        assert!(deleting.ends_with("deletes its volumes when it is stopped (whenScaled: Delete)"), "{deleting}");
    }

    #[test]
    fn written_claims_exclude_artifacts() {
        let volume = |name: &str, claim: &str, read_only: bool| {
            json!({"name": name,
            "persistentVolumeClaim": {"claimName": claim, "readOnly": read_only}})
        };
        let mut live = json!({"kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"}, "spec": {
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            "template": {"spec": {"volumes": [
                volume("weights", "weights-0123456789ab", false), volume("fonts", "fonts", true),
                volume("uploads", "uploads", false), {"name": "run", "emptyDir": {}},
            ]}},
        }});
        let mount = ArtifactMount { artifact: "llama".to_owned(), claim: "weights".to_owned() };
        let written = |live: &Value, pods| written_claims(live, pods, &[&mount]).into_iter().collect::<Vec<_>>();
        assert_eq!(written(&live, 1), ["data-db-0", "uploads"]);
        assert_eq!(written(&live, 0), ["data-db-0", "uploads"], "stopped by hand, it still has data");
        live["spec"]["ordinals"] = json!({"start": 5});
        assert_eq!(written(&live, 2), ["data-db-5", "data-db-6", "uploads"]);
    }

    #[test]
    fn volumes_without_rule_are_copied_too() {
        let volume = |folder: &str, workload: &str, replicas| {
            let workload = ObjectName::new("apps/v1", "StatefulSet", "shop", workload);
            LiveVolume { folder: folder.to_owned(), stop: Stop { workload, pods: "app=shop".to_owned(), replicas } }
        };
        // The workload was stopped by hand; its rule determines its number of pods.
        let with_rule = volume("one", "db", 1);
        let all = vec![volume("one", "db", 0), volume("two", "db", 0), volume("two", "web", 2)];
        let copied = with_others(vec![with_rule.clone()], all);
        assert_eq!(copied, [with_rule, volume("two", "db", 1), volume("two", "web", 2)]);
    }

    #[test]
    fn other_writer_of_claim_is_found() {
        let workload = |name: &str| ObjectName::new("apps/v1", "Deployment", "shop", name);
        let stop = Stop { workload: workload("db"), pods: "app=db".to_owned(), replicas: 1 };
        let volumes = [LiveVolume { folder: "one".to_owned(), stop }];
        assert!(is_beside(&volumes, "one", &workload("worker")));
        assert!(!is_beside(&volumes, "one", &workload("db")), "it stops anyway");
        assert!(!is_beside(&volumes, "two", &workload("worker")));
        let writer = |replicas| Writer {
            name: workload("worker"),
            live: json!({"spec": {"selector": {"matchLabels": {"app": "worker"}}}}),
            replicas,
            claim: "uploads".to_owned(),
        };
        assert_eq!(writer(Some(2)).stop().unwrap().replicas, 2);
        let refused = writer(None).stop().unwrap_err();
        assert!(refused.to_string().contains("the claim uploads and cannot be stopped"), "{refused}");
    }

    #[test]
    fn only_site_folders_are_volumes() {
        let storage = Path::new("/var/lib/landfall/storage");
        let of = |spec: Value| folder_of(&json!({"spec": spec}), storage);
        let path = "/var/lib/landfall/storage/pvc-1_shop_data";
        assert_eq!(of(json!({"hostPath": {"path": path}})), Ok("pvc-1_shop_data".to_owned()));
        assert_eq!(of(json!({"local": {"path": path}})), Ok("pvc-1_shop_data".to_owned()));
        for foreign in
            ["/srv/data", "/var/lib/landfall/storage", "/var/lib/landfall/storage/a/b", "/var/lib/landfall/storage/.."]
        {
            let refused = format!("has its volume at {foreign}, which is not the site's");
            assert_eq!(of(json!({"hostPath": {"path": foreign}})), Err(refused));
        }
        let elsewhere = of(json!({"nfs": {"server": "192.0.2.7", "path": path}}));
        assert_eq!(elsewhere, Err("has a volume that is not a folder of this host".to_owned()));
    }
}
