//! Events that interfere with a restore: a client that keeps writing, a power cut, a broken etcd, writers to several
//! components, a new repository. A user can restore to any point in time, or in the browser.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::{admin_output, sql};
use landfall_xtask::site::{Machine, Site, wait_until};
use serde_json::{Value, json};

use super::cut::{CutPoint, Moment, boot, cut_during};
use super::engineer::{Engineer, STICK};
use super::installed::installed_machine;
use super::saved_data::{
    DISK, TIME_OF_THE_PAGE, connect_disk, disconnect_disk, expect_data, page, printed_key, time_of, write_data,
};
use super::{bucket, cluster_backup, handbook, help, one_time, timer};

/// Time limit for a restore that the agent continues after a boot.
const SELF_LIMIT: Duration = Duration::from_mins(10);

/// Heading of the page about points in time, and the time to which it restores.
const ANY_TIME: &str = "operate/point-in-time";
const TIME_OF_ANY: &str = "2026-11-21T18:04:59Z";

/// Heading of the page about another key, which ends with another repository.
const NEW_KEY: &str = "operate/new-key";

/// Path to which that page moves the earlier repository.
const OLD_BACKUPS: &str = "/root/old-backups";

/// Command that stops the timer, so that a log is backed up only by the test.
const STOP_LOG_TIMER: &str = "systemctl stop landfall-log-backup.timer";

/// Word that a client writes while a restore is open.
const MEANWHILE: &str = "written-while-a-restore-was-open";

#[test]
#[ignore = "needs cargo xtask test --full"]
fn interrupted_restore_recovers_data() -> Result<()> {
    let (site, machine) = installed_machine("e2e-restores")?;
    let engineer = Engineer::at(&machine);
    let name = machine.run("hostname")?.stdout.trim().to_owned();
    let time = has_a_backup(engineer, &site)?;
    help::comes_from_the_browser(engineer)?;

    write_data(engineer, "second")?;
    returns_to_any_time(engineer, &name)?;
    expect_data(engineer, "second")?;
    write_data(engineer, "third")?;
    keeps_what_clients_wrote(engineer, &name)?;
    expect_data(engineer, "third")?;
    restores_through_a_power_cut(engineer, &name, &time)?;
    expect_data(engineer, "first")?;
    cluster_backup::a_broken_etcd_comes_back(engineer)?;
    expect_data(engineer, "first")?;
    one_time::all_data_is_of_one_time(engineer, &name)?;
    expect_data(engineer, "first")?;
    begins_another_repository(engineer)?;
    expect_data(engineer, "first")?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after restores and an uninstall", &["/var/log/landfall"])
}

/// Makes a backup of the first data by its timer. It is proven, and copied to a bucket and to a disk, which is then
/// disconnected. Returns a point in time that its log reaches, at which only that data existed.
fn has_a_backup(engineer: Engineer<'_>, site: &Site) -> Result<String> {
    let machine = engineer.machine();
    connect_disk(machine)?;
    engineer.configure(&format!("backups: {{copies: [{DISK}]}}\n"))?;
    machine.run(STOP_LOG_TIMER)?;
    write_data(engineer, "first")?;
    cluster_backup::make_objects(machine)?;
    timer::begins_a_backup(engineer, "default", || a_backup_succeeds(engineer))?;
    bucket::has_the_copies_of_a_site(engineer, site, DISK)?;
    // Changed settings may have started it.
    machine.run(STOP_LOG_TIMER)?;
    disconnect_disk(machine)?;
    let time = time_of(machine)?;
    let saved = engineer.landfall(&["backup", "log"])?.report("backup log")?;
    ensure!(saved["logs"][0]["outcome"]["kind"] == "stored", "{saved}");
    Ok(time)
}

/// Waits until the site's first backup ends, and is recorded and listed as proven.
fn a_backup_succeeds(engineer: Engineer<'_>) -> Result<()> {
    let last = wait_until("the first backup", SELF_LIMIT, || {
        std::thread::sleep(Duration::from_secs(1));
        let last = timer::schedule(engineer)?["backups"]["lastTry"].clone();
        Ok(last["at"].is_string().then_some(last))
    })?;
    ensure!(last["failure"].is_null() && last["succeeded"].is_string(), "the timer's backup is noted with {last}");
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let [made] = listed["backups"].as_array().context("no backups")?.as_slice() else { anyhow::bail!("{listed}") };
    ensure!(made["proven"].is_string() && made["reason"] == "request", "{made}");
    Ok(())
}

/// Restores a table that was dropped at a known time to just before then, with the pages about points in time and about
/// backups. Points in time begin again with the restored data.
fn returns_to_any_time(engineer: Engineer<'_>, name: &str) -> Result<()> {
    let machine = engineer.machine();
    sql(machine, "CREATE TABLE dropped AS SELECT generate_series(1, 1000) AS number")?;
    std::thread::sleep(Duration::from_secs(1));
    let time = time_of(machine)?;
    std::thread::sleep(Duration::from_secs(1));
    sql(machine, "DROP TABLE dropped")?;
    let [list, log, restore] = handbook::arguments(ANY_TIME, &[(TIME_OF_ANY, time.as_str())])?;
    let [.., restore_of_backups] = page(&time)?;
    let confirmed = |restore: &[String]| engineer.follow(restore, &["--confirm", name]);
    confirmed(&restore)?.expect_refusal("restore --at before a log backup", "LF4624", 2)?;
    engineer.follow(&log, &[])?.report("backup log")?;
    for restore in [restore, restore_of_backups] {
        let restored = confirmed(&restore)?.report("restore --at")?;
        let [data] = restored["streams"].as_array().context("no streams")?.as_slice() else {
            anyhow::bail!("{restored}")
        };
        ensure!(data["stream"] == "postgres/database" && is_same_time(&data["time"], &time), "{restored}");
        ensure!(sql(machine, "SELECT count(*) FROM dropped")? == "1000", "the dropped table is not back");
        engineer.wait_ready("a restore to a point in time")?;
    }
    let listed = engineer.follow(&list, &[])?.report("backup list")?;
    let changes = listed["backups"].as_array().into_iter().flatten().filter(|backup| backup["reason"] == "change");
    ensure!(changes.count() == 2, "each restore ends with a backup: {listed}");
    sql(machine, "INSERT INTO dropped VALUES (1001)")?;
    let later = time_of(machine)?;
    engineer.landfall(&["backup", "log"])?.report("backup log")?;
    engineer.landfall(&["restore", "--at", &later, "--dry-run"])?.report("restore --at after a restore")?;
    sql(machine, "DROP TABLE dropped")?;
    printer::note("proved: a table that was dropped came back as of the second before");
    proves_the_log(engineer)
}

/// Checks that the drill after a backup restores the previous backup with everything logged since, even while the disk
/// of the copies is disconnected.
fn proves_the_log(engineer: Engineer<'_>) -> Result<()> {
    let begun = time_of(engineer.machine())?.parse::<jiff::Timestamp>()?;
    engineer.landfall(&["backup", "run"])?.expect_refusal("backup run without the disk of the copies", "LF4622", 4)?;
    let proven_until = || -> Result<String> {
        let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
        let newest =
            listed["pointsInTime"].as_array().and_then(|spans| spans.last()).map(|span| &span["proven"]["until"]);
        Ok(newest.and_then(Value::as_str).with_context(|| listed.to_string())?.to_owned())
    };
    let proven = proven_until()?;
    ensure!(proven.parse::<jiff::Timestamp>()? > begun, "proven until {proven}, and the backup began at {begun}");
    let [_run, _list, _check, _key, drill, ..] = page(TIME_OF_THE_PAGE)?;
    let drilled = engineer.follow(&drill, &[])?.report("drill after log backups")?;
    let [drilled] = drilled["logDrill"]["streams"].as_array().context("the log has no drill")?.as_slice() else {
        anyhow::bail!("{}", drilled["logDrill"])
    };
    let passed = drilled["checks"].as_array().is_some_and(|checks| checks.len() > 2);
    ensure!(drilled["stream"] == "postgres/database" && passed, "{drilled}");
    ensure!(drilled["recoveredTo"] == proven_until()?.as_str(), "{drilled}");
    printer::note("proved: a drill restored everything that was logged since the backup before");
    Ok(())
}

/// Undoes a restore in which one component never becomes ready, after a client has written to another one's restored
/// data. The earlier data is back. The client's rows are kept and listed, and only a user removes them.
fn keeps_what_clients_wrote(engineer: Engineer<'_>, name: &str) -> Result<()> {
    let machine = engineer.machine();
    set_ready_port(machine, "1")?;
    wait_until("the cache that never becomes ready", SELF_LIMIT, || {
        Ok((engineer.status()?["ready"] == false).then_some(()))
    })?;
    let run = format!("{STICK}/landfall restore --confirm {name}");
    machine.run(&format!("setsid --fork sh -c '{run}' > /dev/null 2>&1 < /dev/null"))?;
    wait_until("the wait for the cache", SELF_LIMIT, || {
        Ok((engineer.status()?["operation"]["step"]["id"] == "started/valkey/valkey").then_some(()))
    })?;
    sql(machine, &format!("CREATE TABLE meanwhile AS SELECT '{MEANWHILE}' AS word"))?;
    let aborted = engineer.landfall(&["upgrade", "--abort"])?.report("upgrade --abort of a restore")?;
    set_ready_port(machine, "\"valkey\"")?;
    engineer.wait_ready("a restore that was undone")?;
    let gone = sql(machine, "SELECT coalesce(to_regclass('meanwhile')::text, 'none')")?;
    ensure!(gone == "none", "the restored data is still there: {gone}");

    let listed = engineer.landfall(&["replaced-data", "list"])?.report("replaced-data list")?;
    let all = [&aborted["replacedData"], &engineer.status()?["replacedData"]];
    ensure!(all.iter().all(|one| **one == listed["replacedData"]), "{listed} is not {all:?}");
    let kept = listed["replacedData"].as_array().context("no replaced data is listed")?;
    // The console's pods had not started, so none of the data loaded for them is kept.
    ensure!(kept.len() == 2, "{listed}");
    for one in kept {
        let (Some(kept), Some(path)) = (one["name"].as_str(), one["path"].as_str()) else { anyhow::bail!("{one}") };
        ensure!(kept.starts_with("after-restore."), "{one}");
        if one["claim"].as_str().is_some_and(|claim| claim.starts_with("postgres/")) {
            // An acknowledged commit is at least in the server's log.
            let found = machine.try_run(&format!("grep --recursive --quiet --text {MEANWHILE} {path}"))?;
            ensure!(found.status.success(), "what the client wrote is not in {path}");
        }
        engineer.landfall(&["replaced-data", "remove", kept, "--confirm", name])?.report("replaced-data remove")?;
    }
    ensure!(engineer.status()?["replacedData"].is_null(), "replaced data is left");
    printer::note("proved: a restore that was undone kept what clients had written to the restored data");
    Ok(())
}

/// Returns true if both are the same time. One may have trailing zeros in its fraction.
fn is_same_time(one: &Value, other: &str) -> bool {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    one.as_str().and_then(time).is_some_and(|one| time(other) == Some(one))
}

/// Sets the port by which the cache is ready; with a closed port, it never is.
fn set_ready_port(machine: &Machine, port: &str) -> Result<()> {
    let path = "/spec/template/spec/containers/0/readinessProbe/tcpSocket/port";
    let change = format!("[{{\"op\": \"replace\", \"path\": \"{path}\", \"value\": {port}}}]");
    let command = format!("kubectl --namespace valkey patch statefulset valkey --type=json --patch '{change}'");
    // The controller waits for a pod that never becomes ready before it replaces it.
    let line = format!("{command} && kubectl --namespace valkey delete pod valkey-0 --ignore-not-found");
    admin_output(machine, &line).map(drop)
}

/// Cuts the power while the database is loaded or recovers. The restore finishes automatically, without a command.
fn restores_through_a_power_cut(engineer: Engineer<'_>, name: &str, time: &str) -> Result<()> {
    let at = CutPoint { step: "load/postgres/database".to_owned(), moment: Moment::After(Duration::from_secs(4)) };
    cut_during(engineer, &["restore", "--at", time, "--confirm", name], &at)?;
    boot(engineer.machine())?;
    wait_until("the restore to resume and end", SELF_LIMIT, || {
        let status = engineer.status()?;
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(["changing", "change-interrupted", "installed"].contains(&state), "the status is {state}");
        Ok((state == "installed").then_some(()))
    })?;
    engineer.wait_ready("a restore that was resumed")?;
    // The boot has started the timer.
    engineer.machine().run(STOP_LOG_TIMER)?;
    printer::note("proved: a restore whose power was cut was completed");
    Ok(())
}

/// Replaces the repository by another one, with the commands in the page's second block, because its key is no longer
/// trusted. The content of the new repository is proven, and copied to a disk without the earlier copies.
fn begins_another_repository(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let commands = handbook::commands(NEW_KEY)?;
    let [exchange, begin @ .., show] = commands.as_slice() else {
        anyhow::bail!("the page {NEW_KEY:?} has only {commands:?}")
    };
    // The disk for copies is disconnected, which does not prevent the exchange of the key.
    let former = printed_key(machine, exchange)?;
    connect_disk(machine)?;
    for command in begin {
        machine.run(command)?;
    }
    let key = printed_key(machine, show)?;
    ensure!(key != former, "the repository that was begun has the key of the one before");
    let status = engineer.status()?;
    let notes = status["notes"].to_string();
    ensure!(!notes.contains("landfall backup key"), "the status reminds of a key that was printed: {notes}");
    ensure!(status["backups"]["count"] == 1 && status["backups"]["newestProven"].is_string(), "{}", status["backups"]);
    for arguments in [&["backup", "check"][..], &["backup", "check", DISK]] {
        let checked = engineer.landfall(arguments)?.report("backup check of another repository")?;
        ensure!(checked["backups"] == 1 && checked["damages"] == json!([]), "{checked}");
    }
    disconnect_disk(machine)?;
    machine.run(&format!("rm -r {OLD_BACKUPS}"))?;
    printer::note("proved: another repository with another key took the place of the one before");
    Ok(())
}
