//! Data is backed up, proven by a drill, damaged, and restored. It is also restored to another machine, which has only
//! the bundle, a disk with copies and the printed key. That machine has iptables, which the kubelet then uses.
//! Interrupted restores are in `restores.rs`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::administer;
use landfall_xtask::site::wait_until;
use serde_json::{Value, json};

use super::engineer::Engineer;
use super::fixture::{fixture, machine_with_stick_and_iptables};
use super::installed::installed_machine;
use super::saved_data::{
    DISK, TIME_OF_THE_PAGE, connect_disk, damage, disconnect_disk, expect_data, mend, page, printed_key, time_of,
    write_data,
};
use super::{bound_license, cluster_backup, drill_network, handbook, iptables, timer};

/// Content of the disk for copies when it was disconnected.
const COPIES: &str = "/root/copies";

/// Pages of the handbook.
const LOST_KEY: &str = "field/runbooks/lost-key";
const NEW_HARDWARE: &str = "operate/new-hardware";

/// Folder of a disk's copies in the page about new hardware.
const COPIES_OF_THE_PAGE: &str = "/mnt/vault/landfall-backups-node-1";

/// File of the key in that page.
const KEY: &str = "/root/key";

/// Time limit until a backup's repository exists, and until systemd reports the end of a killed backup.
const BEGIN_LIMIT: Duration = Duration::from_mins(2);

/// Command that stops the timer, so that a log is backed up only by the test.
const STOP_LOG_TIMER: &str = "systemctl stop landfall-log-backup.timer";

/// Start time of the daily backup, as set by the site.
const TIME: &str = "03:15";

/// Path of the site's settings.
const SETTINGS: &str = "/root/site.yaml";

#[test]
#[ignore = "needs cargo xtask test"]
fn proven_backup_restores_data() -> Result<()> {
    // The machine and its disk are removed here.
    let lost = backs_up_and_is_lost()?;
    let (_site, machine) = machine_with_stick_and_iptables("e2e-backups-second")?;
    let engineer = Engineer::at(&machine);
    let filter = iptables::prepare(&machine)?;
    engineer.landfall(&["backup", "run"])?.expect_refusal("backup without a site", "LF4030", 4)?;
    lands_on_an_empty_machine(engineer, &lost)?;
    expect_data(engineer, "first")?;
    filter.expect_chains_of_the_kubelet(&machine)?;
    engineer.uninstall_all()?;
    filter.expect_unchanged(&machine)?;
    engineer.expect_unchanged("after backups and an uninstall", &["/var/log/landfall"])
}

/// Everything that a user still has after a machine is lost.
struct Lost {
    /// Copies of its backups, as an archive.
    copies: Vec<u8>,
    /// Key, copied from the screen by a user.
    key: String,
    /// ID of the backup in the copies.
    backup: String,
    /// A point in time that its log backups reach.
    time: String,
    /// Identifiers of its site.
    identifiers: Vec<String>,
}

/// Runs all tests on the first machine, until it is lost.
fn backs_up_and_is_lost() -> Result<Lost> {
    let (_site, machine) = installed_machine("e2e-backups")?;
    let engineer = Engineer::at(&machine);
    let name = machine.run("hostname")?.stdout.trim().to_owned();
    refuses_what_it_cannot_do(engineer)?;
    sets_backups(engineer)?;
    let identifiers = bound_license::bind(engineer)?;
    write_data(engineer, "first")?;
    cluster_backup::make_objects(&machine)?;
    is_noted_when_it_is_killed(engineer)?;
    let backup = backs_up(engineer)?;
    drill_network::was_used(&machine)?;
    drill_network::leads_nowhere(&machine)?;
    cluster_backup::objects_come_back(&machine)?;
    cluster_backup::remove_objects(&machine)?;
    let time = saves_the_log(engineer)?;
    copies_to_another_disk(engineer, &backup)?;

    write_data(engineer, "second")?;
    restores(engineer, &name, &time)?;
    expect_data(engineer, "first")?;
    write_data(engineer, "third")?;
    goes_back_from_damage(engineer, &name, &backup)?;
    expect_data(engineer, "third")?;

    let [show, _exchange] = handbook::arguments(LOST_KEY, &[])?;
    let key = printed_key(&machine, &format!("landfall {}", show.join(" ")))?;
    deletes_backups_only_when_asked(engineer)?;
    machine.run(&format!("tar --create --file {COPIES}.tar --directory {COPIES} ."))?;
    Ok(Lost { copies: machine.read_file(&format!("{COPIES}.tar"))?, key, backup, time, identifiers })
}

/// Without a backup, restore, drill and check are refused.
fn refuses_what_it_cannot_do(engineer: Engineer<'_>) -> Result<()> {
    for verb in [&["restore", "--confirm", "any"][..], &["drill"], &["backup", "check"], &["backup", "key"]] {
        engineer.landfall(verb)?.expect_refusal(verb[0], "LF4609", 2)?;
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

/// Shows the settings and systemd's next start, and changes one setting without a file.
fn shows_the_schedule(engineer: Engineer<'_>) -> Result<()> {
    let schedule = |time: &[&str]| engineer.landfall(&[&["backup", "schedule"][..], time].concat());
    schedule(&["--time", "25:00"])?.expect_refusal("backup schedule", "LF3104", 2)?;
    let same = schedule(&["--time", TIME])?.report("backup schedule --time")?;
    ensure!(same["settings"] == json!([]), "it changed what is set already: {same}");
    let changed = schedule(&["--time", "04:45"])?.report("backup schedule --time")?;
    ensure!(changed["settings"] == json!(["backups.time"]), "{changed}");
    let shown = schedule(&[])?.report("backup schedule")?;
    // A separate file keeps the timers of test machines from starting a backup on their own.
    let next = shown["next"].as_str().unwrap_or_default();
    ensure!(shown["time"] == "04:45" && shown["active"] == true && next == "2099-01-01T00:00:00Z", "{shown}");
    ensure!(shown["logsActive"] == true && shown["keep"]["daily"] == 7, "{shown}");
    schedule(&["--time", TIME])?.report("backup schedule --time")?;
    Ok(())
}

/// Sets the timer's time, the number of kept backups and a disk for copies, none of which restarts anything.
fn sets_backups(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    connect_disk(machine)?;
    let started = "systemctl show landfall-containerd landfall-agent --property ActiveEnterTimestampMonotonic";
    let before = machine.run(started)?.stdout;
    let configure = |text: &str| {
        machine.write_file(SETTINGS, text, 0o600)?;
        engineer.landfall(&["configure", "--site", SETTINGS])
    };
    configure("backups: {time: '25:00'}\n")?.expect_refusal("configure", "LF3104", 2)?;
    configure("backups: {copies: [/var/lib/landfall/copies]}\n")?.expect_refusal("configure", "LF3104", 2)?;
    configure("backups: {retention: 7}\n")?.expect_refusal("configure", "LF3103", 2)?;
    let text = format!("backups: {{time: '{TIME}', keep: {{daily: 7, monthly: 2}}, copies: [{DISK}]}}\n");
    let report = configure(&text)?.report("configure")?;
    ensure!(report["settings"] == json!(["backups.copies", "backups.keep", "backups.time"]), "{report}");
    ensure!(configure(&text)?.report("configure again")?["settings"] == json!([]), "it changed what is set already");
    shows_the_schedule(engineer)?;
    let timer = machine.run("systemctl cat landfall-backup.timer")?.stdout;
    ensure!(timer.contains(&format!("OnCalendar=*-*-* {TIME}\n")), "the timer has {timer}");
    ensure!(machine.run(started)?.stdout == before, "containerd or the agent was restarted");
    // A log backup in the middle of a test that damages the repository would be damaged as well.
    machine.run(&format!("rm {SETTINGS} && {STOP_LOG_TIMER}")).map(drop)
}

/// Backs up the log since the backup, like the timer's service. Returns a point in time that it reaches, at which only
/// the backup's data existed.
fn saves_the_log(engineer: Engineer<'_>) -> Result<String> {
    let time = time_of(engineer.machine())?;
    let early = engineer.landfall(&["restore", "--at", &time, "--dry-run"])?;
    early.expect_refusal("restore --at before a log backup", "LF4624", 2)?;
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

/// Checks the copy that was made with the backup. A disk that is not mounted is reported, and gets its copies later.
/// Leaves the repository of the copies in [`COPIES`].
fn copies_to_another_disk(engineer: Engineer<'_>, backup: &str) -> Result<()> {
    let machine = engineer.machine();
    let name = machine.run("hostname")?.stdout.trim().to_owned();
    let checked = engineer.landfall(&["backup", "check", DISK])?.report("backup check")?;
    ensure!(checked["backups"] == 1 && checked["damages"] == json!([]), "{checked}");
    exchanges_the_key(engineer)?;
    let again = engineer.landfall(&["backup", "copy"])?.report("backup copy")?;
    ensure!(again["copies"][0]["count"] == 1 && again["copies"][0]["copied"] == json!([]), "{again}");
    let repository = format!("{DISK}/landfall-backups-{name}");
    ensure!(again["copies"][0]["repository"] == repository.as_str(), "{again}");
    machine.run(&format!("cp --recursive {repository} {COPIES} && umount {DISK}"))?;
    let refused = engineer.landfall(&["backup", "copy"])?;
    let refused = refused.expect_refusal("backup copy without its disk", "LF4622", 4)?.to_string();
    ensure!(refused.contains(DISK) && refused.contains("same filesystem"), "{refused}");
    let known = engineer.status()?["backups"]["copies"][0].clone();
    ensure!(known["newest"].is_string() && known["reason"].is_string(), "the status says of the copies: {known}");
    machine.run(&format!("mount -t tmpfs none {DISK}"))?;
    let copied = engineer.landfall(&["backup", "copy", DISK])?.report("backup copy")?;
    ensure!(copied["copies"][0]["copied"][0]["id"] == backup, "{copied}");
    disconnect_disk(machine)?;
    printer::note("proved: another disk has a copy of each proven backup, and one that is missing is reported");
    Ok(())
}

/// Exchanges the key of the backups and of the copies, whose content stays the same.
fn exchanges_the_key(engineer: Engineer<'_>) -> Result<()> {
    let [show, exchange] = handbook::arguments(LOST_KEY, &[])?;
    let key = || engineer.follow(&show, &[])?.report("backup key");
    let former = key()?;
    let new = engineer.follow(&exchange, &[])?.report("backup key rotate")?;
    ensure!(new["waiting"] == json!([]) && new["key"] != former["key"], "the new key is {new}");
    ensure!(key()?["key"] == new["key"], "another key than the new one is printed");
    let notes = engineer.status()?["notes"].to_string();
    ensure!(!notes.contains("landfall backup key"), "the status reminds of a key that was printed: {notes}");
    for arguments in [&["backup", "check"][..], &["backup", "check", DISK]] {
        let checked = engineer.landfall(arguments)?.report("backup check with a new key")?;
        ensure!(checked["backups"] == 1 && checked["damages"] == json!([]), "{checked}");
    }
    printer::note("proved: a new key opens the backups and their copies");
    Ok(())
}

/// A killed backup of the timer is reported by every command that shows backups.
fn is_noted_when_it_is_killed(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let wait = |what: &str, line: &str| {
        wait_until(what, BEGIN_LIMIT, || {
            std::thread::sleep(Duration::from_millis(100));
            Ok(machine.try_run(line)?.status.success().then_some(()))
        })
    };
    let list = || engineer.landfall(&["backup", "list"])?.report("backup list");
    timer::begins_a_backup(engineer, TIME, || {
        let has_begun =
            "test -e /var/lib/landfall/backup-running.json -a -e /var/lib/landfall/backups/repository/config";
        wait("the begin of the backup", has_begun)?;
        ensure!(list()?["lastTry"].is_null(), "a backup that runs counts as interrupted: {}", list()?);
        machine.run("systemctl kill --signal=KILL landfall-backup.service")?;
        wait("the end of the backup", "systemctl is-failed landfall-backup.service")?;
        machine.run("systemctl reset-failed landfall-backup.service").map(drop)
    })?;
    // Changed settings may have started it.
    machine.run(STOP_LOG_TIMER)?;
    let failed = list()?["lastTry"]["failure"].clone();
    ensure!(failed["code"] == "LF4634", "a killed backup is listed with {failed}");
    let schedule = engineer.landfall(&["backup", "schedule"])?.report("backup schedule")?;
    ensure!(schedule["backups"]["lastTry"]["failure"] == failed, "{schedule}");
    let notes = engineer.status()?["notes"].to_string();
    ensure!(notes.contains("LF4634"), "the status does not note it: {notes}");
    printer::note("proved: a backup that is killed is listed with its schedule, and noted in the status");
    Ok(())
}

/// Makes and proves a backup, and checks that nothing of its drill remains. Returns its ID.
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
    let counted = passed.iter().filter(|shows| shows.contains("counts what was counted at the cut")).count();
    ensure!(counted == 2, "the rows of the database and the keys of the cache are not both compared: {passed:?}");
    let scratch = engineer.machine().try_run("ls /var/lib/landfall/backup-scratch")?;
    ensure!(!scratch.status.success(), "a snapshot of etcd is left: {}", scratch.stdout);
    ensure!(made["backup"]["proven"].is_string(), "the backup is not proven: {made}");
    let namespaces = administer(engineer.machine(), "kubectl get namespaces --output name")?.stdout;
    ensure!(!namespaces.contains("drill"), "a drill's namespace is left: {namespaces}");
    let status = engineer.status()?;
    ensure!(status["backups"]["count"] == 1 && status["backups"]["newestProven"].is_string(), "{}", status["backups"]);
    let reminds = |status: &Value| status["notes"].to_string().contains("landfall backup key");
    ensure!(reminds(&status), "the status does not remind of the key: {}", status["notes"]);
    ensure!(
        !status["notes"].to_string().contains("LF4634"),
        "the status still notes the killed backup: {}",
        status["notes"]
    );
    let key = engineer.follow(&key, &[])?.report("backup key")?;
    ensure!(key["key"].as_str().is_some_and(|key| key.len() == 64), "the key is {key}");
    ensure!(!reminds(&engineer.status()?), "the status reminds of a key that was printed");
    let checked = engineer.follow(&check, &[])?.report("backup check")?;
    ensure!(checked["damages"] == json!([]), "{checked}");
    printer::note(format!("proved: a backup that {} checks on restored data passed", passed.len()));
    Ok(made["backup"]["id"].as_str().context("a backup has no id")?.to_owned())
}

/// Checks that nothing is restored without the site's name, and that with it, all data is that of the backup.
fn restores(engineer: Engineer<'_>, name: &str, time: &str) -> Result<()> {
    engineer.landfall(&["restore", "--confirm", "another-site"])?.expect_refusal("restore", "LF4025", 2)?;
    engineer.landfall(&["restore", "--component", "dns", "--dry-run"])?.expect_refusal("restore", "LF4621", 2)?;
    engineer
        .landfall(&["restore", "--at", "2020-01-01T00:00:00Z", "--dry-run"])?
        .expect_refusal("restore", "LF4609", 2)?;
    let [.., dry_run, restore, to_time] = page(time)?;
    let dry_run = engineer.follow(&dry_run, &["--component", "postgres"])?.report("restore --dry-run")?;
    ensure!(dry_run["components"] == json!(["postgres"]), "{dry_run}");
    let to_time = engineer.follow(&to_time, &["--dry-run"])?.report("restore --at --dry-run")?;
    ensure!(to_time["components"] == json!(["postgres"]), "{to_time}");
    expect_data(engineer, "second")?;
    let restored = engineer.follow(&restore, &["--confirm", name])?.report("restore")?;
    let streams: Vec<&Value> = restored["streams"].as_array().into_iter().flatten().map(|one| &one["stream"]).collect();
    ensure!(streams == ["postgres/database", "valkey/keys", "console/people"], "{restored}");
    engineer.wait_ready("a restore")?;
    printer::note("proved: a restore brings data back, and only with the site's name");
    Ok(())
}

/// The check names a backup whose packs have a damaged byte, and restoring that backup leaves the data unchanged.
fn goes_back_from_damage(engineer: Engineer<'_>, name: &str, backup: &str) -> Result<()> {
    damage(engineer, backup)?.expect_refusal("backup check", "LF4605", 4)?;
    let failure = engineer.landfall(&["restore", "--backup", backup, "--confirm", name])?;
    let failure = failure.expect_refusal("restore of a damaged backup", "LF4032", 4)?.to_string();
    ensure!(failure.contains("postgres/database"), "the reason is not named: {failure}");
    engineer.wait_ready("a restore that went back")?;
    mend(engineer.machine())?;
    engineer.landfall(&["backup", "check"])?.report("backup check")?;
    printer::note("proved: a restore from a damaged backup left the data as it was");
    Ok(())
}

/// Backups are data: an uninstall keeps them, unless deletion of data is requested.
fn deletes_backups_only_when_asked(engineer: Engineer<'_>) -> Result<()> {
    let report = engineer.uninstall(&[])?;
    let kept = report["kept"].as_array().context("the report names nothing that is kept")?;
    ensure!(kept.contains(&Value::from("/var/lib/landfall/backups")), "{report}");
    engineer.machine().run("ls /var/lib/landfall/backups/repository/config")?;
    engineer.uninstall_all()?;
    let left = engineer.machine().try_run("ls /var/lib/landfall/backups")?;
    ensure!(!left.status.success(), "backups are left: {}", left.stdout);
    Ok(())
}

/// Restores the lost site on an empty machine from a disk of backup copies, the key and the bundle.
fn lands_on_an_empty_machine(engineer: Engineer<'_>, lost: &Lost) -> Result<()> {
    let machine = engineer.machine();
    let Lost { copies, key, backup, time, identifiers } = lost;
    machine.write_file("/root/copies.tar", copies, 0o600)?;
    machine.run(&format!("mkdir {COPIES} && tar --extract --file /root/copies.tar --directory {COPIES}"))?;
    machine.write_file(KEY, format!("{key}\n"), 0o600)?;
    machine
        .run("echo 00 > /root/no-key && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n' > /root/other-key")?;
    let wrongly = |folder: &str, key: &str| engineer.landfall(&["backup", "adopt", folder, "--key", key]);
    wrongly(COPIES, "/root/no-key")?.expect_refusal("adopt with no key", "LF4601", 2)?;
    wrongly(COPIES, "/root/other-key")?.expect_refusal("adopt with a wrong key", "LF4603", 2)?;
    wrongly("/root", KEY)?.expect_refusal("adopt of another folder", "LF4602", 2)?;
    let replaced = [(COPIES_OF_THE_PAGE, COPIES), ("sha256:…", fixture()?.fingerprint.as_str())];
    let [adopt, install, restore] = handbook::arguments(NEW_HARDWARE, &replaced)?;
    ensure!(adopt.last().is_some_and(|last| last == KEY), "the page has the key elsewhere: {adopt:?}");
    let adopted = engineer.follow(&adopt, &[])?.report("backup adopt")?;
    ensure!(adopted["used"]["id"] == backup.as_str(), "{adopted}");
    machine.run(&format!("rm -r {COPIES} /root/copies.tar {KEY} /root/no-key /root/other-key"))?;

    let site = install.last().context("the page's install has no arguments")?;
    ensure!(
        adopted["settings"] == site.as_str(),
        "the page names {site}, and the settings are in {}",
        adopted["settings"]
    );
    engineer.follow(&install, &[])?.report("install --adopt-data")?;
    engineer.wait_ready("an install with adopted backups")?;
    bound_license::is_still_permitted(engineer, identifiers)?;
    let name = machine.run("hostname")?.stdout;
    let more = ["--backup", &backup[..8], "--at", time.as_str(), "--confirm", name.trim()];
    engineer.follow(&restore, &more)?.report("restore")?;
    engineer.wait_ready("a restore onto an empty machine")?;
    let drilled = engineer.landfall(&["drill", &backup[..8]])?.report("drill")?;
    ensure!(drilled["backup"] == backup.as_str() && drilled["passed"] == true, "{drilled}");
    printer::note(
        "proved: a site landed on another machine, from copies of its backups, their printed key and the bundle",
    );
    Ok(())
}
