//! The volume of a rule as it is now: which folder holds it, and how its workload is stopped.

use std::path::Path;

use landfall_cluster::drill::claims;
use landfall_cluster::{Cluster, ObjectName, selector};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;
use landfall_release_document::BackupRule;
use serde_json::Value;

use crate::pods::object_name;
use crate::steps::stop::Stop;

/// A volume with data, and its workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveVolume {
    /// Name of the volume's folder in the folder of volumes.
    pub folder: String,
    /// How the workload is stopped.
    pub stop: Stop,
}

impl LiveVolume {
    /// Whether there is one for a rule: its workload and its claim exist.
    pub(crate) fn exists(cluster: &Cluster, namespace: &str, rule: &BackupRule) -> Result<bool, StepError> {
        let Some(live) = cluster.get(&object_name(namespace, &rule.workload))? else { return Ok(false) };
        let Some(claim) = claims(&live).remove(&rule.volume) else { return Ok(false) };
        Ok(cluster.get(&ObjectName::new("v1", "PersistentVolumeClaim", namespace, &claim))?.is_some())
    }

    /// That of a rule of a component in this namespace. What cannot be stopped, or is no folder of this site, is refused.
    pub(crate) fn of(
        cluster: &Cluster,
        paths: &SitePaths,
        namespace: &str,
        rule: &BackupRule,
    ) -> Result<Self, StepError> {
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
        // Stopped by hand: it is to run with the data that it gets.
        let stop = Stop { workload: name, pods, replicas: replicas.max(1) };
        Ok(Self { folder, stop })
    }
}

/// What names an operation in the folder of volumes.
pub(crate) fn new_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}

/// Refuses a workload whose data is not in one volume that stays: with several pods each has its own, and a claim that goes with
/// its pods takes the data along.
fn refuse_unfit(live: &Value, name: &ObjectName, replicas: u32) -> Result<(), StepError> {
    let refused = |why: String| Err(StepError::new(codes::RESTORE_IMPOSSIBLE, format!("{name} {why}")));
    if live["kind"] == "StatefulSet" && replicas > 1 {
        return refused(format!("has {replicas} pods, each with a volume of its own"));
    }
    if live.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenScaled").is_some_and(|policy| policy == "Delete") {
        return refused("deletes its volumes when it is stopped (whenScaled: Delete)".to_owned());
    }
    Ok(())
}

/// Name of the folder behind a claim, in the folder of volumes.
fn folder(cluster: &Cluster, storage: &Path, namespace: &str, claim: &str) -> Result<String, StepError> {
    let refused = |why: &str| StepError::new(codes::RESTORE_IMPOSSIBLE, format!("the claim {namespace}/{claim} {why}"));
    let found = cluster.get(&ObjectName::new("v1", "PersistentVolumeClaim", namespace, claim))?;
    let found = found.ok_or_else(|| refused("does not exist"))?;
    let volume = found["spec"]["volumeName"].as_str().ok_or_else(|| refused("has no volume"))?;
    let volume = cluster.get(&ObjectName::new("v1", "PersistentVolume", "", volume))?.unwrap_or_default();
    folder_of(&volume, storage).map_err(|why| refused(&why))
}

/// Name of the folder that a volume is, directly below the folder of volumes.
pub(crate) fn folder_of(volume: &Value, storage: &Path) -> Result<String, String> {
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
    fn workloads_whose_data_is_not_in_one_volume_that_stays_are_refused() {
        let name = ObjectName::new("apps/v1", "StatefulSet", "shop", "db");
        let fits = |kind: &str, policy: &str, replicas| {
            let live = json!({"kind": kind, "spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": policy}}});
            refuse_unfit(&live, &name, replicas).is_ok()
        };
        assert!(fits("StatefulSet", "Retain", 1) && fits("Deployment", "Retain", 3));
        assert!(!fits("StatefulSet", "Retain", 2) && !fits("StatefulSet", "Delete", 1));
    }

    #[test]
    fn only_folders_of_the_site_are_volumes() {
        let storage = Path::new("/var/lib/landfall/storage");
        let of = |spec: Value| folder_of(&json!({"spec": spec}), storage);
        let path = "/var/lib/landfall/storage/pvc-1_shop_data";
        assert_eq!(of(json!({"hostPath": {"path": path}})), Ok("pvc-1_shop_data".to_owned()));
        assert_eq!(of(json!({"local": {"path": path}})), Ok("pvc-1_shop_data".to_owned()));
        for foreign in
            ["/srv/data", "/var/lib/landfall/storage", "/var/lib/landfall/storage/a/b", "/var/lib/landfall/storage/.."]
        {
            assert!(of(json!({"hostPath": {"path": foreign}})).is_err(), "{foreign}");
        }
        assert!(of(json!({"nfs": {"server": "192.0.2.7", "path": path}})).is_err());
    }
}
