//! Arguments of what saves data and brings it back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Save all data of the installed release, and prove the backup by a trial restore.
    Run(BackupRunArguments),
    /// Save data written since the previous backup, so that any point in time can be restored; a timer runs this every
    /// four minutes.
    Log,
    /// Print all backups, each proven or not, and the points in time that can be restored.
    List,
    /// Read all data of all backups; report all damage, and everything that can no longer be restored because of it.
    Check(BackupCheckArguments),
    /// Repair damaged backups, from a copy if one is named, and report all losses.
    Repair(BackupRepairArguments),
    /// Remove backups that have lost data; while any of them exists, no removed backup frees space. Asks for the name
    /// of the site.
    Forget(BackupForgetArguments),
    /// Print the schedule of backups and drills, the next and latest of them, and the number of kept backups; or set
    /// the time.
    Schedule(BackupScheduleArguments),
    /// Copy every proven backup to other disks and buckets that lack it.
    Copy(BackupCopyArguments),
    /// Print the key of all backups, without which none can be read; store it in a safe place, away from this machine.
    Key(BackupKeyArguments),
    /// Adopt a lost site's backups on an empty machine.
    Adopt(BackupAdoptArguments),
    /// Write the cluster's objects in a backup to a file for `kubectl apply`, except those of the release.
    Objects(BackupObjectsArguments),
    /// Write a stream of a backup to a file, as it was saved.
    Export(BackupExportArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReplacedDataCommand {
    /// Print all replaced data, with claim, folder and size.
    List,
    /// Remove one item of replaced data; asks for the name of the site.
    Remove(ReplacedDataRemoveArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ReplacedDataRemoveArguments {
    /// Name of the item, as printed by `landfall replaced-data list`.
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
    /// Replace the key, print the new one, and shut out the previous one, here and in every reachable copy.
    Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct BackupCheckArguments {
    /// Folder of copies to read instead, or a bucket of the site's settings (`s3:NAME`).
    #[arg(value_name = "PLACE")]
    pub(crate) copy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupRepairArguments {
    /// Folder of copies that replace lost data, or a bucket of the site's settings (`s3:NAME`).
    #[arg(value_name = "PLACE")]
    pub(crate) copy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupForgetArguments {
    /// Remove every backup that has lost data, as listed by `landfall backup repair`, including its remaining data.
    #[arg(long, required = true)]
    pub(crate) lost: bool,
    /// Name of the site, for scripts without a terminal.
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupScheduleArguments {
    /// Host time of the daily backup and of the drill that proves it, such as `03:15`. `default` returns to a time
    /// between 01:30 and 02:30. Other settings stay.
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
    /// Print what would change, and change nothing.
    #[arg(long, requires = "time")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupCopyArguments {
    /// Folders on other disks and buckets of the site's settings (`s3:NAME`), each of which gets a repository; by
    /// default, all that the settings name.
    #[arg(value_name = "PLACE")]
    pub(crate) folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupAdoptArguments {
    /// Folder of the repository, or a file that describes a bucket as the site's settings do; the repository is copied.
    pub(crate) repository: PathBuf,
    /// File with the repository's key, as printed by `landfall backup key`.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BackupObjectsArguments {
    /// File to write, which must not exist.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Beginning of a backup's ID, as printed by `landfall backup list`; by default, the newest proven backup.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
    /// Write only objects of this namespace, and the namespace itself; may be repeated.
    #[arg(long = "namespace", short = 'n', value_name = "NAME")]
    pub(crate) namespaces: Vec<String>,
    /// Write only objects of this kind, such as `ConfigMap`; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// Write only objects with this name; may be repeated.
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupExportArguments {
    /// Stream, as named by `landfall backup list --json`, such as `cluster/etcd`.
    pub(crate) stream: String,
    /// File to write, which must not exist.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Beginning of a backup's ID, as printed by `landfall backup list`; by default, the newest proven backup.
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
    /// Beginning of a backup's ID, as printed by `landfall backup list`; by default, the newest backup.
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
}

/// Selection of the data to restore.
#[derive(Debug, Args)]
pub(crate) struct RestoreSelection {
    /// Beginning of a backup's ID, as printed by `landfall backup list`; by default, the newest proven backup.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
    /// Restore data as of this time, such as `2026-11-22T06:00:00Z`. Data without a log is restored as of the last
    /// backup before it.
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
    /// Folder of copies, or a bucket of the site's settings (`s3:NAME`), from which the backup is first copied to the
    /// site's own backups.
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
