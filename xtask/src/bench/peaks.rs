//! Peak use of a command on a machine: memory as the kernel counts it, and space on the machine's disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::site::{Machine, ProcessId, kibibytes};

/// Time between two polls of the known processes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Time between two searches for processes, which take a while.
const SEARCH_EVERY: Duration = Duration::from_millis(500);

/// Subcommands of `landfall node` that run permanently at a site.
const SERVICES: [&[u8]; 2] = [b"run", b"serve"];

/// Peak use of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peaks {
    /// Largest resident memory of any `landfall` process, except the site's services, in bytes.
    pub memory_bytes: u64,
    /// Largest decrease of the free space on the machine's disk, in bytes.
    pub disk_bytes: u64,
}

/// Runs a closure on a machine. Returns its result, and the peaks until it ended.
pub fn peaks_of<T>(machine: &Machine, run: impl FnOnce() -> Result<T>) -> Result<(T, Peaks)> {
    let (ended, before) = (AtomicBool::new(false), free_bytes(machine)?);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(machine, &ended));
        let outcome = run();
        ended.store(true, Ordering::Release);
        let seen = watcher.join().map_err(|_| anyhow!("the thread that watches a machine panicked"))?;
        let outcome = outcome?;
        let (memory_bytes, least_free_bytes) = seen?;
        ensure!(memory_bytes > 0, "no landfall ran on {}", machine.name());
        Ok((outcome, Peaks { memory_bytes, disk_bytes: before.saturating_sub(least_free_bytes) }))
    })
}

/// Returns the largest memory and the smallest number of free bytes.
fn watch(machine: &Machine, ended: &AtomicBool) -> Result<(u64, u64)> {
    let (mut memory, mut least_free) = (0, u64::MAX);
    let (mut known, mut searched): (Vec<ProcessId>, Option<Instant>) = (Vec::new(), None);
    while !ended.load(Ordering::Acquire) {
        if searched.is_none_or(|at| at.elapsed() >= SEARCH_EVERY) {
            // Processes that systemd starts descend from the machine's first process; those that a user starts descend
            // from this process.
            let all = [machine.first()?.descendants(), ProcessId::own()?.descendants()].concat();
            known = all.into_iter().filter(is_command).collect();
            searched = Some(Instant::now());
        }
        memory = known.iter().filter_map(peak_memory_bytes).fold(memory, u64::max);
        least_free = least_free.min(free_bytes(machine)?);
        std::thread::sleep(LOOK_EVERY);
    }
    Ok((memory, least_free))
}

/// Returns the bytes that unprivileged users may still write to the machine's disk.
fn free_bytes(machine: &Machine) -> Result<u64> {
    let root = machine.first()?.proc("root");
    let measured = rustix::fs::statvfs(&root).context("cannot measure the disk of a machine")?;
    Ok(measured.f_bavail * measured.f_frsize)
}

fn is_command(process: &ProcessId) -> bool {
    let line = std::fs::read(process.proc("cmdline")).unwrap_or_default();
    is_command_line(&line)
}

/// Returns true if this is `landfall` with a verb that ends.
fn is_command_line(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let is_landfall = words.first().is_some_and(|program| program.ends_with(b"/landfall"));
    let is_service = words.windows(2).any(|pair| pair[0] == b"node" && SERVICES.contains(&pair[1]));
    is_landfall && !is_service
}

/// Returns the kernel's high-water mark, or None if the process has ended.
fn peak_memory_bytes(process: &ProcessId) -> Option<u64> {
    let status = std::fs::read_to_string(process.proc("status")).ok()?;
    kibibytes(&status, "VmHWM:").map(|value| value << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_count_but_services_do_not() {
        let line = |text: &str| is_command_line(text.replace(' ', "\0").as_bytes());
        assert!(line("/media/stick/landfall --json upgrade /media/stick/next"));
        assert!(line("/var/lib/landfall/releases/0f/landfall node operate"));
        assert!(!line("/var/lib/landfall/releases/0f/landfall node run"));
        assert!(!line("/var/lib/landfall/releases/0f/landfall node serve"));
        assert!(!line("/usr/bin/timeout --signal=KILL 60 /media/stick/landfall status"));
        assert!(!line(""));
    }
}
