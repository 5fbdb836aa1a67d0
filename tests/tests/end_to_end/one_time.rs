//! A consistent backup of several components: a client writes each number first to the database, then to the cache.
//! After any restore, the cache has no number that the database lacks.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::{PSQL, administer, in_pod, sql};
use landfall_xtask::site::{Machine, wait_until};
use serde_json::Value;

use super::engineer::Engineer;

/// Client command of the cache.
const CACHE: &str = "export REDISCLI_AUTH=$(cat /run/secrets/valkey/password); valkey-cli -h 127.0.0.1 -e";

/// Paths of the client's script, of the file that stops it, and of the file by which it reports its end.
const SCRIPT: &str = "/root/count.sh";
const STOP: &str = "/root/count-no-more";
const ENDED: &str = "/root/counted";

/// Time limit for the client to finish its current number.
const END_LIMIT: Duration = Duration::from_mins(1);

/// Returns the client's script, which counts until the file [`STOP`] exists.
fn script() -> String {
    let row = format!("{PSQL} -c \"INSERT INTO counted VALUES ($n)\"").replace('"', "\\\"").replace("$(cat", "\\$(cat");
    let row = row.replace("$POSTGRES", "\\$POSTGRES");
    let key = format!("{CACHE} set counted $n").replace("$(cat", "\\$(cat");
    format!(
        "n=0\nwhile [ ! -e {STOP} ]; do\n  n=$((n + 1))\n  \
         kubectl --namespace postgres exec postgres-0 -- sh -euc \"{row}\" || break\n  \
         kubectl --namespace valkey exec valkey-0 -- sh -euc \"{key}\" || break\ndone\necho $n > {ENDED}\n"
    )
}

/// Returns the last numbers of the database and of the cache.
fn numbers(machine: &Machine) -> Result<(u64, u64)> {
    let rows = sql(machine, "SELECT coalesce(max(number), 0) FROM counted")?;
    let key = in_pod(machine, "valkey", "valkey-0", &format!("{CACHE} get counted"))?.stdout;
    Ok((rows.parse()?, key.trim().parse().with_context(|| format!("the cache has {key}"))?))
}

/// Restores a backup that was made while the client was writing. The disk for copies is disconnected.
pub(crate) fn all_data_is_of_one_time(engineer: Engineer<'_>, name: &str) -> Result<()> {
    let machine = engineer.machine();
    sql(machine, "CREATE TABLE counted (number bigint PRIMARY KEY)")?;
    machine.write_file(SCRIPT, script(), 0o700)?;
    administer(machine, &format!("setsid --fork sh {SCRIPT} > /dev/null 2>&1 < /dev/null"))?;
    wait_until("the client to count", END_LIMIT, || Ok(numbers(machine).is_ok_and(|(_, key)| key > 3).then_some(())))?;
    engineer.landfall(&["backup", "run"])?.expect_refusal("backup run without the disk of the copies", "LF4622", 4)?;
    machine.run(&format!("touch {STOP}"))?;
    wait_until("the client to end", END_LIMIT, || {
        Ok(machine.try_run(&format!("cat {ENDED}"))?.status.success().then_some(()))
    })?;
    let (written, cached) = numbers(machine)?;
    ensure!(written == cached, "the client wrote {written} rows and {cached} keys: it did not stop cleanly");

    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let backup = listed["backups"].as_array().and_then(|all| all.last()).context("no backup is listed")?;
    ensure!(backup["proven"].is_string(), "{backup}");
    let cut = &backup["cut"];
    let names: Vec<&Value> = cut["streams"].as_array().into_iter().flatten().map(|stream| &stream["name"]).collect();
    ensure!(names == ["postgres/database", "valkey/keys"], "the backup is of one time for {cut}");
    let held = cut["streams"][1]["heldMilliseconds"].as_u64().context("no writers were held")?;
    ensure!(cut["streams"][0]["heldMilliseconds"].is_null() && held < 30_000, "{cut}");
    let restored = engineer.landfall(&["restore", "--confirm", name])?.report("restore of a backup of one time")?;
    let times: Vec<&Value> = restored["streams"].as_array().into_iter().flatten().map(|one| &one["time"]).collect();
    ensure!(times.len() == 3 && times[..2].iter().all(|time| **time == cut["time"]), "{restored} is not as of {cut}");
    engineer.wait_ready("a restore of a backup of one time")?;

    let (row, key) = numbers(machine)?;
    ensure!(key > 3 && key < written, "the backup was not made while the client counted: {key} of {written}");
    ensure!(row == key || row == key + 1, "the database has numbers until {row}, and the cache {key}");
    let rows = sql(machine, "SELECT count(*) FROM counted")?;
    ensure!(rows == row.to_string(), "the database has {rows} numbers until {row}");
    sql(machine, "DROP TABLE counted")?;
    machine.run(&format!("rm {SCRIPT} {STOP} {ENDED}"))?;
    printer::note(format!(
        "proved: of {written} numbers that a client wrote to two components, a backup has {row} and {key}; writers \
         were held for {held} ms"
    ));
    Ok(())
}
