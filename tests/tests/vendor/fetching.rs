//! Pulls that are interrupted, by the death of the registry or of the program, go on inside the blob.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use landfall_tests::printer;
use landfall_tests::vendor::Vendor;
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::{PART_SIZE, Starter, release, starter};

/// A blob in flight is large where more than this is there already.
const LARGE_BYTES: u64 = 32 << 20;

/// Sizes of all blobs, by digest in hexadecimal digits.
fn sizes(starter: &Starter) -> Result<BTreeMap<String, u64>> {
    let inspection = starter.inspection()?;
    let blobs = inspection["blobs"].as_array().context("no blobs")?.iter();
    Ok(blobs
        .filter_map(|blob| Some((blob["digest"].as_str()?.strip_prefix("sha256:")?.to_owned(), blob["size"].as_u64()?)))
        .collect())
}

/// Bytes of blobs that are in the store but not whole, by digest.
fn partial(store: &Path) -> Result<BTreeMap<String, u64>> {
    let Ok(entries) = store.join("landfall/partial").read_dir() else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        // It may have become whole in the meantime.
        if let Ok(metadata) = entry.metadata() {
            found.insert(entry.file_name().to_string_lossy().into_owned(), metadata.len());
        }
    }
    Ok(found)
}

/// A build that pulls everything, with its messages in `log` and its report in `report`.
fn start(starter: &Starter, vendor: &Vendor, folder: &Path) -> Result<Child> {
    let arguments =
        vendor.build_arguments(&release(), &folder.join("stick"), &["--part-size", PART_SIZE, "--json", "-v"]);
    let mut command = starter.command(vendor, &arguments);
    command.stdin(Stdio::null()).stdout(File::create(folder.join("report"))?).stderr(File::create(folder.join("log"))?);
    command.spawn().context("cannot start landfall")
}

/// Waits until a blob is in the middle: much of it is there, and as much is missing.
fn wait_for_mid_blob(child: &mut Child, store: &Path, sizes: &BTreeMap<String, u64>) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(2) {
        let in_middle = |(digest, length): (&String, &u64)| {
            let size = sizes.get(digest).copied().unwrap_or(0);
            *length > LARGE_BYTES && length + LARGE_BYTES < size
        };
        if partial(store)?.iter().any(in_middle) {
            return Ok(());
        }
        ensure!(child.try_wait()?.is_none(), "the build ended before a large blob was in the middle");
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("no large blob was in the middle within two minutes")
}

/// Where blobs were resumed, as the messages say: digest and byte, of the first time.
fn resumed(log: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (_, rest) = line.split_once("resuming sha256:")?;
        let (digest, rest) = rest.split_once(" at byte ")?;
        Some((digest.to_owned(), rest.strip_suffix(" by Range")?.parse().ok()?))
    };
    // Of several lines for one blob, the first stays.
    log.lines().rev().filter_map(line).collect()
}

/// The bundle is the one of an undisturbed build.
fn equal_to_undisturbed(starter: &Starter, folder: &Path) -> Result<Value> {
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("report"))?)?;
    starter.same_but_for_the_signature(&folder.join("stick"), &report)?;
    Ok(report)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_registry_killed_in_mid_blob_is_asked_for_the_rest() -> Result<()> {
    let starter = starter()?;
    let (folder, sizes) = (starter.scratch()?, sizes(starter)?);
    let mut vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let mut child = start(starter, &vendor, folder.path())?;
    wait_for_mid_blob(&mut child, vendor.store(), &sizes)?;
    vendor.registry().kill()?;
    // What the kernel still holds for the connections arrives; then they break.
    std::thread::sleep(Duration::from_millis(200));
    let there = partial(vendor.store())?;
    vendor.registry().restart()?;
    let status = child.wait()?;
    let log = std::fs::read_to_string(folder.path().join("log"))?;
    ensure!(status.success(), "the build ended with {status}:\n{log}");

    let resumed = resumed(&log);
    let (digest, length) = there.iter().max_by_key(|(_, length)| **length).context("no blob was in flight")?;
    ensure!(*length > LARGE_BYTES && *length < sizes[digest], "{length} bytes of {digest} were there");
    let offset = *resumed.get(digest).with_context(|| format!("{digest} was not resumed:\n{log}"))?;
    ensure!(offset >= *length && offset < sizes[digest], "resumed at {offset}, {length} bytes were there");
    ensure!(log.contains("trying again"), "the log does not say why:\n{log}");
    let access = vendor.registry().log()?;
    let asked = access.lines().find(|line| line.contains(digest.as_str()) && line.contains("\" 206 "));
    let asked = asked.with_context(|| format!("the registry did not answer a Range of {digest}"))?;
    printer::note(format!("killed with {length} of {} bytes there, resumed at {offset}: {asked}", sizes[digest]));

    let report = equal_to_undisturbed(starter, folder.path())?;
    // Served again was next to nothing: each byte entered the store once.
    let all: u64 = sizes.values().sum();
    let served = vendor.registry().bytes_written()?;
    let rest = all - report["installer_bytes"].as_u64().context("no installer")? - there.values().sum::<u64>();
    ensure!(served < rest + all / 50, "{served} bytes were served after the restart, at most {rest} were missing");
    let written = report["ingested_bytes"]["written_bytes"].as_u64().context("no count")?;
    ensure!(written.abs_diff(all) < all / 50, "{written} bytes went into the store, there are {all}");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_build_killed_in_mid_blob_goes_on_there_in_the_next_process() -> Result<()> {
    let starter = starter()?;
    let (folder, sizes) = (starter.scratch()?, sizes(starter)?);
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let mut child = start(starter, &vendor, folder.path())?;
    wait_for_mid_blob(&mut child, vendor.store(), &sizes)?;
    child.kill()?;
    child.wait()?;
    let there = partial(vendor.store())?;
    assert!(!folder.path().join("stick").exists(), "nothing is written to the stick before all is fetched");

    let status = start(starter, &vendor, folder.path())?.wait()?;
    let log = std::fs::read_to_string(folder.path().join("log"))?;
    ensure!(status.success(), "the build ended with {status}:\n{log}");
    let resumed = resumed(&log);
    // Not one byte that was there is fetched again, of no blob.
    let expected: BTreeMap<_, _> =
        there.into_iter().filter(|(digest, length)| *length > 0 && *length < sizes[digest]).collect();
    assert_eq!(resumed, expected);
    assert!(expected.values().any(|length| *length > LARGE_BYTES), "{expected:?}");
    printer::note(format!("killed with {} blobs in flight, all resumed: {:?}", expected.len(), expected.values()));
    equal_to_undisturbed(starter, folder.path())?;
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_registry_that_stays_away_is_reported_with_what_to_do() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let mut vendor = starter.vendor(folder.path(), starter.registry()?)?;
    vendor.registry().kill()?;
    let arguments = vendor.build_arguments(&release(), &folder.path().join("stick"), &[]);
    let outcome = Outcome::of(&mut starter.command(&vendor, &arguments))?;
    assert_eq!((outcome.code, outcome.error()), (5, Some("LF2102")), "{}", outcome.stderr);
    let address = vendor.registry().address().to_string();
    assert!(outcome.stderr.contains(&address), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("Connection refused"), "{}", outcome.stderr);
    Ok(())
}
