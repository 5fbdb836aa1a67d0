//! Data is saved, proven by a drill, damaged, and brought back, also onto an empty machine; a restore that fails, or whose
//! power is cut, ends by itself, and one that is undone keeps what clients wrote meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_tests::printer;
use landfall_tests::proofs::{administer, in_pod, sql};
use landfall_tests::site::{Machine, wait_until};
use serde_json::{Value, json};

use super::cluster_backup;
use super::cut::{At, Moment, boot, cut_during};
use super::engineer::{Engineer, STICK};
use super::fixture::{fixture, machine_with_stick};
use super::{handbook, help, one_time};

/// How long a restore may take that the agent continues after a boot.
const SELF_LIMIT: Duration = Duration::from_mins(10);

/// The folder of the repository.
const REPOSITORY: &str = "/var/lib/landfall/backups/repository";

/// Where another disk is mounted.
const DISK: &str = "/mnt/copies";

/// What was on it when it was taken away.
const COPIES: &str = "/root/copies";

/// Pages of the handbook.
const BACK_UP: &str = "## Back up and restore\n";
const LOST_KEY: &str = "### A lost key\n";
const NEW_HARDWARE: &str = "### On new hardware\n";

/// The time to which the page about backups restores.
const TIME_OF_THE_PAGE: &str = "2026-11-21T18:00:00Z";

/// Where the page about new hardware has the copies of a disk.
const COPIES_OF_THE_PAGE: &str = "/mnt/vault/landfall-backups-node-1";

/// Settings of the site.
const SETTINGS: &str = "/root/site.yaml";

/// How the key of the cache is written and read.
const CACHE: &str = "export REDISCLI_AUTH=$(cat /run/secrets/valkey/password); valkey-cli -h 127.0.0.1";

/// What a client writes while a restore is open.
const MEANWHILE: &str = "written-while-a-restore-was-open";

#[test]
#[ignore = "needs cargo xtask test"]
fn data_comes_back_from_a_proven_backup() -> Result<()> {
    let (_site, machine) = machine_with_stick("e2e-backups")?;
    let engineer = Engineer::at(&machine);
    engineer.landfall(&["backup", "run"])?.refused("backup without a site", "LF4030", 2)?;
    engineer.install()?;
    engineer.wait_ready("the install")?;
    let name = machine.run("hostname")?.stdout.trim().to_owned();
    refuses_what_it_cannot_do(engineer)?;
    sets_backups(engineer)?;
    write_data(engineer, "first")?;
    cluster_backup::make_objects(&machine)?;
    let first = backs_up(engineer)?;
    cluster_backup::objects_come_back(&machine)?;
    let time = saves_the_log(engineer)?;
    copies_to_another_disk(engineer, &first)?;

    write_data(engineer, "second")?;
    restores(engineer, &name)?;
    expect_data(engineer, "first")?;
    returns_to_any_time(engineer, &name)?;
    write_data(engineer, "third")?;
    goes_back_from_damage(engineer, &name, &first)?;
    expect_data(engineer, "third")?;
    keeps_what_clients_wrote(engineer, &name)?;
    expect_data(engineer, "third")?;
    restores_through_a_power_cut(engineer, &name, &time)?;
    expect_data(engineer, "first")?;
    cluster_backup::a_broken_etcd_comes_back(engineer)?;
    expect_data(engineer, "first")?;

    one_time::all_data_is_of_one_time(engineer, &name)?;
    expect_data(engineer, "first")?;
    lands_on_an_empty_machine(engineer, &first, &time)?;
    expect_data(engineer, "first")?;
    help::comes_from_the_browser(engineer)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after backups and an uninstall", &["/var/log/landfall"])
}

/// The commands of the page about backups: five for backups, three for restores, of which the last one names this time.
fn page(time: &str) -> Result<[Vec<String>; 8]> {
    handbook::arguments(BACK_UP, &[(TIME_OF_THE_PAGE, time)])
}

/// Without a backup there is nothing to restore, to drill or to check.
fn refuses_what_it_cannot_do(engineer: Engineer<'_>) -> Result<()> {
    for verb in [&["restore", "--confirm", "any"][..], &["drill"], &["backup", "check"], &["backup", "key"]] {
        engineer.landfall(verb)?.refused(verb[0], "LF4609", 2)?;
    }
    let [_run, list, ..] = page(TIME_OF_THE_PAGE)?;
    let listed = engineer.follow(&list, &[])?.report("backup list")?;
    ensure!(listed["backups"] == json!([]), "{listed}");
    ensure!(engineer.status()?["backups"].is_null(), "the status has backups before the first");
    for timer in ["landfall-backup.timer", "landfall-log-backup.timer"] {
        let state = engineer.machine().run(&format!("systemctl is-active {timer}"))?.stdout;
        ensure!(state.trim() == "active", "{timer} is {state}");
    }
    let logged = engineer.landfall(&["backup", "log"])?.report("backup log")?;
    ensure!(logged["logs"] == json!([]), "a log was saved before the first backup: {logged}");
    Ok(())
}

/// What is set, what systemd does next, and one setting that changes without a file.
fn shows_the_schedule(engineer: Engineer<'_>) -> Result<()> {
    let schedule = |time: &[&str]| engineer.landfall(&[&["backup", "schedule"][..], time].concat());
    schedule(&["--time", "25:00"])?.refused("backup schedule", "LF3104", 2)?;
    let same = schedule(&["--time", "03:15"])?.report("backup schedule --time")?;
    ensure!(same["settings"] == json!([]), "it changed what is set already: {same}");
    let changed = schedule(&["--time", "04:45"])?.report("backup schedule --time")?;
    ensure!(changed["settings"] == json!(["backups.time"]), "{changed}");
    let shown = schedule(&[])?.report("backup schedule")?;
    // The machines of the tests are asked by a timer's own file to begin no backup by themselves.
    let next = shown["next"].as_str().unwrap_or_default();
    ensure!(shown["time"] == "04:45" && shown["active"] == true && next == "2099-01-01T00:00:00Z", "{shown}");
    ensure!(shown["logsActive"] == true && shown["keep"]["daily"] == 7, "{shown}");
    schedule(&["--time", "03:15"])?.report("backup schedule --time")?;
    Ok(())
}

/// The time of the timer, how many are kept and a disk for copies are settings, which change without a restart of anything.
fn sets_backups(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    machine.run(&format!("mkdir {DISK} && mount -t tmpfs none {DISK}"))?;
    let started = "systemctl show landfall-containerd landfall-agent --property ActiveEnterTimestampMonotonic";
    let before = machine.run(started)?.stdout;
    let configure = |text: &str| {
        machine.write_file(SETTINGS, text, 0o600)?;
        engineer.landfall(&["configure", "--site", SETTINGS])
    };
    configure("backups: {time: '25:00'}\n")?.refused("configure", "LF3104", 2)?;
    configure("backups: {copies: [/var/lib/landfall/copies]}\n")?.refused("configure", "LF3104", 2)?;
    configure("backups: {retention: 7}\n")?.refused("configure", "LF3103", 2)?;
    let text = format!("backups: {{time: '03:15', keep: {{daily: 7, monthly: 2}}, copies: [{DISK}]}}\n");
    let report = configure(&text)?.report("configure")?;
    ensure!(report["settings"] == json!(["backups.copies", "backups.keep", "backups.time"]), "{report}");
    ensure!(configure(&text)?.report("configure again")?["settings"] == json!([]), "it changed what is set already");
    shows_the_schedule(engineer)?;
    let timer = machine.run("systemctl cat landfall-backup.timer")?.stdout;
    ensure!(timer.contains("OnCalendar=*-*-* 03:15\n"), "the timer has {timer}");
    ensure!(machine.run(started)?.stdout == before, "containerd or the agent was restarted");
    // A log backup in the middle of a test that damages the repository would be damaged, too.
    machine.run(&format!("rm {SETTINGS} && systemctl stop landfall-log-backup.timer")).map(drop)
}

/// The machine's time, which commits of its database have, too.
fn time_of(machine: &Machine) -> Result<String> {
    Ok(machine.run("date --utc +%Y-%m-%dT%H:%M:%S.%6NZ")?.stdout.trim().to_owned())
}

/// What was logged since the backup is saved; the service of the timer does the same. Returns a time that it leads to, at which nothing
/// but the data of the backup was there.
fn saves_the_log(engineer: Engineer<'_>) -> Result<String> {
    let time = time_of(engineer.machine())?;
    let early = engineer.landfall(&["restore", "--at", &time, "--dry-run"])?;
    early.refused("restore --at before a log backup", "LF4624", 2)?;
    let saved = engineer.landfall(&["backup", "log"])?.report("backup log")?;
    let [log] = saved["logs"].as_array().context("no logs")?.as_slice() else { anyhow::bail!("{saved}") };
    ensure!(log["stream"] == "postgres/database" && log["outcome"]["kind"] == "stored", "{log}");
    engineer.machine().run("systemctl start landfall-log-backup.service")?;
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let points = &listed["pointsInTime"];
    ensure!(points.as_array().is_some_and(|spans| spans.len() == 1) && listed["backups"][1].is_null(), "{listed}");
    let known = engineer.status()?["backups"]["logs"][0].clone();
    ensure!(known["until"].is_string() && known["reason"].is_null(), "the status says of the log: {known}");
    Ok(time)
}

/// A table that was dropped at a known time comes back as of just before. Points in time begin again with the restored data.
fn returns_to_any_time(engineer: Engineer<'_>, name: &str) -> Result<()> {
    let machine = engineer.machine();
    sql(machine, "CREATE TABLE dropped AS SELECT generate_series(1, 1000) AS number")?;
    std::thread::sleep(Duration::from_secs(1));
    let time = time_of(machine)?;
    std::thread::sleep(Duration::from_secs(1));
    sql(machine, "DROP TABLE dropped")?;
    let [.., restore] = page(&time)?;
    let restore = || engineer.follow(&restore, &["--confirm", name]);
    restore()?.refused("restore --at before a log backup", "LF4624", 2)?;
    engineer.landfall(&["backup", "log"])?.report("backup log")?;
    for _ in 0..2 {
        let restored = restore()?.report("restore --at")?;
        let [data] = restored["streams"].as_array().context("no streams")?.as_slice() else {
            anyhow::bail!("{restored}")
        };
        ensure!(data["stream"] == "postgres/database" && is_same_time(&data["time"], &time), "{restored}");
        ensure!(sql(machine, "SELECT count(*) FROM dropped")? == "1000", "the dropped table is not back");
        engineer.wait_ready("a restore to a point in time")?;
    }
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let changes = listed["backups"].as_array().into_iter().flatten().filter(|backup| backup["reason"] == "change");
    ensure!(changes.count() == 3, "each restore ends with a backup: {listed}");
    sql(machine, "INSERT INTO dropped VALUES (1001)")?;
    let later = time_of(machine)?;
    engineer.landfall(&["backup", "log"])?.report("backup log")?;
    engineer.landfall(&["restore", "--at", &later, "--dry-run"])?.report("restore --at after a restore")?;
    sql(machine, "DROP TABLE dropped")?;
    printer::note("proved: a table that was dropped came back as of the second before");
    proves_the_log(engineer)
}

/// The drill that follows a backup restores the one before it with everything that was logged since, also while the disk of the copies is
/// away.
fn proves_the_log(engineer: Engineer<'_>) -> Result<()> {
    let begun = time_of(engineer.machine())?.parse::<jiff::Timestamp>()?;
    engineer.landfall(&["backup", "run"])?.refused("backup run without the disk of the copies", "LF4622", 4)?;
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

/// The backup was copied as it was made. A disk that is not mounted is reported, and gets its copies later. Leaves the
/// repository of the copies in [`COPIES`].
fn copies_to_another_disk(engineer: Engineer<'_>, backup: &str) -> Result<()> {
    let machine = engineer.machine();
    let name = machine.run("hostname")?.stdout.trim().to_owned();
    let checked = engineer.landfall(&["backup", "check", "--copy", DISK])?.report("backup check --copy")?;
    ensure!(checked["backups"] == 1 && checked["damages"] == json!([]), "{checked}");
    exchanges_the_key(engineer)?;
    let again = engineer.landfall(&["backup", "copy"])?.report("backup copy")?;
    ensure!(again["copies"][0]["count"] == 1 && again["copies"][0]["copied"] == json!([]), "{again}");
    let repository = format!("{DISK}/landfall-backups-{name}");
    ensure!(again["copies"][0]["repository"] == repository.as_str(), "{again}");
    machine.run(&format!("cp --recursive {repository} {COPIES} && umount {DISK}"))?;
    let refused = engineer.landfall(&["backup", "copy"])?;
    let refused = refused.refused("backup copy without its disk", "LF4622", 4)?.to_string();
    ensure!(refused.contains(DISK) && refused.contains("same filesystem"), "{refused}");
    let known = engineer.status()?["backups"]["copies"][0].clone();
    ensure!(known["newest"].is_string() && known["reason"].is_string(), "the status says of the copies: {known}");
    machine.run(&format!("mount -t tmpfs none {DISK}"))?;
    let copied = engineer.landfall(&["backup", "copy", DISK])?.report("backup copy")?;
    ensure!(copied["copies"][0]["copied"][0]["id"] == backup, "{copied}");
    machine.run(&format!("umount {DISK} && rmdir {DISK}"))?;
    printer::note("proved: another disk has a copy of each proven backup, and one that is missing is reported");
    Ok(())
}

/// The key is exchanged here and in the copies, which are as they were.
fn exchanges_the_key(engineer: Engineer<'_>) -> Result<()> {
    let [show, exchange] = handbook::arguments(LOST_KEY, &[])?;
    let key = || engineer.follow(&show, &[])?.report("backup key");
    let former = key()?;
    let new = engineer.follow(&exchange, &[])?.report("backup key rotate")?;
    ensure!(new["waiting"] == json!([]) && new["key"] != former["key"], "the new key is {new}");
    ensure!(key()?["key"] == new["key"], "another key than the new one is printed");
    let notes = engineer.status()?["notes"].to_string();
    ensure!(!notes.contains("landfall backup key"), "the status reminds of a key that was printed: {notes}");
    for arguments in [&["backup", "check"][..], &["backup", "check", "--copy", DISK]] {
        let checked = engineer.landfall(arguments)?.report("backup check with a new key")?;
        ensure!(checked["backups"] == 1 && checked["damages"] == json!([]), "{checked}");
    }
    printer::note("proved: a new key opens the backups and their copies");
    Ok(())
}

fn write_data(engineer: Engineer<'_>, word: &str) -> Result<()> {
    let machine = engineer.machine();
    sql(machine, "DROP TABLE IF EXISTS kept")?;
    sql(machine, &format!("CREATE TABLE kept AS SELECT '{word}' AS word, generate_series(1, 1000) AS number"))?;
    let set = in_pod(machine, "valkey", "valkey-0", &format!("{CACHE} -e set word {word}"))?;
    ensure!(set.status.success(), "{}", set.stderr);
    Ok(())
}

/// Fails unless both databases have what was written with this word.
fn expect_data(engineer: Engineer<'_>, word: &str) -> Result<()> {
    let machine = engineer.machine();
    let rows = sql(machine, "SELECT word, count(*), sum(number) FROM kept GROUP BY word")?;
    ensure!(rows == format!("{word}|1000|500500"), "the database has {rows}, not {word}");
    let cached = in_pod(machine, "valkey", "valkey-0", &format!("{CACHE} -e get word"))?.stdout;
    ensure!(cached.trim() == word, "the cache has {cached}, not {word}");
    let left = machine.run("ls /var/lib/landfall/storage")?.stdout;
    ensure!(!left.contains("before-restore"), "data that was set aside is left: {left}");
    Ok(())
}

/// A backup is made and proven; nothing of its drill stays. Returns its id.
fn backs_up(engineer: Engineer<'_>) -> Result<String> {
    let [run, _list, check, key, ..] = page(TIME_OF_THE_PAGE)?;
    let made = engineer.follow(&run, &[])?.report("backup run")?;
    let drilled = made["drill"]["streams"].as_array().context("the backup has no drill")?;
    let checks = drilled.iter().flat_map(|one| one["checks"].as_array().into_iter().flatten());
    let passed: Vec<&str> =
        checks.filter(|check| check["passed"] == true).filter_map(|one| one["shows"].as_str()).collect();
    let streams: Vec<&Value> = drilled.iter().map(|one| &one["stream"]).collect();
    ensure!(
        streams == ["postgres/database", "valkey/keys", "console/people", "cluster/objects", "cluster/etcd"],
        "the drill tried {streams:?}"
    );
    ensure!(passed.len() >= 13, "the drill showed only {passed:?}");
    let scratch = engineer.machine().try_run("ls /var/lib/landfall/backup-scratch")?;
    ensure!(!scratch.status.success(), "a snapshot of etcd is left: {}", scratch.stdout);
    ensure!(made["backup"]["proven"].is_string(), "the backup is not proven: {made}");
    let namespaces = administer(engineer.machine(), "kubectl get namespaces --output name")?.stdout;
    ensure!(!namespaces.contains("drill"), "a drill's namespace is left: {namespaces}");
    let status = engineer.status()?;
    ensure!(status["backups"]["count"] == 1 && status["backups"]["newestProven"].is_string(), "{}", status["backups"]);
    let reminds = |status: &Value| status["notes"].to_string().contains("landfall backup key");
    ensure!(reminds(&status), "the status does not remind of the key: {}", status["notes"]);
    let key = engineer.follow(&key, &[])?.report("backup key")?;
    ensure!(key["key"].as_str().is_some_and(|key| key.len() == 64), "the key is {key}");
    ensure!(!reminds(&engineer.status()?), "the status reminds of a key that was printed");
    let checked = engineer.follow(&check, &[])?.report("backup check")?;
    ensure!(checked["damages"] == json!([]), "{checked}");
    printer::note(format!("proved: a backup that {} checks on restored data passed", passed.len()));
    Ok(made["backup"]["id"].as_str().context("a backup has no id")?.to_owned())
}

/// Nothing is restored without the site's name; with it, all data is that of the backup.
fn restores(engineer: Engineer<'_>, name: &str) -> Result<()> {
    engineer.landfall(&["restore", "--confirm", "another-site"])?.refused("restore", "LF4025", 2)?;
    engineer.landfall(&["restore", "--component", "dns", "--dry-run"])?.refused("restore", "LF4621", 2)?;
    engineer.landfall(&["restore", "--at", "2020-01-01T00:00:00Z", "--dry-run"])?.refused("restore", "LF4609", 2)?;
    let [.., dry_run, restore, _to_time] = page(TIME_OF_THE_PAGE)?;
    let dry_run = engineer.follow(&dry_run, &["--component", "postgres"])?.report("restore --dry-run")?;
    ensure!(dry_run["components"] == json!(["postgres"]), "{dry_run}");
    expect_data(engineer, "second")?;
    let restored = engineer.follow(&restore, &["--confirm", name])?.report("restore")?;
    let streams: Vec<&Value> = restored["streams"].as_array().into_iter().flatten().map(|one| &one["stream"]).collect();
    ensure!(streams == ["postgres/database", "valkey/keys", "console/people"], "{restored}");
    engineer.wait_ready("a restore")?;
    printer::note("proved: a restore brings data back, and only with the site's name");
    Ok(())
}

/// A backup whose packs have a damaged byte is named by the check, and its restore leaves the data as it was.
fn goes_back_from_damage(engineer: Engineer<'_>, name: &str, backup: &str) -> Result<()> {
    damage(engineer.machine())?;
    let said = engineer.landfall(&["backup", "check"])?;
    said.refused("backup check", "LF4605", 4)?;
    ensure!(said.data.contains("takes postgres/database"), "the check does not name what is lost: {}", said.data);
    let failure = engineer.landfall(&["restore", "--backup", backup, "--confirm", name])?;
    let failure = failure.refused("restore of a damaged backup", "LF4032", 4)?.to_string();
    ensure!(failure.contains("postgres/database"), "the reason is not named: {failure}");
    engineer.wait_ready("a restore that went back")?;
    mend(engineer.machine())?;
    engineer.landfall(&["backup", "check"])?.report("backup check")?;
    printer::note("proved: a restore from a damaged backup left the data as it was");
    Ok(())
}

/// A restore in which one component never becomes ready is undone after a client has written to another one's restored data: the data from
/// before is back, and what the client wrote is kept, named, and removed by a person alone.
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
    // The console's pods had not started: nothing of what was loaded for them is kept.
    ensure!(kept.len() == 2, "{listed}");
    for one in kept {
        let (Some(kept), Some(path)) = (one["name"].as_str(), one["path"].as_str()) else { anyhow::bail!("{one}") };
        ensure!(kept.starts_with("after-restore."), "{one}");
        if one["claim"].as_str().is_some_and(|claim| claim.starts_with("postgres/")) {
            // A commit that was acknowledged is in the log of the server at least.
            let found = machine.try_run(&format!("grep --recursive --quiet --text {MEANWHILE} {path}"))?;
            ensure!(found.status.success(), "what the client wrote is not in {path}");
        }
        engineer.landfall(&["replaced-data", "remove", kept, "--confirm", name])?.report("replaced-data remove")?;
    }
    ensure!(engineer.status()?["replacedData"].is_null(), "replaced data is left");
    printer::note("proved: a restore that was undone kept what clients had written to the restored data");
    Ok(())
}

/// Whether both are the same time: one ends its fraction with zeros, the other does not.
fn is_same_time(one: &Value, other: &str) -> bool {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    one.as_str().and_then(time).is_some_and(|one| time(other) == Some(one))
}

/// Sets the port that answers once the cache is ready, which one that is not open never does.
fn set_ready_port(machine: &Machine, port: &str) -> Result<()> {
    let path = "/spec/template/spec/containers/0/readinessProbe/tcpSocket/port";
    let change = format!("[{{\"op\": \"replace\", \"path\": \"{path}\", \"value\": {port}}}]");
    let command = format!("kubectl --namespace valkey patch statefulset valkey --type=json --patch '{change}'");
    // The controller waits for a pod that never becomes ready before it replaces it.
    let line = format!("{command} && kubectl --namespace valkey delete pod valkey-0 --ignore-not-found");
    let patched = administer(machine, &line)?;
    ensure!(patched.status.success(), "{}", patched.stderr);
    Ok(())
}

/// Damages a byte in each large pack of the repository, until [`mend`].
pub(crate) fn damage(machine: &Machine) -> Result<()> {
    // Some packs are not needed by now; their names do not show which.
    let damage = "printf '\\377\\0\\377' | dd of=\"$pack\" bs=1 seek=$(($(stat --format %s \"$pack\") / 2)) conv=notrunc status=none";
    machine.run(&format!(
        "cp --archive {REPOSITORY} /root/good && find {REPOSITORY}/data -type f -size +100k | while read -r pack; do \
         chmod u+w \"$pack\" && {damage}; done"
    ))?;
    Ok(())
}

/// The repository is as it was before the damage.
pub(crate) fn mend(machine: &Machine) -> Result<()> {
    machine.run(&format!("rm -r {REPOSITORY} && cp --archive /root/good {REPOSITORY} && rm -r /root/good"))?;
    Ok(())
}

/// The power is cut while the database is loaded, or recovers; the restore ends by itself, without a command.
fn restores_through_a_power_cut(engineer: Engineer<'_>, name: &str, time: &str) -> Result<()> {
    let at = At { step: "load/postgres/database".to_owned(), moment: Moment::After(Duration::from_secs(4)) };
    cut_during(engineer, &["restore", "--at", time, "--confirm", name], &at)?;
    boot(engineer.machine())?;
    wait_until("the restore to end by itself", SELF_LIMIT, || {
        let status = engineer.status()?;
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(["changing", "change-interrupted", "installed"].contains(&state), "the status is {state}");
        Ok((state == "installed").then_some(()))
    })?;
    engineer.wait_ready("a restore that continued by itself")?;
    printer::note("proved: a restore whose power was cut ended by itself");
    Ok(())
}

/// Backups are data: an uninstall keeps them. With a disk that has copies of them, their key and the bundle, an empty machine becomes
/// the site that was lost.
fn lands_on_an_empty_machine(engineer: Engineer<'_>, backup: &str, time: &str) -> Result<()> {
    let machine = engineer.machine();
    let report = engineer.uninstall(&[])?;
    let kept = report["kept"].as_array().context("the report names nothing that is kept")?;
    ensure!(kept.contains(&Value::from("/var/lib/landfall/backups")), "{report}");
    machine.run("cp /var/lib/landfall/backups/key /root/key")?;
    engineer.uninstall_all()?;
    ensure!(!machine.try_run("ls /var/lib/landfall/backups")?.status.success(), "backups are left");

    machine
        .run("echo 00 > /root/no-key && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n' > /root/other-key")?;
    let wrongly = |folder: &str, key: &str| engineer.landfall(&["backup", "adopt", folder, "--key", key]);
    wrongly(COPIES, "/root/no-key")?.refused("adopt with no key", "LF4601", 2)?;
    wrongly(COPIES, "/root/other-key")?.refused("adopt with a wrong key", "LF4603", 2)?;
    wrongly("/root", "/root/key")?.refused("adopt of another folder", "LF4602", 2)?;
    let replaced = [(COPIES_OF_THE_PAGE, COPIES), ("sha256:…", fixture()?.fingerprint.as_str())];
    let [adopt, install, restore] = handbook::arguments(NEW_HARDWARE, &replaced)?;
    let adopted = engineer.follow(&adopt, &[])?.report("backup adopt")?;
    ensure!(adopted["used"]["id"] == backup, "{adopted}");
    machine.run(&format!("rm -r {COPIES} /root/key /root/no-key /root/other-key"))?;

    let site = install.last().context("the page's install has no arguments")?;
    ensure!(
        adopted["settings"] == site.as_str(),
        "the page names {site}, and the settings are in {}",
        adopted["settings"]
    );
    engineer.follow(&install, &[])?.report("install --adopt-data")?;
    engineer.wait_ready("an install with adopted backups")?;
    let name = machine.run("hostname")?.stdout;
    let more = ["--backup", &backup[..8], "--at", time, "--confirm", name.trim()];
    engineer.follow(&restore, &more)?.report("restore")?;
    engineer.wait_ready("a restore onto an empty machine")?;
    let drilled = engineer.landfall(&["drill", &backup[..8]])?.report("drill")?;
    ensure!(drilled["backup"] == backup && drilled["passed"] == true, "{drilled}");
    printer::note("proved: a site landed on an empty machine, from its backups, their key and the bundle");
    Ok(())
}
