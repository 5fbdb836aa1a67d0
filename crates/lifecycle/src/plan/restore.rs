//! Plans a restore: the workloads stop, their data is set aside, and the backup is loaded and checked. Pure. Until the
//! commit, the earlier data can be restored.

use std::collections::BTreeSet;

use jiff::Timestamp;
use landfall_backup::Backup;
use landfall_cluster::ObjectName;
use landfall_documents::operation::Operation;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_release_document::ReleaseDocument;

use landfall_engine::plan::{OnFailure, Plan, PlannedStep};

use super::site_steps::step;
use crate::steps::action::Action;
use crate::steps::begin_logs::BeginLogs;
use crate::steps::begin_use::BeginUse;
use crate::steps::check_restored::CheckRestored;
use crate::steps::component_ready::ComponentReady;
use crate::steps::load::{BackupStream, Load, Recovery};
use crate::steps::ready_again::ReadyAgain;
use crate::steps::remove_aside::RemoveAside;
use crate::steps::set_aside::SetAside;
use crate::steps::start::Start;
use crate::steps::stop::Stop;
use crate::steps::webhooks::{ResumeWebhooks, SuspendWebhooks};
use landfall_site::backups::load::{log_bytes, size_bytes};
use landfall_site::backups::{SavedStream, cut_of};
use landfall_site::configuration::BackupSettings;

/// Minimum bytes per second that a restore loads, for predictions.
const LOADING_RATE: u64 = 20 << 20;

/// A workload whose data is replaced, in its state before the restore.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredWorkload {
    /// Its component.
    pub component: String,
    /// Namespace of the component.
    pub namespace: String,
    /// Seconds until the component counts as failed.
    pub ready_seconds: u64,
    /// True if the component is ready now. Only then does the undo wait until it is ready again.
    pub was_ready: bool,
    /// Parameters for stopping the workload.
    pub stop: Stop,
    /// Streams that are loaded.
    pub streams: Vec<RestoredStream>,
}

/// A stream that is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredStream {
    /// Backup and rule of the stream.
    pub stream: BackupStream,
    /// Size in bytes, if the backup records it.
    pub size_bytes: u64,
    /// Its volume, and the place of the set-aside data.
    pub volume: SetAside,
}

impl RestoredStream {
    /// Adds log backups, which are applied up to a point in time.
    #[must_use]
    pub fn with_recovery(mut self, to: Timestamp, logs: &[Backup]) -> Self {
        self.recover(to, logs);
        self
    }

    /// Restores the data as of the cut of its backup, if it has one, with the log backups that the backup needs for it.
    #[must_use]
    pub fn at_cut(mut self, backup: &Backup, saved: &SavedStream, needed_logs: &[Backup]) -> Self {
        let Some(to) = cut_of(backup).and_then(|cut| cut.time_of(&saved.name())) else { return self };
        self.stream.time = to.to_string();
        if saved.rule.log.is_some() {
            self.size_bytes += log_bytes(backup, saved).unwrap_or(0);
            self.recover(to, needed_logs).logs.push(backup.id);
        }
        self
    }

    fn recover(&mut self, to: Timestamp, logs: &[Backup]) -> &mut Recovery {
        // Logs that are placed beside the data take space as well.
        self.size_bytes += logs.iter().flat_map(|log| &log.streams).map(|stream| stream.size_bytes).sum::<u64>();
        self.stream.recovery.insert(Recovery { to, logs: logs.iter().map(|log| log.id).collect() })
    }

    /// Returns the stream of a backup that is loaded into this volume.
    pub fn new(backup: &Backup, saved: &SavedStream, volume: SetAside) -> Self {
        let stream = BackupStream {
            backup: backup.id,
            time: backup.time.to_string(),
            component: saved.component.clone(),
            rule: saved.rule.name.clone(),
            recovery: None,
        };
        Self { stream, size_bytes: size_bytes(backup, saved).unwrap_or(0), volume }
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}/{}", self.stream.name())
    }

    /// Plans to empty its volume; undo restores the earlier data.
    pub(super) fn set_aside(&self) -> PlannedStep<Action> {
        let title = format!("set the data of {} aside", self.stream.component);
        step(self.id("set-aside"), &title, 0, Action::SetAside(self.volume.clone()))
    }

    /// Plans to load the stream into its volume.
    pub(super) fn load(&self) -> PlannedStep<Action> {
        let load = Action::Load(Load { stream: self.stream.clone(), volume: self.volume.clone() });
        let title = format!("load {} of {}", self.stream.name(), self.stream.as_of());
        let planned = step(self.id("load"), &title, 10 + self.size_bytes / LOADING_RATE, load);
        PlannedStep { bytes: self.size_bytes, ..planned }
    }

    /// Plans the check of the restored data.
    pub(super) fn check(&self) -> PlannedStep<Action> {
        let action = Action::CheckRestored(CheckRestored { stream: self.stream.clone() });
        step(self.id("check-restored"), &format!("check the data of {}", self.stream.component), 10, action)
    }

    /// Plans to remove the earlier data after the commit.
    pub(super) fn remove_aside(&self) -> PlannedStep<Action> {
        let title = format!("remove the data that {} had before", self.stream.component);
        let remove = RemoveAside { folder: self.volume.name_aside() };
        step(self.id("remove-aside"), &title, 2, Action::RemoveAside(remove))
    }
}

impl RestoredWorkload {
    fn id(&self, kind: &str) -> String {
        format!("{kind}/{}/{}", self.component, self.stop.workload.name)
    }

    fn ready(&self) -> ComponentReady {
        let (component, namespace) = (self.component.clone(), self.namespace.clone());
        ComponentReady { component, namespace, seconds: self.ready_seconds }
    }
}

/// Fails if two streams use one volume: the second would overwrite the first.
pub fn refuse_shared(streams: &[RestoredStream]) -> Result<(), StepError> {
    let mut known = BTreeSet::new();
    match streams.iter().find(|stream| !known.insert(&stream.volume.folder)) {
        None => Ok(()),
        Some(stream) => {
            let BackupStream { component, rule, .. } = &stream.stream;
            let what = format!("{component}/{rule} and another stream share the volume {}", stream.volume.folder);
            Err(StepError::new(codes::RESTORE_IMPOSSIBLE, what))
        }
    }
}

/// Plans a note before clients may write to changed or loaded data.
pub(super) fn begin_use(id: String, component: &str, apart: Vec<String>) -> Option<PlannedStep<Action>> {
    note_use(id, &format!("note that the data of {component} may change from here on"), apart)
}

/// Plans a note before any pod may write to a volume. From then on, an undo that restores `apart` also keeps the
/// volume's content.
pub(super) fn note_use(id: String, title: &str, apart: Vec<String>) -> Option<PlannedStep<Action>> {
    (!apart.is_empty()).then(|| step(id, title, 0, Action::BeginUse(BeginUse { apart })))
}

/// Plans the suspension of webhooks before the workloads that answer for them stop.
pub(super) fn suspend_webhooks(configurations: &[ObjectName]) -> Option<PlannedStep<Action>> {
    let action = SuspendWebhooks { configurations: configurations.to_vec() };
    (!configurations.is_empty())
        .then(|| step("suspend-webhooks", "suspend webhooks of what stops", 1, Action::SuspendWebhooks(action)))
}

/// Plans the resumption of webhooks once their workloads are ready again.
pub(super) fn resume_webhooks(configurations: &[ObjectName]) -> Option<PlannedStep<Action>> {
    let action = ResumeWebhooks { configurations: configurations.to_vec() };
    (!configurations.is_empty())
        .then(|| step("resume-webhooks", "resume the webhooks", 1, Action::ResumeWebhooks(action)))
}

/// Plans a new start of points in time after the commit, if one of these streams has a log.
pub(super) fn begin_logs(
    release: &ReleaseDocument,
    settings: &BackupSettings,
    streams: Vec<String>,
) -> Option<PlannedStep<Action>> {
    let has_log = log_streams(release).iter().any(|stream| streams.contains(stream));
    let action = || Action::BeginLogs(BeginLogs { settings: settings.clone(), streams });
    (has_log && settings.has_points_in_time())
        .then(|| step("begin-logs", "back up all data, from which points in time begin", 30, action()))
}

/// Returns the streams of a release that have a log, as `COMPONENT/RULE`.
pub(super) fn log_streams(release: &ReleaseDocument) -> Vec<String> {
    let rules =
        release.components.iter().flat_map(|component| component.backup.iter().map(move |rule| (component, rule)));
    let with_log = rules.filter(|(_, rule)| rule.log.is_some());
    with_log.map(|(component, rule)| rule.stream(&component.name)).collect()
}

/// Plans a restore. `workloads` are in the order in which they start.
pub fn plan_restore(
    release: &ReleaseDocument,
    settings: &BackupSettings,
    workloads: &[RestoredWorkload],
    webhooks: &[ObjectName],
) -> Plan<Action> {
    let mut steps: Vec<_> = suspend_webhooks(webhooks).into_iter().collect();
    steps.extend(workloads.iter().filter(|workload| workload.was_ready).map(note_ready));
    // Later workloads may depend on earlier ones, so stop in reverse order.
    steps.extend(workloads.iter().rev().map(stop));
    let streams: Vec<&RestoredStream> = workloads.iter().flat_map(|workload| &workload.streams).collect();
    steps.extend(streams.iter().flat_map(|stream| [stream.set_aside(), stream.load()]));
    for workload in workloads {
        let asides = workload.streams.iter().map(|stream| stream.volume.name_aside()).collect();
        steps.extend(begin_use(workload.id("begin-use"), &workload.component, asides));
        steps.extend(start(workload));
    }
    steps.extend(resume_webhooks(webhooks));
    steps.extend(streams.iter().map(|stream| stream.check()));
    let restored = streams.iter().map(|stream| stream.stream.name()).collect();
    let closing =
        streams.iter().map(|stream| stream.remove_aside()).chain(begin_logs(release, settings, restored)).collect();
    // A resume could not fix a failed restore. The earlier data is better than a stopped database.
    let on_failure = OnFailure::Undo { from: 0 };
    Plan { closing, on_failure, ..Plan::new(Operation::Restore, &release.name, &release.version, steps) }
}

fn note_ready(workload: &RestoredWorkload) -> PlannedStep<Action> {
    let action = Action::ReadyAgain(ReadyAgain { ready: workload.ready() });
    step(workload.id("ready-again"), &format!("note that {} was ready", workload.component), 0, action)
}

fn stop(workload: &RestoredWorkload) -> PlannedStep<Action> {
    step(workload.id("stop"), &format!("stop {}", workload.component), 10, Action::Stop(workload.stop.clone()))
}

fn start(workload: &RestoredWorkload) -> [PlannedStep<Action>; 2] {
    let start = Action::Start(Start { stopped: workload.stop.clone() });
    let component = &workload.component;
    [
        step(workload.id("start"), &format!("start {component}"), 0, start),
        step(workload.id("started"), &format!("wait for {component}"), 30, Action::ComponentReady(workload.ready())),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    fn workload(component: &str, was_ready: bool) -> RestoredWorkload {
        let stream = BackupStream {
            backup: "0f".repeat(32).parse().unwrap(),
            time: "2026-11-22T12:00:00Z".to_owned(),
            component: component.to_owned(),
            rule: "files".to_owned(),
            recovery: None,
        };
        let stop = Stop {
            workload: ObjectName::new("apps/v1", "StatefulSet", component, component),
            pods: format!("app={component}"),
            replicas: 1,
        };
        RestoredWorkload {
            component: component.to_owned(),
            namespace: component.to_owned(),
            ready_seconds: 60,
            was_ready,
            stop: stop.clone(),
            streams: vec![RestoredStream {
                stream,
                size_bytes: 7,
                volume: SetAside {
                    folder: format!("pvc-1_{component}_data"),
                    token: "0f".to_owned(),
                    stopped: stop.clone(),
                },
            }],
        }
    }

    /// Returns a plan for two workloads with one stream each.
    pub(crate) fn plan() -> Plan<Action> {
        let release = serde_json::from_value(json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
            "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "components": [], "values": [],
            "requirements": { "cores": 1, "memory_bytes": 1, "data_bytes": 1 },
        }));
        plan_restore(&release.unwrap(), &BackupSettings::default(), &workloads(), &webhooks())
    }

    fn webhooks() -> [ObjectName; 1] {
        [ObjectName::new("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "cache")]
    }

    fn workloads() -> [RestoredWorkload; 2] {
        [workload("db", true), workload("cache", false)]
    }

    /// Returns the streams that the plan of [`plan`] loads.
    pub(crate) fn streams() -> Vec<RestoredStream> {
        workloads().into_iter().flat_map(|workload| workload.streams).collect()
    }

    #[test]
    fn restore_steps_are_ordered() {
        let plan = plan();
        let ids = |steps: &[PlannedStep<Action>]| steps.iter().map(|step| step.id.0.clone()).collect::<Vec<_>>();
        insta::assert_snapshot!(ids(&plan.steps).join("\n"), @"
        suspend-webhooks
        ready-again/db/db
        stop/cache/cache
        stop/db/db
        set-aside/db/files
        load/db/files
        set-aside/cache/files
        load/cache/files
        begin-use/db/db
        start/db/db
        started/db/db
        begin-use/cache/cache
        start/cache/cache
        started/cache/cache
        resume-webhooks
        check-restored/db/files
        check-restored/cache/files
        ");
        assert_eq!(ids(&plan.closing), ["remove-aside/db/files", "remove-aside/cache/files"]);
    }
}
