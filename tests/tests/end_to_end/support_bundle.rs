//! A support bundle of a running site: required contents, and contents that it must not have.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::proofs::admin_output;
use landfall_xtask::site::{Machine, wait_until};
use serde_json::Value;

/// Path of the bundle.
pub(crate) const FILE: &str = "/root/support.tar.gz";

/// Folder in place of a stick.
const STICK: &str = "/root/stick";

/// A log that is collected.
pub(crate) const PLANTED_LOG: &str = "/var/log/landfall/planted.log";

/// Number of planted Secrets, their namespace and file, and the prefix of each value.
pub(crate) const CANARIES: usize = 1000;
const CANARY_NAMESPACE: &str = "canaries";
const CANARY_FILE: &str = "/root/canaries.yaml";
pub(crate) const CANARY: &str = "k4n4ri3nv0g3l";

/// Path of the console's volume.
const CONSOLE_DATA: &str = "/var/lib/landfall/storage/pvc-*_landfall-console_*";

/// Secrets of an installed site, each as a command that prints its bytes.
pub(crate) const SECRETS: [&str; 4] = [
    concat!(
        r#"sed --quiet 's/.*"password": *"\([^"]*\)".*/\1/p' "#,
        r"/var/lib/landfall/secrets/postgres/postgres-credentials.json | tr --delete '\n'",
    ),
    concat!(
        r#"sed --quiet 's/.*"password": *"\([^"]*\)".*/\1/p' "#,
        r"/var/lib/landfall/secrets/valkey/valkey-credentials.json | tr --delete '\n'",
    ),
    "sed --quiet 's/^ *client-key-data: //p' /etc/kubernetes/admin.conf | tr --delete '\\n'",
    "sed --quiet 2p /etc/kubernetes/pki/apiserver.key | tr --delete '\\n'",
];

/// Collects everything into a bundle, and unpacks it to `/root/support`.
pub(crate) fn collect(machine: &Machine) -> Result<()> {
    let report: Value =
        serde_json::from_str(&machine.run(&format!("landfall --json support collect --output {FILE}"))?.stdout)?;
    ensure!(
        report["kind"] == "supportBundle" && report["unknown"] == Value::Array(Vec::new()),
        "collected: {report:#}"
    );
    machine
        .run(&format!(
            "rm --recursive --force /root/support && mkdir /root/support && tar -xzf {FILE} -C /root/support"
        ))
        .map(drop)
}

/// Time limit for an idle systemd service to end.
const IDLE_LIMIT: Duration = Duration::from_mins(2);

/// Waits for the end of the systemd service that `timedatectl` starts, which a bundle queries.
pub(crate) fn wait_until_idle(machine: &Machine) -> Result<()> {
    wait_until("the end of systemd-timedated", IDLE_LIMIT, || {
        let is_active = machine.try_run("systemctl --quiet is-active systemd-timedated")?.status.success();
        Ok((!is_active).then_some(()))
    })
}

/// Carries out to a stick, and fails unless all of it is verified with the site's key. It must contain the console's
/// audit log, report license usage as missing, and reveal a changed part. Keeps the stick.
fn expect_round_trip(machine: &Machine) -> Result<()> {
    machine.run(&format!("mkdir {STICK}"))?;
    let out = machine.run(&format!("landfall --json carry out --output {STICK} --since 1h"))?;
    let out: Value = serde_json::from_str(&out.stdout)?;
    let missing: Vec<_> = out["missing"].as_array().into_iter().flatten().map(|part| part["kind"].clone()).collect();
    ensure!(missing == ["usage"], "carried out: {out:#}");
    let folder = out["folder"].as_str().context("no folder")?;
    let key = out["siteKey"].as_str().context("no key")?;
    let read = format!("landfall --json carry read {folder} --site-key {key}");
    let found: Value = serde_json::from_str(&machine.run(&read)?.stdout)?;
    let is_whole = found["kind"] == "carryRead"
        && found["audit"]["head"].is_string()
        && found["inventory"]["releases"][0]["name"].is_string()
        && found["support"]["files"].as_u64().is_some_and(|files| files > 10);
    ensure!(is_whole, "a stick was read as {found:#}");
    machine.run(&format!("cp {folder}/facts.json /root/facts.json && echo >> {folder}/facts.json"))?;
    let changed = machine.try_run(&read)?;
    ensure!(changed.stderr.contains("LF4743"), "a changed part was answered with {}", changed.stderr);
    machine.run(&format!("mv /root/facts.json {folder}/facts.json && {read}"))?;
    let nothing = machine.try_run(&format!("landfall carry in {folder}"))?;
    ensure!(nothing.stderr.contains("LF4745"), "an empty answer of the vendor was answered with {}", nothing.stderr);
    Ok(())
}

/// Plants a thousand Secrets in the cluster and their values in a log, and collects a bundle. Fails if a value is in
/// the bundle, in journals or logs, or in the console's data, unencoded or in Base64. Keeps the Secrets for the search
/// of pages.
fn expect_no_canary(machine: &Machine) -> Result<()> {
    let value = |number: usize| format!("{CANARY}-{number:04}");
    let secrets = (0..CANARIES).map(|number| {
        let named = format!("{{name: canary-{number:04}, namespace: {CANARY_NAMESPACE}}}");
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {named}\nstringData: {{value: {}}}\n", value(number))
    });
    machine.write_file(CANARY_FILE, secrets.collect::<String>(), 0o600)?;
    admin_output(machine, &format!("kubectl create namespace {CANARY_NAMESPACE}"))?;
    admin_output(machine, &format!("kubectl create --filename {CANARY_FILE}"))?;
    let lines = (0..CANARIES).map(|number| format!("canary {} end\n", value(number)));
    machine.write_file(PLANTED_LOG, lines.collect::<String>(), 0o600)?;
    collect(machine)?;
    let planted = planted_log(machine)?;
    ensure!(planted.matches("canary [redacted:").count() == CANARIES, "the planted log became {planted:?}");
    machine.run(&format!("rm {PLANTED_LOG}"))?;
    // The common prefix matches each value. The Base64 of a value begins with that of the prefix's first twelve
    // letters.
    machine.run(&format!("(echo {CANARY}; printf %.12s {CANARY} | base64) > /root/patterns"))?;
    let grep = "grep --recursive --fixed-strings --text --files-with-matches --file /root/patterns";
    let where_they_are = machine.try_run(&format!("{grep} {CANARY_FILE}"))?;
    ensure!(where_they_are.status.success(), "the search misses a value where it is");
    let open = format!("/root/support /var/lib/landfall/journal /var/log/landfall /var/log/pods {CONSOLE_DATA}");
    let found = machine.try_run(&format!("{grep} {open}"))?;
    // Exit code 1: everything was read, and nothing was found.
    ensure!(found.status.code() == Some(1), "a planted secret is in {}{}", found.stdout, found.stderr);
    // The systemd journal's files are compressed, so its output is searched.
    let journal = "journalctl --all --output export --no-pager";
    let found =
        machine.try_run(&format!("{journal} | grep --fixed-strings --text --max-count 1 --file /root/patterns"))?;
    ensure!(found.status.code() == Some(1), "a planted secret is in the journal of systemd: {}", found.stdout);
    machine.run(&format!("rm --recursive {FILE} {CANARY_FILE} /root/patterns /root/support")).map(drop)
}

/// Removes the planted Secrets from the cluster.
pub(crate) fn remove_canaries(machine: &Machine) -> Result<()> {
    admin_output(machine, &format!("kubectl delete namespace {CANARY_NAMESPACE}")).map(drop)
}

/// Returns the planted log in the unpacked bundle.
pub(crate) fn planted_log(machine: &Machine) -> Result<String> {
    Ok(machine.run("cat /root/support/operations/planted.log")?.stdout)
}

/// Fails unless a bundle of this ready site contains its logs, journals and objects, none of its secrets, and no error.
/// Keeps the planted Secrets in the cluster.
pub(crate) fn expect_bundle(machine: &Machine) -> Result<()> {
    // A log with forbidden contents: the database's password, and a password that is in no Secret.
    machine
        .run(&format!("(echo \"canary $({}) end\"; echo password=a-planted-one end) > {PLANTED_LOG}", SECRETS[0]))?;
    collect(machine)?;
    expect_round_trip(machine)?;
    for file in [
        "support.json",
        "status.json",
        "facts.json",
        "backups.json",
        "cluster/pods.jsonl",
        "cluster/metrics.jsonl",
        "proofs.json",
        "journald/landfall-kubelet.log",
        "journals",
    ] {
        machine.run(&format!("test -s /root/support/{file}")).with_context(|| format!("the bundle lacks {file}"))?;
    }
    machine.run("ls /root/support/pods/postgres/postgres-0/*.log /root/support/pods/kube-system/etcd-*/*.log")?;
    let planted = planted_log(machine)?;
    let is_redacted = planted.starts_with("canary [redacted:")
        && planted.contains("password=[redacted:")
        && !planted.contains("a-planted-one");
    ensure!(is_redacted, "the planted log became {planted:?}");
    for secret in SECRETS {
        // The value never becomes an argument: a file contains the patterns, plain and in Base64.
        let script = format!(
            "({secret}; echo; {secret} | base64 --wrap 0 | tr --delete '='; echo) > /root/patterns; test $(wc --bytes \
             < /root/patterns) -gt 20; ! grep --recursive --fixed-strings --files-with-matches --file /root/patterns \
             /root/support {STICK}"
        );
        let found = machine.try_run(&format!("set -e; {script}; rm /root/patterns"))?;
        ensure!(found.status.success(), "a secret of `{secret}` is in {}{}", found.stdout, found.stderr);
    }
    let analysis: Value =
        serde_json::from_str(&machine.run(&format!("landfall --json support analyze {FILE}"))?.stdout)?;
    let observations = analysis["observations"].as_array().context("no observations")?;
    ensure!(
        observations.iter().all(|observation| observation["severity"] != "error"),
        "a ready site shows {observations:#?}"
    );
    machine.run(&format!("rm --recursive {FILE} {PLANTED_LOG} /root/support {STICK}"))?;
    expect_no_canary(machine)
}
