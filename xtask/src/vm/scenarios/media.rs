//! Removal of a stick in the middle of staging.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::agent::{GuestProcess, Output};
use super::super::engineer;
use super::super::findings::Findings;
use super::super::image::STICK;
use super::super::lane::Lane;
use super::super::machine::Machine;

/// Amount that is staged before the stick is removed, in KiB.
const STAGED_KIB: u64 = 100 << 10;

/// Bytes that a resume may read again, in addition to the rest: unsynced data and read-ahead (ADR 11), the program, and
/// the filesystem's own tables.
const AGAIN_BYTES: u64 = (104 << 20) + (32 << 20);

/// Time limit for staging to reach that point, and for it to end, on a dedicated machine.
const STAGING_LIMIT: Duration = Duration::from_mins(3);

/// Time limit until the loss is reported, on a dedicated machine.
const REPORT_LIMIT: Duration = Duration::from_secs(10);

/// Folder to which staging writes.
const STORE: &str = "/var/lib/landfall/registry";

/// Removes the stick while it is read. The report comes immediately, and its advice works: after the stick is mounted
/// again, the named command continues from the staged data.
pub(super) fn stick_pulled(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = lane.born("stick-pulled")?;
    machine.boot()?;
    machine.mount_stick()?;
    let command = format!("{STICK}/landfall --json install {STICK} --trust {}", lane.fingerprint());
    let running = machine.start_line(&command)?;
    wait_staged(&mut machine, running, STAGED_KIB)?;
    machine.pull_stick()?;
    let begun = Instant::now();
    let limit = machine.patience(REPORT_LIMIT);
    let output = wait_for_output(&mut machine, running, limit)?;
    let failure = engineer::failure(&output)?;
    let kept = staged_kib(&mut machine)?;
    findings.saw(format!(
        "reported {} after {:.1} s, exit {:?}, {} MiB kept; advice: {}",
        failure["code"],
        begun.elapsed().as_secs_f64(),
        output.code,
        kept >> 10,
        failure["next"]
    ));
    findings.expect(output.code == Some(5), || format!("the install ended with {:?}: {failure}", output.code));
    let advice = failure["next"].as_str().unwrap_or_default();
    findings.expect(advice.contains("resume"), || format!("the advice does not help: {advice}"));
    findings.expect(kept >= STAGED_KIB, || format!("of {} MiB, {} MiB were kept", STAGED_KIB >> 10, kept >> 10));

    machine.run(&format!("umount --lazy {STICK}"))?;
    machine.mount_stick()?;
    let known = machine.try_run("command -v landfall")?.is_success();
    findings.expect(known, || "`landfall resume` is not found: there is no link to the command".to_owned());
    let program = if known { "landfall".to_owned() } else { format!("{STICK}/landfall") };
    let begun = Instant::now();
    let running = machine.start_line(&format!("{program} --json resume"))?;
    wait_journal(&mut machine, running)?;
    let (read, whole) = (read_bytes(&mut machine)?, bundle_bytes(&mut machine)?);
    findings.saw(format!(
        "staged {:.0} s after `resume`, which read {} of {} MiB",
        begun.elapsed().as_secs_f64(),
        read >> 20,
        whole >> 20
    ));
    let rest = whole.saturating_sub(kept << 10) + AGAIN_BYTES;
    findings.expect(read > 0 && read <= rest.min(whole), || {
        format!("a resume read {read} bytes of a bundle of {whole}, where {rest} were left")
    });
    machine.cut_power()
}

/// Returns the staged KiB without reserved space.
fn staged_kib(machine: &mut Machine) -> Result<u64> {
    let used = format!("du --summarize --apparent-size --block-size=1K {STORE} 2> /dev/null || echo 0");
    Ok(machine.run(&used)?.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0))
}

/// Returns the bytes read from the stick since it was connected.
fn read_bytes(machine: &mut Machine) -> Result<u64> {
    let sectors = format!(
        "device=$(basename $(findmnt --noheadings --output SOURCE {STICK})) && \
         read -r _ _ sectors _ < /sys/class/block/$device/stat && echo $sectors"
    );
    let sectors = machine.run(&sectors)?;
    let sectors: u64 = sectors.trim().parse().with_context(|| format!("no number of sectors: {sectors}"))?;
    // The kernel counts sectors of 512 bytes, regardless of the device's sector size.
    Ok(sectors * 512)
}

/// Returns the bytes of the bundle on the stick.
fn bundle_bytes(machine: &mut Machine) -> Result<u64> {
    let total = machine.run(&format!("du --bytes --total {STICK}/*.landfall* | tail -n 1"))?;
    let bytes = total.split_whitespace().next().and_then(|word| word.parse().ok());
    bytes.with_context(|| format!("the size of the bundle is not known: {total}"))
}

fn wait_staged(machine: &mut Machine, install: GuestProcess, kib: u64) -> Result<()> {
    let end = Instant::now() + machine.patience(STAGING_LIMIT);
    while staged_kib(machine)? < kib {
        if let Some(output) = machine.try_wait(install)? {
            anyhow::bail!("the install ended before the stick was pulled ({:?}): {}", output.code, output.text());
        }
        ensure!(Instant::now() < end, "less than {kib} KiB were staged in time");
    }
    Ok(())
}

fn wait_for_output(machine: &mut Machine, running: GuestProcess, limit: Duration) -> Result<Output> {
    let end = Instant::now() + limit;
    loop {
        if let Some(output) = machine.try_wait(running)? {
            return Ok(output);
        }
        ensure!(Instant::now() < end, "the loss of the stick was not reported within {limit:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until a resume is past staging: the status names a later step.
fn wait_journal(machine: &mut Machine, resume: GuestProcess) -> Result<()> {
    let end = Instant::now() + machine.patience(STAGING_LIMIT);
    loop {
        if let Some(output) = machine.try_wait(resume)? {
            ensure!(output.is_success(), "the resume ended with {:?}: {}", output.code, output.text());
            return Ok(());
        }
        let status = machine.try_run("$(echo /var/lib/landfall/engine/*/landfall) --json status")?;
        let at = engineer::documents(&status)
            .into_iter()
            .find_map(|status| status["operation"]["step"]["id"].as_str().map(str::to_owned));
        if at.is_some_and(|step| step != "stage") {
            return Ok(());
        }
        ensure!(Instant::now() < end, "the resume did not stage the rest in time: {}", status.text());
    }
}
