//! Memory use of a verb on a machine, as counted by the kernel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_xtask::site::Machine;

use super::process::Process;

/// Limit of every command. An install took up to 72 MiB, and every other command less.
const LIMIT_BYTES: u64 = 128 << 20;

/// Fails if a verb used more memory than allowed.
pub(crate) fn expect_little(verb: &str, peak_bytes: u64) -> Result<()> {
    ensure!(peak_bytes <= LIMIT_BYTES, "{verb} took {peak_bytes} bytes of memory");
    Ok(())
}

/// Runs a closure that runs `landfall VERB` on a machine. Returns its result, and the largest resident memory of the
/// first such process, in bytes.
pub(crate) fn peak_of<T>(machine: &Machine, verb: &str, run: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let ended = AtomicBool::new(false);
    let (outcome, peak) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(machine, verb, &ended));
        let outcome = run();
        ended.store(true, Ordering::Release);
        (outcome, watcher.join())
    });
    let outcome = outcome?;
    let peak = peak.map_err(|_| anyhow::anyhow!("the thread that watches memory panicked"))??;
    Ok((outcome, peak))
}

/// Polls the kernel's high-water mark, which only rises, so the last value is used.
fn watch(machine: &Machine, verb: &str, ended: &AtomicBool) -> Result<u64> {
    let (mut process, mut peak) = (None, 0);
    while !ended.load(Ordering::Acquire) {
        if process.is_none() {
            process = Process::of_verb(machine, verb)?;
        }
        peak = peak.max(process.and_then(Process::peak_memory_bytes).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(peak > 0, "no landfall {verb} ran on {}", machine.name());
    Ok(peak)
}
