//! Checks of the handbook's runbooks on a running site: a certificate, a lost administrator, a wrong clock. A full
//! disk, a failed undo, a lost key, a broken etcd and an expired license are rehearsed in other tests.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use landfall_xtask::authority::certify;
use landfall_xtask::console::Console;
use landfall_xtask::printer;
use landfall_xtask::proofs::admin_output;
use landfall_xtask::site::{Machine, wait_until};
use serde_json::{Value, json};

use super::console::{PASSWORD, claim, sign_in};
use super::engineer::Engineer;
use super::handbook::{self, types};
use super::installed::installed_machine;

const CERTIFICATE: &str = "field/runbooks/certificate";
const ADMINISTRATOR: &str = "field/runbooks/lost-administrator";
const CLOCK: &str = "field/runbooks/wrong-clock";

/// File of the certificate that the console serves, until the site supplies one.
const SERVING: &str = "/var/lib/landfall/console/serving.json";

/// Field with the fingerprint of the authority in the console's report.
const AUTHORITY: &str = "authorityFingerprint";

/// Time limit for a new certificate to reach browsers.
const SHOWN_LIMIT: Duration = Duration::from_mins(4);

/// Time limit for the status to report a clock.
const CLOCK_LIMIT: Duration = Duration::from_mins(1);

/// Text in the status about a clock that was set back.
const SET_BACK: &str = "this site has seen";

/// Password of an administrator who regains access.
const OTHER_PASSWORD: &str = "walnut-harbor-trumpet-38";

#[test]
#[ignore = "needs cargo xtask test"]
fn runbooks_work_as_documented() -> Result<()> {
    let (_site, machine) = installed_machine("e2e-runbooks")?;
    let engineer = Engineer::at(&machine);
    a_certificate_that_ends(engineer)?;
    a_certificate_of_the_site(engineer)?;
    a_lost_administrator(engineer)?;
    a_wrong_clock(engineer)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after runbooks and an uninstall", &["/var/log/landfall"])
}

/// Replaces a certificate that ends soon. Browsers see the new one, from the same authority, without a restart of the
/// console.
fn a_certificate_that_ends(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let before = Console::without_token(machine)?;
    let authority = console_report(engineer)?[AUTHORITY].clone();
    let pod = pod_of_the_console(machine)?;
    let mut serving: Value = serde_json::from_slice(&machine.read_file(SERVING)?)?;
    let tomorrow = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24))?;
    serving["ends"] = json!(tomorrow.strftime("%Y-%m-%d").to_string());
    machine.write_file(SERVING, serving.to_string(), 0o600)?;

    let [status, restart, log, console, _delete] = page()?;
    types(machine, &status, &[0])?;
    types(machine, &restart, &[0])?;
    let after = wait_until("browsers see another certificate", SHOWN_LIMIT, || {
        let now = Console::without_token(machine)?;
        let is_shown = now.fingerprint != before.fingerprint && now.shown_fingerprint(machine)? == now.fingerprint;
        Ok(is_shown.then_some(now))
    })?;
    types(machine, &log, &[0])?;
    let printed = types(machine, &console, &[0])?;
    ensure!(printed.contains(&after.fingerprint), "the page's command does not print {}: {printed}", after.fingerprint);
    ensure!(
        console_report(engineer)?[AUTHORITY] == authority,
        "another authority than the one that browsers may trust"
    );
    ensure!(pod_of_the_console(machine)? == pod, "the console was restarted");
    engineer.wait_ready("another certificate of the console")?;
    printer::note("proved: the runbook of a certificate replaced one that ended soon, without a restart");
    Ok(())
}

/// Returns the commands of the page.
fn page() -> Result<[String; 5]> {
    let commands = handbook::commands(CERTIFICATE)?;
    let Ok(commands) = <[String; 5]>::try_from(commands.clone()) else { bail!("the page has {commands:?}") };
    Ok(commands)
}

/// Returns the report of `landfall console`, without a token.
fn console_report(engineer: Engineer<'_>) -> Result<Value> {
    engineer.landfall(&["console", "--no-token"])?.report("console --no-token")
}

fn pod_of_the_console(machine: &Machine) -> Result<String> {
    let line = "kubectl --namespace landfall-console get pods --output \
        'jsonpath={.items[*].metadata.uid} {.items[*].status.containerStatuses[*].restartCount}'";
    admin_output(machine, line)
}

/// Checks that the console serves a certificate of the customer's, and its own again after that is removed.
fn a_certificate_of_the_site(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let own = Console::without_token(machine)?;
    let folder = tempfile::tempdir()?;
    certify(folder.path(), &["console.example.com"])?;
    let read = |name: &str| std::fs::read(folder.path().join(name)).with_context(|| format!("openssl wrote no {name}"));
    machine.write_file("/root/chain.crt", [read("leaf.pem")?, read("authority.pem")?].concat(), 0o600)?;
    machine.write_file("/root/console.key", read("leaf.key")?, 0o600)?;
    machine.run(
        "cd /root && landfall kubectl --namespace landfall-console create secret tls console-tls --cert=chain.crt \
         --key=console.key && rm chain.crt console.key",
    )?;
    let supplied = wait_until("the certificate that the site supplies is printed", SHOWN_LIMIT, || {
        Ok(console_report(engineer)?["suppliedFingerprint"].as_str().map(str::to_owned))
    })?;
    expect_shown(machine, &own, &supplied)?;
    let [.., delete] = page()?;
    types(machine, &delete, &[0])?;
    expect_shown(machine, &own, &own.fingerprint)?;
    printer::note("proved: a certificate of the customer's own is shown, and the site's again without it");
    Ok(())
}

fn expect_shown(machine: &Machine, console: &Console, fingerprint: &str) -> Result<()> {
    wait_until(&format!("browsers see {fingerprint}"), SHOWN_LIMIT, || {
        Ok((console.shown_fingerprint(machine)? == fingerprint).then_some(()))
    })
}

/// Checks that root can restore an administrator's access with a new password, and that a restore brings back the users
/// of a backup.
fn a_lost_administrator(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let folder = tempfile::tempdir()?;
    let browser = |name: &str| folder.path().join(name);
    let console = Console::with_token(machine)?;
    let (code, body) = claim(machine, &console, &browser("first"), PASSWORD)?;
    ensure!(code == 303, "the token created no administrator: {code}: {body}");
    engineer.landfall(&["backup", "run"])?.report("backup run")?;

    let [token, status, logs, restore] = handbook::arguments(ADMINISTRATOR, &[])?;
    let said = engineer.follow(&token, &[])?.report("console")?;
    let token = said["token"]["text"].as_str().context("the page's command prints no token")?.to_owned();
    let again = Console { token: Some(token), ..Console::without_token(machine)? };
    let (code, body) = claim(machine, &again, &browser("again"), OTHER_PASSWORD)?;
    ensure!(code == 303, "the token does not readmit the administrator: {code}: {body}");
    expect_reads(machine, &again, &browser("first"), false)?;
    expect_reads(machine, &again, &browser("again"), true)?;
    let cookie = browser("again").display().to_string();
    let (_, log) = again.ask(machine, "/api/v1/audit", &["--cookie", &cookie])?;
    let claims = log.lines().filter(|line| line.contains("administrator.claim")).count();
    ensure!(claims >= 2, "the audit log has {claims} uses of a token: {log}");
    for (password, lets_in) in [(PASSWORD, false), (OTHER_PASSWORD, true)] {
        let (code, _) = sign_in(machine, &again, &browser("third"), password)?;
        ensure!((code == 303) == lets_in, "{password} is answered with {code}");
    }

    engineer.follow(&status, &[])?.checked_status()?;
    let said = engineer.follow(&logs, &[])?;
    ensure!(said.status.success() && said.data.contains("the console accepts connections"), "{said:?}");
    let name = machine.run("hostname")?.stdout;
    engineer.follow(&restore, &["--confirm", name.trim()])?.report("restore --component console")?;
    engineer.wait_ready("a restore of the console")?;
    let (code, body) = sign_in(machine, &again, &browser("fourth"), PASSWORD)?;
    ensure!(code == 303, "the people of the backup are not there: {code}: {body}");
    printer::note(
        "proved: the runbook of a lost administrator let one in again, and a restore brought the people back",
    );
    Ok(())
}

/// Fails unless a browser's session is valid, or invalid, as expected.
fn expect_reads(machine: &Machine, console: &Console, browser: &Path, reads: bool) -> Result<()> {
    let (code, _) = console.ask(machine, "/", &["--cookie", &browser.display().to_string()])?;
    ensure!((code == 200) == reads, "a session is answered with {code}");
    Ok(())
}

/// Simulates a site that has seen a later time than the current one. Test machines share their computer's clock, which
/// is not changed.
fn a_wrong_clock(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    machine.run("touch --date='+9 days' /var/lib/landfall/node/clock")?;
    expect_note(engineer, true)?;
    let commands = handbook::commands(CLOCK)?;
    let is_of_the_computer = |command: &String| command.starts_with("timedatectl");
    let (skipped, typed): (Vec<String>, Vec<String>) = commands.into_iter().partition(is_of_the_computer);
    ensure!(skipped.len() == 2 && typed.len() == 4, "the page has {skipped:?} and {typed:?}");
    for command in &typed {
        types(machine, command, &[0])?;
    }
    expect_note(engineer, false)?;
    engineer.wait_ready("a clock that was confirmed")?;
    printer::note("proved: the runbook of a wrong clock begins again from now");
    Ok(())
}

fn expect_note(engineer: Engineer<'_>, is_there: bool) -> Result<()> {
    let what = if is_there { "the status names the clock" } else { "the status no longer names the clock" };
    wait_until(what, CLOCK_LIMIT, || {
        let status = engineer.status()?;
        Ok((status.to_string().contains(SET_BACK) == is_there).then_some(()))
    })
}
