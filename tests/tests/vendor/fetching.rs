//! Interrupted pulls, after the registry or the program was killed, continue inside the blob.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use landfall_xtask::printer;
use landfall_xtask::vendor::Vendor;
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::{PART_SIZE, Starter, release, starter};

/// Number of bytes from which a partial blob counts as large.
const LARGE_BYTES: u64 = 32 << 20;

/// Bytes that a partial blob may lose: 16 MiB that were not synced, and the current megabyte.
const REPEATED_BYTES: u64 = 17 << 20;

/// Memory limit of a build that pulls everything, in parallel and into an empty store: 1.25 times the largest measured
/// value, 255 MiB, of which the test build's own code takes 64 MiB.
const MEMORY_BYTES: u64 = 320 << 20;

/// Number of retries if a kill came just after the partial blob was complete.
const TRIES: usize = 10;

/// Returns the sizes of all blobs, by digest in hexadecimal digits.
fn sizes(starter: &Starter) -> Result<BTreeMap<String, u64>> {
    let inspection = starter.inspection()?;
    let blobs = inspection["blobs"].as_array().context("no blobs")?.iter();
    Ok(blobs
        .filter_map(|blob| Some((blob["digest"].as_str()?.strip_prefix("sha256:")?.to_owned(), blob["size"].as_u64()?)))
        .collect())
}

/// Returns the bytes of partial blobs in the store, by digest.
fn partial(store: &Path) -> Result<BTreeMap<String, u64>> {
    let Ok(entries) = store.join("landfall/partial").read_dir() else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        // It may have been completed in the meantime.
        if let Ok(metadata) = entry.metadata() {
            found.insert(entry.file_name().to_string_lossy().into_owned(), metadata.len());
        }
    }
    Ok(found)
}

/// Starts a build that pulls everything, with its messages in `log` and its report in `report`.
fn start(starter: &Starter, vendor: &Vendor, folder: &Path) -> Result<Child> {
    let arguments =
        vendor.build_arguments(&release(), &folder.join("stick"), &["--part-size", PART_SIZE, "--json", "-v"]);
    let mut command = starter.command(vendor, &arguments);
    command.stdin(Stdio::null()).stdout(File::create(folder.join("report"))?).stderr(File::create(folder.join("log"))?);
    command.spawn().context("cannot start landfall")
}

/// Returns the large partial blobs that lack at least this number of bytes.
fn in_the_middle(
    partial: &BTreeMap<String, u64>,
    sizes: &BTreeMap<String, u64>,
    missing_bytes: u64,
) -> BTreeMap<String, u64> {
    let is_in_middle = |(digest, length): &(&String, &u64)| {
        **length > LARGE_BYTES && **length + missing_bytes <= sizes.get(*digest).copied().unwrap_or(0)
    };
    partial.iter().filter(is_in_middle).map(|(digest, length)| (digest.clone(), *length)).collect()
}

/// Waits until a large blob is in the middle: many bytes are present, and as many are missing.
fn wait_for_mid_blob(child: &mut Child, store: &Path, sizes: &BTreeMap<String, u64>) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(2) {
        if !in_the_middle(&partial(store)?, sizes, LARGE_BYTES).is_empty() {
            return Ok(());
        }
        ensure!(child.try_wait()?.is_none(), "the build ended before a large blob was partially downloaded");
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("no large blob was partially downloaded within two minutes")
}

/// Returns the positions at which blobs were resumed, from the log: digest and byte of the first time.
fn resumed_positions(log: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        // The last line of a killed build may be torn.
        let document: Value = serde_json::from_str(line).ok()?;
        let (_, rest) = document["text"].as_str()?.split_once("resuming sha256:")?;
        let (digest, rest) = rest.split_once(" at byte ")?;
        Some((digest.to_owned(), rest.strip_suffix(" by Range")?.parse().ok()?))
    };
    // If there are several lines for one blob, the first is kept.
    log.lines().rev().filter_map(line).collect()
}

/// Fails unless the bundle equals that of an undisturbed build. Returns the report.
fn equal_to_undisturbed(starter: &Starter, folder: &Path) -> Result<Value> {
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("report"))?)?;
    starter.same_but_for_the_signature(&folder.join("stick"), &report)?;
    Ok(report)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn download_resumes_after_registry_kill() -> Result<()> {
    let starter = starter()?;
    let (folder, sizes) = (starter.scratch()?, sizes(starter)?);
    let mut vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let mut child = start(starter, &vendor, folder.path())?;
    let (there, digest, length) = kill_in_mid_blob(&mut child, &mut vendor, &sizes)?;
    let status = child.wait()?;
    let log = std::fs::read_to_string(folder.path().join("log"))?;
    ensure!(status.success(), "the build ended with {status}:\n{log}");

    let resumed = resumed_positions(&log);
    let offset = *resumed.get(&digest).with_context(|| format!("{digest} was not resumed:\n{log}"))?;
    ensure!(offset >= length && offset < sizes[&digest], "resumed at {offset}, {length} bytes were there");
    ensure!(log.contains("trying again"), "the log does not say why:\n{log}");
    let access = vendor.registry().log()?;
    let asked = access.lines().find(|line| line.contains(digest.as_str()) && line.contains("\" 206 "));
    let asked = asked.with_context(|| format!("the registry did not answer a Range of {digest}"))?;
    printer::note(format!("killed with {length} of {} bytes present, resumed at {offset}: {asked}", sizes[&digest]));

    let report = equal_to_undisturbed(starter, folder.path())?;
    // Almost nothing was served again: each byte entered the store once.
    let all: u64 = sizes.values().sum();
    let served = vendor.registry().bytes_written()?;
    let rest = all - report["installerBytes"].as_u64().context("no installer")? - there.values().sum::<u64>();
    ensure!(served < rest + all / 50, "{served} bytes were served after the restart, at most {rest} were missing");
    let written = report["ingestedBytes"]["writtenBytes"].as_u64().context("no count")?;
    ensure!(written.abs_diff(all) < all / 50, "{written} bytes went into the store, there are {all}");
    let memory = report["process"]["peakMemoryBytes"].as_u64().context("no memory")?;
    ensure!(memory > 0 && memory <= MEMORY_BYTES, "{memory} bytes of memory");
    printer::note(format!("{} MiB of memory at most", memory >> 20));
    Ok(())
}

/// Returns a value once it has not changed for half a second.
fn at_rest<T: PartialEq>(look: impl Fn() -> Result<T>) -> Result<T> {
    let mut seen = look()?;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = look()?;
        if now == seen {
            return Ok(seen);
        }
        seen = now;
    }
}

/// Kills the registry until a large blob has stayed partial, and starts it again. Returns the bytes of each partial
/// blob, and that blob with its bytes.
fn kill_in_mid_blob(
    child: &mut Child,
    vendor: &mut Vendor,
    sizes: &BTreeMap<String, u64>,
) -> Result<(BTreeMap<String, u64>, String, u64)> {
    for _ in 0..TRIES {
        wait_for_mid_blob(child, vendor.store(), sizes)?;
        vendor.registry().kill()?;
        // Data that the kernel still holds for the connections arrives; then they break. In between, a blob may be
        // completed.
        let there = at_rest(|| partial(vendor.store()))?;
        let cut = in_the_middle(&there, sizes, 1).into_iter().max_by_key(|(_, length)| *length);
        vendor.registry().restart()?;
        if let Some((digest, length)) = cut {
            return Ok((there, digest, length));
        }
    }
    bail!("the blob in flight was complete at each of {TRIES} kills")
}

#[test]
#[ignore = "needs cargo xtask test"]
fn killed_build_resumes_mid_blob() -> Result<()> {
    let starter = starter()?;
    let (folder, sizes) = (starter.scratch()?, sizes(starter)?);
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let there = killed_in_mid_blob(starter, &vendor, folder.path(), &sizes)?;
    assert!(!folder.path().join("stick").exists(), "nothing is written to the stick before all is fetched");

    let status = start(starter, &vendor, folder.path())?.wait()?;
    let log = std::fs::read_to_string(folder.path().join("log"))?;
    ensure!(status.success(), "the build ended with {status}:\n{log}");
    let resumed = resumed_positions(&log);
    // For each blob, at most the bytes that may not have reached the disk are fetched again (ADR 11). This includes
    // blobs that were complete but did not have their name yet.
    let expected: BTreeMap<_, _> = there.into_iter().filter(|(_, length)| *length > 0).collect();
    for (digest, length) in &expected {
        let from = resumed.get(digest).copied().unwrap_or(if *length < sizes[digest] { 0 } else { *length });
        assert!((length.saturating_sub(REPEATED_BYTES)..=*length).contains(&from), "{digest}: {from} of {length}");
    }
    assert!(resumed.keys().all(|digest| expected.contains_key(digest)), "{resumed:?} of {expected:?}");
    assert!(resumed.values().any(|from| *from > 0), "{resumed:?} of {expected:?}");
    assert!(expected.values().any(|length| *length > LARGE_BYTES), "{expected:?}");
    printer::note(format!("killed with {} blobs in flight, resumed at {:?}", expected.len(), resumed.values()));
    equal_to_undisturbed(starter, folder.path())?;
    Ok(())
}

/// Starts and kills builds until one has left a large partial blob. Returns the bytes of each partial blob.
fn killed_in_mid_blob(
    starter: &Starter,
    vendor: &Vendor,
    folder: &Path,
    sizes: &BTreeMap<String, u64>,
) -> Result<BTreeMap<String, u64>> {
    for _ in 0..TRIES {
        let mut child = start(starter, vendor, folder)?;
        wait_for_mid_blob(&mut child, vendor.store(), sizes)?;
        child.kill()?;
        child.wait()?;
        let there = partial(vendor.store())?;
        if !in_the_middle(&there, sizes, 1).is_empty() {
            return Ok(there);
        }
    }
    bail!("the blob in flight was complete at each of {TRIES} kills")
}

#[test]
#[ignore = "needs cargo xtask test"]
fn absent_registry_is_reported_with_advice() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let mut vendor = starter.vendor(folder.path(), starter.registry()?)?;
    vendor.registry().kill()?;
    let arguments = vendor.build_arguments(&release(), &folder.path().join("stick"), &[]);
    let outcome = Outcome::of(&mut starter.command(&vendor, &arguments))?;
    assert_eq!((outcome.code, outcome.error()), (5, Some("LF2131")), "{}", outcome.stderr);
    let address = vendor.registry().address().to_string();
    assert!(outcome.stderr.contains(&address), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("Connection refused"), "{}", outcome.stderr);
    Ok(())
}
