//! An install whose power is cut at a chosen instant.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use landfall_tests::printer;
use landfall_tests::site::Machine;
use serde_json::Value;

use super::engineer::{Engineer, STICK};
use super::fixture::fixture;

/// How long a booted machine may take to settle before somebody types.
const BOOT_LIMIT: Duration = Duration::from_mins(2);

/// When the power is cut.
#[derive(Debug, Clone)]
pub(crate) enum Moment {
    /// While the step copies from the media: once it has read this many bytes.
    Read(u64),
    /// This long after the step began.
    After(Duration),
}

/// A step of the plan, and a moment in it.
#[derive(Debug, Clone)]
pub(crate) struct At {
    /// The step's id.
    pub(crate) step: String,
    /// When in it.
    pub(crate) moment: Moment,
}

/// What a power cut hit, as the journal tells it after the next boot.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Sequence of the journal's last record.
    pub(crate) record: u64,
    /// The step's id.
    pub(crate) step: String,
    /// What the journal says of the step.
    pub(crate) status: String,
    /// Bytes that the program had read since the step began, where the moment is [`Moment::Read`].
    pub(crate) read_bytes: u64,
}

impl Cut {
    /// Whether it lies between a Started and its Done.
    pub(crate) fn is_within_a_step(&self) -> bool {
        self.status == "started"
    }
}

/// The ids of the plan's steps, in order.
pub(crate) fn steps(engineer: Engineer<'_>) -> Result<Vec<String>> {
    let plan = engineer.plan()?;
    let steps = plan["plan"]["steps"].as_array().context("the plan has no steps")?;
    steps.iter().map(|step| step["id"].as_str().map(str::to_owned).context("a step has no id")).collect()
}

/// Installs, cuts the power, boots again, and reads from the disk what was hit.
pub(crate) fn install_and_cut(engineer: Engineer<'_>, steps: &[String], at: &At) -> Result<Cut> {
    let trust = fixture()?.fingerprint.clone();
    let read_bytes = cut_during(engineer, &["install", STICK, "--trust", &trust], steps, at)?;
    boot(engineer.machine())?;
    let operation = engineer.status()?["operation"].clone();
    let text = |value: &Value| value.as_str().map(str::to_owned).context("status does not tell the step");
    let cut = Cut {
        record: operation["record"].as_u64().context("status tells no record")?,
        step: text(&operation["step"]["id"])?,
        status: text(&operation["step"]["status"])?,
        read_bytes,
    };
    let (step, status, record) = (&cut.step, &cut.status, cut.record);
    printer::note(format!("cut at {at:?}: the journal ends with record {record}, step {step} is {status}"));
    Ok(cut)
}

/// Boots a machine and waits until systemd has settled, whatever became of its units.
pub(crate) fn boot(machine: &Machine) -> Result<()> {
    machine.boot()?;
    machine.wait_settled(BOOT_LIMIT).map(drop)
}

/// The step that begins with a line, as `[17/47] wait for the control plane`.
fn step_of<'a>(line: &str, steps: &'a [String]) -> Option<&'a String> {
    let index: usize = line.strip_prefix('[')?.split_once('/')?.0.parse().ok()?;
    steps.get(index.checked_sub(1)?)
}

/// Runs a verb and cuts the power at the moment. Returns the bytes read since the step began.
pub(crate) fn cut_during(engineer: Engineer<'_>, arguments: &[&str], steps: &[String], at: &At) -> Result<u64> {
    let machine = engineer.machine();
    let (begun, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            while !begun.load(Ordering::Acquire) {
                if ended.load(Ordering::Acquire) {
                    bail!("the step {} never began", at.step);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            cut_at(machine, &at.moment, &ended)
        });
        let said = engineer.watch(arguments, |line| {
            if step_of(line, steps) == Some(&at.step) {
                begun.store(true, Ordering::Release);
            }
        });
        ended.store(true, Ordering::Release);
        let read = cutter.join().map_err(|_| anyhow::anyhow!("the thread that cuts the power panicked"))?;
        let said = said?;
        let read = read.with_context(|| format!("the verb said:\n{}", said.lines.join("\n")))?;
        ensure!(said.status.code() != Some(0), "the verb ended before the power did");
        Ok(read)
    })
}

fn cut_at(machine: &Machine, moment: &Moment, ended: &AtomicBool) -> Result<u64> {
    let read = match moment {
        Moment::After(delay) => {
            std::thread::sleep(*delay);
            0
        }
        Moment::Read(wanted) => wait_for_bytes(machine, *wanted, ended)?,
    };
    ensure!(!ended.load(Ordering::Acquire), "the verb ended before the power did");
    machine.power_cut()?;
    Ok(read)
}

/// Stops the running `landfall` once it has read that much more than now; returns how much it has read by then.
fn wait_for_bytes(machine: &Machine, wanted: u64, ended: &AtomicBool) -> Result<u64> {
    let process = process_inside(machine, "landfall")?;
    let before = read_bytes(process)?;
    let begun = Instant::now();
    while read_bytes(process)? - before < wanted {
        ensure!(!ended.load(Ordering::Acquire), "the verb ended before it had read {wanted} bytes");
        ensure!(begun.elapsed() < Duration::from_mins(2), "the verb did not read {wanted} bytes in time");
        std::thread::sleep(Duration::from_millis(1));
    }
    let number = rustix::process::Pid::from_raw(process).context("0 is no process")?;
    rustix::process::kill_process(number, rustix::process::Signal::STOP).context("cannot stop landfall")?;
    Ok(read_bytes(process)? - before)
}

/// The host's number of the process of that name on a machine.
fn process_inside(machine: &Machine, name: &str) -> Result<i32> {
    let space = |process: &str| std::fs::metadata(format!("/proc/{process}/ns/mnt")).map(|found| found.ino());
    let own = space(&machine.first()?.number.to_string()).context("the machine is off")?;
    for entry in std::fs::read_dir("/proc").context("cannot list processes")? {
        let number = entry?.file_name().to_string_lossy().into_owned();
        let comm = std::fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
        if comm.trim_end() == name && space(&number).is_ok_and(|space| space == own) {
            return number.parse().context("no number of a process");
        }
    }
    bail!("no {name} runs on {}", machine.name())
}

/// Bytes that a process has read by any system call.
fn read_bytes(process: i32) -> Result<u64> {
    let path = format!("/proc/{process}/io");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let count = text.lines().find_map(|line| line.strip_prefix("rchar: ")).context("no rchar")?;
    count.parse().context("no number of bytes")
}
