//! Changes of a running site's settings: a change affects only what it concerns. An impossible change is refused before
//! it begins. A change that fails, or whose power is cut, ends with either the old or the new setting.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs;
use landfall_xtask::site::{Machine, wait_until};
use serde_json::{Value, json};

use super::console;
use super::cut::{CutPoint, Moment, boot, cut_during};
use super::engineer::{Engineer, STICK};
use super::handbook;
use super::installed::installed_machine;

/// Time limit for a change that the agent continues after a boot.
const SELF_LIMIT: Duration = Duration::from_mins(5);

/// Heading of the handbook's page.
const PAGE: &str = "operate/settings";

/// Path of the settings on the machine.
const FILE: &str = "/root/site.yaml";

/// Admission policy that refuses one amount of memory for the database, except in a dry run. It also refuses an
/// annotation, which shows that the policy is active.
const POLICY: &str = "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: refuses-when-it-counts}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [statefulsets]}
  validations:
    - expression: >-
        (has(request.dryRun) && request.dryRun) ||
        object.spec.template.spec.containers[0].resources.limits['memory'] != '640Mi'
    - expression: >-
        !has(object.metadata.annotations) || !('example.org/refuse' in object.metadata.annotations)
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: refuses-when-it-counts}
spec: {policyName: refuses-when-it-counts, validationActions: [Deny]}
";

/// Unit in which changes run.
const UNIT: &str = "landfall-operation.service";

/// File with the ID of the process that began a change.
const PID_FILE: &str = "/root/configure.pid";

/// Path of the policy on the machine.
const POLICY_FILE: &str = "/root/policy.yaml";

const NEW: &str = "values: {valkey.maxmemory: 64mb, postgres.memory: 768Mi}\n";

#[test]
#[ignore = "needs cargo xtask test"]
fn running_site_changes_settings() -> Result<()> {
    let (_site, machine) = installed_machine("e2e-configure")?;
    let engineer = Engineer::at(&machine);
    proofs::sql(&machine, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")?;
    refuses_what_cannot_be(engineer)?;

    write(&machine, NEW)?;
    let [dry_run, configure] = handbook::arguments(PAGE, &[("site.yaml", FILE)])?;
    let dry_run = engineer.follow(&dry_run, &[])?.report("configure --dry-run")?;
    expect_changes(&dry_run, &[("postgres.memory", "1Gi", "768Mi"), ("valkey.maxmemory", "128mb", "64mb")])?;
    expect_settings(&machine, "1Gi", 128)?;
    let report = engineer.follow(&configure, &[])?.report("configure")?;
    ensure!(report["components"] == json!(["postgres", "valkey"]), "{report}");
    engineer.wait_ready("a change of settings")?;
    expect_settings(&machine, "768Mi", 64)?;
    let again = engineer.landfall(&["configure", "--site", FILE])?.report("configure again")?;
    ensure!(again["components"] == json!([]), "a change to what is set already changed {again}");
    engineer.landfall(&["resume"])?.report("resume with nothing to do")?;

    goes_back_when_the_cluster_refuses_after_all(engineer)?;
    ends_after_a_power_cut(engineer)?;
    changes_from_the_browser(engineer)?;
    ensure!(proofs::sql(&machine, "SELECT count(*) FROM kept")? == "1000", "rows are gone");
    engineer.uninstall_all()?;
    machine.run(&format!("rm {FILE}"))?;
    engineer.expect_unchanged("after changes of settings and an uninstall", &["/var/log/landfall"])
}

/// Fixed settings, an immutable field of Kubernetes, and an unknown value are refused. Nothing changes, not even a
/// journal.
fn refuses_what_cannot_be(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    for (text, code, exit, names) in [
        ("node: {name: another}\nnetwork: {podRanges: [10.9.0.0/16]}\n", "LF4033", 2, "node.name, network.podRanges"),
        ("values: {postgres.storage: 3Gi}\n", "LF4034", 4, "StatefulSet"),
        ("values: {postgres.memry: 1Gi}\n", "LF3103", 2, "did you mean `postgres.memory`?"),
    ] {
        write(machine, text)?;
        let failure =
            engineer.landfall(&["configure", "--site", FILE])?.expect_refusal("configure", code, exit)?.to_string();
        ensure!(failure.contains(names), "{names} is not named: {failure}");
    }
    let journals = machine.run("ls /var/lib/landfall/journal")?.stdout;
    ensure!(!journals.contains("configure"), "a refused change has a journal: {journals}");
    expect_settings(machine, "1Gi", 128)
}

/// The API server accepts a change in the dry run but refuses the actual one. Changes up to then are undone.
fn goes_back_when_the_cluster_refuses_after_all(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    machine.write_file(POLICY_FILE, POLICY, 0o600)?;
    proofs::admin_output(machine, &format!("kubectl apply --filename {POLICY_FILE}"))?;
    let mark = "kubectl --namespace postgres annotate --overwrite statefulset postgres example.org/refuse=yes";
    wait_until("the policy", Duration::from_mins(1), || {
        Ok((!proofs::administer(machine, mark)?.status.success()).then_some(()))
    })?;
    proofs::admin_output(machine, "kubectl --namespace postgres annotate statefulset postgres example.org/refuse-")?;
    write(machine, "values: {valkey.maxmemory: 96mb, postgres.memory: 640Mi}\n")?;
    let failure =
        engineer.landfall(&["configure", "--site", FILE])?.expect_refusal("configure", "LF4032", 4)?.to_string();
    ensure!(failure.contains("StatefulSet postgres"), "the reason is not named: {failure}");
    engineer.wait_ready("a change that was undone")?;
    expect_settings(machine, "768Mi", 64)?;
    proofs::admin_output(machine, &format!("kubectl delete --filename {POLICY_FILE}"))?;
    machine.run(&format!("rm {POLICY_FILE}")).map(drop)
}

/// The power is cut during a change, which finishes automatically, without a command.
fn ends_after_a_power_cut(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    write(machine, "values: {valkey.maxmemory: 96mb}\n")?;
    let at = CutPoint { step: "ready/postgres".to_owned(), moment: Moment::After(Duration::from_millis(500)) };
    cut_during(engineer, &["configure", "--site", FILE], &at)?;
    boot(machine)?;
    wait_until("the change to resume and end", SELF_LIMIT, || {
        let status = engineer.status()?;
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(["changing", "change-interrupted", "installed"].contains(&state), "the status is {state}");
        Ok((state == "installed").then_some(()))
    })?;
    engineer.wait_ready("a change that was resumed")?;
    expect_settings(machine, "1Gi", 96)?;
    let resumed = engineer.landfall(&["resume"])?.report("resume with nothing to do")?;
    ensure!(resumed["operation"] == "nothing", "{resumed}");
    survives_its_terminal(engineer)
}

/// The command is killed while its change waits for a pod. The change continues, a second one is refused in the
/// meantime, and `resume` follows the first one to its end. The pod cannot be replaced before `resume` follows, so the
/// change is running all the time.
fn survives_its_terminal(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    hold_pod(machine, r#"["example.org/hold"]"#)?;
    write(machine, "values: {valkey.maxmemory: 72mb}\n")?;
    let run = format!("{STICK}/landfall configure --site {FILE}");
    machine.run(&format!("setsid --fork sh -c 'echo $$ > {PID_FILE}; exec {run}' > /dev/null 2>&1 < /dev/null"))?;
    // During this step, the unit operates on the site; the command has only written the journal.
    wait_until("a change that waits for its pod", SELF_LIMIT, || {
        let operation = engineer.status()?["operation"].clone();
        let waits = operation["step"]["id"] == "ready/valkey" && operation["step"]["status"] == "started";
        Ok((waits && !operation["running"].is_null()).then_some(()))
    })?;
    machine.run(&format!("kill -KILL $(cat {PID_FILE}) && rm {PID_FILE}"))?;
    write(machine, NEW)?;
    engineer.landfall(&["configure", "--site", FILE])?.expect_refusal("a second change", "LF4006", 4)?;
    let mut released = None;
    let resumed = engineer.watch(&["resume"], |line| {
        if released.is_none() && line.contains(UNIT) {
            released = Some(hold_pod(machine, "null"));
        }
    })?;
    released.context("resume did not say which unit it follows")??;
    let resumed = resumed.report("resume")?;
    ensure!(resumed["operation"] == "configure", "{resumed}");
    engineer.wait_ready("a change without its terminal")?;
    expect_settings(machine, "1Gi", 72)
}

/// The host plans a change from the console, refuses it like the command line would, and applies it once it is
/// approved. Other settings from a file stay.
fn changes_from_the_browser(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let program = console::program(machine)?;
    let setting = |name: &str| -> Result<Value> {
        let (_, settings) = program.get("/api/v1/settings")?;
        let values = settings["values"].as_array().cloned().unwrap_or_default();
        ensure!(values.iter().all(|value| value["name"] != "cluster.dns.address"), "a computed value is offered");
        let found = values.into_iter().find(|value| value["name"] == name);
        found.with_context(|| format!("{name} is not among the settings: {settings:#}"))
    };
    ensure!(setting("valkey.maxmemory")?["value"] == "72mb", "{:#}", setting("valkey.maxmemory")?);
    ensure!(setting("postgres.memory")?["value"].is_null(), "{:#}", setting("postgres.memory")?);
    let change = |values: &Value| json!({ "change": "configure", "values": values });
    for (values, code) in [
        (json!({ "postgres.memory": "much" }), "LF3104"),
        (json!({ "postgres.memry": "1Gi" }), "LF3103"),
        (json!({ "postgres.storage": "3Gi" }), "LF4034"),
        (json!({ "valkey.maxmemory": "72mb" }), "LF4039"),
    ] {
        let refused = program.outcome("/api/v1/plans", &change(&values))?;
        ensure!(refused["state"] == "failed" && refused["problem"]["code"] == code, "{values}: {refused:#}");
    }
    let values = json!({ "postgres.memory": "768Mi" });
    let planned = program.outcome("/api/v1/plans", &change(&values))?;
    let digest = planned["plan"].as_str().with_context(|| format!("there is no plan: {planned:#}"))?;
    let (_, plan) = program.get(&format!("/api/v1/plans/{digest}"))?;
    expect_changes(&plan["document"], &[("postgres.memory", "1Gi", "768Mi")])?;
    expect_settings(machine, "1Gi", 72)?;
    let confirm = machine.run("hostname")?.stdout.trim().to_owned();
    let begun =
        program.outcome("/api/v1/configurations", &json!({ "values": values, "plan": digest, "confirm": confirm }))?;
    ensure!(begun["state"] == "done", "{begun:#}");
    wait_until("the change to resume and end", SELF_LIMIT, || {
        let Ok((200, operation)) = program.get("/api/v1/operation") else { return Ok(None) };
        ensure!(operation["operation"] == "configure" && operation["state"] != "undone", "{operation:#}");
        Ok((operation["state"] == "committed" && operation["running"] == false).then_some(()))
    })?;
    engineer.wait_ready("a change from the browser")?;
    expect_settings(machine, "768Mi", 72)?;
    let shown = engineer.landfall(&["settings"])?.report("settings")?;
    let set =
        |name: &str| shown["values"].as_array()?.iter().find(|value| value["name"] == name)?.get("value").cloned();
    ensure!(
        set("postgres.memory") == Some(json!("768Mi")) && set("valkey.maxmemory") == Some(json!("72mb")),
        "{shown:#}"
    );
    printer::note("proved: a setting was changed through the console, and what a file had set stayed");
    Ok(())
}

/// Sets the finalizers of Valkey's pod. While it has one, the pod cannot be replaced.
fn hold_pod(machine: &Machine, finalizers: &str) -> Result<()> {
    let patch = format!(r#"{{"metadata":{{"finalizers":{finalizers}}}}}"#);
    let line = format!("kubectl --namespace valkey patch pod valkey-0 --type merge --patch '{patch}'");
    proofs::admin_output(machine, &line).map(drop)
}

fn write(machine: &Machine, text: &str) -> Result<()> {
    machine.write_file(FILE, text, 0o644)
}

/// Fails unless the dry run lists exactly these values, each before and after.
fn expect_changes(dry_run: &Value, wanted: &[(&str, &str, &str)]) -> Result<()> {
    let changes = dry_run["changes"].as_array().context("the dry run lists no changes")?;
    let found: Vec<_> = changes
        .iter()
        .map(|change| (change["value"].as_str(), change["from"].as_str(), change["to"].as_str()))
        .collect();
    let wanted: Vec<_> = wanted.iter().map(|(value, from, to)| (Some(*value), Some(*from), Some(*to))).collect();
    ensure!(found == wanted, "the dry run lists {found:?}");
    Ok(())
}

/// Fails unless running pods have these limits: PostgreSQL's memory, and Valkey's in MiB.
fn expect_settings(machine: &Machine, postgres: &str, valkey: u64) -> Result<()> {
    let output = proofs::administer(
        machine,
        "kubectl --namespace postgres get pod postgres-0 --output \
         jsonpath='{.spec.containers[0].resources.limits.memory}'",
    )?;
    ensure!(output.stdout == postgres, "PostgreSQL may use {}, not {postgres}: {}", output.stdout, output.stderr);
    let script = "export REDISCLI_AUTH=$(cat /run/secrets/valkey/password)
valkey-cli -h 127.0.0.1 config get maxmemory | tail -n 1";
    let said = proofs::in_pod(machine, "valkey", "valkey-0", script)?;
    ensure!(said.stdout.trim() == (valkey << 20).to_string(), "Valkey may use {}{}", said.stdout, said.stderr);
    Ok(())
}
