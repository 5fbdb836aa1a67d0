//! Choice of the backup for a restore, and of the log to apply to it.

use std::cmp::Reverse;

use jiff::Timestamp;
use landfall_backup::{Backup, BackupId, Backups, OpenBackup, Repository};
use landfall_engine::step::StepError;
use landfall_error_codes::cases::{self, Case};
use landfall_error_codes::codes;

use super::backup::{find_in, is_of, no_backups, others, without_one};
use super::error::{OperationError, Result};
use super::restore::RestoreRequest;
use crate::plan::restore::RestoredStream;
use crate::steps::set_aside::SetAside;
use landfall_site::backups::{Chain, IdleLog, LogIndex, Manifest, SavedStream, unusable};
use landfall_site::pins::Pins;

/// Component name for a backup's data of the cluster itself.
const CLUSTER: &str = "cluster";

/// The backup of a restore, and its streams to restore.
pub(super) struct RestoreChoice {
    pub(super) backup: Backup,
    pub(super) manifest: Manifest,
    pub(super) streams: Vec<ChosenStream>,
}

/// A stream to restore.
pub(super) struct ChosenStream {
    pub(super) saved: SavedStream,
    /// Point in time; `None` if the data is restored as of the backup.
    at: Option<Timestamp>,
    /// Log backups to apply, oldest first: those that lead to the point in time, or those that the backup needs.
    logs: Vec<Backup>,
}

impl RestoreChoice {
    /// Chooses the named backup, or one of the installed version from which the requested time can be reached,
    /// preferably a proven one. Without a time, it is the newest proven one. A backup whose latest drill failed is
    /// chosen only by name.
    pub(super) fn of(
        repository: &Repository,
        idle: Vec<IdleLog>,
        request: &RestoreRequest,
        installed: &Pins,
    ) -> Result<Self> {
        let chosen = repository.open_chosen(|known| {
            Ok::<_, OperationError>(candidates(known, request, installed)?.iter().map(|backup| backup.id).collect())
        });
        let (known, opened) = chosen.map_err(unusable)??;
        let (logs, mut refusal) = (LogIndex::of(&known.logs).with_idle(idle), None);
        for open in &opened {
            match Self::from(open, &logs, &known.logs, request) {
                Ok(choice) => return Ok(choice),
                // The best backup gives the best explanation of the reachable times.
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        let none = || StepError::of(cases::BACKUPS_NONE, "there is no such backup");
        Err(refusal.unwrap_or_else(none).into())
    }

    /// Returns the IDs of the backup and of the log backups to apply.
    pub(super) fn ids(&self) -> Vec<BackupId> {
        let logs = self.streams.iter().flat_map(|stream| &stream.logs);
        std::iter::once(self.backup.id).chain(logs.map(|log| log.id)).collect()
    }

    /// Returns a stream of the backup for this volume.
    pub(super) fn restored_stream(&self, saved: &SavedStream, volume: SetAside) -> RestoredStream {
        let restored = RestoredStream::new(&self.backup, saved, volume);
        let chosen = self.streams.iter().find(|stream| stream.saved.name() == saved.name());
        let logs = chosen.map_or(&[][..], |chosen| &chosen.logs);
        match chosen.and_then(|chosen| chosen.at) {
            Some(at) => restored.with_recovery(at, logs),
            None => restored.at_cut(&self.backup, saved, logs),
        }
    }

    fn from(
        open: &OpenBackup,
        index: &LogIndex<'_>,
        logs: &[Backup],
        request: &RestoreRequest,
    ) -> Result<Self, StepError> {
        let backup = open.backup();
        if !lacking(backup, &request.components).is_empty() {
            return Err(incomplete(backup, &request.components));
        }
        let manifest = Manifest::read(open)?;
        let streams = choose_streams(&manifest, &request.components)?.into_iter();
        let streams = streams.map(|saved| {
            let (at, logs) = match recovery(backup, &saved, index, request.at)? {
                Some((at, logs)) => (Some(at), logs),
                None => (None, needed_logs(backup, &saved, logs)?),
            };
            Ok(ChosenStream { saved, at, logs })
        });
        let streams = streams.collect::<Result<Vec<_>, StepError>>()?;
        Ok(Self { backup: backup.clone(), manifest, streams })
    }
}

/// Returns the backups that may be restored, the best one first.
pub(super) fn candidates(known: &Backups, request: &RestoreRequest, installed: &Pins) -> Result<Vec<Backup>> {
    if let Some(id) = &request.backup {
        return Ok(vec![find_in(&known.full, id)?]);
    }
    if known.full.is_empty() {
        return Err(no_backups().into());
    }
    let own = known.full.iter().filter(|backup| is_of(backup, installed));
    let unknown = |case: Case, kind: String| {
        let case = if own.clone().next().is_none() { without_one(&known.full) } else { case };
        let what = format!("no backup of {} {} is {kind}", installed.release, installed.version);
        StepError::of(case, format!("{what}{}", others(&known.full, installed)))
    };
    let has_all = |backup: &Backup| lacking(backup, &request.components).is_empty();
    let Some(at) = request.at else {
        let proven = own.clone().rev().find(|backup| backup.proof.is_some() && has_all(backup));
        let unproven = || unknown(cases::BACKUPS_UNPROVEN, "proven".to_owned());
        return Ok(vec![proven.ok_or_else(unproven)?.clone()]);
    };
    let reaching: Vec<&Backup> = own.clone().filter(|backup| backup.time <= at).collect();
    if reaching.is_empty() {
        return Err(unknown(cases::BACKUPS_LATER, format!("made at {at} or before")).into());
    }
    if let Some(last) = reaching.last().filter(|_| !reaching.iter().any(|backup| has_all(backup))) {
        return Err(incomplete(last, &request.components).into());
    }
    let is_good = |backup: &&Backup| backup.disproof.is_none() && has_all(backup);
    let mut found: Vec<Backup> = reaching.iter().copied().filter(is_good).cloned().collect();
    if found.is_empty() {
        let times: Vec<String> = reaching.iter().map(|backup| format!("{:.0}", backup.time)).collect();
        let what = format!("the drill of each backup that leads to {at} failed: those of {}", times.join(", "));
        return Err(StepError::new(codes::RESTORE_DISPROVED, what).into());
    }
    // A person names a time by the backups' labels. If several have the same label, their order decides.
    found.sort_by_key(|backup| Reverse((backup.proof.is_some(), backup.time, backup.order())));
    Ok(found)
}

/// Returns the streams of these or all components that could not be read when the backup was made. Data of the cluster
/// itself is not included, because it is for people.
fn lacking<'a>(backup: &'a Backup, components: &[String]) -> Vec<&'a str> {
    let component = |stream: &str| stream.split('/').next().unwrap_or_default().to_owned();
    let is_wanted = |stream: &&str| match component(stream) {
        own if components.is_empty() => own != CLUSTER,
        own => components.contains(&own),
    };
    backup.lacking().filter(is_wanted).collect()
}

/// Returns the error of a backup that lacks data to restore.
fn incomplete(backup: &Backup, components: &[String]) -> StepError {
    let streams = lacking(backup, components).join(", ");
    let what = format!("the backup of {:.0} was made without {streams}, which could not be read then", backup.time);
    StepError::new(codes::RESTORE_INCOMPLETE, what)
}

/// Returns the streams of these components, or all streams.
fn choose_streams(manifest: &Manifest, components: &[String]) -> Result<Vec<SavedStream>, StepError> {
    if let Some(unknown) =
        components.iter().find(|wanted| manifest.streams.iter().all(|saved| saved.component != **wanted))
    {
        return Err(StepError::new(codes::RESTORE_NOTHING, format!("the backup has nothing of {unknown}")));
    }
    let is_wanted = |saved: &&SavedStream| components.is_empty() || components.contains(&saved.component);
    Ok(manifest.streams.iter().filter(is_wanted).cloned().collect())
}

/// Returns those of these log backups that a backup needs for the cut of a stream, oldest first. Fails if one of them
/// is missing.
pub(super) fn needed_logs(backup: &Backup, saved: &SavedStream, logs: &[Backup]) -> Result<Vec<Backup>, StepError> {
    let name = saved.name();
    let needed = backup.needed_logs_of(&name).map(|id| {
        let missing = || {
            let what = format!("the backup of {:.0} needs a log backup of {name} that is missing, {id}", backup.time);
            StepError::new(codes::RESTORE_INCOMPLETE, what)
        };
        logs.iter().find(|log| log.id == id).cloned().ok_or_else(missing)
    });
    needed.collect()
}

/// Returns the log to apply to a stream to reach the requested time. A stream without a log is restored as of its
/// backup. Fails if a stream's log does not reach the time, because its data would silently be older.
fn recovery(
    backup: &Backup,
    saved: &SavedStream,
    logs: &LogIndex<'_>,
    at: Option<Timestamp>,
) -> Result<Option<(Timestamp, Vec<Backup>)>, StepError> {
    let (Some(at), Some(_)) = (at, &saved.rule.log) else { return Ok(None) };
    let (name, chain) = (saved.name(), Chain::of(saved, logs));
    let refused = |why: String| StepError::new(codes::RESTORE_TIME, format!("{name} cannot return as of {at}: {why}"));
    let ended = backup.ended.unwrap_or(backup.time);
    if ended > at {
        return Err(refused(format!("the backup that begins before then ends after it, at {ended:.0}")));
    }
    match (chain.to(at), chain.until()) {
        (Some(logs), _) => Ok(Some((at, logs.iter().copied().cloned().collect()))),
        (None, Some(until)) => Err(refused(format!("its log backups lead from {ended:.0} to {until:.0}"))),
        (None, None) => Err(refused(format!("no log backup follows the backup of {:.0}", backup.time))),
    }
}

#[cfg(test)]
mod tests {
    use landfall_backup::{BackupKind, Proof};
    use landfall_error_codes::CodedError;
    use serde_json::json;

    use super::*;
    use crate::operations::testing::{installed_site, with_data};
    use landfall_site::testing::log;

    fn time(minute: i64) -> Timestamp {
        Timestamp::from_second(60 * minute).unwrap()
    }

    fn sample_stream(has_log: bool) -> SavedStream {
        let program = ["a"];
        let log = json!({"keep": program, "save": program, "saved": program, "load": program, "recover": program});
        let mut rule = json!({"name": "rows", "workload": {"kind": "StatefulSet", "name": "db"}, "volume": "data",
            "limit_seconds": 60, "save": program, "load": program});
        if has_log {
            rule["log"] = log;
        }
        serde_json::from_value(json!({
            "component": "db", "namespace": "db", "readySeconds": 60, "workload": {}, "link": "a", "rule": rule,
        }))
        .unwrap()
    }

    fn full(minute: i64, ended: i64) -> Backup {
        Backup { kind: BackupKind::Full, ended: Some(time(ended)), ..log(minute, "", "") }
    }

    #[test]
    fn backup_without_needed_log_is_refused() {
        let logs = [log(5, "a", "b"), log(6, "b", "c")];
        let facts = landfall_backup::needed_log_facts(logs.iter().map(|log| ("db/rows", log.id)));
        let backup = Backup { facts, ..full(4, 7) };
        let saved = sample_stream(true);
        assert_eq!(needed_logs(&backup, &saved, &logs).unwrap(), logs);
        assert_eq!(needed_logs(&backup, &saved, &logs[..1]).unwrap_err().code(), codes::RESTORE_INCOMPLETE);
        let other = SavedStream { component: "web".to_owned(), ..saved };
        assert_eq!(needed_logs(&backup, &other, &[]).unwrap(), [], "it is restored without that log");
    }

    #[test]
    fn proven_backup_is_preferred() {
        let fixture = installed_site(&with_data(), json!({}));
        let history = fixture.operations.history().unwrap();
        let pins = fixture.operations.changeable(&history).unwrap();
        let drill = || Some(Proof { time: time(99), report: String::new() });
        let made = |sequence: u64, minute: i64| {
            let facts = [("release", pins.release.clone()), ("version", pins.version.clone())];
            let facts = facts.map(|(key, value)| (key.to_owned(), value)).into();
            Backup { sequence: Some(sequence), facts, ..full(minute, minute) }
        };
        let [mut first, mut second, mut third] = [made(1, 10), made(2, 90), made(3, 20)];
        (first.proof, second.proof) = (drill(), drill());
        let chosen = |backups: &[&Backup], at: Option<i64>, named: Option<&Backup>| {
            let known = Backups::of(backups.iter().copied().cloned().collect());
            let (at, backup) = (at.map(time), named.map(|backup| backup.id.to_string()));
            let request = RestoreRequest { backup, at, ..RestoreRequest::default() };
            candidates(&known, &request, pins).map(|found| found.iter().map(|one| one.id).collect::<Vec<_>>())
        };
        let all = [&first, &second, &third];
        assert_eq!(chosen(&all, None, None).unwrap(), [second.id], "made under a clock that was ahead, and last");
        assert_eq!(chosen(&all, Some(30), None).unwrap(), [first.id, third.id]);
        third.disproof = drill();
        let all = [&first, &second, &third];
        assert_eq!(chosen(&all, Some(30), None).unwrap(), [first.id]);
        let refused = chosen(&[&second, &third], Some(30), None).unwrap_err();
        assert_eq!(refused.code(), codes::RESTORE_DISPROVED);
        assert_eq!(chosen(&all, Some(30), Some(&third)).unwrap(), [third.id], "named");
        let next = |backups: &[&Backup], at: Option<i64>| {
            let error = chosen(backups, at, None).unwrap_err();
            assert_eq!(error.code(), codes::BACKUP_UNKNOWN);
            error.hint()
        };
        let other = full(10, 10);
        for (backups, at, case) in [
            (&[][..], None, cases::BACKUPS_NONE),
            (&[&other][..], None, cases::BACKUPS_OF_OTHERS),
            (&[&third][..], None, cases::BACKUPS_UNPROVEN),
            (&[&first][..], Some(5), cases::BACKUPS_LATER),
        ] {
            assert_eq!(next(backups, at).as_deref(), Some(case.next));
        }
    }

    #[test]
    fn incomplete_backup_restores_only_its_components() {
        let fixture = installed_site(&with_data(), json!({}));
        let history = fixture.operations.history().unwrap();
        let pins = fixture.operations.changeable(&history).unwrap();
        let made = |sequence: u64, minute: i64, lacks: &[&str]| {
            let facts = [("release", pins.release.clone()), ("version", pins.version.clone())];
            let facts = facts.map(|(key, value)| (key.to_owned(), value)).into_iter();
            let facts = facts.chain(landfall_backup::lacking_facts(lacks.iter().copied())).collect();
            let proof = Some(Proof { time: time(99), report: String::new() });
            Backup { sequence: Some(sequence), facts, proof, ..full(minute, minute) }
        };
        let (whole, later) = (made(1, 10, &[]), made(2, 20, &["web/files", "cluster/etcd"]));
        let known = |backups: &[&Backup]| Backups::of(backups.iter().copied().cloned().collect());
        let chosen = |backups: &[&Backup], at: Option<i64>, components: &[&str]| {
            let components = components.iter().map(|name| (*name).to_owned()).collect();
            let request = RestoreRequest { backup: None, at: at.map(time), components };
            candidates(&known(backups), &request, pins).map(|found| found[0].id)
        };
        let all = [&whole, &later];
        for (components, expected) in [(&[][..], &whole), (&["web"], &whole), (&["db"], &later)] {
            assert_eq!(chosen(&all, None, components).unwrap(), expected.id, "{components:?}");
            assert_eq!(chosen(&all, Some(30), components).unwrap(), expected.id, "{components:?}");
        }
        assert_eq!(chosen(&[&later], None, &[]).unwrap_err().code(), codes::BACKUP_UNKNOWN);
        let refused = chosen(&[&later], Some(30), &["web"]).unwrap_err();
        assert_eq!(refused.code(), codes::RESTORE_INCOMPLETE);
        assert!(refused.to_string().contains("without web/files,"), "{refused}");
        assert!(lacking(&made(3, 30, &["cluster/etcd"]), &[]).is_empty(), "a restore takes nothing of the cluster");
    }

    #[test]
    fn unreachable_time_is_refused() {
        let logs = [log(10, "a", "b"), log(15, "b", "c")];
        let index = LogIndex::of(&logs);
        let at = |minute: i64| recovery(&full(5, 7), &sample_stream(true), &index, Some(time(minute)));
        let (to, applied) = at(12).unwrap().unwrap();
        assert_eq!((to, applied), (time(12), logs.to_vec()));
        assert_eq!(at(7).unwrap().unwrap().1, logs[..1]);
        for (minute, why) in [(6, "ends after it"), (16, "lead from 1970-01-01T00:07:00Z to 1970-01-01T00:15:00Z")] {
            let error = at(minute).unwrap_err();
            assert_eq!(error.code(), codes::RESTORE_TIME);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn stream_without_log_uses_backup_time() {
        let none = LogIndex::of(&[]);
        assert!(recovery(&full(5, 7), &sample_stream(false), &none, Some(time(6))).unwrap().is_none());
        assert!(recovery(&full(5, 7), &sample_stream(true), &none, None).unwrap().is_none());
        let error = recovery(&full(5, 7), &sample_stream(true), &none, Some(time(8))).unwrap_err();
        assert!(error.to_string().contains("no log backup follows"), "{error}");
    }
}
