//! Processes told apart by pid and start time, so that a pid that was given again is never taken for the old one.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

const POLL: Duration = Duration::from_millis(50);

/// A process that ran at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessId {
    pid: i32,
    /// Clock ticks after boot, from the kernel.
    started: u64,
}

impl ProcessId {
    /// The process that has this pid now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, started: stat(pid)?.1 })
    }

    /// Whether it still runs; a zombie does not.
    pub(crate) fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && state != 'Z')
    }

    /// Sends a signal if it still runs.
    pub(crate) fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // It may end in between, which is what the signal is for.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// State and start time from `/proc/PID/stat`, whose second field may hold spaces and parentheses.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// All processes for which `wanted` holds, without this one.
pub(crate) fn find(wanted: impl Fn(i32) -> bool) -> Vec<ProcessId> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let Ok(entries) = fs_err::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && *pid != 1 && wanted(*pid))
        .filter_map(ProcessId::of)
        .collect()
}

/// Asks processes to end, and ends those that have not after `patience`. Returns how many are left.
pub(crate) fn end(processes: &[ProcessId], patience: Duration) -> usize {
    for (signal, limit) in [(Signal::TERM, patience), (Signal::KILL, Duration::from_secs(5))] {
        for process in processes {
            process.signal(signal);
        }
        let begin = Instant::now();
        while processes.iter().any(|process| process.is_alive()) && begin.elapsed() < limit {
            std::thread::sleep(POLL);
        }
    }
    processes.iter().filter(|process| process.is_alive()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "trap '' TERM; while :; do sleep 0.1; done"])
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = ProcessId::of(pid).unwrap();
        assert!(process.is_alive());
        assert!(!ProcessId { started: process.started + 1, ..process }.is_alive());
        assert_eq!(find(|other| other == pid), [process]);
        std::thread::sleep(Duration::from_millis(200));
        // It ignores the polite signal; as a zombie, until its parent asks, it counts as ended.
        assert_eq!(end(&[process], Duration::from_millis(300)), 0);
        child.wait().unwrap();
        assert!(!process.is_alive());
    }
}
