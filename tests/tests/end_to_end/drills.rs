//! Twenty backups, ten on each of two sites, are made and drilled while a program writes continuously. The restored
//! data is exactly as of the cut: every row that was acknowledged before, and none that was written after. On one of
//! the sites, a log backup is made every few seconds, also between the parts of a backup.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use landfall_xtask::proofs::{in_pod, sql};
use landfall_xtask::seed::SeededNumbers;
use landfall_xtask::site::Machine;
use landfall_xtask::{printer, writer};

use super::engineer::{Engineer, STICK};
use super::installed::installed_machine;
use super::process::pod_logs;

/// Number of drills on each site.
const DRILLS: usize = 10;

/// Longest pause before a backup, in milliseconds.
const LONGEST_PAUSE: u64 = 10_000;

/// Pause between two log backups, of which some fall between the parts of each backup. Every log backup fills a segment
/// of the log, 16 MiB. Backups of one day but the first and the newest are not kept, so the drill of the log loads
/// every segment since the first backup, and has room for twice as much: a shorter pause fills the machine's disk.
const LOG_PAUSE_SECONDS: u64 = 8;

/// Namespace in which a drill restores the database.
const NAMESPACE: &str = "landfall-drill-postgres";

/// Query of a database's rows: their number, the largest ID, and a digest of all IDs.
const ROWS: &str =
    "SELECT count(*) || ' ' || coalesce(max(id), 0) || ' ' || md5(string_agg(id::text, ' ' ORDER BY id)) FROM written";

/// Time between two queries of the restored database, which runs for some seconds before it is deleted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[test]
#[ignore = "needs cargo xtask test --full"]
fn ten_drills_under_load_restore_rows() -> Result<()> {
    let (_site, machine) = installed_machine("e2e-drills")?;
    drills_under_load(&machine, "drills")
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn other_drills_under_load_restore_rows() -> Result<()> {
    let (_site, machine) = installed_machine("e2e-other-drills")?;
    let run = format!("while sleep {LOG_PAUSE_SECONDS}; do {STICK}/landfall backup log; done");
    machine.run(&format!("setsid --fork sh -c '{run}' > /dev/null 2>&1 < /dev/null"))?;
    drills_under_load(&machine, "other-drills")
}

/// Runs the drills of one site, with pauses seeded by this name.
fn drills_under_load(machine: &Machine, name: &str) -> Result<()> {
    let engineer = Engineer::at(machine);
    writer::start(machine)?;
    let mut seeded = SeededNumbers::with_name(name)?;
    for number in 1..=DRILLS {
        let pause = Duration::from_millis(seeded.within(0, LONGEST_PAUSE));
        std::thread::sleep(pause);
        drill(engineer).with_context(|| format!("drill {number}, after a pause of {pause:?}"))?;
    }
    let kept = writer::next_acknowledged(machine)?.expect_kept(machine)?;
    printer::note(format!("proved: {DRILLS} drills restored the cut, while {kept} rows were written"));
    Ok(())
}

/// Runs one backup with its drill, and compares the data.
fn drill(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let before = writer::next_acknowledged(machine)?.largest();
    let restored = restored_while(machine, || engineer.landfall(&["backup", "run"])?.report("backup run").map(drop))?;
    let cut = restored.largest;
    ensure!(cut >= before, "row {before} was acknowledged before the backup, which ends with row {cut}");
    let latest = restored.written;
    ensure!(cut <= latest, "the backup has row {cut}, and {latest} was the latest when its drill began");
    let live = sql(machine, &format!("{ROWS} WHERE id <= {cut}"))?;
    ensure!(live == restored.rows, "the rows up to {cut} are {live}, and {} were restored", restored.rows);
    printer::note(format!("restored up to row {cut}, which is at or after {before}"));
    Ok(())
}

/// Data of a restored database.
struct RestoredRows {
    /// Result of [`ROWS`].
    rows: String,
    /// Largest ID in it.
    largest: u64,
    /// Largest ID in the running database when the drill began.
    written: u64,
}

/// Runs a backup with its drill, and queries the restored database during the drill.
fn restored_while(machine: &Machine, run: impl FnOnce() -> Result<()>) -> Result<RestoredRows> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| look_until(machine, &ended));
        let ran = run();
        ended.store(true, Ordering::Release);
        let found = looker.join().map_err(|_| anyhow!("the thread that watches the drill panicked"))?;
        ran?;
        found?.context("the drill ended before its database could be asked")
    })
}

/// Returns the first answer of the restored database; None if the backup ends without one.
fn look_until(machine: &Machine, ended: &AtomicBool) -> Result<Option<RestoredRows>> {
    let ask = format!("psql -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -v ON_ERROR_STOP=1 -XqtA -c \"{ROWS}\"");
    let (known, mut written) = (pod_logs(machine, NAMESPACE)?, None);
    while !ended.load(Ordering::Acquire) {
        std::thread::sleep(LOOK_EVERY);
        let Some(written) = written else {
            if pod_logs(machine, NAMESPACE)?.iter().any(|pod| !known.contains(pod)) {
                written = Some(sql(machine, "SELECT coalesce(max(id), 0) FROM written")?.parse()?);
            }
            continue;
        };
        // The query fails until the server has started.
        let said = in_pod(machine, NAMESPACE, "postgres", &ask)?;
        let rows = said.stdout.trim().to_owned();
        if said.status.success() && !rows.is_empty() {
            let largest = rows.split(' ').nth(1).with_context(|| format!("{rows} names no row"))?.parse()?;
            return Ok(Some(RestoredRows { rows, largest, written }));
        }
    }
    Ok(None)
}
