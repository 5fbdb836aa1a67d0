//! Figures of a site with a gigabyte of data: a full and an incremental backup, a restore, and two upgrades, one undone
//! and one committed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::pairs::{Ratio, time_run};
use super::peaks::{Peaks, peaks_of};
use super::table::{Figure, Row, Unit};
use super::verbs::{MEMORY, empty, released_vendor};
use crate::proofs::{self, ExpectedRelease, in_pod, sql};
use crate::site::{Machine, MachineSpec, Site, Stream};
use crate::{documents, later_releases, printer, starter, workspace};

/// Size of the machine's disk, which is sparse. It holds data, backup, copy and drill at the same time.
const DISK_GIB: u32 = 28;

/// Number of rows of about a kibibyte, which add up to a gigabyte of data that hardly compresses.
const ROWS: u64 = 1_000_000;

/// Number of rows that one statement writes.
const BATCH: u64 = 50_000;

/// Number of rows that change: one in a hundred, adjacent to each other.
const CHANGED: u64 = ROWS / 100;

/// Minimum size of the data, in bytes.
const DATA_BYTES: u64 = 1_000_000_000;

/// The limit of a figure.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Row of the figure.
    pub row: &'static str,
    /// Name of the figure.
    pub figure: &'static str,
    /// Largest allowed value, in the unit of the figure.
    pub at_most: f64,
}

/// Rows that have goals.
const BACKUP: &str = "backup";
const RESTORE: &str = "restore";
const UNDO: &str = "undo";
const UPGRADE: &str = "upgrade";

/// Row of the commands that a user would type.
pub const BY_HAND: &str = "reading the data by hand";

/// Rows that have a rate, and a ratio of times to each rival.
pub const WITH_RATES: [&str; 2] = [BACKUP, RESTORE];

/// Figure of bytes per second.
pub const RATE: &str = "rate";

/// Figures that have goals.
const INCREMENTAL: &str = "one of 1 % changed, of the stored bytes";
const AS_BEFORE: &str = "until everything is as before";
const PROVEN: &str = "with a proven backup";
const DISK: &str = "disk at its peak, of the plan";

/// Memory limit of every command, in bytes.
const MEMORY_BYTES: f64 = 512.0 * 1024.0 * 1024.0;

const fn goal(row: &'static str, figure: &'static str, at_most: f64) -> Goal {
    Goal { row, figure, at_most }
}

/// All goals. The part `site-figures` of `cargo xtask test` fails if a figure with a goal was not measured.
pub const GOALS: [Goal; 8] = [
    goal(BACKUP, INCREMENTAL, 0.1),
    goal(BACKUP, MEMORY, MEMORY_BYTES),
    goal(RESTORE, MEMORY, MEMORY_BYTES),
    goal(UNDO, AS_BEFORE, 300.0),
    goal(UNDO, MEMORY, MEMORY_BYTES),
    goal(UPGRADE, PROVEN, 900.0),
    goal(UPGRADE, DISK, 1.05),
    goal(UPGRADE, MEMORY, MEMORY_BYTES),
];

/// Time limit of any one command, in seconds.
const LIMIT: &str = "3600";

/// Path of the backup repository.
const REPOSITORY: &str = "/var/lib/landfall/backups/repository";

/// Suffix of the plan's space that is kept free, and therefore not used.
const STAYS_FREE: &str = "that stays free";

/// Commands that a user would type to read the data, as names of the rivals.
pub const RIVALS: [&str; 2] = ["pg_basebackup | cat", "pg_dump | cat"];

/// Full commands of the rivals, which run in the database's pod.
const COMMANDS: [&str; 2] = [
    "pg_basebackup --username=\"$POSTGRES_USER\" --pgdata=- --format=tar --wal-method=fetch --checkpoint=fast",
    "pg_dump --username=\"$POSTGRES_USER\" --dbname=\"$POSTGRES_DB\"",
];

/// Returns the path of the file with the measured rows.
pub fn table() -> PathBuf {
    workspace::root().join("target/bench-site.json")
}

/// Installs the starter release on a machine, fills its database, and measures. The folder is emptied first and
/// receives the stick.
pub fn measure(folder: &Path) -> Result<Vec<Row>> {
    empty(folder)?;
    let vendor = released_vendor(&folder.join("vendor"))?;
    vendor.lock(&starter::release())?;
    let stick = starter::write_stick(&vendor, folder)?;
    let inspection = vendor.report(&["inspect", &stick.display().to_string()])?;
    later_releases::build(&vendor, folder)?;
    let site = Site::new(&Site::unique_name("bench"))?;
    let machine = site.machine(MachineSpec::new("node-1").stick(&stick).disk_gib(DISK_GIB))?;
    machine.boot()?;
    starter::land(&machine, &vendor)?;
    let measured = MeasuredSite { machine, expected: ExpectedRelease::from_inspection(&inspection)? };
    measured.wait_ready()?;
    measured.fill()?;
    let rivals = measured.rivals()?;
    let (backup, id) = measured.backup(&rivals)?;
    let restore = measured.restore(&id, &rivals)?;
    Ok(vec![by_hand(&rivals), backup, restore, measured.undo()?, measured.upgrade()?])
}

/// Bytes that a rival read, and the time it took.
struct Rival {
    name: &'static str,
    bytes: u64,
    elapsed: Duration,
    cold: bool,
}

/// Result and output of a command.
struct Said {
    code: Option<i32>,
    data: String,
    lines: Vec<String>,
    elapsed: Duration,
    /// Time from the first undone step until the end.
    undoing: Option<Duration>,
}

impl Said {
    fn report(&self) -> Result<Value> {
        ensure!(self.code == Some(0), "it ended with {:?}:\n{}", self.code, self.lines.join("\n"));
        documents::read(&self.data)
    }
}

/// A site under measurement.
struct MeasuredSite {
    machine: Machine,
    expected: ExpectedRelease,
}

impl MeasuredSite {
    fn wait_ready(&self) -> Result<()> {
        proofs::wait_ready(&self.machine, &self.expected)
    }

    /// Writes the data, and triggers everything that a database does with new data later, so that a second backup meets
    /// the same files.
    fn fill(&self) -> Result<()> {
        printer::note(format!("writing {ROWS} rows"));
        let run = |statement: &str| sql(&self.machine, statement);
        run("CREATE TABLE load (id bigint, body text)")?;
        for first in (1..=ROWS).step_by(usize::try_from(BATCH)?) {
            let last = first + BATCH - 1;
            run(&format!(
                "INSERT INTO load SELECT n, (SELECT string_agg(md5((n * 32 + k)::text), '') FROM generate_series(1, \
                 30) AS k) FROM generate_series({first}, {last}) AS n"
            ))?;
        }
        run("VACUUM (FREEZE, ANALYZE) load")?;
        run("CHECKPOINT")?;
        let bytes: u64 = run("SELECT pg_total_relation_size('load')")?.parse()?;
        ensure!(bytes >= DATA_BYTES, "the data has only {bytes} bytes");
        Ok(())
    }

    /// Measures the time that the rivals take to read the same data.
    fn rivals(&self) -> Result<Vec<Rival>> {
        let measured = RIVALS.into_iter().zip(COMMANDS).map(|(name, command)| {
            printer::note(name);
            let mut read = 0;
            let (elapsed, cold) = time_run(&[], &mut || {
                let said = in_pod(&self.machine, "postgres", "postgres-0", &format!("{command} | cat | wc -c"))?;
                ensure!(said.status.success(), "{name} failed: {}", said.stderr);
                read = said.stdout.trim().parse::<u64>()?;
                Ok(())
            })?;
            // A dump is text with the rows' numbers and bodies.
            ensure!(read >= ROWS * 960, "{name} has read only {read} bytes");
            Ok(Rival { name, bytes: read, elapsed, cold })
        });
        measured.collect()
    }

    /// Makes a full and an incremental backup. Returns the ID of the second one.
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
            rate(RATE, size_bytes, said.elapsed),
            Figure::bytes("stored", full_bytes),
            Figure::share(INCREMENTAL, incremental_bytes, full_bytes),
            memory(peaks),
        ];
        let ratios = ratios(said.elapsed, cold, rivals)?;
        let id = second["backup"]["id"].as_str().context("a backup has no id")?;
        Ok((row(BACKUP, figures, ratios), id.to_owned()))
    }

    /// Restores the data from a backup, whose rule checks it.
    fn restore(&self, id: &str, rivals: &[Rival]) -> Result<Row> {
        let name = self.machine.run("hostname")?.stdout;
        let restore = ["restore", "--backup", id, "--component", "postgres", "--confirm", name.trim()];
        let ((said, cold), peaks) = peaks_of(&self.machine, || self.cold(&restore))?;
        said.report()?;
        self.wait_ready()?;
        let rows = sql(&self.machine, "SELECT count(*) FROM load")?;
        ensure!(rows == ROWS.to_string(), "{rows} rows were restored");
        let bytes: u64 = sql(&self.machine, "SELECT pg_database_size(current_database())")?.parse()?;
        let figures = vec![Figure::bytes("data", bytes), rate(RATE, bytes, said.elapsed), memory(peaks)];
        Ok(row(RESTORE, figures, ratios(said.elapsed, cold, rivals)?))
    }

    /// Upgrades to a broken release, and measures the undo from its first step.
    fn undo(&self) -> Result<Row> {
        let (said, peaks) = peaks_of(&self.machine, || self.landfall(&["upgrade", "/media/stick/broken"]))?;
        ensure!(said.code == Some(4), "a broken release ended with {:?}:\n{}", said.code, said.lines.join("\n"));
        let undoing = said.undoing.context("nothing was undone")?;
        self.wait_ready()?;
        let figures = vec![Figure::new(AS_BEFORE, undoing.as_secs_f64(), Unit::Seconds), memory(peaks)];
        // Data that the undo replaced would otherwise count as data of the next upgrade.
        self.machine.run("rm --recursive --force /var/lib/landfall/storage/after-upgrade.*")?;
        Ok(row(UNDO, figures, Vec::new()))
    }

    /// Upgrades with a proven backup.
    fn upgrade(&self) -> Result<Row> {
        let upgrade = ["upgrade", "/media/stick/next"];
        let plan = self.landfall(&[&upgrade[..], &["--dry-run"]].concat())?.report()?;
        let planned_bytes = planned_bytes(&plan)?;
        let (said, peaks) = peaks_of(&self.machine, || self.landfall(&upgrade))?;
        let report = said.report()?;
        ensure!(report["version"] == "1.1.0", "{report}");
        let rows = sql(&self.machine, "SELECT count(*) FROM load")?;
        ensure!(rows == ROWS.to_string(), "{rows} rows are there after the upgrade");
        self.expect_proven()?;
        let figures = vec![
            Figure::new(PROVEN, said.elapsed.as_secs_f64(), Unit::Seconds),
            Figure::bytes("disk in the plan", planned_bytes),
            Figure::share(DISK, peaks.disk_bytes, planned_bytes),
            memory(peaks),
        ];
        Ok(row(UPGRADE, figures, Vec::new()))
    }

    /// Fails unless the last backup before an upgrade is proven.
    fn expect_proven(&self) -> Result<()> {
        let listed = self.landfall(&["backup", "list"])?.report()?;
        let backups = listed["backups"].as_array().context("there is no list of backups")?;
        let last = backups.iter().rfind(|one| one["reason"] == "upgrade").context("no upgrade has made a backup")?;
        ensure!(last["proven"].is_string() && last["version"] == "1.0.0", "the upgrade had this backup: {last}");
        Ok(())
    }

    /// Returns the size of the repository's files in bytes.
    fn stored_bytes(&self) -> Result<u64> {
        let said = self.machine.run(&format!("du --summarize --bytes {REPOSITORY}"))?.stdout;
        said.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).context("du prints no number")
    }

    /// Runs a command with none of its data in memory, if the kernel allows that.
    fn cold(&self, arguments: &[&str]) -> Result<(Said, bool)> {
        let mut said = None;
        let (_, cold) = time_run(&[], &mut || {
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

/// Returns true if a line of progress announces the undo of a step.
fn is_undo(line: &str) -> bool {
    let title = serde_json::from_str::<Value>(line).ok();
    title.is_some_and(|line| line["title"].as_str().is_some_and(|title| title.starts_with("undo: ")))
}

/// Returns the disk space that an upgrade uses by its plan, without the reserve.
fn planned_bytes(plan: &Value) -> Result<u64> {
    let [peak] = plan["space"].as_array().context("the plan takes no space")?.as_slice() else {
        anyhow::bail!("the plan takes space of several filesystems: {}", plan["space"])
    };
    let parts = peak["parts"].as_array().context("a peak has no parts")?;
    let (free, taken): (Vec<&Value>, Vec<&Value>) = parts.iter().partition(|part| part["purpose"] == STAYS_FREE);
    ensure!(free.len() == 1, "a peak does not state exactly once what stays free: {peak}");
    Ok(taken.into_iter().filter_map(|part| part["bytes"].as_u64()).sum())
}

/// Returns a row whose figures have their goals.
fn row(name: &'static str, figures: Vec<Figure>, ratios: Vec<Ratio>) -> Row {
    let with_goal = |figure: Figure| {
        let goal = GOALS.into_iter().find(|goal| goal.row == name && goal.figure == figure.name);
        match goal {
            Some(goal) => figure.at_most(goal.at_most),
            None => figure,
        }
    };
    Row { name, figures: figures.into_iter().map(with_goal).collect(), ratios }
}

/// Returns the row of the rivals' reading rates.
fn by_hand(rivals: &[Rival]) -> Row {
    let figures = rivals.iter().map(|rival| rate(rival.name, rival.bytes, rival.elapsed));
    row(BY_HAND, figures.collect(), Vec::new())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(name: &'static str, bytes: u64, elapsed: Duration) -> Figure {
    Figure::new(name, bytes as f64 / elapsed.as_secs_f64().max(f64::EPSILON), Unit::BytesPerSecond)
}

fn memory(peaks: Peaks) -> Figure {
    Figure::bytes(MEMORY, peaks.memory_bytes)
}

fn ratios(elapsed: Duration, cold: bool, rivals: &[Rival]) -> Result<Vec<Ratio>> {
    let ratio = |rival: &Rival| {
        Ratio::of(rival.name, &[(elapsed, rival.elapsed)], cold && rival.cold).context("a ratio needs a pair")
    };
    rivals.iter().map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reserved_space_is_not_counted() {
        let part = |purpose: &str, bytes: u64| json!({"purpose": purpose, "bytes": bytes});
        let peak = json!({"parts": [part("for a backup", 7), part(STAYS_FREE, 100), part("for its drill", 5)]});
        assert_eq!(planned_bytes(&json!({"space": [peak]})).unwrap(), 12);
        let error = planned_bytes(&json!({"space": [peak, peak]})).unwrap_err().to_string();
        assert!(error.starts_with("the plan takes space of several filesystems"), "{error}");
    }

    #[test]
    fn figures_have_row_goals() {
        let figures = || vec![Figure::new(PROVEN, 901.0, Unit::Seconds), Figure::bytes(MEMORY, 1 << 20)];
        let goals = |row: Row| row.figures.iter().map(|figure| figure.at_most).collect::<Vec<_>>();
        assert_eq!(goals(row(UPGRADE, figures(), Vec::new())), [Some(900.0), Some(MEMORY_BYTES)]);
        assert_eq!(goals(row(BACKUP, figures(), Vec::new())), [None, Some(MEMORY_BYTES)]);
        assert_eq!(goals(row(BY_HAND, figures(), Vec::new())), [None, None]);
    }

    #[test]
    fn undo_is_recognized_in_progress() {
        assert!(is_undo(r#"{"kind":"progress","event":"stepStarted","title":"undo: stop postgres"}"#));
        assert!(!is_undo(r#"{"kind":"progress","event":"stepStarted","title":"stop postgres"}"#));
        assert!(!is_undo("undo: something"));
    }
}
