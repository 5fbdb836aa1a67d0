//! Loads a stream of a backup into the empty volume of a stopped workload.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use landfall_backup::{BackupId, OpenBackup, Repository};
use landfall_cluster::drill::DrillPod;
use landfall_cluster::{AwaitedObjects, Cluster, ObjectName, Owner};
use landfall_error_codes::{cases, codes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::objects::DELETION_SECONDS;
use super::set_aside::SetAside;
use crate::context::Site;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::backups::load::StreamLoad;
use landfall_site::backups::{BackupFolder, Manifest, SavedStream, unusable};
use landfall_site::pods::{Container, object_name};

/// Minimum time for the pod to start. Its image may have to be pulled again.
const START_LIMIT: Duration = Duration::from_mins(5);

/// Time for everything in the pod except the load itself.
const MARGIN: Duration = Duration::from_mins(15);

/// Maximum lifetime of the pod.
const LONGEST_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// A stream of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupStream {
    /// The backup.
    pub backup: BackupId,
    /// Time at which its data was read, RFC 3339 in UTC.
    pub time: String,
    /// Component of the stream.
    pub component: String,
    /// Name of its rule.
    pub rule: String,
    /// Log backups to apply, if another time than that of the backup is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// Log to apply after a backup, up to a point in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The point in time.
    pub to: Timestamp,
    /// Log backups, oldest first. The last one may be the backup itself, which has the log up to its cut.
    pub logs: Vec<BackupId>,
}

impl BackupStream {
    /// Returns `COMPONENT/RULE`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.component, self.rule)
    }

    /// Returns the time of the data, RFC 3339 in UTC.
    pub fn as_of(&self) -> String {
        self.recovery.as_ref().map_or_else(|| self.time.clone(), |recovery| recovery.to.to_string())
    }

    fn repository(site: &Site) -> Result<Repository, StepError> {
        let repository = BackupFolder::of(&site.data.paths).open()?;
        repository.ok_or_else(|| StepError::of(cases::BACKUPS_NONE, "this site has no backups"))
    }

    /// Finds the stream in the site's repository.
    pub(super) fn open(&self, site: &Site) -> Result<(OpenBackup, SavedStream), StepError> {
        let unknown = |what: String| StepError::of(cases::BACKUP_STREAM_UNKNOWN, what);
        let repository = Self::repository(site)?;
        let backup = repository.open_backup(self.backup).map_err(unusable)?;
        let streams = Manifest::read(&backup)?.streams;
        let is_it = |saved: &SavedStream| saved.component == self.component && saved.rule.name == self.rule;
        let found = streams.into_iter().find(is_it);
        let found = found
            .ok_or_else(|| unknown(format!("the backup of {} has no {}/{}", self.time, self.component, self.rule)))?;
        Ok((backup, found))
    }

    /// Loads it into the volume of this container.
    fn load(&self, site: &Site, backup: &OpenBackup, load: StreamLoad<'_>) -> Result<(), StepError> {
        load.load(backup)?;
        let Some(Recovery { to, logs }) = &self.recovery else { return Ok(()) };
        let logs = Self::repository(site)?.open_backups(logs).map_err(unusable)?;
        load.recover(&logs, *to)
    }

    /// Returns the number of programs that run in sequence: the load, each log backup, and the recovery.
    fn programs(&self) -> u32 {
        let logs = self.recovery.as_ref().map_or(0, |recovery| recovery.logs.len() + 1);
        u32::try_from(logs).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Stream to load.
    pub stream: BackupStream,
    /// Volume to fill.
    pub volume: SetAside,
}

impl Load {
    fn pod_name(saved: &SavedStream) -> ObjectName {
        let name = format!("{}-restore", saved.rule.workload.name);
        ObjectName::new("v1", "Pod", &saved.namespace, &name)
    }

    fn pod(&self, saved: &SavedStream, cluster: &Cluster, site: &Site) -> Result<Value, StepError> {
        let name = object_name(&saved.namespace, &saved.rule.workload);
        let missing = || StepError::new(codes::BACKUP_POD, format!("{name} does not exist"));
        let workload = cluster.get(&name)?.ok_or_else(missing)?;
        let owner = Owner { release: site.releases.own.release.name.clone(), component: self.stream.component.clone() };
        let pod = DrillPod {
            workload: &workload,
            container: saved.rule.container.as_deref(),
            namespace: &saved.namespace,
            name: &Self::pod_name(saved).name,
            owner: &owner,
            // The pod has its own claims.
            volumes: &BTreeMap::new(),
            has_runtime: false,
            lifetime: self.lifetime(saved),
        };
        Ok(pod.loader()?)
    }

    /// Fills the empty volume by a pod.
    fn load(&self, site: &Site, cluster: &Cluster, backup: &OpenBackup, saved: &SavedStream) -> Result<(), StepError> {
        let pod = self.pod(saved, cluster, site)?;
        cluster.apply(&pod)?;
        let name = Self::pod_name(saved);
        let what = format!("the pod that loads {}", saved.name());
        let limit = START_LIMIT.max(Duration::from_secs(saved.ready_seconds));
        cluster.wait_ready(
            &AwaitedObjects { what: &what, objects: std::slice::from_ref(&name), limit },
            &*site.progress,
        )?;
        let container = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default().to_owned();
        let into = Container { namespace: saved.namespace.clone(), pod: name.name, name: container };
        let (paths, progress) = (&site.data.paths, &*site.progress);
        self.stream.load(site, backup, StreamLoad { cluster, paths, saved, into: &into, progress })?;
        Self::delete_pod(saved, cluster)
    }

    /// Returns the lifetime of the pod, at most a week. With many log backups, the sum of all limits is meaningless.
    fn lifetime(&self, saved: &SavedStream) -> Duration {
        let programs = Duration::from_secs(saved.rule.limit_seconds).saturating_mul(self.stream.programs());
        MARGIN.saturating_add(programs).min(LONGEST_LIFETIME)
    }

    fn delete_pod(saved: &SavedStream, cluster: &Cluster) -> Result<(), StepError> {
        cluster.delete(&Self::pod_name(saved), Duration::from_secs(DELETION_SECONDS))?;
        Ok(())
    }
}

impl Step<Site> for Load {
    /// A volume does not show whether it was filled completely.
    fn observe(&self, _site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(ObservedState::Absent)
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let (cluster, (backup, saved)) = (site.cluster.connect()?, self.stream.open(site)?);
        Self::delete_pod(&saved, &cluster)?;
        self.volume.fill(site, || self.load(site, &cluster, &backup, &saved))?;
        Ok(Value::Null)
    }

    /// Removes an incomplete load while the workload is still stopped, because undo of the earlier steps may start its
    /// pods. A complete load that was put to use stays until undo of the step that emptied the volume.
    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        let cluster = site.cluster.connect()?;
        for pod in cluster.leftover_pods()? {
            cluster.delete(&pod, Duration::from_secs(DELETION_SECONDS))?;
        }
        self.volume.unload(site)
    }
}
