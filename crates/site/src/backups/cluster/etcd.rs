//! Snapshot of etcd: taken by etcd's own tool, and tried by restoring it into a temporary folder.

use std::fs::File;
use std::io;
use std::path::Path;

use landfall_backup::OpenBackup;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner, HostCommand};
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_host::space::Space;
use landfall_media::durable;
use landfall_media::progress::{Event, Progress};

use super::{ETCD, Scratch, name};
use crate::backups::fetch::Fetch;
use crate::etcd_tools::{EtcdTools, SnapshotStatus};

/// Additional space of a restored folder: a log for which etcd reserves 64 MiB.
const RESTORED: Space = Space { bytes: 128 << 20, inodes: 32 };

/// A snapshot that was taken.
pub(super) struct TakenSnapshot {
    pub(super) status: SnapshotStatus,
    /// File with the snapshot, positioned at its start.
    pub(super) file: File,
}

/// Takes a snapshot of the running etcd; `None`, with a note, if the node pack lacks the tools.
pub(super) fn take(
    paths: &SitePaths,
    commands: &dyn CommandRunner,
    scratch: &Scratch,
    progress: &dyn Progress,
) -> Result<Option<TakenSnapshot>, StepError> {
    let Some(tools) = EtcdTools::running(paths) else {
        let text = "the node pack lacks etcdctl or etcdutl, so the backup has no snapshot of etcd";
        progress.event(Event::Note(text.to_owned()));
        return Ok(None);
    };
    let path = scratch.snapshot();
    let save = tools.save(&path);
    save.check_output(commands.run(&save, None))?;
    durable::set_mode(&path, 0o600)?;
    let look = tools.status(&path);
    let status = parse_snapshot_status(&look.check_output(commands.run(&look, None))?, &look)?;
    let file = File::open(&path).map_err(|error| files::file_error("read", &path, error))?;
    Ok(Some(TakenSnapshot { status, file }))
}

fn parse_snapshot_status(output: &[u8], command: &HostCommand) -> Result<SnapshotStatus, StepError> {
    serde_json::from_slice(output).map_err(|error| {
        StepError::new(codes::NODE_PROGRAM, format!("the output of `{command}` is not understood")).because(error)
    })
}

/// Returns the size in bytes of the running etcd's data file; 0 if there is none. A snapshot has the same size.
pub(in crate::backups) fn file_bytes(paths: &SitePaths) -> u64 {
    fs_err::metadata(paths.etcd().join("member/snap/db")).map_or(0, |file| file.len())
}

/// Returns the space for the trial of a snapshot of this size.
pub(in crate::backups) fn trial_space(bytes: u64) -> Space {
    if bytes == 0 {
        return Space::default();
    }
    Space { bytes, inodes: 1 }.times(2).plus(RESTORED)
}

/// A backup's snapshot that is restored in a drill.
pub(in crate::backups) struct EtcdTrial<'a> {
    pub(in crate::backups) paths: &'a SitePaths,
    pub(in crate::backups) commands: &'a dyn CommandRunner,
    pub(in crate::backups) progress: &'a dyn Progress,
    scratch: Scratch,
}

impl<'a> EtcdTrial<'a> {
    pub(in crate::backups) fn begin(
        paths: &'a SitePaths,
        commands: &'a dyn CommandRunner,
        progress: &'a dyn Progress,
    ) -> Result<Self, StepError> {
        Ok(Self { paths, commands, progress, scratch: Scratch::begin(paths)? })
    }

    /// Fetches the snapshot from the backup. Fails if it differs from the saved one.
    pub(in crate::backups) fn is_whole(&self, backup: &OpenBackup, saved: &SnapshotStatus) -> Result<(), StepError> {
        let path = self.scratch.snapshot();
        let mut file = durable::create_file(&path, 0o600)?;
        let fetch = Fetch { paths: self.paths, backup, progress: self.progress };
        fetch.write_to(&name(ETCD)?, &mut file, &path)?;
        let found = self.status(&path)?;
        if found == *saved {
            return Ok(());
        }
        Err(speaks_against(format!("it has {}, and {} was saved", words(&found), words(saved))))
    }

    /// Restores the snapshot into an empty folder. Fails if the restored data does not open at the saved revision.
    pub(in crate::backups) fn opens(&self, saved: &SnapshotStatus) -> Result<(), StepError> {
        let folder = self.scratch.restore_folder();
        self.run(&self.tools()?.restore(&self.scratch.snapshot(), &folder))?;
        let found = self.status(&folder.join("member/snap/db"))?;
        if found.revision == saved.revision {
            return Ok(());
        }
        Err(speaks_against(format!("it is at revision {}, not {}", found.revision, saved.revision)))
    }

    fn status(&self, file: &Path) -> Result<SnapshotStatus, StepError> {
        let look = self.tools()?.status(file);
        parse_snapshot_status(&self.run(&look)?, &look)
    }

    /// Runs a tool. Only a failure of the tool itself speaks against the backup, not a failure to start it.
    fn run(&self, command: &HostCommand) -> Result<Vec<u8>, StepError> {
        let ran = self.commands.run(command, None);
        let was_run = ran.is_ok();
        let failed = |error: StepError| if was_run { speaks_against(error.to_string()) } else { error };
        command.check_output(ran).map_err(failed)
    }

    fn tools(&self) -> Result<EtcdTools, StepError> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "the node pack lacks etcdctl or etcdutl");
        EtcdTools::running(self.paths).ok_or_else(|| files::file_error("run", &self.paths.node_link(), missing()))
    }
}

fn words(status: &SnapshotStatus) -> String {
    format!("hash {:08x}, revision {} and {} keys", status.hash, status.revision, status.keys)
}

/// Returns an error that speaks against a backup.
fn speaks_against(what: String) -> StepError {
    StepError::new(codes::RESTORE_LOAD, what)
}
