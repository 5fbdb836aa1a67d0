//! Arguments of what saves data and brings it back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Save all data of the installed release, and prove the backup by restoring it on trial.
    Run(BackupRunArguments),
    /// Save what was written since the backup before, so that any point in time comes back; a timer does this every five minutes.
    Log,
    /// Print every backup, which of them are proven, and the points in time that come back.
    List,
    /// Read all data of all backups, and report every damage with what can no longer be restored because of it.
    Check(BackupCheckArguments),
    /// Copy every proven backup to other disks and buckets that lack it.
    Copy(BackupCopyArguments),
    /// Print the key without which no backup can be read: store it in a safe place, away from this machine.
    Key(BackupKeyArguments),
    /// Take over the backups of a site that is lost, on a machine on which nothing is installed.
    Adopt(BackupAdoptArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReplacedDataCommand {
    /// Print all of it, with claim, folder and size.
    List,
    /// Remove some of it; asks for the name of the site.
    Remove(ReplacedDataRemoveArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ReplacedDataRemoveArguments {
    /// Its name, as `landfall replaced-data list` prints it.
    pub(crate) name: String,
    /// Name of the site, for scripts without a terminal.
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupKeyArguments {
    #[command(subcommand)]
    pub(crate) command: Option<BackupKeyCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupKeyCommand {
    /// Exchange the key for a new one, print it, and shut the former one out, here and in every copy that can be reached.
    Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct BackupCheckArguments {
    /// Read the copies in this folder instead, or in a bucket of the site's settings (`s3:NAME`).
    #[arg(long, value_name = "PLACE")]
    pub(crate) copy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupCopyArguments {
    /// Folders on other disks, and buckets of the site's settings (`s3:NAME`), each of which gets a repository; by default all that the
    /// settings name.
    #[arg(value_name = "PLACE")]
    pub(crate) folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupAdoptArguments {
    /// The repository's folder, or a file that describes a bucket as the site's settings do; it is copied.
    pub(crate) repository: PathBuf,
    /// The file that holds its key, as `landfall backup key` printed it.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BackupRunArguments {
    /// Save without a drill: the backup is not proven, and no older one is removed.
    #[arg(long)]
    pub(crate) no_drill: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    /// The beginning of a backup's id, as `landfall backup list` prints it; the newest backup without one.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The beginning of a backup's id, as `landfall backup list` prints it; the newest proven backup without one.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
    /// Restore data as of this time, such as `2026-11-22T06:00:00Z`. Data without a log is as of the backup before it.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// Restore this component only; may be repeated.
    #[arg(long = "component", value_name = "NAME")]
    pub(crate) components: Vec<String>,
    /// Print what would be done, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Name of the site, for scripts that restore without a terminal.
    #[arg(long, value_name = "NAME", conflicts_with = "dry_run")]
    pub(crate) confirm: Option<String>,
}
