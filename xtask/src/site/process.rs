//! Processes by identity, so that a reused process ID is never mistaken for the intended process.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};

/// Parses a value in kB from a file of the kernel, such as that of `VmHWM:` in a process's status.
pub fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// A process of this host: its ID, its start time, and the boot of the host to which it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process ID on the host.
    pub number: i32,
    /// Start time, in clock ticks since the host booted.
    started_ticks: u64,
    /// ID of the host's boot.
    boot: String,
}

impl ProcessId {
    /// Returns the running process with this ID.
    pub fn of(number: i32) -> Result<Self> {
        let started_ticks = start_of(number).with_context(|| format!("there is no process {number}"))?;
        Ok(Self { number, started_ticks, boot: boot_id().to_owned() })
    }

    /// Returns this process.
    pub fn own() -> Result<Self> {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Returns true while the process runs. A zombie counts as ended.
    pub fn is_alive(&self) -> bool {
        self.boot == boot_id() && start_of(self.number) == Some(self.started_ticks)
    }

    /// Returns the time since its start. A program that has replaced another one in the same process counts from the
    /// first one's start.
    pub fn age(&self) -> Result<Duration> {
        let text = std::fs::read_to_string("/proc/uptime").context("cannot read the uptime of this host")?;
        let uptime = text.split_whitespace().next().and_then(|seconds| seconds.parse().ok());
        let uptime = Duration::from_secs_f64(uptime.context("this host does not report its uptime")?);
        let millis = self.started_ticks * 1000 / rustix::param::clock_ticks_per_second();
        Ok(uptime.saturating_sub(Duration::from_millis(millis)))
    }

    /// Returns the path of an entry in its folder below `/proc`.
    pub fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.number))
    }

    /// Sends SIGKILL and waits until the process has ended. A process that has already ended is not an error.
    pub fn kill(&self, timeout: Duration) -> Result<()> {
        let Some(handle) = self.handle() else { return Ok(()) };
        if rustix::process::pidfd_send_signal(&handle, Signal::KILL).is_err() && !self.is_alive() {
            return Ok(());
        }
        ensure!(wait_ended(&handle, timeout)?, "process {} did not end within {timeout:?} of SIGKILL", self.number);
        Ok(())
    }

    /// Waits until the process has ended. Returns false if it still runs after the timeout.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        match self.handle() {
            Some(handle) => wait_ended(&handle, timeout),
            None => Ok(true),
        }
    }

    /// Returns a handle that can never refer to another process: the identity is compared after opening it.
    fn handle(&self) -> Option<OwnedFd> {
        let handle = rustix::process::pidfd_open(Pid::from_raw(self.number)?, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some(handle)
    }

    /// Returns its descendants, parents first.
    pub fn descendants(&self) -> Vec<Self> {
        let threads = self.proc("task").read_dir().into_iter().flatten().flatten();
        let text = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children"));
        let lists: Vec<String> = threads.filter_map(|thread| text(thread).ok()).collect();
        let numbers = lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|number| number.parse().ok());
        let children = numbers.filter_map(|number| Self::of(number).ok());
        children.flat_map(|child| [vec![child.clone()], child.descendants()].concat()).collect()
    }

    /// Returns the IDs of its children on the host.
    pub fn children(&self) -> Vec<i32> {
        let path = self.proc("task").join(self.number.to_string()).join("children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }
}

fn wait_ended(handle: &OwnedFd, timeout: Duration) -> Result<bool> {
    let end = Instant::now() + timeout;
    loop {
        let left =
            Timespec::try_from(end.saturating_duration_since(Instant::now())).context("the timeout is too long")?;
        match rustix::event::poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for a process"),
        }
    }
}

/// Returns the start time in clock ticks, or None if there is no such process or only its zombie.
fn start_of(number: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Returns the ID of the host's current boot.
pub fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        text.trim().to_owned()
    })
}

/// Polls a condition every 10 ms. A timeout error names the condition.
pub fn wait_until<T>(what: &str, timeout: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + timeout;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        ensure!(Instant::now() < end, "{what} did not happen within {timeout:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recycled_process_number_is_distinguished() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(id.is_alive());
        let own = ProcessId::own().unwrap().age().unwrap();
        assert!(id.age().unwrap() < Duration::from_secs(10) && id.age().unwrap() <= own + Duration::from_millis(20));
        let other = ProcessId { started_ticks: id.started_ticks + 1, ..id.clone() };
        assert!(!other.is_alive());
        other.kill(Duration::from_secs(1)).unwrap();
        assert!(id.is_alive(), "the process with the same number but another start was killed");
        id.kill(Duration::from_secs(5)).unwrap();
        assert!(!id.is_alive());
        child.wait().unwrap();
    }
}
