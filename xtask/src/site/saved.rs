//! A saved disk of a machine that is off, from which other machines start. A state that takes minutes to build is thus
//! built once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::machine::{BIRTH, Machine, MachineSpec, RECORD, Record};
use super::{Site, Snapshot, disk, files, tool};

/// Name of the disk in the folder.
const DISK: &str = "disk.img";

/// A saved disk, with properties of the machine from which it was taken.
#[derive(Clone, Debug)]
pub struct SavedDisk {
    folder: PathBuf,
}

impl SavedDisk {
    /// Ends a machine and moves its disk into a folder, which is emptied first. The machine has no disk afterwards.
    pub fn take(machine: &Machine, folder: &Path) -> Result<Self> {
        ensure!(!machine.is_running(), "the disk of a running machine cannot be saved");
        machine.off()?;
        files::remove_folder(folder)?;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let saved = Self { folder: folder.to_owned() };
        files::write_json(&saved.folder.join(RECORD), &machine.record()?)?;
        files::write_json(&saved.folder.join(BIRTH), &machine.birth()?)?;
        // The folder may be on another filesystem, to which a file cannot be renamed.
        tool::output(Command::new("mv").arg(machine.disk()).arg(saved.folder.join(DISK)))?;
        Ok(saved)
    }

    fn copy_to(&self, machine: &Machine) -> Result<()> {
        disk::copy(&self.folder.join(DISK), &machine.disk())
    }

    fn record(&self) -> Result<Record> {
        files::read_json(&self.folder.join(RECORD))
    }
}

impl Site {
    /// Creates a machine with a copy of this disk, which is off until [`Machine::boot`]. Its name and its number in the
    /// site must be those of the saved machine, because the disk contains its hostname and address.
    pub fn machine_from(&self, saved: &SavedDisk, spec: MachineSpec) -> Result<Machine> {
        let record = saved.record()?;
        let number = self.next_number()?;
        ensure!(
            (record.spec.name.as_str(), record.number) == (spec.name.as_str(), number),
            "a machine from the disk of {} cannot be {} with number {number}",
            record.spec.name,
            spec.name
        );
        let spec = MachineSpec { disk_gib: record.spec.disk_gib, ..spec };
        let machine = self.create_machine(spec, number, &saved.folder.join(DISK))?;
        let mut own = machine.record()?;
        own.machine_id = record.machine_id;
        machine.save(&own)?;
        let birth: Snapshot = files::read_json(&saved.folder.join(BIRTH))?;
        files::write_json(&machine.folder().join(BIRTH), &birth)?;
        Ok(machine)
    }
}

impl Machine {
    /// Ends the machine regardless of its state, and gives it another copy of the disk. It is off afterwards.
    pub fn return_to(&self, saved: &SavedDisk) -> Result<()> {
        self.off()?;
        saved.copy_to(self)
    }
}
