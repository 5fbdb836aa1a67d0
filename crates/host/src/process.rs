//! Processes identified by PID and start time, so that a reused PID is never taken for the old process.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

const POLL: Duration = Duration::from_millis(50);
/// Time that a killed process may take to end: one that waits for a slow disk ends only after the disk has answered.
const KILL_LIMIT: Duration = Duration::from_mins(2);

/// Identity of a process, which may have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    pid: i32,
    /// Start in clock ticks after boot, from the kernel.
    started: u64,
}

impl ProcessId {
    /// Returns the process that currently has this PID.
    pub fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, started: Stat::of(pid)?.started })
    }

    /// Returns the kernel's data about it, unless it has ended.
    fn stat(self) -> Option<Stat> {
        Stat::of(self.pid).filter(|stat| stat.started == self.started && !stat.has_ended())
    }

    /// Returns true if it still runs, even if only one of its threads does.
    pub fn is_alive(self) -> bool {
        self.stat().is_some()
    }

    /// Returns its age in whole seconds; `None` once it has ended.
    pub fn age(self) -> Option<Duration> {
        self.is_alive().then(|| Duration::from_secs(time_since_boot().saturating_sub(self.start_time()).as_secs()))
    }

    /// Returns its start, on the scale of [`time_since_boot`], in clock ticks (10 ms).
    pub fn start_time(self) -> Duration {
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        Duration::from_millis(self.started.saturating_mul(1000) / ticks)
    }

    /// Returns the lines of its control groups, as the kernel shows them; `None` once it has ended.
    pub fn control_groups(self) -> Option<String> {
        let groups = fs_err::read_to_string(format!("/proc/{}/cgroup", self.pid)).ok()?;
        self.is_alive().then_some(groups)
    }

    /// Sends a signal if it still runs.
    fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // The process may end in between, which is the purpose of the signal.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Returns true if it handles SIGTERM. A process that does not handle it ends immediately or, as the first of its
    /// container, ignores it.
    fn heeds_a_request(self) -> bool {
        const TERM: u64 = 1 << 14;
        let Ok(text) = fs_err::read_to_string(format!("/proc/{}/status", self.pid)) else { return false };
        // The signal is either handled on arrival, or blocked and waited for.
        let masks = text.lines().filter_map(|line| line.strip_prefix("SigCgt:").or(line.strip_prefix("SigBlk:")));
        masks.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok()).any(|mask| mask & TERM != 0)
    }
}

/// Returns the time since boot, including suspended time, in hundredths of a second.
pub fn time_since_boot() -> Duration {
    let text = fs_err::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_whitespace().next().and_then(|uptime| uptime.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

/// The kernel's data about a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    command: String,
    state: char,
    threads: u64,
    started: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Parses `/proc/PID/stat`, whose second field may contain spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (front, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        Some(Self {
            command: front.split_once('(')?.1.to_owned(),
            state: fields.next()?.chars().next()?,
            threads: fields.nth(16)?.parse().ok()?,
            started: fields.nth(1)?.parse().ok()?,
        })
    }

    /// Returns true if it has ended. A zombie has ended once its other threads have; until then, they may write and
    /// keep its control group busy.
    fn has_ended(&self) -> bool {
        self.state == 'Z' && self.threads <= 1
    }
}

/// Describes processes by PID, name and state, for a user who must find out what keeps them alive.
pub fn describe(processes: &[ProcessId]) -> Vec<String> {
    let one = |process: &ProcessId| {
        let stat = process.stat()?;
        Some(format!("{} ({}, state {})", process.pid, stat.command, stat.state))
    };
    processes.iter().filter_map(one).collect()
}

/// Returns all processes except this one for which `wanted` returns true.
pub fn find(wanted: impl Fn(i32) -> bool) -> Vec<ProcessId> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let Ok(entries) = fs_err::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && *pid != 1 && wanted(*pid))
        .filter_map(ProcessId::of)
        .collect()
}

/// Terminates processes, and kills those still alive after `patience`. Returns the remaining ones.
pub fn end(processes: &[ProcessId], patience: Duration) -> Vec<ProcessId> {
    send(processes, Signal::TERM);
    wait_until(patience, || !processes.iter().any(|process| process.is_alive() && process.heeds_a_request()));
    send(processes, Signal::KILL);
    wait_until(KILL_LIMIT, || !processes.iter().any(|process| process.is_alive()));
    processes.iter().copied().filter(|process| process.is_alive()).collect()
}

fn send(processes: &[ProcessId], signal: Signal) {
    for process in processes {
        process.signal(signal);
    }
}

fn wait_until(limit: Duration, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while begin.elapsed() < limit && !is_so() {
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn pid(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    fn shell(script: &str) -> (Child, ProcessId) {
        let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        let process = ProcessId::of(pid(&child)).unwrap();
        // The process needs this long to set its traps.
        std::thread::sleep(Duration::from_millis(200));
        (child, process)
    }

    #[test]
    fn process_is_known_by_start_time() {
        let (mut child, process) = shell("trap '' TERM; while :; do sleep 0.1; done");
        assert!(process.is_alive());
        assert!(!ProcessId { started: process.started + 1, ..process }.is_alive());
        assert_eq!(find(|other| other == pid(&child)), [process]);
        let described = describe(&[process]);
        assert!(described[0].starts_with(&format!("{} (sh, state ", process.pid)), "{described:?}");
        // As a zombie, it counts as ended even before its parent waits for it. A process that ignores the signal is not
        // waited for.
        let begin = Instant::now();
        assert_eq!(end(&[process], Duration::from_mins(1)), []);
        assert!(begin.elapsed() < Duration::from_secs(10));
        child.wait().unwrap();
        assert!(!process.is_alive());
        assert!(describe(&[process]).is_empty());
    }

    #[test]
    fn terminating_process_gets_its_time() {
        let (mut child, process) = shell("trap 'sleep 0.5; exit 7' TERM; while :; do sleep 0.1; done");
        assert_eq!(end(&[process], Duration::from_mins(1)), []);
        assert_eq!(child.wait().unwrap().code(), Some(7), "it was killed");
    }

    #[test]
    fn process_outlives_its_first_thread() {
        // SYS_exit ends only one thread.
        let script = "import ctypes, platform, threading, time\n\
                      threading.Thread(target=time.sleep, args=[60]).start()\n\
                      ctypes.CDLL(None).syscall({'aarch64': 93}.get(platform.machine(), 60), 0)";
        let mut child = Command::new("python3").args(["-c", script]).spawn().unwrap();
        let process = ProcessId::of(pid(&child)).unwrap();
        wait_until(Duration::from_secs(10), || Stat::of(pid(&child)).is_some_and(|stat| stat.state == 'Z'));
        let stat = Stat::of(pid(&child)).unwrap();
        assert_eq!((stat.state, stat.threads), ('Z', 2));
        assert!(process.is_alive());
        assert_eq!(end(&[process], Duration::from_millis(100)), []);
        child.wait().unwrap();
    }

    #[test]
    fn process_names_may_hold_anything() {
        let text = format!("12 (a) (b c) D{} 5 0 1234 0", " 0".repeat(16));
        let expected = Stat { command: "a) (b c".to_owned(), state: 'D', threads: 5, started: 1234 };
        assert_eq!(Stat::parse(&text), Some(expected));
    }
}
