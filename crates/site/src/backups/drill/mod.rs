//! A drill: restores a backup, or the log since it, into a temporary namespace and checks it there. Running software is
//! not affected.

mod cluster;
mod namespace;
pub mod network;
mod trial;
mod workload;

use std::time::Instant;

use jiff::Timestamp;
use landfall_backup::{BackupId, OpenBackup, Proof, Repository};
use landfall_cluster::Cluster;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError as _, codes};
use landfall_host::command::CommandRunner;
use landfall_host::paths::SitePaths;
use landfall_host::space::Space;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::ReleaseDocument;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::CheckResult;
use super::cluster::{ETCD, trial_space};
use super::error::unusable;
use super::room::refuse;
use super::{SavedStream, estimate, load};
use crate::backups::cut_of;
use crate::backups::last_try;
use crate::room::Demand;
use trial::Trial;

/// Report of a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillReport {
    /// ID of the backup, in hexadecimal.
    pub backup: String,
    /// Read time of the backup's data, RFC 3339 in UTC.
    pub time: String,
    /// True if every check passed, so that the backup is proven.
    pub passed: bool,
    /// Time to which the data of several components was restored, RFC 3339 in UTC, if the backup has a cut.
    #[serde(default)]
    pub cut: Option<String>,
    /// Duration of the drill in seconds.
    pub seconds: f64,
    /// Restored streams, in the order of their restore.
    pub streams: Vec<DrilledStream>,
}

/// Result of a drill for one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrilledStream {
    /// Name of the stream: `COMPONENT/RULE`; for the cluster itself `cluster/objects` and `cluster/etcd`.
    pub stream: String,
    /// Bytes that were loaded from the backup; null if the backup does not record them.
    pub size_bytes: Option<u64>,
    /// Last point in time up to which log backups were applied, RFC 3339 in UTC; null if the data is as of the backup.
    #[serde(default)]
    pub recovered_to: Option<String>,
    /// Results of the checks.
    pub checks: Vec<CheckResult>,
}

impl DrillReport {
    /// Returns every failed check with its stream.
    pub fn failed_checks(&self) -> impl Iterator<Item = (&DrilledStream, &CheckResult)> {
        self.streams
            .iter()
            .flat_map(|drilled| drilled.checks.iter().filter(|check| !check.passed).map(move |check| (drilled, check)))
    }

    /// Returns the error of a drill that did not prove its backup or the log.
    pub fn refusal(&self) -> Option<StepError> {
        let (DrilledStream { stream, recovered_to, .. }, check) = self.failed_checks().next()?;
        let found = check.failure.as_ref().map(|failure| failure.found.as_str()).unwrap_or_default();
        if check.counts_differ() {
            let expected = check.failure.as_ref().map(|failure| failure.expected.as_str()).unwrap_or_default();
            let what = format!("the backup of {} is not proven: {stream}: ", self.time);
            let differs = format!("at its cut, {expected} was counted; found {found}");
            return Some(StepError::new(codes::BACKUP_COUNTS, format!("{what}{differs}")));
        }
        // A log that leads to the cut of a backup is part of the backup.
        let (code, what) = match recovered_to.as_ref().filter(|_| self.cut.is_none()) {
            None => (codes::BACKUP_UNPROVEN, format!("the backup of {}", self.time)),
            Some(to) => {
                (codes::LOG_UNPROVEN, format!("the log of {stream} from the backup of {} until {to}", self.time))
            }
        };
        Some(StepError::new(code, format!("{what} is not proven: {stream}: {}; found {found}", check.shows)))
    }
}

/// Dependencies of a drill.
pub struct Drill<'a> {
    /// The site's cluster.
    pub cluster: &'a Cluster,
    /// The site's paths.
    pub paths: &'a SitePaths,
    /// The installed release.
    pub release: &'a ReleaseDocument,
    /// Runner of etcd's own tools.
    pub commands: &'a dyn CommandRunner,
    /// Receiver of progress.
    pub progress: &'a dyn Progress,
}

impl Drill<'_> {
    /// Restores a backup in a drill, and marks it as proven if every check passes, otherwise as disproved. A failed
    /// check is not an error: the report shows it. The drill leaves nothing in the cluster.
    pub fn prove(&self, repository: &Repository, backup: &OpenBackup) -> Result<DrillReport, StepError> {
        self.run(repository, &Trial::of_backup(repository, backup)?)
    }

    /// Restores the log since a backup in a drill, up to the last point in time. Marks the log backups that lead there
    /// as proven if every check passes. Returns `None` if no log backup follows the backup.
    pub fn prove_logs(&self, repository: &Repository, backup: &OpenBackup) -> Result<Option<DrillReport>, StepError> {
        let trial = Trial::of_logs(repository, backup)?;
        trial.map(|trial| self.run(repository, &trial)).transpose()
    }

    fn run(&self, repository: &Repository, trial: &Trial<'_>) -> Result<DrillReport, StepError> {
        let report = self.restore(trial).inspect_err(|error| {
            if error.code() == codes::BACKUP_DAMAGED {
                self.disprove(repository, trial, with_causes(error));
            }
        })?;
        let text = serde_json::to_string(&report)
            .map_err(|error| StepError::new(codes::BUG, "the report of a drill cannot be written").because(error))?;
        if !report.passed {
            self.disprove(repository, trial, text);
            return Ok(report);
        }
        for id in trial.proves() {
            let proof = Proof { time: Timestamp::now(), report: text.clone() };
            repository.mark_proven(id, proof).map_err(unusable)?;
        }
        if trial.is_of_backup() && trial.backup.backup().is_whole() {
            self.mend(repository, trial.backup.backup().id);
        }
        Ok(report)
    }

    /// Records that earlier failures no longer matter, if the newest backup is proven now. A failure to record it is
    /// only logged.
    fn mend(&self, repository: &Repository, proven: BackupId) {
        let newest = repository.backups().map_err(unusable).map(|known| known.last().map(|newest| newest.id));
        let mended = newest.and_then(|newest| if newest == Some(proven) { last_try::mend(self.paths) } else { Ok(()) });
        if let Err(error) = mended {
            tracing::warn!(error = with_causes(&error), "that the newest backup is proven is not noted");
        }
    }

    /// Marks the backup as disproved, so that a restore takes it only by name. A drill of log backups marks none,
    /// because it also depends on the backup that they follow. A failure to mark it is only reported.
    fn disprove(&self, repository: &Repository, trial: &Trial<'_>, report: String) {
        if !trial.is_of_backup() {
            return;
        }
        let marked = repository.mark_disproved(trial.backup.backup().id, Proof { time: Timestamp::now(), report });
        if let Err(error) = marked {
            let text = format!("that the drill failed is not noted with the backup: {}", with_causes(&error));
            self.progress.event(Event::Note(text));
        }
    }

    fn restore(&self, trial: &Trial<'_>) -> Result<DrillReport, StepError> {
        let (begun, backup) = (Instant::now(), trial.backup.backup());
        trial.manifest.refuse_other(self.release)?;
        self.refuse_too_large(trial)?;
        for left in self.cluster.leftover_drills()? {
            self.cluster.delete_drill(&left.namespace, namespace::LIMIT)?;
        }
        let mut streams = Vec::new();
        for group in trial.groups() {
            let names: Vec<String> = group.iter().map(|saved| saved.name()).collect();
            self.note(&names.join(", "));
            let checks = self.workload(trial, &group)?;
            streams.extend(group.iter().zip(checks).map(|(saved, checks)| DrilledStream {
                stream: saved.name(),
                size_bytes: load::size_bytes(trial.backup.backup(), saved),
                recovered_to: trial.recovery(saved).map(|recovery| format!("{:.0}", recovery.to)),
                checks,
            }));
        }
        streams.extend(self.streams_of_cluster(trial)?);
        Ok(DrillReport {
            backup: backup.id.to_string(),
            time: backup.time.to_string(),
            passed: streams.iter().flat_map(|drilled| &drilled.checks).all(|check| check.passed),
            cut: cut_of(backup).filter(|_| trial.is_of_backup()).map(|cut| cut.time),
            seconds: (begun.elapsed().as_secs_f64() * 100.0).round() / 100.0,
            streams,
        })
    }

    fn note(&self, streams: &str) {
        self.progress.event(Event::Note(format!("drill: restoring {streams} on trial")));
    }

    /// Fails if the drill's data does not fit beside the site's own. Data that is deleted after each workload counts
    /// once.
    fn refuse_too_large(&self, trial: &Trial<'_>) -> Result<(), StepError> {
        let etcd = trial.cluster().and_then(|_| load::stream_bytes(trial.backup.backup(), ETCD)).unwrap_or(0);
        let demand = Demand { folder: self.paths.data(), space: trial_space(etcd), purpose: "for the drill" };
        refuse(self.paths, &[demand], "a drill of etcd's snapshot")?;
        trial.groups().iter().try_for_each(|group| {
            let space = self.needed_space(trial, group);
            let demand = Demand { folder: self.paths.storage(), space, purpose: "for the drill" };
            refuse(self.paths, &[demand], &format!("a drill of {}", group[0].component))
        })
    }

    /// Returns the space for loaded data and for the additions of its software.
    fn needed_space(&self, trial: &Trial<'_>, group: &[&SavedStream]) -> Space {
        let rules = group.iter().map(|saved| (saved.namespace.as_str(), &saved.rule));
        estimate::drill_space(trial.loaded_bytes(group), estimate::live(self.paths, self.cluster, rules))
    }
}

/// Groups the streams by the container that loads them, in the order of the backup.
pub fn groups(streams: &[SavedStream]) -> Vec<Vec<&SavedStream>> {
    let mut groups: Vec<Vec<&SavedStream>> = Vec::new();
    for saved in streams {
        let is_same = |group: &&mut Vec<&SavedStream>| {
            let first = group[0];
            first.component == saved.component
                && first.rule.workload == saved.rule.workload
                && first.rule.container == saved.rule.container
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.push(saved),
            None => groups.push(vec![saved]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::check::compare_counts;
    use super::super::counts::Counts;
    use super::*;

    fn sample_stream(component: &str, workload: &str, container: Option<&str>, rule: &str) -> SavedStream {
        serde_json::from_value(json!({
            "component": component, "namespace": component, "readySeconds": 60, "workload": {},
            "rule": {"name": rule, "workload": {"kind": "StatefulSet", "name": workload}, "container": container,
                "volume": "data", "limit_seconds": 60, "save": ["a"], "load": ["b"]},
        }))
        .unwrap()
    }

    #[test]
    fn container_streams_load_together() {
        let streams = [
            sample_stream("db", "db", None, "files"),
            sample_stream("db", "other", None, "files-of-other"),
            sample_stream("db", "db", None, "more"),
            sample_stream("db", "db", Some("side"), "beside"),
        ];
        let names = |group: &Vec<&SavedStream>| group.iter().map(|saved| saved.name()).collect::<Vec<_>>().join(" ");
        let found: Vec<String> = groups(&streams).iter().map(names).collect();
        assert_eq!(found, ["db/files db/more", "db/files-of-other", "db/beside"]);
    }

    #[test]
    fn failed_check_refuses_the_backup() {
        let drilled =
            |checks| DrilledStream { stream: "db/files".to_owned(), size_bytes: Some(7), recovered_to: None, checks };
        let mut report = DrillReport {
            backup: "0f".to_owned(),
            time: "2026-11-22T12:00:00Z".to_owned(),
            passed: true,
            cut: None,
            seconds: 1.0,
            streams: vec![drilled(vec![CheckResult::pass("It starts")])],
        };
        assert!(report.refusal().is_none());
        report.streams.push(drilled(vec![CheckResult::fail("It has rows", "exit code 0", "exit code 1")]));
        let refusal = report.refusal().unwrap().to_string();
        let expected = "the backup of 2026-11-22T12:00:00Z is not proven: db/files: It has rows; found exit code 1";
        assert_eq!(refusal, expected);
        let counts = BTreeMap::from([("public.orders".to_owned(), 7)]);
        let (counted, lost): (Counts, Counts) = (serde_json::from_value(json!(counts)).unwrap(), Counts::default());
        report.streams.push(drilled(vec![compare_counts(&counted, Ok(lost))]));
        report.streams.swap(1, 2);
        let refusal = report.refusal().unwrap();
        let expected = "the backup of 2026-11-22T12:00:00Z is not proven: db/files: at its cut, public.orders: 7 was \
            counted; found public.orders: 0";
        assert_eq!((refusal.code(), refusal.to_string().as_str()), (codes::BACKUP_COUNTS, expected));
        report.streams[1].checks = vec![compare_counts(&counted, Err("psql is missing".to_owned()))];
        let refusal = report.refusal().unwrap();
        let expected = "the backup of 2026-11-22T12:00:00Z is not proven: db/files: The restored data counts what was \
            counted at the cut of the backup; found psql is missing";
        assert_eq!((refusal.code(), refusal.to_string().as_str()), (codes::BACKUP_UNPROVEN, expected));
        report.streams.remove(1);
        report.streams[1].recovered_to = Some("2026-11-22T18:00:00Z".to_owned());
        let refusal = report.refusal().unwrap();
        let expected = "the log of db/files from the backup of 2026-11-22T12:00:00Z until 2026-11-22T18:00:00Z is not \
            proven: db/files: It has rows; found exit code 1";
        assert_eq!((refusal.code(), refusal.to_string().as_str()), (codes::LOG_UNPROVEN, expected));
        report.cut = Some("2026-11-21T12:00:01Z".to_owned());
        assert_eq!(
            report.refusal().unwrap().code(),
            codes::BACKUP_UNPROVEN,
            "the log to the cut is part of the backup"
        );
    }
}
