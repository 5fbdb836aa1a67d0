//! A process of a machine, observed from the host.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, Result};
use landfall_xtask::site::{Machine, kibibytes, wait_until};
use rustix::process::{Pid, Signal, kill_process};

/// Time limit for a process to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Folder of the pods' logs. Each pod has a subfolder `NAMESPACE_POD_UID` from its start on.
const POD_LOGS: &str = "var/log/pods";

/// Returns the log folders of a namespace's pods, some of which may have ended.
pub(crate) fn pod_logs(machine: &Machine, namespace: &str) -> Result<BTreeSet<String>> {
    let folder = machine.first()?.proc("root").join(POD_LOGS);
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<Result<BTreeSet<String>>>()?;
    let beginning = format!("{namespace}_");
    Ok(names.into_iter().filter(|name| name.starts_with(&beginning)).collect())
}

/// A process, by its ID on the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(i32);

impl Process {
    /// Returns the process of this name on a machine, if there is one.
    pub(crate) fn inside(machine: &Machine, name: &str) -> Result<Option<Self>> {
        Self::find(machine, |number| {
            let comm = std::fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
            comm.trim_end() == name
        })
    }

    /// Returns the process of `landfall VERB` on a machine, if there is one.
    pub(crate) fn of_verb(machine: &Machine, verb: &str) -> Result<Option<Self>> {
        Self::find(machine, |number| {
            let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            let is_landfall = words.next().is_some_and(|program| program.ends_with(b"/landfall"));
            is_landfall && words.any(|word| word == verb.as_bytes())
        })
    }

    fn find(machine: &Machine, wanted: impl Fn(&str) -> bool) -> Result<Option<Self>> {
        let space = |process: &str| std::fs::metadata(format!("/proc/{process}/ns/mnt")).map(|found| found.ino());
        let own = space(&machine.first()?.number.to_string()).context("the machine is off")?;
        for entry in std::fs::read_dir("/proc").context("cannot list processes")? {
            let number = entry?.file_name().to_string_lossy().into_owned();
            if wanted(&number) && space(&number).is_ok_and(|space| space == own) {
                return Ok(Some(Self(number.parse().context("no number of a process")?)));
            }
        }
        Ok(None)
    }

    /// Returns the bytes that it has read by any system call.
    pub(crate) fn read_bytes(self) -> Result<u64> {
        let path = format!("/proc/{}/io", self.0);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let count = text.lines().find_map(|line| line.strip_prefix("rchar: ")).context("no rchar")?;
        count.parse().context("no number of bytes")
    }

    /// Returns the kernel's high-water mark of its resident memory, in bytes; None once it has ended.
    pub(crate) fn peak_memory_bytes(self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        kibibytes(&status, "VmHWM:").map(|value| value << 10)
    }

    /// Stops it. When this returns, none of its threads reads any longer.
    pub(crate) fn stop(self) -> Result<()> {
        let number = Pid::from_raw(self.0).context("0 is no process")?;
        kill_process(number, Signal::STOP).context("cannot stop a process")?;
        wait_until("the stop of every thread of a process", STOP_LIMIT, || Ok(self.is_stopped()?.then_some(())))
    }

    fn is_stopped(self) -> Result<bool> {
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0)).context("the process is gone")? {
            let text = std::fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
            let state = text.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
            if state != Some('T') {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
