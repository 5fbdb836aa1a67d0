//! The timer of the daily backup, which test machines postpone, starts a backup.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use landfall_xtask::printer;
use landfall_xtask::site::wait_until;
use serde_json::{Value, json};

use super::engineer::Engineer;

/// Drop-in with which test machines postpone it, and its temporary path.
const PUT_OFF: &str = "/etc/systemd/system/landfall-backup.timer.d/asked.conf";
const KEPT: &str = "/root/put-off.conf";

/// Time limit for the timer to start a backup. It is set to the minute after the next one.
const FIRE_LIMIT: Duration = Duration::from_mins(3);

/// Time limit for its backup to end, once it is stored or has failed.
const END_LIMIT: Duration = Duration::from_mins(1);

/// Minimum time until the next backup, which is on the next day.
const A_DAY: SignedDuration = SignedDuration::from_hours(23);

/// Sets the timer a minute ahead with the handbook's command, and waits until it has started a backup. Calls
/// `meanwhile`, after which the backup must end. Then restores this time, and postpones the timer as before.
pub(crate) fn begins_a_backup(
    engineer: Engineer<'_>,
    time: &str,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let machine = engineer.machine();
    // Without a stricter accuracy setting, the timer may fire up to a minute late.
    machine.run(&format!("mv {PUT_OFF} {KEPT} && printf '[Timer]\\nAccuracySec=1s\\n' > {PUT_OFF}"))?;
    machine.run("systemctl daemon-reload")?;
    let soon = machine.run("date --date '2 minutes' +%H:%M")?.stdout.trim().to_owned();
    set_time(engineer, &soon)?;
    let begun = wait_until("the timer's backup", FIRE_LIMIT, || {
        std::thread::sleep(Duration::from_millis(200));
        let triggered = machine.run("systemctl show landfall-backup.timer --property LastTriggerUSec --value")?.stdout;
        Ok((!["", "0", "n/a"].contains(&triggered.trim())).then(Timestamp::now))
    })?;
    meanwhile()?;
    wait_until("the end of the timer's backup", END_LIMIT, || {
        let state = machine.try_run("systemctl is-active landfall-backup.service")?.stdout;
        Ok(["inactive", "failed"].contains(&state.trim()).then_some(()))
    })?;
    let schedule = schedule(engineer)?;
    let next = schedule["next"].as_str().and_then(|next| next.parse::<Timestamp>().ok());
    ensure!(next.is_some_and(|next| next.duration_since(begun) > A_DAY), "the next one is not tomorrow: {schedule}");
    machine.run(&format!("mv {KEPT} {PUT_OFF} && systemctl daemon-reload"))?;
    set_time(engineer, time)?;
    printer::note(format!("proved: the timer of each day's backup began one at {soon}"));
    Ok(())
}

/// Returns the schedule, and the result of the latest backup.
pub(crate) fn schedule(engineer: Engineer<'_>) -> Result<Value> {
    engineer.landfall(&["backup", "schedule"])?.report("backup schedule")
}

fn set_time(engineer: Engineer<'_>, time: &str) -> Result<()> {
    let changed = engineer.landfall(&["backup", "schedule", "--time", time])?.report("backup schedule --time")?;
    ensure!(changed["settings"] == json!(["backups.time"]), "{changed}");
    Ok(())
}
