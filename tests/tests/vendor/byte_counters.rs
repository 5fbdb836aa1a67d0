//! Byte counts: the program's counters, compared with the bytes to be moved and with the kernel's own count. Each byte
//! is moved once.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::starter;

/// Memory limit of every command.
const MEMORY_BYTES: u64 = 256 << 20;

fn number(report: &Value, path: &str) -> Result<u64> {
    report.pointer(path).and_then(Value::as_u64).with_context(|| format!("the report has no {path}"))
}

/// Fails unless `counted` is `times` the available bytes, to two digits.
fn ratio(what: &str, counted: u64, there_is: u64, times: f64) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "sizes of bundles are far below 2^52")]
    let ratio = counted as f64 / there_is as f64;
    printer::note(format!("{what}: {counted} of {there_is} bytes, {ratio:.4}"));
    ensure!((ratio - times).abs() < 0.005, "{what}: {counted} of {there_is} bytes is {ratio:.4}, not {times:.2}");
    Ok(())
}

/// Fails unless both counts agree to within 2 % of the bytes to be moved.
fn agree(what: &str, counted: u64, kernel: u64, there_is: u64) -> Result<()> {
    printer::note(format!("{what}: counted {counted}, the kernel says {kernel}"));
    ensure!(counted.abs_diff(kernel) <= there_is / 50, "{what}: counted {counted}, the kernel says {kernel}");
    Ok(())
}

/// Runs a command that cannot create scratch files: its temporary folder, home folder and working folder accept none,
/// even from root.
fn without_scratch(command: &mut Command) -> Result<Value> {
    let report = Outcome::success(command.env("TMPDIR", "/proc").env("HOME", "/proc").current_dir("/proc"))?.json()?;
    let memory = number(&report, "/process/peakMemoryBytes")?;
    printer::note(format!("peak memory: {} MiB", memory >> 20));
    ensure!(memory > 1 << 20 && memory <= MEMORY_BYTES, "{memory} bytes of memory");
    Ok(report)
}

/// Returns the names of all files below a folder, relative to it.
fn files(folder: &Path) -> Result<Vec<String>> {
    let listed = Outcome::success(Command::new("find").arg(".").args(["-type", "f"]).current_dir(folder))?;
    let mut names: Vec<_> = listed.text()?.lines().map(|line| line.trim_start_matches("./").to_owned()).collect();
    names.sort();
    Ok(names)
}

/// Returns the total size of the bundle's blobs, each digest once.
fn blob_bytes() -> Result<u64> {
    let inspection = starter()?.inspection()?;
    let blobs = inspection["blobs"].as_array().context("no blobs")?;
    Ok(blobs.iter().filter_map(|blob| blob["size"].as_u64()).sum())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn build_moves_each_byte_once() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let output = folder.path().join("stick");
    let parts = ["--part-size", super::starter::PART_SIZE, "--json"];
    let report = without_scratch(&mut starter.rebuild(&output.display().to_string(), &parts)?)?;
    let total = starter.total_bytes()?;
    let store = number(&report, "/storeBytes/readBytes")?;
    let written = number(&report, "/mediaBytes/writtenBytes")?;
    let read_back = number(&report, "/mediaBytes/readBackBytes")?;
    ratio("build reads the store", store, blob_bytes()?, 1.0)?;
    ratio("build writes the media", written, total, 1.0)?;
    ratio("build reads back", read_back, total, 1.0)?;
    assert_eq!((store, read_back), (blob_bytes()?, total));
    assert_eq!(number(&report, "/storeBytes/writtenBytes")?, 0);
    assert_eq!(number(&report, "/ingestedBytes/writtenBytes")?, 0, "the store was warm");

    // In addition to packing, a build reads programs whose digests it does not know yet.
    let reads = store + read_back + number(&report, "/hashedBytes")? + number(&report, "/ingestedBytes/readBytes")?;
    agree("build reads", reads, number(&report, "/process/readBytes")?, total)?;
    agree("build writes", written, number(&report, "/process/writtenBytes")?, total)?;
    let mut expected: Vec<_> = starter.file_names().into_iter().chain(["SHA256SUMS"]).map(str::to_owned).collect();
    expected.sort();
    assert_eq!(files(&output)?, expected, "nothing else was written");

    // A rebuild without changes reads nothing large: no content of the store, media or programs.
    let report = without_scratch(&mut starter.rebuild(&output.display().to_string(), &parts)?)?;
    for field in ["/hashedBytes", "/storeBytes/readBytes", "/mediaBytes/writtenBytes", "/mediaBytes/readBackBytes"] {
        assert_eq!(number(&report, field)?, 0, "{field}");
    }
    ensure!(report["kept"].is_string(), "the bundle was built again");
    let read = number(&report, "/process/readBytes")?;
    printer::note(format!("a build with nothing changed reads {read} bytes"));
    ensure!(read < total / 50, "{read} bytes were read for nothing");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn verification_reads_once_and_writes_nothing() -> Result<()> {
    let starter = starter()?;
    let fingerprint = starter.fingerprint()?;
    let mut command = starter.landfall(&["verify", "--json", "--trust", &fingerprint]);
    let report = without_scratch(command.arg(starter.stick()))?;
    let total = starter.total_bytes()?;
    assert_eq!((number(&report, "/bytes")?, &report["verified"]), (total, &Value::Bool(true)));
    assert_eq!(number(&report, "/parts")?, starter.part_paths().len() as u64);
    ratio("verify reads the media", number(&report, "/media/readBytes")?, total, 1.0)?;
    assert_eq!(number(&report, "/media/writtenBytes")?, 0);
    agree("verify reads", number(&report, "/media/readBytes")?, number(&report, "/process/readBytes")?, total)?;
    let written = number(&report, "/process/writtenBytes")?;
    ensure!(written < 64 << 10, "verification wrote {written} bytes");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn staging_reads_once_and_writes_once() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let store = folder.path().join("store");
    let fingerprint = starter.fingerprint()?;
    let stage = || {
        let mut command = starter.landfall(&["stage", "--json", "--trust", &fingerprint]);
        without_scratch(command.arg(starter.stick()).arg("--store").arg(&store))
    };
    let report = stage()?;
    let (total, blobs) = (starter.total_bytes()?, blob_bytes()?);
    let (read, written) = (number(&report, "/media/readBytes")?, number(&report, "/store/writtenBytes")?);
    ratio("stage reads the media", read, total, 1.0)?;
    ratio("stage writes the store", written, blobs, 1.0)?;
    assert_eq!((number(&report, "/lackingBytes")?, number(&report, "/store/readBytes")?), (blobs, 0));
    assert_eq!((number(&report, "/media/writtenBytes")?, number(&report, "/media/readBackBytes")?), (0, 0));
    agree("stage reads", read, number(&report, "/process/readBytes")?, total)?;
    agree("stage writes", written, number(&report, "/process/writtenBytes")?, total)?;
    let left: Vec<_> = files(&store)?;
    let (data, others): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|name| name.starts_with("docker/registry/v2/blobs/sha256/"));
    assert_eq!(data.len(), starter.inspection()?["blobs"].as_array().context("no blobs")?.len());
    let scratch: Vec<_> = others.iter().filter(|name| !name.starts_with("landfall/records/")).collect();
    assert!(scratch.is_empty(), "left in the store: {scratch:?}");

    // Staging again moves nothing.
    let again = stage()?;
    assert_eq!((number(&again, "/lackingBytes")?, number(&again, "/store/writtenBytes")?), (0, 0));
    let read = number(&again, "/media/readBytes")?;
    ensure!(read < total / 50, "{read} bytes were read for nothing");
    Ok(())
}
