//! Comparison of a plan's predictions with an install: bytes of the data folder's filesystem at the peak, and seconds
//! of each step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::site::Machine;
use serde_json::Value;

use super::engineer::{Engineer, STICK};
use super::fixture::fixture;

/// Path that exists before an install, on the filesystem of the data folder.
const PATH: &str = "/var/lib";

/// Time between two measurements of the free bytes.
const INTERVAL: Duration = Duration::from_millis(200);

/// Allowed error of a predicted peak, in addition to one percent of it.
const ALLOWED_BYTES: u64 = 64 << 20;

/// Minimum duration of the compared steps. For a shorter one, a small delay is a large error.
const LEAST_MILLISECONDS: u64 = 1000;

/// Allowed error of the median step's prediction from an equal run, in percent.
const MEDIAN_PERCENT: u64 = 25;

/// Minimum number of steps for a meaningful median.
const FEWEST_STEPS: usize = 5;

/// File of a machine with the durations of its last install's steps.
const STEP_TIMES: &str = "/var/log/landfall/step-times.json";

/// Attempts to stay below a time limit.
const LOOKS: usize = 3;

/// Time limit of `facts`.
pub(crate) const FACTS_LIMIT: Duration = Duration::from_secs(3);
/// Time limit of `preflight`.
pub(crate) const PREFLIGHT_LIMIT: Duration = Duration::from_secs(20);

/// Space that was taken from a filesystem.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TakenSpace {
    peak_bytes: u64,
    final_bytes: u64,
}

/// Checks that inspecting a machine before an install takes little time and changes nothing.
pub(crate) fn looks_take_little_time(engineer: Engineer<'_>) -> Result<()> {
    let trust = &fixture()?.fingerprint;
    let looks: [(&str, &[&str], Duration); 2] =
        [("facts", &["facts"], FACTS_LIMIT), ("preflight", &["preflight", STICK, "--trust", trust], PREFLIGHT_LIMIT)];
    for (name, arguments, limit) in looks {
        let look = || -> Result<_> {
            let begun = Instant::now();
            let report = engineer.landfall(arguments)?.report(name)?;
            let took = begun.elapsed();
            printer::note(format!("{name}: {:.1} s", took.as_secs_f64()));
            Ok((report, took))
        };
        let (mut report, mut took) = look()?;
        // Other machines run on the same processors: one of a few attempts shows what the program itself takes.
        for _ in 1..LOOKS {
            if took > limit {
                (report, took) = look()?;
            }
        }
        ensure!(took <= limit, "{name} took {took:?} at the last of {LOOKS} attempts, and {limit:?} are allowed");
        if name == "preflight" {
            ensure!(report["ready"] == true, "preflight of a healthy machine: {report:#}");
        } else {
            ensure!(
                report["speeds"]["writeBytesPerSecond"].is_u64(),
                "no speeds were measured: {:#}",
                report["speeds"]
            );
        }
        engineer.expect_unchanged(&format!("after {name}"), &[])?;
    }
    Ok(())
}

/// Runs a closure that installs. Returns its result, and the space that the filesystem used at the peak.
pub(crate) fn taken_by<T>(machine: &Machine, run: impl FnOnce() -> Result<T>) -> Result<(T, TakenSpace)> {
    let before = free_bytes(machine)?;
    let ended = AtomicBool::new(false);
    let (outcome, lowest) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| least_free(machine, &ended));
        let outcome = run();
        ended.store(true, Ordering::Release);
        (outcome, watcher.join())
    });
    let outcome = outcome?;
    let lowest = lowest.map_err(|_| anyhow::anyhow!("the thread that watches the disk panicked"))??;
    let last = free_bytes(machine)?;
    let taken = |free: u64| before.saturating_sub(free);
    Ok((outcome, TakenSpace { peak_bytes: taken(lowest.min(last)), final_bytes: taken(last) }))
}

fn least_free(machine: &Machine, ended: &AtomicBool) -> Result<u64> {
    let mut least = u64::MAX;
    while !ended.load(Ordering::Acquire) {
        least = least.min(free_bytes(machine)?);
        std::thread::sleep(INTERVAL);
    }
    Ok(least)
}

fn free_bytes(machine: &Machine) -> Result<u64> {
    let said = machine.run(&format!("stat --file-system --format '%a %S' {PATH}"))?.stdout;
    let numbers: Vec<u64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [blocks, size] = numbers[..] else { anyhow::bail!("stat printed {said}") };
    Ok(blocks * size)
}

/// Fails unless the peak was predicted to within one percent plus 64 MiB. `figures` are those of a dry run.
pub(crate) fn expect_space(figures: &Value, taken: TakenSpace) -> Result<()> {
    let data = &figures["filesystems"][0];
    let number = |name: &str| data[name].as_u64().with_context(|| format!("the plan has no {name}: {data:#}"));
    let mib = |bytes: u64| bytes >> 20;
    let (peak, last) = (number("peakBytes")?, number("finalBytes")?);
    printer::note(format!(
        "space: {} MiB predicted at the peak, {} MiB measured; {} and {} MiB in the end",
        mib(peak),
        mib(taken.peak_bytes),
        mib(last),
        mib(taken.final_bytes)
    ));
    let allowed = taken.peak_bytes / 100 + ALLOWED_BYTES;
    let is_right = peak.abs_diff(taken.peak_bytes) <= allowed;
    ensure!(is_right, "the peak was predicted as {peak} bytes and was {}; {allowed} are allowed", taken.peak_bytes);
    Ok(())
}

/// Describes the prediction after each step, and the current sizes of folders in KiB, in order to explain a wrong
/// prediction.
pub(crate) fn explain_figures(machine: &Machine, figures: &Value) -> String {
    let folders = "du --one-file-system --block-size 1K --max-depth 5 /var/lib/landfall | sort -n | tail -n 60";
    let found = machine.run(folders).map_or_else(|error| error.to_string(), |said| said.stdout);
    format!("predicted: {}\nfound:\n{found}", figures["filesystems"][0]["moments"])
}

/// A step: its ID, the prediction, the measurement, and the prediction's error in percent of the measurement.
struct StepComparison {
    id: String,
    predicted: u64,
    measured: u64,
    percent: u64,
}

/// Prints the predicted and measured time of each step. Returns the error of the median step in percent.
pub(crate) fn report_times(machine: &Machine, figures: &Value) -> Result<u64> {
    let mut compared = compare_steps(machine, figures)?;
    for StepComparison { id, predicted, measured, percent } in &compared {
        printer::note(format!("time: {id}: {predicted} ms predicted, {measured} ms measured, {percent} %"));
    }
    ensure!(compared.len() >= FEWEST_STEPS, "only {} steps took more than a second", compared.len());
    compared.sort_by_key(|step| step.percent);
    let median = compared[compared.len() / 2].percent;
    printer::note(format!("time: the median step was predicted with an error of {median} %"));
    Ok(median)
}

/// Like [`report_times`], if the install before was equal. Fails if the error of the median step exceeds 25 %.
pub(crate) fn expect_times(machine: &Machine, figures: &Value) -> Result<()> {
    let steps = figures["steps"].as_array().context("the plan has no steps")?;
    let known = steps.iter().filter(|step| step["basis"] == "measured").count();
    ensure!(known * 10 >= steps.len() * 9, "only {known} of {} steps are known from the first run", steps.len());
    let median = report_times(machine, figures)?;
    ensure!(median <= MEDIAN_PERCENT, "the median step was wrong by {median} %, and {MEDIAN_PERCENT} % are allowed");
    Ok(())
}

fn compare_steps(machine: &Machine, figures: &Value) -> Result<Vec<StepComparison>> {
    let record: BTreeMap<String, Value> = serde_json::from_slice(&machine.read_file(STEP_TIMES)?)
        .with_context(|| format!("{STEP_TIMES} is no record"))?;
    let steps = figures["steps"].as_array().context("the plan has no steps")?;
    let mut compared = Vec::new();
    for step in steps {
        let id = step["id"].as_str().context("a step has no id")?;
        let predicted = step["milliseconds"].as_u64().with_context(|| format!("{id} has no time"))?;
        let measured = record.get(id).and_then(|time| time["milliseconds"].as_u64());
        let measured = measured.with_context(|| format!("{STEP_TIMES} lacks {id}"))?;
        if measured >= LEAST_MILLISECONDS {
            let percent = predicted.abs_diff(measured) * 100 / measured;
            compared.push(StepComparison { id: id.to_owned(), predicted, measured, percent });
        }
    }
    Ok(compared)
}
