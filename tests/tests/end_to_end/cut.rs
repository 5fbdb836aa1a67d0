//! An install whose power is cut during a chosen step. The host follows the journal while `landfall` writes it, in
//! order to find the moment.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use landfall_site::pins::Event;
use landfall_xtask::printer;
use landfall_xtask::site::{Machine, wait_until};

use super::engineer::{Engineer, STICK};
use super::fixture::fixture;
use super::journal::{self, End, Follow};
use super::process::{Process, pod_logs};

/// Time limit for a booted machine to settle before its first command.
const BOOT_LIMIT: Duration = Duration::from_mins(5);

/// Time between two reads of the journal.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Time limit for a step to read the requested bytes.
const READ_LIMIT: Duration = Duration::from_mins(2);

/// Maximum number of attempts at a cut within a step. A step may take only fifty milliseconds, and the exact moment
/// when its Started record reaches the disk is not visible from outside.
const TRIES: u32 = 4;

/// Moment of a power cut.
#[derive(Debug, Clone)]
pub(crate) enum Moment {
    /// While the step copies from the media: once `landfall` has read this many bytes since the step began.
    Read(u64),
    /// This long after the journal records that the step begins.
    After(Duration),
    /// This long after the journal records that the undo of the step begins.
    Undoing(Duration),
    /// This long after a pod begins in a namespace during the step.
    InPod(&'static str, Duration),
}

/// A step of the plan, and a moment in it.
#[derive(Debug, Clone)]
pub(crate) struct CutPoint {
    /// ID of the step.
    pub(crate) step: String,
    /// Moment in the step.
    pub(crate) moment: Moment,
}

/// Observations at the instant of a power cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutObservation {
    /// True if the step was acting or being undone. For a moment in a pod, the pod must have begun as well.
    pub(crate) is_within: bool,
    /// Bytes that the program had read since the step began, if the moment is [`Moment::Read`].
    pub(crate) read_bytes: u64,
}

impl CutObservation {
    fn without_bytes(is_within: bool) -> Self {
        Self { is_within, read_bytes: 0 }
    }
}

/// The effect of a power cut.
#[derive(Debug)]
pub(crate) struct Cut {
    /// End of the journal on the disk.
    pub(crate) end: End,
    /// Bytes that the program had read since the step began, including a few files that it checked, if the moment is
    /// [`Moment::Read`].
    pub(crate) read_bytes: u64,
}

impl Cut {
    /// Returns true if the cut is between a Started of the step and its Done.
    fn is_within(&self, step: &str) -> bool {
        self.end.step == step && self.end.status == "started"
    }
}

impl CutPoint {
    /// Returns a better moment after one that missed the step. It is earlier if the step, or even the verb, was already
    /// done; it is later if the step's beginning had not reached the disk.
    fn retry_point(&self, missed: Option<&Cut>) -> Self {
        let moment = match self.moment {
            Moment::After(wait) if missed.is_some_and(|cut| cut.end.step == self.step) => {
                Moment::After(wait * 3 / 2 + Duration::from_millis(5))
            }
            Moment::After(wait) => Moment::After(wait / 2),
            Moment::Undoing(wait) => Moment::Undoing(wait / 2),
            Moment::InPod(namespace, wait) => Moment::InPod(namespace, wait / 2),
            Moment::Read(bytes) => Moment::Read(bytes),
        };
        Self { step: self.step.clone(), moment }
    }
}

/// Returns the IDs of the plan's steps, in order.
pub(crate) fn steps(engineer: Engineer<'_>) -> Result<Vec<String>> {
    let plan = engineer.plan()?;
    let steps = plan["plan"]["steps"].as_array().context("the plan has no steps")?;
    steps.iter().map(|step| step["id"].as_str().map(str::to_owned).context("a step has no id")).collect()
}

/// Installs, cuts the power between the step's Started and its Done, and boots again. If the cut missed the step, or
/// the install ended before it, uninstalls and tries again.
pub(crate) fn install_and_cut(engineer: Engineer<'_>, at: &CutPoint) -> Result<Cut> {
    let mut at = at.clone();
    for _ in 0..TRIES {
        let cut = match install_and_cut_once(engineer, &at)? {
            Some(cut) if cut.is_within(&at.step) => return Ok(cut),
            missed => missed,
        };
        printer::note(format!("{at:?} missed the step: uninstalled, and tried again"));
        at = at.retry_point(cut.as_ref());
        engineer.uninstall_all()?;
    }
    bail!("{TRIES} cuts missed the act of {}", at.step)
}

fn install_and_cut_once(engineer: Engineer<'_>, at: &CutPoint) -> Result<Option<Cut>> {
    let trust = fixture()?.fingerprint.clone();
    let Some(CutObservation { read_bytes, .. }) = try_cut_during(engineer, &["install", STICK, "--trust", &trust], at)?
    else {
        return Ok(None);
    };
    boot(engineer.machine())?;
    let end = End::of(&journal::read(engineer.machine())?)?;
    expect_status(engineer, &end)?;
    printer::note(format!(
        "cut at {at:?}: the journal ends with record {}, step {} is {}",
        end.record, end.step, end.status
    ));
    Ok(Some(Cut { end, read_bytes }))
}

/// Fails unless the status reports the state of the journal on the disk.
pub(crate) fn expect_status(engineer: Engineer<'_>, end: &End) -> Result<()> {
    let operation = engineer.status()?["operation"].clone();
    let reported = (&operation["record"], &operation["step"]["id"], &operation["step"]["status"]);
    ensure!(
        *reported.0 == end.record && *reported.1 == end.step && *reported.2 == end.status,
        "status reports {reported:?}, but the journal ends with {end:?}"
    );
    Ok(())
}

/// Boots a machine and waits until systemd has settled, regardless of the state of its units.
pub(crate) fn boot(machine: &Machine) -> Result<()> {
    machine.boot()?;
    machine.wait_settled(BOOT_LIMIT).map(drop)
}

/// Runs a verb and cuts the power at the moment. Fails if the verb ends first.
pub(crate) fn cut_during(engineer: Engineer<'_>, arguments: &[&str], at: &CutPoint) -> Result<CutObservation> {
    try_cut_during(engineer, arguments, at)?.with_context(|| format!("the verb ended before {at:?}"))
}

/// Like [`cut_during`], but returns None without a cut if the verb succeeds before the moment. Fails if the verb fails
/// before it.
fn try_cut_during(engineer: Engineer<'_>, arguments: &[&str], at: &CutPoint) -> Result<Option<CutObservation>> {
    let machine = engineer.machine();
    let ended = AtomicBool::new(false);
    let mut watched = CutWatch::begin(machine, at)?;
    std::thread::scope(|scope| {
        let cutter = scope.spawn(|| cut_at(machine, &mut watched, at, &ended));
        let said = engineer.landfall(arguments);
        ended.store(true, Ordering::Release);
        let seen = cutter.join().map_err(|_| anyhow!("the thread that cuts the power panicked"))?;
        let said = said?;
        let seen = seen.with_context(|| format!("the verb said:\n{}", said.lines.join("\n")))?;
        let is_done = said.status.success();
        match seen {
            Some(_) => ensure!(!is_done, "the verb ended before the power did"),
            None => ensure!(is_done, "the verb failed before {at:?}:\n{}", said.lines.join("\n")),
        }
        Ok(seen)
    })
}

/// The sources that reveal the moment.
struct CutWatch {
    journal: Follow,
    /// Pods of the moment's namespace that had begun before.
    known_pods: BTreeSet<String>,
}

impl CutWatch {
    /// Starts watching from now on.
    fn begin(machine: &Machine, at: &CutPoint) -> Result<Self> {
        let known_pods = match at.moment {
            Moment::InPod(namespace, _) => pod_logs(machine, namespace)?,
            Moment::Read(_) | Moment::After(_) | Moment::Undoing(_) => BTreeSet::new(),
        };
        Ok(Self { journal: Follow::of(machine)?, known_pods })
    }
}

/// Cuts the power at the moment, or earlier if the step is already done; does not cut if the verb has ended.
fn cut_at(
    machine: &Machine,
    watched: &mut CutWatch,
    at: &CutPoint,
    ended: &AtomicBool,
) -> Result<Option<CutObservation>> {
    let seen = match at.moment {
        Moment::After(wait) | Moment::Undoing(wait) => {
            let begins = if matches!(at.moment, Moment::Undoing(_)) { undo_begins } else { begins };
            let journal = &mut watched.journal;
            let begun = wait_for_begin(journal, |event| begins(event, &at.step), ended, || Ok(()))?;
            let is_within = begun && !wait_for_end(journal, &at.step, wait)?;
            begun.then(|| CutObservation::without_bytes(is_within))
        }
        Moment::InPod(namespace, wait) => wait_in_pod(machine, watched, &at.step, (namespace, wait), ended)?,
        Moment::Read(wanted) => {
            let read = stop_after_reading(machine, &mut watched.journal, &at.step, wanted, ended)?;
            read.map(|read_bytes| CutObservation { is_within: true, read_bytes })
        }
    };
    if seen.is_some() && !ended.load(Ordering::Acquire) {
        machine.power_cut()?;
        return Ok(seen);
    }
    Ok(None)
}

/// Returns this long after a pod of the namespace begins in the step, or once the step is done. Returns None if the
/// verb ended before the step began.
fn wait_in_pod(
    machine: &Machine,
    CutWatch { journal, known_pods }: &mut CutWatch,
    step: &str,
    (namespace, wait): (&str, Duration),
    ended: &AtomicBool,
) -> Result<Option<CutObservation>> {
    if !wait_for_begin(journal, |event| begins(event, step), ended, || Ok(()))? {
        return Ok(None);
    }
    while pod_logs(machine, namespace)?.is_subset(known_pods) {
        if ended.load(Ordering::Acquire) || wait_for_end(journal, step, LOOK_EVERY)? {
            return Ok(Some(CutObservation::without_bytes(false)));
        }
    }
    Ok(Some(CutObservation::without_bytes(!wait_for_end(journal, step, wait)?)))
}

/// Returns true if the event begins the step, forward or in an undo.
fn begins(event: &Event, step: &str) -> bool {
    matches!(event, Event::Started { step: begun } if begun.to_string() == step) || undo_begins(event, step)
}

fn undo_begins(event: &Event, step: &str) -> bool {
    matches!(event, Event::UndoStarted { step: begun } if begun.to_string() == step)
}

/// Waits for an event that `begins` accepts; returns false if the verb ends without one. `before_each_look` is called
/// before each read of the journal.
fn wait_for_begin(
    journal: &mut Follow,
    begins: impl Fn(&Event) -> bool,
    ended: &AtomicBool,
    mut before_each_look: impl FnMut() -> Result<()>,
) -> Result<bool> {
    loop {
        let is_last_look = ended.load(Ordering::Acquire);
        before_each_look()?;
        if journal.news()?.iter().any(&begins) {
            return Ok(true);
        }
        if is_last_look {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits for this time, or until the journal records that the step is done, forward or in an undo. Returns true in the
/// latter case.
fn wait_for_end(journal: &mut Follow, step: &str, limit: Duration) -> Result<bool> {
    let ends = |event: &Event| match event {
        Event::Done { step: done, .. } | Event::UndoDone { step: done, .. } => done.to_string() == step,
        _ => false,
    };
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if journal.news()?.iter().any(ends) {
            return Ok(true);
        }
        std::thread::sleep(LOOK_EVERY.min(limit.saturating_sub(begun.elapsed())));
    }
    Ok(journal.news()?.iter().any(ends))
}

/// Stops the running `landfall` once it has read this much in the step. Returns the bytes read in the step by then, or
/// None if it ended before. Bytes read up to the last check before the journal named the step are not counted, so none
/// of the step's bytes are missed.
fn stop_after_reading(
    machine: &Machine,
    journal: &mut Follow,
    step: &str,
    wanted: u64,
    ended: &AtomicBool,
) -> Result<Option<u64>> {
    let (mut process, mut before) = (None, 0);
    let begun = wait_for_begin(
        journal,
        |event| begins(event, step),
        ended,
        || {
            match &process {
                None => process = Process::inside(machine, "landfall")?,
                Some(process) => before = process.read_bytes()?,
            }
            Ok(())
        },
    )?;
    ensure!(begun, "the verb ended before {step} began");
    let process = process.with_context(|| format!("no landfall runs on {}", machine.name()))?;
    wait_until(&format!("the reading of {wanted} bytes"), READ_LIMIT, || {
        ensure!(!ended.load(Ordering::Acquire), "the verb ended before it had read {wanted} bytes");
        Ok((process.read_bytes()? - before >= wanted).then_some(()))
    })?;
    process.stop()?;
    Ok(Some(process.read_bytes()? - before))
}
