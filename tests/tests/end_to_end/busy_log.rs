//! A backup of a large database whose log grows fast. Log backups continue during it, and the log restores a time
//! shortly before its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use jiff::{SignedDuration, Timestamp};
use landfall_xtask::printer;
use landfall_xtask::proofs::sql;
use landfall_xtask::site::{Machine, MachineSpec, Site};
use serde_json::Value;

use super::engineer::Engineer;
use super::fixture::fixture;

/// Size of the machine's disk: the database, its log, its backups, and the data that a restore puts in its place.
const DISK_GIB: u32 = 64;

/// Rows of about a kibibyte: four gibibytes.
const LARGE_ROWS: u64 = 4 << 20;

/// Rows that are written each second, in one batch. The next batch after a late one is larger.
const ROWS_PER_SECOND: u64 = 20 << 10;

/// The largest batch, in rows.
const MAX_BATCH_ROWS: u64 = 4 * ROWS_PER_SECOND;

/// The least log for each second, in bytes.
const LOG_RATE: f64 = 20e6;

/// Time between two log backups during which nothing saves the log.
const BETWEEN_LOGS: Duration = Duration::from_secs(5);

/// Time from the point to which the database returns until the end of the backup.
const BEFORE_END: SignedDuration = SignedDuration::from_secs(1);

/// Text of about a kibibyte, different in each row.
const ROW: &str = "repeat(md5(random()::text), 31)";

/// A batch that the database acknowledged.
#[derive(Debug, Clone, Copy)]
struct Batch {
    number: u64,
    /// Rows of this batch and of all earlier ones.
    rows: u64,
    begun: Timestamp,
    acknowledged: Timestamp,
}

/// Observations during the backup.
struct BackupObservations {
    /// Log backups that stored something before the backup was complete.
    logged: usize,
    /// The time at which the backup was complete.
    end: Timestamp,
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn busy_log_allows_restore_to_time() -> Result<()> {
    let site = Site::new(&Site::unique_name("e2e-busy-log"))?;
    let machine = site.machine(MachineSpec::new("node-1").stick(&fixture()?.stick).disk_gib(DISK_GIB))?;
    machine.boot()?;
    let engineer = Engineer::at(&machine);
    engineer.install()?;
    engineer.wait_ready("the install")?;
    machine.run("systemctl stop landfall-log-backup.timer")?;
    fill(&machine)?;
    // The restore begins with this backup. An earlier one would also replay the log of the fill.
    engineer.landfall(&["backup", "run", "--no-drill"])?.report("the first backup")?;
    let (batches, seen) = write_while(&machine, |enough| back_up(engineer, enough))?;
    engineer.landfall(&["backup", "log"])?.report("backup log")?;
    restore(engineer, &batches, seen.end - BEFORE_END)?;
    ensure!(seen.logged > 0, "no log was saved while the backup was made");
    printer::note(format!(
        "proved: {} log backups beside a backup of 4 GiB, and the log leads to a second before its end",
        seen.logged
    ));
    Ok(())
}

/// The table that makes the database large, and the one that is written to.
fn fill(machine: &Machine) -> Result<()> {
    let begun = Instant::now();
    sql(machine, "CREATE TABLE batches (batch bigint, content text)")?;
    sql(machine, "CREATE TABLE large (id bigint, content text)")?;
    let step = LARGE_ROWS / 16;
    for part in 0..16 {
        let (first, last) = (part * step + 1, (part + 1) * step);
        sql(machine, &format!("INSERT INTO large SELECT id, {ROW} FROM generate_series({first}, {last}) id"))?;
    }
    let bytes: u64 = sql(machine, "SELECT pg_total_relation_size('large')")?.parse()?;
    ensure!(bytes >= 4 << 30, "the database has {bytes} bytes");
    printer::note(format!("{} MB were written in {:.0} s", bytes / 1_000_000, begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs a function while batches are written, about one each second, until it reports that they suffice. Returns the
/// batches and the result. Fails if the log grew too slowly.
fn write_while<T>(machine: &Machine, run: impl FnOnce(&AtomicBool) -> Result<T>) -> Result<(Vec<Batch>, T)> {
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(machine, &enough));
        let ran = run(&enough);
        enough.store(true, Ordering::Release);
        let batches = writer.join().map_err(|_| anyhow!("the writer panicked"))?;
        let ran = ran?;
        Ok((batches?, ran))
    })
}

fn write_until(machine: &Machine, enough: &AtomicBool) -> Result<Vec<Batch>> {
    let from = sql(machine, "SELECT pg_current_wal_lsn()")?;
    let (first, mut batches, mut rows) = (Instant::now(), Vec::new(), 0);
    while !enough.load(Ordering::Acquire) {
        let (begun, number) = (Timestamp::now(), batches.len() as u64 + 1);
        let started = Instant::now();
        let due = (started.duration_since(first).as_secs() + 1) * ROWS_PER_SECOND;
        let added = due.saturating_sub(rows).clamp(1, MAX_BATCH_ROWS);
        sql(machine, &format!("INSERT INTO batches SELECT {number}, {ROW} FROM generate_series(1, {added})"))?;
        rows += added;
        batches.push(Batch { number, rows, begun, acknowledged: Timestamp::now() });
        std::thread::sleep(Duration::from_secs(1).saturating_sub(started.elapsed()));
    }
    let elapsed = first.elapsed().as_secs_f64();
    let bytes: f64 = sql(machine, &format!("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{from}')"))?.parse()?;
    let rate = bytes / elapsed;
    printer::note(format!("{:.1} MB of log were written each second, for {elapsed:.0} s", rate / 1e6));
    ensure!(rate >= LOG_RATE, "the log grew by {rate} bytes each second");
    Ok(batches)
}

/// Makes a backup while logs are saved. It needs no drill, because the restored time is before its end and uses the
/// backup before it.
fn back_up(engineer: Engineer<'_>, enough: &AtomicBool) -> Result<BackupObservations> {
    let known = backups(engineer)?;
    std::thread::scope(|scope| {
        let run = scope.spawn(|| engineer.landfall(&["backup", "run", "--no-drill"])?.report("the large backup"));
        let mut logged = 0;
        while backups(engineer)? == known && !run.is_finished() {
            let report = engineer.landfall(&["backup", "log"])?.report("backup log beside a backup")?;
            let stored = report["logs"].as_array().context("no logs")?.iter();
            logged += stored.filter(|log| log["outcome"]["kind"] == "stored").count();
            std::thread::sleep(BETWEEN_LOGS);
        }
        let end = Timestamp::now();
        enough.store(true, Ordering::Release);
        run.join().map_err(|_| anyhow!("the backup panicked"))??;
        ensure!(backups(engineer)? > known, "the backup is not listed");
        Ok(BackupObservations { logged, end })
    })
}

/// Number of backups.
fn backups(engineer: Engineer<'_>) -> Result<usize> {
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    Ok(listed["backups"].as_array().map_or(0, Vec::len))
}

/// Restores the database as of a time, and compares it with the rows acknowledged by then.
fn restore(engineer: Engineer<'_>, batches: &[Batch], at: Timestamp) -> Result<()> {
    let machine = engineer.machine();
    let name = machine.run("hostname")?.stdout;
    let time = at.to_string();
    let arguments = ["restore", "--component", "postgres", "--at", &time, "--confirm", name.trim()];
    let begun = Instant::now();
    let restored: Value = engineer.landfall(&arguments)?.report("restore --at")?;
    engineer.wait_ready("a restore to a time within the backup")?;
    let found: u64 = sql(machine, "SELECT coalesce(max(batch), 0) FROM batches")?.parse()?;
    let by = |time: &dyn Fn(&Batch) -> Timestamp| {
        batches.iter().filter(|batch| time(batch) <= at).map(|batch| batch.number).max().unwrap_or_default()
    };
    let (least, most) = (by(&|batch| batch.acknowledged), by(&|batch| batch.begun));
    ensure!(
        (least..=most).contains(&found),
        "at {at}, {least} to {most} batches were there, and {found} came back: {restored}"
    );
    let rows: u64 = sql(machine, "SELECT count(*) FROM batches")?.parse()?;
    let written = batches.iter().find(|batch| batch.number == found).map_or(0, |batch| batch.rows);
    ensure!(rows == written, "{found} batches have {rows} rows of {written}");
    let large: u64 = sql(machine, "SELECT count(*) FROM large")?.parse()?;
    ensure!(large == LARGE_ROWS, "{large} rows of {LARGE_ROWS} came back");
    printer::note(format!("restored {found} batches of {} in {:.0} s", batches.len(), begun.elapsed().as_secs_f64()));
    Ok(())
}
