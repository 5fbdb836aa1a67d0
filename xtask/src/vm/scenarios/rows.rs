//! A power cut while rows are written.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::engineer;
use super::super::findings::Findings;
use super::super::lane::Lane;
use super::super::machine::LINES;
use super::living;

/// Number of acknowledged rows before the power is cut.
const ROWS: u64 = 300;

/// Time limit for these rows, on a dedicated machine.
const ROWS_LIMIT: Duration = Duration::from_mins(2);

/// Writes each row in its own transaction, and sends its number out of the machine once the database has acknowledged
/// it. After a boot, all numbers that were sent must exist.
pub(super) fn hard_reset(lane: &Lane, findings: &mut Findings) -> Result<()> {
    let mut machine = living(lane, "hard-reset", findings)?;
    engineer::in_database(&mut machine, "CREATE TABLE acknowledged (id bigint PRIMARY KEY)")?;
    let statements =
        "for row in $(seq 1000000); do echo \"INSERT INTO acknowledged VALUES ($row) RETURNING id;\"; done";
    let writer = machine.start_line(&format!("{} > {LINES}", engineer::into_database(statements)))?;
    let end = Instant::now() + machine.patience(ROWS_LIMIT);
    while last_acknowledged(&machine.lines()?) < ROWS {
        if let Some(output) = machine.try_wait(writer)? {
            anyhow::bail!("the writer ended ({:?}): {}", output.code, output.text());
        }
        ensure!(Instant::now() < end, "{ROWS} rows were not written in time");
        std::thread::sleep(Duration::from_millis(100));
    }
    machine.cut_power()?;
    let last = last_acknowledged(&machine.lines()?);

    let boot = machine.boot()?;
    let ready = engineer::wait_ready(&mut machine)?;
    let count = engineer::in_database(&mut machine, &format!("SELECT count(*) FROM acknowledged WHERE id <= {last}"))?;
    let count: u64 = count.trim().parse().with_context(|| format!("no number of rows: {count}"))?;
    findings.saw(format!(
        "{last} rows acknowledged, {count} of them found; booted in {:.0} s, ready {:.0} s later",
        boot.as_secs_f64(),
        ready.as_secs_f64()
    ));
    findings.expect(count == last, || format!("{} acknowledged rows are lost", last - count));
    engineer::prove_lightly(&mut machine)?;
    machine.power_off()
}

/// Returns the last number that arrived completely.
fn last_acknowledged(lines: &str) -> u64 {
    let whole = lines.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().rev().find_map(|line| line.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unterminated_number_does_not_count() {
        assert_eq!(last_acknowledged(""), 0);
        assert_eq!(last_acknowledged("1\n2\n3"), 2);
        assert_eq!(last_acknowledged("1\n2\n30\n"), 30);
    }
}
