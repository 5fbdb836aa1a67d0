//! How much memory a verb takes on a machine, as the kernel sees it.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_tests::site::Machine;

/// Runs something that runs `landfall VERB` on a machine. Returns what it returned, and the largest resident memory of
/// the first such process, in bytes.
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

/// The kernel's high-water mark only rises, so the last look is the one that counts.
fn watch(machine: &Machine, verb: &str, ended: &AtomicBool) -> Result<u64> {
    let space = |process: &str| std::fs::metadata(format!("/proc/{process}/ns/mnt")).map(|found| found.ino());
    let own = space(&machine.first()?.number.to_string()).context("the machine is off")?;
    let (mut process, mut peak) = (None, 0);
    while !ended.load(Ordering::Acquire) {
        if process.is_none() {
            process = processes()?.find(|one| space(one).is_ok_and(|space| space == own) && is_verb(one, verb));
        }
        let mark = process.as_deref().and_then(high_water_mark).unwrap_or(0);
        peak = peak.max(mark);
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(peak > 0, "no landfall {verb} ran on {}", machine.name());
    Ok(peak)
}

fn processes() -> Result<impl Iterator<Item = String>> {
    let entries = std::fs::read_dir("/proc").context("cannot list processes")?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    Ok(names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())))
}

fn is_verb(process: &str, verb: &str) -> bool {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    words.next().is_some_and(|program| program.ends_with(b"/landfall")) && words.any(|word| word == verb.as_bytes())
}

/// `VmHWM` in bytes; none once the process has ended.
fn high_water_mark(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}
