//! Arguments of what saves data and brings it back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Save all data of the installed release, and prove the backup by a trial restore.
    Run(BackupRunArguments),
    /// Save what was written since the previous backup, so that any point in time can be restored; a timer does this every four minutes.
    Log,
    /// Print every backup, which of them are proven, and the points in time that can be restored.
    List,
    /// Read all data of all backups, and report all damage and what can no longer be restored because of it.
    Check(BackupCheckArguments),
    /// Repair damaged backups, from a copy if one is named, and report what is lost.
    Repair(BackupRepairArguments),
    /// Remove backups that have lost data: until they are gone, no removed backup frees space. Asks for the name of the site.
    Forget(BackupForgetArguments),
    /// Print when backups are made and proven, the next and the latest of them, and how many are kept; or set the time.
    Schedule(BackupScheduleArguments),
    /// Copy every proven backup to other disks and buckets that lack it.
    Copy(BackupCopyArguments),
    /// Print the key without which no backup can be read: store it in a safe place, away from this machine.
    Key(BackupKeyArguments),
    /// Adopt a lost site's backups on an empty machine.
    Adopt(BackupAdoptArguments),
    /// Write objects of the cluster that a backup has into a file for `kubectl apply`, without those of the release.
    Objects(BackupObjectsArguments),
    /// Write a stream of a backup into a file, as it was saved.
    Export(BackupExportArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReplacedDataCommand {
    /// Print all replaced data, with claim, folder and size.
    List,
    /// Remove one item of it; asks for the name of the site.
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
    #[arg(value_name = "PLACE")]
    pub(crate) copy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupRepairArguments {
    /// Take lost data from the copies in this folder, or in a bucket of the site's settings (`s3:NAME`).
    #[arg(value_name = "PLACE")]
    pub(crate) copy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupForgetArguments {
    /// Every backup that has lost data, as `landfall backup repair` names them; what they still have goes, too.
    #[arg(long, required = true)]
    pub(crate) lost: bool,
    /// Name of the site, for scripts without a terminal.
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupScheduleArguments {
    /// Make each day's backup, and the drill that proves it, at this time of the host, such as `03:15`; `default` returns to a time between
    /// 01:30 and 02:30. Other settings stay.
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
    /// Print what would change, and change nothing.
    #[arg(long, requires = "time")]
    pub(crate) dry_run: bool,
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
pub(crate) struct BackupObjectsArguments {
    /// The file to write, which must not exist.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The beginning of a backup's id, as `landfall backup list` prints it; the newest proven backup without one.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
    /// Only what is in this namespace, and the namespace itself; may be repeated.
    #[arg(long = "namespace", short = 'n', value_name = "NAME")]
    pub(crate) namespaces: Vec<String>,
    /// Only objects of this kind, such as `ConfigMap`; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// Only objects of this name; may be repeated.
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupExportArguments {
    /// The stream, as `landfall backup list --json` names it, such as `cluster/etcd`.
    pub(crate) stream: String,
    /// The file to write, which must not exist.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The beginning of a backup's id, as `landfall backup list` prints it; the newest proven backup without one.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupRunArguments {
    /// Save without a drill: the backup is not proven, and no older one is removed.
    #[arg(long)]
    pub(crate) no_drill: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    /// The beginning of a backup's id, as `landfall backup list` prints it; by default, the newest backup.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
}

/// Which data returns.
#[derive(Debug, Args)]
pub(crate) struct RestoreSelection {
    /// The beginning of a backup's id, as `landfall backup list` prints it; by default, the newest proven backup.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
    /// Restore data as of this time, such as `2026-11-22T06:00:00Z`. Data without a log returns as of the last backup before it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,
    /// Restore this component only; may be repeated.
    #[arg(long = "component", value_name = "NAME")]
    pub(crate) components: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    #[command(flatten)]
    pub(crate) selection: RestoreSelection,
    /// Take the backup from the copies in this folder, or in a bucket of the site's settings (`s3:NAME`), into the site's own backups first.
    #[arg(long, value_name = "PLACE", conflicts_with = "dry_run")]
    pub(crate) copy: Option<PathBuf>,
    /// Print what would be done, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Name of the site, for scripts that restore without a terminal.
    #[arg(long, value_name = "NAME", conflicts_with = "dry_run")]
    pub(crate) confirm: Option<String>,
}

/// Parses a point in time.
fn moment(text: &str) -> Result<Timestamp, String> {
    let what = "not a point in time: write date, time and zone, such as `2026-11-22T06:00:00Z`";
    text.parse().map_err(|_: jiff::Error| what.to_owned())
}
