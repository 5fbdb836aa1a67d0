//! Two programs at one site. A later release includes a `landfall` that writes an additional field into every document.
//! After a rollback, the earlier `landfall` works with those documents as before.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use landfall_media::later;
use landfall_xtask::printer;
use landfall_xtask::proofs::sql;
use landfall_xtask::site::Machine;
use serde_json::Value;

use super::engineer::Engineer;
use super::installed::installed_machine;
use super::later_releases::{LATER, ensure_release_with_later_program};

/// Command of a person at the site.
const COMMAND: &str = "/usr/local/bin/landfall";

/// Program on the later release's stick.
const LATER_PROGRAM: &str = "/media/stick/later/landfall";

/// Verbs that need a site and leave it usable for the verbs after them. The settings are the site's own.
const VERBS: &[&[&str]] = &[
    &["status"],
    &["doctor"],
    &["approvals", "require"],
    &["approvals", "list"],
    &["approvals", "waive"],
    &["audit", "show"],
    &["backup", "run"],
    &["backup", "log"],
    &["backup", "list"],
    &["backup", "check"],
    &["backup", "repair"],
    &["backup", "copy"],
    &["backup", "key"],
    &["backup", "key", "rotate"],
    &["backup", "schedule", "--time", "03:15"],
    &["backup", "forget", "--lost"],
    &["backup", "objects", "--namespace", "postgres", "--output", "/root/objects"],
    &["carry", "out", "--output", "/root/carried", "--since", "1h"],
    &["configure", "--site", "/root/site.yaml"],
    &["drill"],
    &["events"],
    &["history"],
    &["history", "show", "1"],
    &["kubectl", "get", "namespaces", "--output", "name"],
    &["license", "show"],
    &["license", "usage"],
    &["license", "report", "--output", "/root/report.json"],
    &["logs", "postgres"],
    &["prove"],
    &["releases"],
    &["replaced-data", "list"],
    &["restore", "--dry-run"],
    &["rollback", "--dry-run"],
    &["settings"],
    &["support", "collect", "--output", "/root/support.tar.gz"],
    &["top"],
    &["upgrade", LATER, "--dry-run"],
    &["values", "components"],
];

/// Empties the places that verbs write to apart from the site.
const FORGET_WRITTEN: &str =
    "rm -rf /root/objects /root/carried /root/report.json /root/support.tar.gz && mkdir /root/carried";

/// Files of the later program that the earlier one must be able to read.
const READ: [&str; 4] = ["backup-try.json", "drill-try.json", "help.json", "marks.json"];

/// Verbs whose outcome differs by nature: an earlier release exists or not, and the stick's release is installed or
/// not.
const BY_NATURE: [&str; 2] = ["rollback --dry-run", "upgrade /media/stick/later --dry-run"];

#[test]
#[ignore = "needs cargo xtask test"]
fn earlier_program_reads_later_documents() -> Result<()> {
    ensure_release_with_later_program()?;
    let (_site, machine) = installed_machine("e2e-two-programs")?;
    let engineer = Engineer::at(&machine).with_program(COMMAND);
    let later = engineer.with_program(LATER_PROGRAM);
    machine.write_file("/root/site.yaml", "values: {postgres.memory: 768Mi}\n", 0o600)?;
    let program = installed_program(&machine)?;
    sql(&machine, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")?;
    let first = outcomes(engineer)?;

    later.landfall(&["upgrade", LATER])?.report("upgrade by the later program")?;
    engineer.wait_ready("an upgrade by the later program")?;
    ensure!(installed_program(&machine)? != program, "the later release has the earlier program");
    expect_same(&first, &outcomes(engineer)?, "the later program ends otherwise")?;
    expect_later_documents(&machine)?;

    engineer.landfall(&["rollback", "--data", "keep"])?.report("rollback by the later program")?;
    engineer.wait_ready("a rollback by the later program")?;
    ensure!(installed_program(&machine)? == program, "the earlier release has another program");
    expect_same(&first, &outcomes(engineer)?, "the earlier program ends otherwise after the later one")?;
    expect_readable_history(engineer)?;
    printer::note("proved: after a rollback, every verb of the earlier program ends as before the later one");

    later.landfall(&["upgrade", LATER])?.report("a second upgrade by the later program")?;
    engineer.wait_ready("a second upgrade")?;
    let name = machine.run("hostname")?.stdout;
    let restored = ["rollback", "--data", "restore", "--confirm", name.trim()];
    engineer.landfall(&restored)?.report("rollback of data by the later program")?;
    engineer.wait_ready("a rollback of data")?;
    engineer.landfall(&["restore", "--confirm", name.trim()])?.report("restore by the earlier program")?;
    ensure!(sql(&machine, "SELECT count(*) FROM kept")? == "1000", "rows are gone");
    printer::note("proved: the earlier program restores what is in a repository that the later one wrote to");
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after two programs and an uninstall", &["/root", "/var/log/landfall"])
}

/// Digest of the program behind the command of a site.
fn installed_program(machine: &Machine) -> Result<String> {
    let line = machine.run(&format!("sha256sum {COMMAND}"))?.stdout;
    Ok(line.split_whitespace().next().context("sha256sum printed nothing")?.to_owned())
}

/// Runs each verb; returns `succeeded` or the code of its error.
fn outcomes(engineer: Engineer<'_>) -> Result<BTreeMap<String, String>> {
    engineer.machine().run(FORGET_WRITTEN)?;
    let outcome = |verb: &&[&str]| {
        let name = verb.join(" ");
        let said = engineer.landfall(verb)?;
        let ended = if said.status.success() {
            "succeeded".to_owned()
        } else {
            let failure = said.failure(&name)?;
            let code = failure["code"].as_str().context("an error has no code")?.to_owned();
            printer::note(format!("`{name}`: {code}: {} {}", failure["what"], failure["causes"]));
            code
        };
        Ok((name, ended))
    };
    VERBS.iter().map(outcome).collect()
}

/// Fails unless verbs end as they did at first, and names all that do not.
fn expect_same(first: &BTreeMap<String, String>, now: &BTreeMap<String, String>, otherwise: &str) -> Result<()> {
    let other: Vec<String> = first
        .iter()
        .filter(|(verb, ended)| !BY_NATURE.contains(&verb.as_str()) && now.get(*verb) != Some(ended))
        .map(|(verb, ended)| format!("`{verb}`: {ended} at first, now {:?}", now.get(verb)))
        .collect();
    let succeeded = now.values().filter(|ended| *ended == "succeeded").count();
    printer::note(format!(
        "{succeeded} of {} verbs succeeded; others were refused: {:?}",
        now.len(),
        refused_verbs(now)
    ));
    ensure!(other.is_empty(), "{otherwise}:\n{}", other.join("\n"));
    ensure!(succeeded * 5 >= now.len() * 4, "most verbs are refused: {:?}", refused_verbs(now));
    Ok(())
}

fn refused_verbs(outcomes: &BTreeMap<String, String>) -> Vec<String> {
    let refused = outcomes.iter().filter(|(_, ended)| *ended != "succeeded");
    refused.map(|(verb, ended)| format!("{verb} ({ended})")).collect()
}

/// Fails unless the later program's documents, including journals, have its field.
fn expect_later_documents(machine: &Machine) -> Result<()> {
    let line = format!(
        "grep --recursive --files-with-matches --text '\"{}\":{{\"program\"' /etc/landfall /var/lib/landfall",
        later::FIELD
    );
    let files = machine.run(&line)?.stdout;
    printer::note(format!("documents with the field of the later program:\n{files}"));
    let missing: Vec<_> = READ.iter().filter(|name| !files.contains(*name)).collect();
    ensure!(missing.is_empty(), "documents without the field of the later program: {missing:?}");
    ensure!(
        files.lines().any(|file| file.ends_with("-upgrade.journal")),
        "the journal of the upgrade has no such field"
    );
    Ok(())
}

/// Fails unless the earlier program shows each operation of both programs.
fn expect_readable_history(engineer: Engineer<'_>) -> Result<()> {
    let history = engineer.landfall(&["history"])?.report("history")?;
    let operations = history["operations"].as_array().context("the history has no operations")?;
    for operation in operations {
        let number = operation["number"].as_u64().with_context(|| format!("no number: {operation}"))?.to_string();
        engineer.landfall(&["history", "show", &number])?.report("history show")?;
    }
    let verbs: Vec<&str> = operations.iter().filter_map(|operation| operation["operation"].as_str()).collect();
    ensure!(verbs.contains(&"upgrade") && verbs.contains(&"rollback"), "the history has {verbs:?}");
    let upgrade =
        operations.iter().find(|operation| operation["operation"] == "upgrade").map_or(&Value::Null, |found| found);
    printer::note(format!("the earlier program says of the later one's upgrade: {upgrade}"));
    Ok(())
}
