//! A snapshot of etcd: taken by etcd's own tool, and tried by restoring it into a folder that is thrown away.

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

/// What a restored folder has beside the data: a log, for which etcd reserves 64 MiB.
const RESTORED: Space = Space { bytes: 128 << 20, inodes: 32 };

/// A snapshot that was taken.
pub(super) struct TakenSnapshot {
    pub(super) status: SnapshotStatus,
    /// Its bytes, from the first on.
    pub(super) file: File,
}

/// Takes a snapshot of the running etcd; none, with a note, where the node pack has no tools for one.
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
    save.checked(commands.run(&save, None))?;
    durable::set_mode(&path, 0o600)?;
    let look = tools.status(&path);
    let status = understood(&look.checked(commands.run(&look, None))?, &look)?;
    let file = File::open(&path).map_err(|error| files::failed("read", &path, error))?;
    Ok(Some(TakenSnapshot { status, file }))
}

fn understood(output: &[u8], command: &HostCommand) -> Result<SnapshotStatus, StepError> {
    serde_json::from_slice(output).map_err(|error| {
        StepError::new(codes::NODE_PROGRAM, format!("the output of `{command}` is not understood")).because(error)
    })
}

/// Bytes of the file in which the running etcd keeps its data; none where there is no such file. A snapshot is as large.
pub(in crate::backups) fn file_bytes(paths: &SitePaths) -> u64 {
    fs_err::metadata(paths.etcd().join("member/snap/db")).map_or(0, |file| file.len())
}

/// What the trial of a snapshot of this size takes.
pub(in crate::backups) fn trial_space(bytes: u64) -> Space {
    if bytes == 0 {
        return Space::default();
    }
    Space { bytes, inodes: 1 }.times(2).plus(RESTORED)
}

/// A snapshot of a backup that is restored on trial.
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

    /// Takes the snapshot out of the backup, and fails unless it is the one that was saved.
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

    /// Restores it into an empty folder, and fails unless the data in that opens at the revision that was saved.
    pub(in crate::backups) fn opens(&self, saved: &SnapshotStatus) -> Result<(), StepError> {
        let folder = self.scratch.restored();
        self.run(&self.tools()?.restore(&self.scratch.snapshot(), &folder))?;
        let found = self.status(&folder.join("member/snap/db"))?;
        if found.revision == saved.revision {
            return Ok(());
        }
        Err(speaks_against(format!("it is at revision {}, not {}", found.revision, saved.revision)))
    }

    fn status(&self, file: &Path) -> Result<SnapshotStatus, StepError> {
        let look = self.tools()?.status(file);
        understood(&self.run(&look)?, &look)
    }

    /// Runs a tool. That it cannot be run says nothing of the backup; that it fails does.
    fn run(&self, command: &HostCommand) -> Result<Vec<u8>, StepError> {
        let ran = self.commands.run(command, None);
        let was_run = ran.is_ok();
        let failed = |error: StepError| if was_run { speaks_against(error.to_string()) } else { error };
        command.checked(ran).map_err(failed)
    }

    fn tools(&self) -> Result<EtcdTools, StepError> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "the node pack lacks etcdctl or etcdutl");
        EtcdTools::running(self.paths).ok_or_else(|| files::failed("run", &self.paths.node_link(), missing()))
    }
}

fn words(status: &SnapshotStatus) -> String {
    format!("hash {:08x}, revision {} and {} keys", status.hash, status.revision, status.keys)
}

/// An error that speaks against a backup.
fn speaks_against(what: String) -> StepError {
    StepError::new(codes::RESTORE_LOAD, what)
}
