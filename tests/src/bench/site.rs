//! The figures of a site with a gigabyte of data: a backup, one of what has changed since, a restore, an upgrade that is undone, and one
//! that is committed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::pairs::{Ratio, timed};
use super::peaks::{Peaks, peaks_of};
use super::table::{Figure, Row, Unit};
use super::verbs::{MEMORY, released_vendor};
use crate::commands::demo;
use crate::proofs::{self, Expected, in_pod, sql};
use crate::site::{Machine, MachineSpec, Site, Stream};
use crate::{documents, printer};

/// The machine's disk, which is sparse: data, its backup, its copy and its drill are there at the same time.
const DISK_GIB: u32 = 28;

/// Rows of about a kibibyte: a gigabyte of data that hardly compresses.
const ROWS: u64 = 1_000_000;

/// Rows that one statement writes.
const BATCH: u64 = 50_000;

/// A part of the rows that changes: one in a hundred, beside each other.
const CHANGED: u64 = ROWS / 100;

/// Bytes that the data takes at least.
const DATA_BYTES: u64 = 1_000_000_000;

/// Goals: seconds of an upgrade and of an undo, bytes of memory, and shares.
const UPGRADE_SECONDS: f64 = 900.0;
const UNDO_SECONDS: f64 = 300.0;
const MEMORY_BYTES: f64 = 512.0 * 1024.0 * 1024.0;
const INCREMENTAL_SHARE: f64 = 0.1;
const DISK_SHARE: f64 = 1.05;

/// How many seconds any one command may take.
const LIMIT: &str = "3600";

/// The repository of the backups.
const REPOSITORY: &str = "/var/lib/landfall/backups/repository";

/// What stays free of a filesystem is in the plan, and is not taken.
const STAYS_FREE: &str = "that stays free";

/// The commands that a person would type to get data out, each with the name of the rival. They run in the database's pod.
const RIVALS: [(&str, &str); 2] = [
    (
        "pg_basebackup | cat",
        "pg_basebackup --username=\"$POSTGRES_USER\" --pgdata=- --format=tar --wal-method=fetch --checkpoint=fast",
    ),
    ("pg_dump | cat", "pg_dump --username=\"$POSTGRES_USER\" --dbname=\"$POSTGRES_DB\""),
];

/// Lands the starter release on a machine, fills its database, and measures. The folder gets the stick.
pub fn measure(folder: &Path) -> Result<Vec<Row>> {
    let vendor = released_vendor(&folder.join("vendor"))?;
    vendor.lock(&demo::release())?;
    let stick = demo::write_stick(&vendor, folder)?;
    let inspection = vendor.report(&["inspect", &stick.display().to_string()])?;
    demo::upgrade::build(&vendor, folder)?;
    let site = Site::new(&Site::unique_name("bench"))?;
    let machine = site.machine(MachineSpec::new("node-1").stick(&stick).disk_gib(DISK_GIB))?;
    machine.boot()?;
    demo::land(&machine, &vendor)?;
    let measured = Measured { machine, expected: Expected::from_inspection(&inspection)? };
    measured.wait_ready()?;
    measured.fill()?;
    let rivals = measured.rivals()?;
    let (backup, id) = measured.backup(&rivals)?;
    Ok(vec![backup, measured.restore(&id, &rivals)?, measured.undo()?, measured.upgrade()?])
}

/// How long a rival took.
type Rival = (&'static str, Duration, bool);

/// What a command said.
struct Said {
    code: Option<i32>,
    data: String,
    lines: Vec<String>,
    elapsed: Duration,
    /// From the first step that was undone until the end.
    undoing: Option<Duration>,
}

impl Said {
    fn report(&self) -> Result<Value> {
        ensure!(self.code == Some(0), "it ended with {:?}:\n{}", self.code, self.lines.join("\n"));
        documents::read(&self.data)
    }
}

/// A site that is measured.
struct Measured {
    machine: Machine,
    expected: Expected,
}

impl Measured {
    fn wait_ready(&self) -> Result<()> {
        proofs::wait_ready(&self.machine, &self.expected)
    }

    /// Writes the data, and everything that a database does with new data later, so that a second backup meets the same files.
    fn fill(&self) -> Result<()> {
        printer::note(format!("writing {ROWS} rows"));
        let run = |statement: &str| sql(&self.machine, statement);
        run("CREATE TABLE load (id bigint, body text)")?;
        for first in (1..=ROWS).step_by(usize::try_from(BATCH)?) {
            let last = first + BATCH - 1;
            run(&format!(
                "INSERT INTO load SELECT n, (SELECT string_agg(md5((n * 32 + k)::text), '') FROM generate_series(1, 30) AS k) \
                 FROM generate_series({first}, {last}) AS n"
            ))?;
        }
        run("VACUUM (FREEZE, ANALYZE) load")?;
        run("CHECKPOINT")?;
        let bytes: u64 = run("SELECT pg_total_relation_size('load')")?.parse()?;
        ensure!(bytes >= DATA_BYTES, "the data has only {bytes} bytes");
        Ok(())
    }

    /// How long the rivals take to read the same data.
    fn rivals(&self) -> Result<Vec<Rival>> {
        let measured = RIVALS.iter().map(|(name, command)| {
            printer::note(name);
            let mut read = 0;
            let (elapsed, cold) = timed(&[], &mut || {
                let said = in_pod(&self.machine, "postgres", "postgres-0", &format!("{command} | cat | wc -c"))?;
                ensure!(said.status.success(), "{name} failed: {}", said.stderr);
                read = said.stdout.trim().parse::<u64>()?;
                Ok(())
            })?;
            // A dump is text: the numbers of rows, and their bodies.
            ensure!(read >= ROWS * 960, "{name} has read only {read} bytes");
            Ok((*name, elapsed, cold))
        });
        measured.collect()
    }

    /// A first backup, and one of what has changed since. Returns the id of the second one.
    fn backup(&self, rivals: &[Rival]) -> Result<(Row, String)> {
        let ((said, cold), peaks) = peaks_of(&self.machine, || self.cold(&["backup", "run", "--no-drill"]))?;
        let first = said.report()?;
        let full_bytes = self.stored_bytes()?;
        sql(&self.machine, &format!("UPDATE load SET body = reverse(body) WHERE id <= {CHANGED}"))?;
        sql(&self.machine, "CHECKPOINT")?;
        let second = self.landfall(&["backup", "run", "--no-drill"])?.report()?;
        let incremental_bytes = self.stored_bytes()?.saturating_sub(full_bytes);
        let size_bytes = first["backup"]["sizeBytes"].as_u64().context("a backup has no size")?;
        let figures = vec![
            Figure::bytes("data", size_bytes),
            rate(size_bytes, said.elapsed),
            Figure::bytes("stored", full_bytes),
            Figure::share("one of 1 % changed, of the stored bytes", incremental_bytes, full_bytes)
                .at_most(INCREMENTAL_SHARE),
            memory(peaks),
        ];
        let ratios = ratios(said.elapsed, cold, rivals)?;
        let id = second["backup"]["id"].as_str().context("a backup has no id")?;
        Ok((Row { name: "backup", figures, ratios }, id.to_owned()))
    }

    /// The data returns from a backup, which is checked by its rule.
    fn restore(&self, id: &str, rivals: &[Rival]) -> Result<Row> {
        let name = self.machine.run("hostname")?.stdout;
        let restore = ["restore", "--backup", id, "--component", "postgres", "--confirm", name.trim()];
        let ((said, cold), peaks) = peaks_of(&self.machine, || self.cold(&restore))?;
        said.report()?;
        self.wait_ready()?;
        let rows = sql(&self.machine, "SELECT count(*) FROM load")?;
        ensure!(rows == ROWS.to_string(), "{rows} rows were restored");
        let bytes: u64 = sql(&self.machine, "SELECT pg_database_size(current_database())")?.parse()?;
        let figures = vec![Figure::bytes("data", bytes), rate(bytes, said.elapsed), memory(peaks)];
        Ok(Row { name: "restore", figures, ratios: ratios(said.elapsed, cold, rivals)? })
    }

    /// An upgrade to a release that does not work, from its first step back.
    fn undo(&self) -> Result<Row> {
        let (said, peaks) = peaks_of(&self.machine, || self.landfall(&["upgrade", "/media/stick/broken"]))?;
        ensure!(said.code == Some(4), "a broken release ended with {:?}:\n{}", said.code, said.lines.join("\n"));
        let undoing = said.undoing.context("nothing was undone")?;
        self.wait_ready()?;
        let figures = vec![
            Figure::new("until everything is as before", undoing.as_secs_f64(), Unit::Seconds).at_most(UNDO_SECONDS),
            memory(peaks),
        ];
        // What the release made of the data would count as data of the next upgrade.
        self.machine.run("rm --recursive --force /var/lib/landfall/storage/after-upgrade.*")?;
        Ok(Row { name: "undo", figures, ratios: Vec::new() })
    }

    /// An upgrade with a proven backup.
    fn upgrade(&self) -> Result<Row> {
        let upgrade = ["upgrade", "/media/stick/next"];
        let plan = self.landfall(&[&upgrade[..], &["--dry-run"]].concat())?.report()?;
        let planned_bytes = planned_bytes(&plan)?;
        let (said, peaks) = peaks_of(&self.machine, || self.landfall(&upgrade))?;
        let report = said.report()?;
        ensure!(report["version"] == "1.1.0", "{report}");
        let rows = sql(&self.machine, "SELECT count(*) FROM load")?;
        ensure!(rows == ROWS.to_string(), "{rows} rows are there after the upgrade");
        let figures = vec![
            Figure::new("with a proven backup", said.elapsed.as_secs_f64(), Unit::Seconds).at_most(UPGRADE_SECONDS),
            Figure::bytes("disk in the plan", planned_bytes),
            Figure::share("disk at its peak, of the plan", peaks.disk_bytes, planned_bytes).at_most(DISK_SHARE),
            memory(peaks),
        ];
        Ok(Row { name: "upgrade", figures, ratios: Vec::new() })
    }

    /// Bytes of the repository's files.
    fn stored_bytes(&self) -> Result<u64> {
        let said = self.machine.run(&format!("du --summarize --bytes {REPOSITORY}"))?.stdout;
        said.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).context("du prints no number")
    }

    /// Runs a command that finds none of its data in memory, if the kernel allows that.
    fn cold(&self, arguments: &[&str]) -> Result<(Said, bool)> {
        let mut said = None;
        let (_, cold) = timed(&[], &mut || {
            said = Some(self.landfall(arguments)?);
            Ok(())
        })?;
        Ok((said.context("nothing ran")?, cold))
    }

    fn landfall(&self, arguments: &[&str]) -> Result<Said> {
        printer::note(format!("site# landfall {}", arguments.join(" ")));
        let all = [&["--signal=KILL", LIMIT, "/media/stick/landfall", "--json"], arguments].concat();
        let (mut data, mut lines, mut undone_since) = (String::new(), Vec::new(), None);
        let begun = Instant::now();
        let status = self.machine.run_streaming("/usr/bin/timeout", &all, |stream, line| match stream {
            Stream::Stdout => data.push_str(line),
            Stream::Stderr => {
                if is_undo(line) {
                    undone_since.get_or_insert_with(Instant::now);
                }
                lines.push(line.to_owned());
            }
        })?;
        let undoing = undone_since.map(|since| since.elapsed());
        Ok(Said { code: status.code(), data, lines, elapsed: begun.elapsed(), undoing })
    }
}

/// Whether a line of progress announces a step that is undone.
fn is_undo(line: &str) -> bool {
    let title = serde_json::from_str::<Value>(line).ok();
    title.is_some_and(|line| line["title"].as_str().is_some_and(|title| title.starts_with("undo: ")))
}

/// What an upgrade takes of the disk as planned, without what stays free.
fn planned_bytes(plan: &Value) -> Result<u64> {
    let [peak] = plan["space"].as_array().context("the plan takes no space")?.as_slice() else {
        anyhow::bail!("the plan takes space of several filesystems: {}", plan["space"])
    };
    let parts = peak["parts"].as_array().context("a peak has no parts")?;
    let (free, taken): (Vec<&Value>, Vec<&Value>) = parts.iter().partition(|part| part["purpose"] == STAYS_FREE);
    ensure!(free.len() == 1, "a peak does not say once what stays free: {peak}");
    Ok(taken.into_iter().filter_map(|part| part["bytes"].as_u64()).sum())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(bytes: u64, elapsed: Duration) -> Figure {
    Figure::new("rate", bytes as f64 / elapsed.as_secs_f64().max(f64::EPSILON), Unit::BytesPerSecond)
}

fn memory(peaks: Peaks) -> Figure {
    Figure::bytes(MEMORY, peaks.memory_bytes).at_most(MEMORY_BYTES)
}

fn ratios(elapsed: Duration, cold: bool, rivals: &[Rival]) -> Result<Vec<Ratio>> {
    let ratio = |(name, rival, rival_cold): &Rival| {
        Ratio::of(name, &[(elapsed, *rival)], cold && *rival_cold).context("a ratio needs a pair")
    };
    rivals.iter().map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stays_free_is_not_taken() {
        let part = |purpose: &str, bytes: u64| json!({"purpose": purpose, "bytes": bytes});
        let peak = json!({"parts": [part("for a backup", 7), part(STAYS_FREE, 100), part("for its drill", 5)]});
        assert_eq!(planned_bytes(&json!({"space": [peak]})).unwrap(), 12);
        assert!(planned_bytes(&json!({"space": [peak, peak]})).is_err());
    }

    #[test]
    fn an_undo_is_seen_in_the_progress() {
        assert!(is_undo(r#"{"kind":"progress","event":"stepStarted","title":"undo: stop postgres"}"#));
        assert!(!is_undo(r#"{"kind":"progress","event":"stepStarted","title":"stop postgres"}"#));
        assert!(!is_undo("undo: something"));
    }
}
