//! Twenty gibibytes are staged on a running site. Etcd and PostgreSQL keep answering, and their data stays in memory.
//! The staging itself uses no more memory than for a small release.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use landfall_xtask::proofs::{administer, psql};
use landfall_xtask::site::{Machine, MachineSpec, Site, Stream};
use landfall_xtask::{documents, printer};
use serde_json::Value;

use super::engineer::{Engineer, STICK};
use super::large_release::{self, Volume};
use super::memory;

/// Size of the machine's disk, for the site and the staged release.
const DISK_GIB: u32 = 48;

/// Folder in which the release is staged, on the disk of etcd and PostgreSQL.
const STORE: &str = "/var/lib/landfall-staged";

/// Bytes of small blobs for each sync of the whole filesystem, as grouped by the store.
const GROUP_BYTES: u64 = 64 << 20;

/// Syncs at the end of the staging: one for the bytes of the last group, which may be incomplete, and one for its
/// names. Blobs get their names only once their bytes are on the disk. The names of every other group share the sync of
/// the next group.
const LAST_SYNCS: u64 = 2;

/// Share of other software's pages in memory that must stay there.
const KEPT_SHARE: f64 = 0.95;

/// A file that other software has read.
const FOREIGN: &str = "/var/lib/other-software";
const FOREIGN_MIB: u64 = 512;

/// Time limit of one commit during the staging. etcd's own limit of a heartbeat is a tenth of that of a request.
const COMMIT_LIMIT: Duration = Duration::from_secs(5);

#[test]
#[ignore = "needs cargo xtask test --full"]
fn twenty_gibibytes_do_not_disturb_site() -> Result<()> {
    let volume = Volume::mount()?;
    let large = large_release::build(&volume)?;
    let site = Site::new(&Site::unique_name("e2e-large"))?;
    let machine = site.machine(MachineSpec::new("node-1").stick(volume.stick()).disk_gib(DISK_GIB))?;
    machine.boot()?;
    let engineer = Engineer::at(&machine);
    engineer.install()?;
    engineer.wait_ready("the install")?;
    machine.run(&format!("dd if=/dev/zero of={FOREIGN} bs=1M count={FOREIGN_MIB} status=none && sync {FOREIGN}"))?;
    commit(&machine, "CREATE TABLE beats (at timestamptz DEFAULT now())")?;
    let quiet = beats_while(&machine, || {
        std::thread::sleep(Duration::from_secs(20));
        Ok(())
    })?
    .1;
    let data = data_of_postgres(&machine)?;
    let before = [in_use(&machine, FOREIGN)?, in_use(&machine, &data)?];
    let (restarted, begun) = (restarts(&machine)?, Instant::now());

    let ((report, peak_memory_bytes), beats) =
        beats_while(&machine, || memory::peak_of(&machine, "stage", || stage(&machine, &large.fingerprint)))?;

    memory::expect_little("stage", peak_memory_bytes)?;
    printer::note(format!("stage: at most {} MiB of memory", peak_memory_bytes >> 20));
    expect_few_syncs(&report, large.small_bytes)?;
    expect_prompt(&quiet, &beats)?;
    let ([foreign, data_left], took) = ([resident(&machine, FOREIGN)?, resident(&machine, &data)?], begun.elapsed());
    expect_kept(&machine, ("another program's file", FOREIGN), (before[0], foreign), took)?;
    expect_kept(&machine, ("PostgreSQL's data", &data), (before[1], data_left), took)?;
    let now = restarts(&machine)?;
    ensure!(now == restarted, "containers were restarted: {restarted} before, {now} after");
    ensure!(engineer.status()?["ready"] == true, "the site is not ready after the staging");
    Ok(())
}

/// Stages the large release; returns the report.
fn stage(machine: &Machine, fingerprint: &str) -> Result<Value> {
    let begun = Instant::now();
    let bundle = format!("{STICK}/large");
    let program = format!("{STICK}/landfall");
    let all = ["3000", &program, "--json", "stage", &bundle, "--trust", fingerprint, "--store", STORE];
    let (mut data, mut end) = (String::new(), String::new());
    let status = machine.run_streaming("/usr/bin/timeout", &all, |stream, line| match stream {
        Stream::Stdout => data.push_str(line),
        Stream::Stderr => line.clone_into(&mut end),
    })?;
    ensure!(status.success(), "landfall stage ended with {status}: {end}");
    let report = documents::read(&data)?;
    let staged = number(&report, "/store/writtenBytes")?;
    ensure!(staged >= 20 << 30, "only {staged} bytes were staged");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = staged as f64 / begun.elapsed().as_secs_f64() / f64::from(1 << 20);
    printer::note(format!("staged {staged} bytes in {:.0} s, {rate:.0} MiB/s", begun.elapsed().as_secs_f64()));
    Ok(report)
}

fn number(report: &Value, path: &str) -> Result<u64> {
    report.pointer(path).and_then(Value::as_u64).with_context(|| format!("the report has no {path}"))
}

/// Fails unless there is at most one sync of the filesystem for each group of small blobs, plus the last ones.
fn expect_few_syncs(report: &Value, small_bytes: u64) -> Result<()> {
    let syncs = number(report, "/store/filesystemSyncs")?;
    let limit = small_bytes / GROUP_BYTES + LAST_SYNCS;
    printer::note(format!("stage: {syncs} syncs of the filesystem, at most {limit} are allowed"));
    ensure!(syncs <= limit, "{syncs} syncs of the whole filesystem for {small_bytes} bytes of small blobs");
    Ok(())
}

/// Runs one SQL statement as the application's user. Returns its duration as measured by `psql`.
fn commit(machine: &Machine, statement: &str) -> Result<Duration> {
    let output = psql(machine, &format!("-c '\\timing on' -c \"{statement}\""))?;
    ensure!(output.status.success(), "{statement} failed: {}{}", output.stdout, output.stderr);
    let took = output.stdout.lines().filter_map(|line| line.strip_prefix("Time: ")).next_back();
    let milliseconds = took.and_then(|took| took.split_whitespace().next()).context("psql printed no time")?;
    Ok(Duration::from_secs_f64(milliseconds.parse::<f64>()? / 1000.0))
}

/// Commits rows one after another while something else runs. Returns the duration of each commit.
fn beats_while<T>(machine: &Machine, act: impl FnOnce() -> Result<T>) -> Result<(T, Vec<Duration>)> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let beats = scope.spawn(|| {
            let mut beats = Vec::new();
            while !is_over.load(Ordering::Acquire) {
                beats.push(commit(machine, "INSERT INTO beats DEFAULT VALUES")?);
            }
            anyhow::Ok(beats)
        });
        let acted = act();
        is_over.store(true, Ordering::Release);
        let beats = beats.join().map_err(|_| anyhow!("the thread that commits panicked"))?;
        Ok((acted?, beats?))
    })
}

fn expect_prompt(quiet: &[Duration], beats: &[Duration]) -> Result<()> {
    let summary = |beats: &[Duration]| -> Result<(Duration, Duration)> {
        let mut sorted = beats.to_vec();
        sorted.sort();
        Ok((*sorted.get(sorted.len() / 2).context("nothing was committed")?, *sorted.last().context("nothing")?))
    };
    let ((quiet_median, quiet_longest), (median, longest)) = (summary(quiet)?, summary(beats)?);
    printer::note(format!(
        "commits: {} of {quiet_median:.1?} (median) and {quiet_longest:.1?} (longest) before, {} of {median:.1?} and \
         {longest:.1?} while staging",
        quiet.len(),
        beats.len()
    ));
    ensure!(longest <= COMMIT_LIMIT, "a commit took {longest:?} while the release was staged");
    Ok(())
}

/// Reads a file or a folder like software that uses it. Returns its number of pages in memory afterwards.
fn in_use(machine: &Machine, path: &str) -> Result<u64> {
    for _ in 0..2 {
        machine.run(&format!("find {path} -type f -exec cat {{}} + > /dev/null"))?;
    }
    resident(machine, path)
}

/// Fails if pages that were in memory before are no longer there. A host may page out unused data on its own. So if
/// pages are gone, as many are allowed as are lost in the same time without a staging.
fn expect_kept(
    machine: &Machine,
    (what, path): (&str, &str),
    (before, after): (u64, u64),
    took: Duration,
) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "pages of a test machine are far below 2^52")]
    let share = |before: u64, after: u64| after as f64 / before.max(1) as f64;
    printer::note(format!("in memory before and after: {what} {before} and {after} pages"));
    ensure!(before > 0, "nothing of {what} was in memory");
    let kept = share(before, after);
    if kept >= KEPT_SHARE {
        return Ok(());
    }
    let quiet = in_use(machine, path)?;
    std::thread::sleep(took);
    let left = resident(machine, path)?;
    printer::note(format!("in memory before and after as long a quiet time: {what} {quiet} and {left} pages"));
    let lost = share(quiet, left) - kept;
    ensure!(lost <= 1.0 - KEPT_SHARE, "of {what}, {before} pages were in memory, and {after} still are");
    Ok(())
}

/// Returns the number of pages of a file or a folder inside that are in memory.
fn resident(machine: &Machine, path: &str) -> Result<u64> {
    let inside = machine.first()?.proc("root").join(path.trim_start_matches('/'));
    let output =
        std::process::Command::new("vmtouch").arg("-f").arg(inside).output().context("cannot start vmtouch")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Resident Pages: "));
    let pages = line.and_then(|line| line.split('/').next()).with_context(|| format!("vmtouch printed {text}"))?;
    Ok(pages.parse()?)
}

fn data_of_postgres(machine: &Machine) -> Result<String> {
    let found =
        machine.run("find /var/lib/landfall/storage -name PG_VERSION -path '*data*' | sort | head -n 1")?.stdout;
    let folder = found.trim().strip_suffix("/PG_VERSION").context("PostgreSQL has no data")?;
    Ok(format!("{folder}/base"))
}

/// Returns the total number of container restarts.
fn restarts(machine: &Machine) -> Result<u64> {
    let counts = administer(
        machine,
        "kubectl get pods --all-namespaces --output \
         jsonpath='{.items[*].status.containerStatuses[*].restartCount}'",
    )?;
    ensure!(counts.status.success(), "kubectl failed: {}", counts.stderr);
    Ok(counts.stdout.split_whitespace().filter_map(|count| count.parse::<u64>().ok()).sum())
}
