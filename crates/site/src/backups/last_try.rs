//! Outcome of the latest attempt at a backup: a site with failing backups must not look like one with good backups.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use landfall_documents::backups::{BackupFailure, BackupTry};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;

use super::running_try::{self, TryKind};

/// Age of the newest proven backup after which status notes it: a day, and half a day for long backups.
const OLD: SignedDuration = SignedDuration::from_hours(36);

/// Records the outcome of an attempt that ended now. On the disk on return. Removes an earlier refusal.
pub fn note_backup(
    paths: &SitePaths,
    outcome: Result<(), &(impl CodedError + 'static)>,
    now: Timestamp,
) -> Result<(), StepError> {
    write(&paths.backup_try(), outcome, now)?;
    running_try::forget_interrupted(paths, TryKind::Backup)?;
    Ok(durable::remove_file(&paths.backup_refusal())?)
}

/// Records that a drill has proven the newest backup, regardless of the clock at the latest attempt. On the disk on
/// return. The outcome of that attempt stays.
pub(crate) fn mend(paths: &SitePaths) -> Result<(), StepError> {
    let Some(last) = read_backup(paths).filter(|last| last.failure.is_some() && !last.mended) else { return Ok(()) };
    store(&paths.backup_try(), &BackupTry { mended: true, ..last })?;
    running_try::forget_interrupted(paths, TryKind::Backup)
}

/// Records that a backup did not begin because another operation ran. On the disk on return. The outcome of the
/// latest attempt stays.
pub fn note_refusal(paths: &SitePaths, error: &(impl CodedError + 'static), now: Timestamp) -> Result<(), StepError> {
    write(&paths.backup_refusal(), Err(error), now)
}

/// Records the outcome of a drill that a person requested.
pub fn note_drill(
    paths: &SitePaths,
    outcome: Result<(), &(impl CodedError + 'static)>,
    now: Timestamp,
) -> Result<(), StepError> {
    write(&paths.drill_try(), outcome, now)?;
    running_try::forget_interrupted(paths, TryKind::Drill)
}

/// Reads the latest attempt, which may have been interrupted; `None` if its file is lost or damaged.
pub fn read_backup(paths: &SitePaths) -> Option<BackupTry> {
    latest(stored(&paths.backup_try()), running_try::interrupted_try(paths, TryKind::Backup))
}

/// Reads the latest drill, which may have been interrupted.
pub fn read_drill(paths: &SitePaths) -> Option<BackupTry> {
    latest(stored(&paths.drill_try()), running_try::interrupted_try(paths, TryKind::Drill))
}

/// Reads the latest refusal; `None` after a later attempt.
pub fn read_refusal(paths: &SitePaths) -> Option<BackupTry> {
    stored(&paths.backup_refusal())
}

/// Removes all records.
pub fn remove(paths: &SitePaths) -> Result<(), StepError> {
    running_try::remove(paths)?;
    durable::remove_file(&paths.drill_try())?;
    durable::remove_file(&paths.backup_refusal())?;
    Ok(durable::remove_file(&paths.backup_try())?)
}

fn write(file: &Path, outcome: Result<(), &(impl CodedError + 'static)>, now: Timestamp) -> Result<(), StepError> {
    let at = format!("{now:.0}");
    let failure = outcome.err().map(|error| BackupFailure { code: error.code().into(), what: with_causes(error) });
    let succeeded = match failure {
        None => Some(at.clone()),
        Some(_) => stored(file).and_then(|earlier| earlier.succeeded),
    };
    store(file, &BackupTry { at, failure, succeeded, mended: false })
}

fn store(file: &Path, tried: &BackupTry) -> Result<(), StepError> {
    let bytes = serde_json::to_vec_pretty(tried).unwrap_or_default();
    Ok(durable::write_file(file, &bytes, 0o600)?)
}

fn stored(file: &Path) -> Option<BackupTry> {
    serde_json::from_slice(&files::read(file).ok()??).ok()
}

/// Returns the later attempt. An interrupted one is later than a recorded end, which would have replaced it.
fn latest(ended: Option<BackupTry>, interrupted: Option<BackupTry>) -> Option<BackupTry> {
    match interrupted {
        None => ended,
        Some(cut) => Some(BackupTry { succeeded: ended.and_then(|ended| ended.succeeded), ..cut }),
    }
}

/// Returns notes about backups for people: a failed latest attempt, or an old newest proven backup. `proven` is its
/// time.
pub fn notes(last: Option<&BackupTry>, proven: Option<&str>, now: Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let newest = proven.and_then(time);
    if let Some(BackupTry { at, failure: Some(failure), mended: false, .. }) = last {
        let BackupFailure { code, what } = failure;
        notes.push(format!("the latest backup failed at {at}: {what} [{code}]; `landfall backup run` tries again"));
    }
    if newest.is_some_and(|newest| now.duration_since(newest) > OLD) {
        let proven = proven.unwrap_or_default();
        notes.push(format!("the newest proven backup is of {proven}; what was written since is in no proven backup"));
    }
    notes
}

/// Returns a note about an interrupted drill, because no command has reported its outcome.
pub fn interrupted_drill(last: &BackupTry) -> Option<String> {
    let BackupFailure { code, what } = last.failure.as_ref()?;
    let is_interrupted = *code == codes::BACKUP_INTERRUPTED;
    is_interrupted
        .then(|| format!("the latest drill failed at {}: {what} [{code}]; `landfall drill` tries again", last.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_kept_until_next_try() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        note_backup(&paths, Ok::<(), &StepError>(()), at("2026-11-20T02:00:00Z")).unwrap();
        let busy = StepError::new(codes::SITE_BUSY, "an upgrade runs");
        note_refusal(&paths, &busy, at("2026-11-20T09:00:00Z")).unwrap();
        let refused = read_refusal(&paths).unwrap();
        assert_eq!((refused.at.as_str(), refused.failure.unwrap().code.as_ref()), ("2026-11-20T09:00:00Z", "LF4006"));
        assert_eq!(read_backup(&paths).unwrap().failure, None, "the latest try succeeded");
        note_backup(&paths, Err(&busy), at("2026-11-20T10:00:00Z")).unwrap();
        assert_eq!(read_refusal(&paths), None);
        note_refusal(&paths, &busy, at("2026-11-20T11:00:00Z")).unwrap();
        remove(&paths).unwrap();
        assert_eq!((read_backup(&paths), read_refusal(&paths)), (None, None));
    }

    #[test]
    fn interrupted_drill_is_noted() {
        let failed = |code: &str, what: &str| BackupTry {
            at: "2026-11-20T09:00:00Z".to_owned(),
            failure: Some(BackupFailure { code: code.into(), what: what.to_owned() }),
            succeeded: None,
            mended: false,
        };
        let cut = failed(codes::BACKUP_INTERRUPTED.id, "it began then and did not end, because the host restarted");
        insta::assert_snapshot!(interrupted_drill(&cut).unwrap(), @"the latest drill failed at 2026-11-20T09:00:00Z: it began then and did not end, because the host restarted [LF4634]; `landfall drill` tries again");
        assert_eq!(interrupted_drill(&failed(codes::SITE_BUSY.id, "an upgrade runs")), None);
        assert_eq!(interrupted_drill(&BackupTry { failure: None, ..cut }), None);
    }

    #[test]
    fn failure_is_reported_until_later_proof() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        assert_eq!(read_backup(&paths), None);
        let error = StepError::new(codes::BACKUP_STREAM, "postgres/database broke off");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        note_backup(&paths, Ok::<(), &StepError>(()), at("2026-11-20T02:00:00Z")).unwrap();
        note_backup(&paths, Err(&error), at("2026-11-23T02:00:00Z")).unwrap();
        let last = read_backup(&paths);
        assert_eq!(last.as_ref().unwrap().succeeded.as_deref(), Some("2026-11-20T02:00:00Z"));
        let told = |proven: Option<&str>, now: &str| notes(last.as_ref(), proven, at(now)).join("\n");
        insta::assert_snapshot!(told(Some("2026-11-22T02:00:00Z"), "2026-11-23T08:00:00Z"), @"the latest backup failed at 2026-11-23T02:00:00Z: postgres/database broke off [LF4608]; `landfall backup run` tries again");
        let ahead = told(Some("2031-01-01T00:00:00Z"), "2026-11-23T08:00:00Z");
        assert!(ahead.contains("LF4608"), "a clock that was ahead hides no failure: {ahead}");
        mend(&paths).unwrap();
        let last = read_backup(&paths);
        assert!(last.as_ref().unwrap().failure.is_some(), "its outcome stays");
        let told = |proven: Option<&str>, now: &str| notes(last.as_ref(), proven, at(now)).join("\n");
        assert_eq!(told(Some("2026-11-23T03:00:00Z"), "2026-11-23T08:00:00Z"), "");
        insta::assert_snapshot!(told(Some("2026-11-23T03:00:00Z"), "2026-11-25T08:00:00Z"), @"the newest proven backup is of 2026-11-23T03:00:00Z; what was written since is in no proven backup");
        note_backup(&paths, Err(&error), at("2020-01-01T02:00:00Z")).unwrap();
        let last = read_backup(&paths);
        assert!(notes(last.as_ref(), None, at("2026-11-23T08:00:00Z"))[0].contains("LF4608"), "a later failure");
        note_backup(&paths, Ok::<(), &StepError>(()), at("2026-11-23T02:00:00Z")).unwrap();
        assert!(
            notes(read_backup(&paths).as_ref(), Some("2026-11-23T01:59:00Z"), at("2026-11-23T08:00:00Z")).is_empty()
        );
    }
}
