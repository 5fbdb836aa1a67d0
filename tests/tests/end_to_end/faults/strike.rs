//! The faults, and the removal of their causes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::proofs::sql;
use landfall_xtask::site::Machine;

use super::watch::{FoundProcesses, program};
use crate::end_to_end::ballast::{self, RemainingSpace};
use crate::end_to_end::engineer::{Engineer, STICK};

/// Folder of backups, which may be a separate disk.
const BACKUPS: &str = "/var/lib/landfall/backups";

/// Repository in that folder.
const REPOSITORY: &str = "/var/lib/landfall/backups/repository";

/// Path of the database's volume, of which there is one.
const VOLUME: &str = "/var/lib/landfall/storage/pvc-*_postgres_*";

/// Folder in the volume, which a user has created for an inspection.
const MOUNTED: &str = "inspected";

/// Path of the stick while it is disconnected.
const PULLED: &str = "/run/pulled-stick";

/// systemd drop-in that disconnects the stick before the operation starts: after the command has read it, and before
/// anything is copied.
const DROP_IN: &str = "/run/systemd/system/landfall-operation.service.d/pulled.conf";

/// Time limit for a process to end.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Statements that make a schema change for 1.1.0 wait ten seconds in each attempt, so that the fault hits the
/// migration.
const SLOW: [&str; 2] = [
    "CREATE FUNCTION slow_migration() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN IF current_query() LIKE \
     ''%schema_version%'' THEN PERFORM pg_sleep(10); END IF; END'",
    "CREATE EVENT TRIGGER slow_migration ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION \
     slow_migration()",
];

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No external fault: the release itself is broken.
    OfTheRelease,
    /// Only this much space is left on the data folder's filesystem until the command has ended.
    Fill(RemainingSpace),
    /// Like [`Fault::Fill`], until the program that the operation runs has failed.
    FillUntilHelperEnds(RemainingSpace),
    /// Like [`Fault::Fill`], until a step has failed, before its undo begins.
    FillUntilStepFails(RemainingSpace),
    /// The process of this name is killed with SIGKILL.
    Kill(&'static str),
    /// The stick is removed when the operation begins, after the command has found it.
    PullStick,
    /// The disk of the backups is not mounted.
    HideRepository,
    /// The disk of the backups has become read-only.
    SealRepository,
    /// Another folder is mounted in the volume of the database, whose data the undo must replace.
    MountInVolume,
}

impl Fault {
    /// Prepares the site before the command is typed.
    pub(super) fn prepare(self, engineer: Engineer<'_>) -> Result<()> {
        match self {
            // A site that has never made a backup would create a repository if none exists.
            Self::HideRepository => engineer.landfall(&["backup", "run", "--no-drill"])?.report("backup run").map(drop),
            _ => Ok(()),
        }
    }

    /// Applies the fault. When this returns, the fault has occurred, and the operation continues.
    pub(super) fn strike(self, machine: &Machine, found: Option<FoundProcesses>) -> Result<()> {
        match self {
            Self::OfTheRelease => Ok(()),
            Self::Fill(left) | Self::FillUntilStepFails(left) => ballast::fill(machine, left),
            Self::FillUntilHelperEnds(left) => fill_for_helper(machine, left, found.context("there is no operation")?),
            Self::Kill(name) => {
                let process = program(machine, name)?.with_context(|| format!("no {name} runs"))?;
                process.kill(END_LIMIT)
            }
            Self::PullStick => pull_stick(machine),
            Self::HideRepository => machine.run(&format!("mount -t tmpfs -o ro tmpfs {BACKUPS}")).map(drop),
            Self::SealRepository => {
                let seal = format!("mount --bind {REPOSITORY} {REPOSITORY} && mount -o remount,bind,ro {REPOSITORY}");
                machine.run(&seal).map(drop)
            }
            Self::MountInVolume => {
                machine.run(&format!("cd {VOLUME} && mkdir {MOUNTED} && mount --bind /mnt {MOUNTED}")).map(drop)
            }
        }
    }

    /// Returns true if its cause is removed once a step has failed, while the command continues.
    pub(super) fn ends_with_its_step(self) -> bool {
        matches!(self, Self::FillUntilStepFails(_))
    }

    /// Removes the cause once the command has ended.
    pub(super) fn end(self, machine: &Machine) -> Result<()> {
        match self {
            Self::OfTheRelease | Self::Kill(_) => Ok(()),
            Self::Fill(_) | Self::FillUntilHelperEnds(_) | Self::FillUntilStepFails(_) => ballast::remove(machine),
            Self::PullStick => connect_stick(machine),
            Self::HideRepository => machine.run(&format!("umount {BACKUPS}")).map(drop),
            Self::SealRepository => machine.run(&format!("umount --lazy {REPOSITORY}")).map(drop),
            Self::MountInVolume => machine.run(&format!("umount {VOLUME}/{MOUNTED}")).map(drop),
        }
    }
}

/// Fills the disk until the program fails, while the operation that waits for it is paused. There is space again before
/// the operation continues.
fn fill_for_helper(machine: &Machine, left: RemainingSpace, found: FoundProcesses) -> Result<()> {
    let FoundProcesses { mut paused, helper } = found;
    let helper = helper.context("the operation runs no program")?;
    ballast::fill(machine, left)?;
    paused.release(&helper);
    ensure!(helper.wait(END_LIMIT)?, "the program does not end on a full disk");
    ballast::remove(machine)
}

pub(super) fn slow_migration(machine: &Machine) -> Result<()> {
    SLOW.iter().try_for_each(|statement| sql(machine, statement).map(drop))
}

fn pull_stick(machine: &Machine) -> Result<()> {
    machine.run(&format!("mkdir --parents {PULLED} && mount --bind {STICK} {PULLED}"))?;
    machine.write_file(DROP_IN, format!("[Service]\nExecStartPre=/bin/umount --lazy {STICK}\n"), 0o644)?;
    machine.run("systemctl daemon-reload").map(drop)
}

fn connect_stick(machine: &Machine) -> Result<()> {
    ensure!(!machine.try_run(&format!("mountpoint --quiet {STICK}"))?.status.success(), "the stick was never pulled");
    machine.run(&format!("rm {DROP_IN} && systemctl daemon-reload"))?;
    machine.run(&format!("mount --bind {PULLED} {STICK} && umount {PULLED} && rmdir {PULLED}")).map(drop)
}
