//! Measurements of build, verify and stage of the starter bundle, against the commands that a user would run by hand.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::pairs::drop_page_cache;
use super::{Figure, Ratio, Row, Unit, limits, pairs, startup};
use crate::cache::cache_root;
use crate::registry::Registry;
use crate::vendor::{VENDOR_STORE, Vendor};
use crate::{builds, documents, images, printer, workspace};

/// Name of a verb's figure, which a test reads.
pub const STORE_READ: &str = "store read, of the blobs";
/// See [`STORE_READ`].
pub const STORE_WRITTEN: &str = "store written, of the blobs";
/// See [`STORE_READ`].
pub const MEDIA_READ: &str = "media read, of the bundle";
/// See [`STORE_READ`].
pub const MEDIA_WRITTEN: &str = "media written, of the bundle";
/// See [`STORE_READ`].
pub const MEDIA_READ_BACK: &str = "media read back, of the bundle";
/// Bytes that the kernel counted for the whole process (read and written), relative to Landfall's own count.
pub const KERNEL: &str = "kernel's count, of Landfall's";
/// Time until the first byte of the bundle is written: definitions are read, components rendered, the head signed.
pub const RENDERING: &str = "before the bundle is written";
/// Time of a build that finds nothing changed and keeps the bundle.
pub const REBUILD: &str = "again, with nothing changed";
/// Event at the beginning of the bundle.
const WRITES: &str = r#""event":"phaseStarted","phase":"writing the bundle""#;
/// Largest resident memory.
pub const MEMORY: &str = "memory at its peak";

/// Returns the path of the file with the measured rows.
pub fn table() -> PathBuf {
    workspace::root().join("target/bench.json")
}

/// Measures every verb with this number of pairs, in a folder that is emptied first.
pub fn measure(folder: &Path, count: usize) -> Result<Vec<Row>> {
    empty(folder)?;
    let bench = Bench::prepare(folder)?;
    let mut rows = vec![bench.build(count)?, bench.verify(count)?, bench.stage(count)?];
    printer::note("inspect and --version");
    rows.extend(startup::measure(&released_program()?, &bench.bundle)?);
    Ok(rows)
}

struct Bench {
    vendor: Vendor,
    folder: PathBuf,
    release: PathBuf,
    /// A bundle in one file, which `cat` and `b3sum` read as plain bytes.
    bundle: PathBuf,
    /// The bundle's blobs as separate files, for `cp`.
    blobs: PathBuf,
    fingerprint: String,
    sizes: Sizes,
    /// Programs that either side runs.
    programs: Vec<PathBuf>,
}

/// The sizes of the bytes to move.
#[derive(Clone, Copy)]
struct Sizes {
    /// Bytes of the bundle as one stream, on the media.
    bundle: u64,
    /// Bytes of its blobs, in the store.
    blobs: u64,
}

impl Sizes {
    /// Reads the sizes from the report of `landfall inspect --json`.
    fn of(inspection: &Value) -> Result<Self> {
        let blobs = inspection["blobs"].as_array().context("the bundle lists no blobs")?;
        let bundle = inspection["totalBytes"].as_u64().context("the bundle does not say how long it is")?;
        Ok(Self { bundle, blobs: blobs.iter().filter_map(|blob| blob["size"].as_u64()).sum() })
    }
}

impl Bench {
    fn prepare(folder: &Path) -> Result<Self> {
        let vendor = released_vendor(&folder.join("vendor"))?;
        let release = workspace::root().join("releases/starter");
        vendor.lock(&release)?;
        let output = folder.join("bundle");
        vendor.build(&release, &output, &[])?;
        let blobs = folder.join("blobs");
        let fingerprint = vendor.fingerprint()?;
        let bundle = the_bundle(&output)?;
        vendor.run(&["stage", &text(&bundle), "--trust", &fingerprint, "--store", &text(&blobs)])?;
        let sizes = Sizes::of(&vendor.report(&["inspect", &text(&bundle)])?)?;
        let programs = programs(&vendor)?;
        Ok(Self { vendor, folder: folder.into(), release, bundle, blobs, fingerprint, sizes, programs })
    }

    fn build(&self, count: usize) -> Result<Row> {
        printer::note("build");
        let output = self.folder.join("built");
        let (mut report, mut before) = (Value::Null, Vec::new());
        let by_landfall = || {
            empty(&output)?;
            let (built, rendering) = self.build_and_time_rendering(&output)?;
            report = built;
            before.push(rendering);
            Ok(rendering)
        };
        // Written bytes are read back from the stick, not from memory, as a careful user would. The time before the
        // first byte does not depend on the amount of data, so it is a separate figure.
        let ratio = pairs(limits::BUILD.rival, &self.programs, count, by_landfall, || self.copy_and_read_blobs())?;
        before.sort_unstable();
        let median = before.get(before.len() / 2).copied().unwrap_or_default();
        let mut row = row("build", &report, self.sizes, vec![ratio])?;
        let at_most = limits::RENDERING_LIMIT_SECONDS * 1000.0;
        row.figures.push(Figure::new(RENDERING, median.as_secs_f64() * 1000.0, Unit::Milliseconds).at_most(at_most));
        let again = self.time_rebuild(&output, count)?.as_secs_f64() * 1000.0;
        let at_most = limits::REBUILD_LIMIT_SECONDS * 1000.0;
        row.figures.push(Figure::new(REBUILD, again, Unit::Milliseconds).at_most(at_most));
        Ok(row)
    }

    /// Builds the same release into the same folder `count` times; returns the median of the times.
    fn time_rebuild(&self, output: &Path, count: usize) -> Result<Duration> {
        let arguments = self.vendor.build_arguments(&self.release, output, &[]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut times = Vec::new();
        for _ in 0..count.max(1) {
            let begun = Instant::now();
            let report = self.vendor.report(&arguments)?;
            times.push(begun.elapsed());
            ensure!(report["kept"].is_string(), "an unchanged build did not keep the bundle: {report}");
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }

    /// Builds. Returns the report, and the time until the first byte of the bundle is written.
    fn build_and_time_rendering(&self, output: &Path) -> Result<(Value, Duration)> {
        let arguments = self.vendor.build_arguments(&self.release, output, &["--json"]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let mut child = self.vendor.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let events = BufReader::new(child.stderr.take().context("no pipe")?);
        let watcher = std::thread::spawn(move || -> Result<(Option<Duration>, String)> {
            let (mut writing, mut last) = (None, String::new());
            for line in events.lines() {
                last = line?;
                writing = writing.or_else(|| last.contains(WRITES).then(|| begun.elapsed()));
            }
            Ok((writing, last))
        });
        let built = child.wait_with_output()?;
        let (writing, last) = watcher.join().map_err(|_| anyhow!("the thread that reads events panicked"))??;
        ensure!(built.status.success(), "landfall build ended with {}: {last}", built.status);
        let writing = writing.with_context(|| format!("landfall build never said {WRITES}"))?;
        Ok((documents::read(&String::from_utf8_lossy(&built.stdout))?, writing))
    }

    fn verify(&self, count: usize) -> Result<Row> {
        printer::note("verify");
        let bundle = text(&self.bundle);
        let mut report = Value::Null;
        let mut by_landfall = || {
            report = self.vendor.report(&["verify", &bundle, "--trust", &self.fingerprint])?;
            Ok(Duration::ZERO)
        };
        let by_cat = pairs("cat > /dev/null", &self.programs, count, &mut by_landfall, || self.read_with("cat"))?;
        let by_b3sum =
            pairs(limits::VERIFY.rival, &self.programs, count, &mut by_landfall, || self.read_with("b3sum"))?;
        row("verify", &report, self.sizes, vec![by_cat, by_b3sum])
    }

    fn stage(&self, count: usize) -> Result<Row> {
        printer::note("stage");
        let (bundle, store) = (text(&self.bundle), self.folder.join("staged"));
        let mut report = Value::Null;
        let by_landfall = || {
            empty(&store)?;
            let arguments = ["stage", &bundle, "--trust", &self.fingerprint, "--store", &text(&store)];
            report = self.vendor.report(&arguments)?;
            Ok(Duration::ZERO)
        };
        let ratio = pairs(limits::STAGE.rival, &self.programs, count, by_landfall, || self.copy_blobs())?;
        row("stage", &report, self.sizes, vec![ratio])
    }

    fn copy_blobs(&self) -> Result<()> {
        let copy = self.folder.join("copied");
        empty(&copy)?;
        workspace::run(Command::new("cp").args(["--recursive", "--reflink=never"]).arg(&self.blobs).arg(&copy))?;
        rustix::fs::syncfs(File::open(&copy)?).context("cannot sync the copy")
    }

    fn copy_and_read_blobs(&self) -> Result<()> {
        self.copy_blobs()?;
        // The copy itself is synced; it must not wait for pages that other programs have yet to write.
        drop_page_cache();
        let read = "find \"$0\" -type f -exec cat {} + > /dev/null";
        workspace::run(Command::new("sh").args(["-c", read]).arg(self.folder.join("copied")))
    }

    fn read_with(&self, program: &str) -> Result<()> {
        workspace::run(Command::new(program).arg(&self.bundle).stdout(Stdio::null()))
    }
}

/// Computes a row of ratios from a report's counters.
fn row(verb: &'static str, report: &Value, sizes: Sizes, ratios: Vec<Ratio>) -> Result<Row> {
    let number =
        |value: &Value| value.as_u64().with_context(|| format!("the report of {verb} lacks a counter: {report}"));
    let totals = |names: [&str; 2]| names.into_iter().map(|name| &report[name]).find(|totals| totals.is_object());
    let count = |totals: Option<&Value>, field: &str| totals.map_or(Ok(0), |totals| number(&totals[field]));
    let (store, media) = (totals(["store", "storeBytes"]), totals(["media", "mediaBytes"]));
    let [store_read, media_read] = [count(store, "readBytes")?, count(media, "readBytes")?];
    let [store_written, media_written] = [count(store, "writtenBytes")?, count(media, "writtenBytes")?];
    let read_back = count(media, "readBackBytes")?;
    let process = &report["process"];
    let kernel = number(&process["readBytes"])? + number(&process["writtenBytes"])?;
    // Bytes that enter the store before packing, and programs that are read for their digests, are counted separately
    // from packing.
    let ingested = Some(&report["ingestedBytes"]).filter(|totals| totals.is_object());
    let prepared =
        report["hashedBytes"].as_u64().unwrap_or(0) + count(ingested, "readBytes")? + count(ingested, "writtenBytes")?;
    let counted = store_read + store_written + media_read + media_written + read_back + prepared;
    let figures = vec![
        Figure::bytes("bundle", sizes.bundle),
        Figure::bytes("blobs", sizes.blobs),
        Figure::share(STORE_READ, store_read, sizes.blobs),
        Figure::share(STORE_WRITTEN, store_written, sizes.blobs),
        Figure::share(MEDIA_READ, media_read, sizes.bundle),
        Figure::share(MEDIA_WRITTEN, media_written, sizes.bundle),
        Figure::share(MEDIA_READ_BACK, read_back, sizes.bundle),
        Figure::share(KERNEL, kernel, counted),
        Figure::bytes(MEMORY, number(&process["peakMemoryBytes"])?),
    ];
    Ok(Row { name: verb, figures, ratios })
}

/// Returns the paths of the timed programs.
fn programs(vendor: &Vendor) -> Result<Vec<PathBuf>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let find = |name: &str| {
        let found = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        found.with_context(|| format!("the program {name} is not in PATH"))
    };
    let rivals = ["b3sum", "cat", "cp", "find", "sh"].into_iter().map(find);
    std::iter::once(Ok(vendor.landfall().to_owned())).chain(rivals).collect()
}

/// Returns the `landfall` that ships, with the other programs next to it, or the one named by the environment.
pub fn released_program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(builds::PROGRAM_VARIABLE) {
        return Ok(PathBuf::from(program));
    }
    workspace::run(workspace::cargo().args(["build", "--quiet", "--release"]).args(builds::PROGRAMS))?;
    Ok(workspace::target_folder().join(workspace::TARGET).join("release/landfall"))
}

/// Returns a vendor with the `landfall` that ships. A development build hashes at a fraction of the speed.
pub fn released_vendor(folder: &Path) -> Result<Vendor> {
    let landfall = released_program()?;
    let parts = images::ensure_all()?;
    let registry = Registry::start(&parts.tree.root)?;
    Vendor::with_registry(folder, &cache_root()?.join(VENDOR_STORE), &landfall, &parts.binaries, registry)
}

fn the_bundle(folder: &Path) -> Result<PathBuf> {
    let files = folder.read_dir()?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let bundle = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "landfall"));
    bundle.with_context(|| format!("no bundle in {}", folder.display()))
}

/// Creates an empty folder, removing an existing one first.
pub(super) fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)?;
    ensure!(folder.is_dir(), "{} is no folder", folder.display());
    Ok(())
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ratios_use_their_own_sizes() {
        let inspection = json!({ "totalBytes": 1000, "blobs": [{ "size": 300 }, { "size": 500 }] });
        let totals = |read, written| json!({ "readBytes": read, "writtenBytes": written, "readBackBytes": 0 });
        let report = json!({
            "media": totals(1000, 0), "store": totals(0, 800),
            "process": { "readBytes": 1000, "writtenBytes": 800, "peakMemoryBytes": 1 },
        });
        let row = row("stage", &report, Sizes::of(&inspection).unwrap(), Vec::new()).unwrap();
        let said: Vec<_> = row.figures.iter().map(|figure| (figure.name, format!("{:.3}", figure.value))).collect();
        let is_said = |name, value: &str| said.contains(&(name, value.to_owned()));
        assert!([MEDIA_READ, STORE_WRITTEN, KERNEL].iter().all(|name| is_said(*name, "1.000")), "{said:?}");
        assert!(is_said("bundle", "1000.000") && is_said("blobs", "800.000"), "{said:?}");
    }
}
