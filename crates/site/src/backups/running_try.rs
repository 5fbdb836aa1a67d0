//! Record of a running backup or drill on the disk, because a killed process or a restarted host cannot record the
//! outcome. The next reader finds the record of one that no process runs any longer.

use std::path::PathBuf;

use jiff::Timestamp;
use landfall_agent::units::{BACKUP, systemctl};
use landfall_documents::backups::{BackupFailure, BackupTry};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::facts::host::boot_id;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use serde::{Deserialize, Serialize};

use crate::pins::JournalFolder;

/// Kind of attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryKind {
    /// A backup, with the drill that proves it.
    Backup,
    /// A drill that a person requested.
    Drill,
}

impl TryKind {
    const ALL: [Self; 2] = [Self::Backup, Self::Drill];

    fn file(self, paths: &SitePaths) -> PathBuf {
        match self {
            Self::Backup => paths.backup_running(),
            Self::Drill => paths.drill_running(),
        }
    }
}

/// An attempt that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Time of its start, RFC 3339 in UTC.
    at: String,
    /// ID of its process, which holds the site's lock until the record is removed.
    pid: u32,
    /// Boot ID of the host at its start; `None` if the kernel did not report it.
    boot: Option<String>,
}

/// An attempt that this process runs under the site's lock. Dropping it ends the attempt, whose outcome must be
/// recorded first.
#[derive(Debug)]
#[must_use]
pub struct RunningTry {
    file: PathBuf,
}

impl RunningTry {
    /// Records the start of an attempt. On the disk on return. Replaces an earlier interrupted one.
    pub fn begin(paths: &SitePaths, tried: TryKind, now: Timestamp) -> Result<Self, StepError> {
        let record = Record { at: format!("{now:.0}"), pid: std::process::id(), boot: boot_id(paths) };
        let file = tried.file(paths);
        durable::write_file(&file, &serde_json::to_vec_pretty(&record).unwrap_or_default(), 0o600)?;
        Ok(Self { file })
    }
}

impl Drop for RunningTry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Err(error) = durable::remove_file(&self.file) {
            tracing::warn!(%error, "that the backup or the drill has ended is not noted");
        }
    }
}

/// Returns an attempt that began and did not end; `None` while it runs. Queries systemd for the reason, and changes
/// nothing.
pub(super) fn interrupted_try(paths: &SitePaths, tried: TryKind) -> Option<BackupTry> {
    interrupted_by(paths, tried, &Subprocesses)
}

fn interrupted_by(paths: &SitePaths, tried: TryKind, commands: &dyn CommandRunner) -> Option<BackupTry> {
    let record = left_behind(paths, tried)?;
    let why = if record.boot != boot_id(paths) {
        "the host restarted"
    } else if tried == TryKind::Backup && ran_out_of_memory(record.pid, commands) {
        "memory ran out and its process was killed"
    } else {
        "its process was killed"
    };
    let what = format!("it began then and did not end, because {why}");
    let failure = BackupFailure { code: codes::BACKUP_INTERRUPTED.into(), what };
    Some(BackupTry { at: record.at, failure: Some(failure), succeeded: None, mended: false })
}

/// Returns the record of an attempt that no process runs any longer.
fn left_behind(paths: &SitePaths, tried: TryKind) -> Option<Record> {
    let record = read(paths, tried)?;
    let holder = JournalFolder::at(paths.journal()).holder();
    // A holder without a number has just taken the lock, and may be this attempt.
    if holder.is_some_and(|holder| holder.pid == 0 || holder.pid == record.pid) {
        return None;
    }
    // It may have ended in the meantime, because its record is removed before its lock.
    read(paths, tried).filter(|again| *again == record)
}

/// Returns true if the service of backups was killed for memory while this was its process. systemd knows this until
/// the service restarts.
fn ran_out_of_memory(pid: u32, commands: &dyn CommandRunner) -> bool {
    let ask = systemctl(&["show", "--property", "Result,ExecMainPID", BACKUP]);
    let output = commands.run(&ask, None).unwrap_or_default();
    let text = String::from_utf8_lossy(&output.stdout);
    let has = |line: &str| text.lines().any(|found| found == line);
    has("Result=oom-kill") && has(&format!("ExecMainPID={pid}"))
}

/// Removes the record of an interrupted attempt, because a later outcome replaces it. A running one stays.
pub(super) fn forget_interrupted(paths: &SitePaths, tried: TryKind) -> Result<(), StepError> {
    match left_behind(paths, tried) {
        Some(_) => Ok(durable::remove_file(&tried.file(paths))?),
        None => Ok(()),
    }
}

/// Removes all records.
pub fn remove(paths: &SitePaths) -> Result<(), StepError> {
    for tried in TryKind::ALL {
        durable::remove_file(&tried.file(paths))?;
    }
    Ok(())
}

fn read(paths: &SitePaths, tried: TryKind) -> Option<Record> {
    serde_json::from_slice(&files::read(&tried.file(paths)).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use crate::backups::last_try;
    use std::io;

    use landfall_host::command::{CommandOutput, HostCommand, Input};

    use super::*;

    const NOW: &str = "2026-11-20T02:00:00Z";

    fn site() -> (tempfile::TempDir, SitePaths) {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        set_boot(&paths, "first");
        (root, paths)
    }

    fn set_boot(paths: &SitePaths, id: &str) {
        let file = paths.host("/proc/sys/kernel/random/boot_id");
        durable::create_folder(file.parent().unwrap()).unwrap();
        durable::write_file(&file, format!("{id}\n").as_bytes(), 0o644).unwrap();
    }

    fn begin(paths: &SitePaths, tried: TryKind) -> RunningTry {
        RunningTry::begin(paths, tried, NOW.parse().unwrap()).unwrap()
    }

    /// Ends the attempt like a killed process.
    fn kill(running: RunningTry) {
        std::mem::forget(running);
    }

    fn what(found: Option<BackupTry>) -> Option<String> {
        found.and_then(|found| found.failure).map(|failure| failure.what)
    }

    #[test]
    fn running_and_ended_tries_are_not_interrupted() {
        let (_root, paths) = site();
        let lock = JournalFolder::at(paths.journal()).lock("backup").unwrap();
        let running = begin(&paths, TryKind::Backup);
        assert_eq!((interrupted_try(&paths, TryKind::Backup), last_try::read_backup(&paths)), (None, None));
        drop(running);
        drop(lock);
        assert_eq!((interrupted_try(&paths, TryKind::Backup), last_try::read_backup(&paths)), (None, None));
        assert!(!paths.backup_running().exists());
    }

    #[test]
    fn killed_try_is_found_until_next() {
        let (_root, paths) = site();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        last_try::note_backup(&paths, Ok::<(), &StepError>(()), at("2026-11-19T02:00:00Z")).unwrap();
        let lock = JournalFolder::at(paths.journal()).lock("backup").unwrap();
        kill(begin(&paths, TryKind::Backup));
        drop(lock);
        let found = last_try::read_backup(&paths).unwrap();
        assert_eq!((found.at.as_str(), found.succeeded.as_deref()), (NOW, Some("2026-11-19T02:00:00Z")));
        assert_eq!(found.failure.as_ref().unwrap().code, codes::BACKUP_INTERRUPTED);
        assert_eq!(what(Some(found)).unwrap(), "it began then and did not end, because its process was killed");
        assert_eq!(last_try::read_drill(&paths), None, "it was no drill");
        set_boot(&paths, "second");
        assert!(what(last_try::read_backup(&paths)).unwrap().ends_with("because the host restarted"));
        let running = begin(&paths, TryKind::Backup);
        last_try::note_backup(&paths, Ok::<(), &StepError>(()), at("2026-11-20T03:00:00Z")).unwrap();
        drop(running);
        assert_eq!(last_try::read_backup(&paths).unwrap().failure, None);
    }

    /// A fake systemd that reports the service of backups as killed for memory with this process.
    struct KilledService(u32);

    impl CommandRunner for KilledService {
        fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
            assert!(command.arguments.iter().any(|argument| argument == BACKUP));
            let stdout = format!("Result=oom-kill\nExecMainPID={}\n", self.0).into_bytes();
            Ok(CommandOutput { success: true, stdout, stderr: Vec::new() })
        }
    }

    #[test]
    fn out_of_memory_kill_is_named() {
        let (_root, paths) = site();
        for tried in TryKind::ALL {
            kill(begin(&paths, tried));
        }
        let own = std::process::id();
        let why = |tried, pid| what(interrupted_by(&paths, tried, &KilledService(pid))).unwrap();
        assert!(why(TryKind::Backup, own).ends_with("because memory ran out and its process was killed"));
        assert!(why(TryKind::Backup, own + 1).ends_with("because its process was killed"), "another backup");
        assert!(why(TryKind::Drill, own).ends_with("because its process was killed"));
    }

    #[test]
    fn lock_of_another_operation_hides_nothing() {
        let (_root, paths) = site();
        kill(begin(&paths, TryKind::Drill));
        let text = std::fs::read_to_string(paths.drill_running()).unwrap();
        let mut record: Record = serde_json::from_str(&text).unwrap();
        record.pid = u32::MAX;
        durable::write_file(&paths.drill_running(), &serde_json::to_vec(&record).unwrap(), 0o600).unwrap();
        let lock = JournalFolder::at(paths.journal()).lock("upgrade").unwrap();
        assert!(what(last_try::read_drill(&paths)).is_some());
        drop(lock);
        last_try::remove(&paths).unwrap();
        assert_eq!(last_try::read_drill(&paths), None);
    }

    #[test]
    fn later_result_replaces_interruption() {
        let (_root, paths) = site();
        kill(begin(&paths, TryKind::Drill));
        let busy = StepError::new(codes::SITE_BUSY, "an upgrade runs");
        last_try::note_drill(&paths, Err(&busy), NOW.parse().unwrap()).unwrap();
        assert_eq!(what(last_try::read_drill(&paths)).as_deref(), Some("an upgrade runs"));
        kill(begin(&paths, TryKind::Backup));
        last_try::note_refusal(&paths, &busy, NOW.parse().unwrap()).unwrap();
        assert!(what(last_try::read_backup(&paths)).is_some(), "a refusal is no try");
    }

    #[test]
    fn damaged_record_is_ignored() {
        let (_root, paths) = site();
        durable::write_file(&paths.backup_running(), b"{", 0o600).unwrap();
        assert_eq!(last_try::read_backup(&paths), None);
    }
}
