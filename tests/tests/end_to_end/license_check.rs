//! Software queries its license: before it starts, while it runs, and while the console is unavailable. It runs
//! regardless of the answer.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_xtask::proofs::admin_output;
use landfall_xtask::site::{Machine, wait_until};
use landfall_xtask::vendor::Vendor;
use landfall_xtask::{bulletin, later_releases, printer};
use serde_json::Value;

use super::engineer::Engineer;
use super::fixture::{fixture, folder, machine_with_stick};
use super::handbook;
use super::support_bundle;

/// Paths of the release, a later one, and the license on every stick.
const RELEASE: &str = "/media/stick/licensed";
const LATER: &str = "/media/stick/licensed-later";
const LICENSE: &str = "/media/stick/licensed/acme-1.license";

/// Description of the license that the vendor sells.
const DESCRIPTION: &str = "\
id: acme-1
vendor: Example
customer: Acme
contact: licenses@example.com
release: starter
ends: 2090-01-01
entitlements: {components: [bulletin], features: [export], nodes: 3}
";

/// Description of a license that replaces the first one, and has ended.
const ENDED: &str = "\
id: acme-2
vendor: Example
customer: Acme
contact: licenses@example.com
release: starter
notBefore: 2026-01-01
ends: 2026-11-01
graceDays: 0
supersedes: [acme-1]
entitlements: {components: [bulletin], features: [export], nodes: 3}
";
const ENDED_LICENSE: &str = "/media/stick/licensed/acme-2.license";

/// Description of the license that the vendor sends on request.
const RENEWED: &str = "\
id: acme-3
vendor: Example
customer: Acme
contact: licenses@example.com
release: starter
ends: 2090-01-01
supersedes: [acme-2]
entitlements: {components: [bulletin], features: [export], nodes: 3}
";
const RENEWED_LICENSE: &str = "/media/stick/licensed/acme-3.license";

/// Heading of the handbook's page.
const PAGE: &str = "field/runbooks/expired-license";

/// Path of the revocation of the first license.
const REVOCATION: &str = "/media/stick/licensed/revocation.json";

/// File in which software finds the site's answer.
const FILE: &str = "/run/landfall-license/entitlement-bulletin.json";

/// Time limit for an init container to delay software, and for everything else until a pod is ready.
const INIT_LIMIT: Duration = Duration::from_secs(30);
const POD_LIMIT: Duration = Duration::from_mins(1);

/// Time limit for running software to query again, which it does every five minutes, and to get the new answer.
const RENEWAL_LIMIT: Duration = Duration::from_mins(7);

/// Creates two releases of a separate vendor, whose only key has every role and issues licenses. Returns the
/// fingerprint of its root.
fn ensure_releases() -> Result<String> {
    let vendor = Vendor::open(&folder().join("licensed-vendor"))?;
    let stick = &fixture()?.stick;
    for (name, release) in later_releases::define_licensed(&folder().join("licensed-release"))? {
        vendor.lock(&release)?;
        vendor.build(&release, &stick.join(name), &["--part-size", "256MiB"])?;
    }
    let output = stick.join("licensed");
    for (name, description) in [("acme-1", DESCRIPTION), ("acme-2", ENDED), ("acme-3", RENEWED)] {
        issue(&vendor, name, description, &output)?;
    }
    revoke(&vendor, "acme-1", &output)?;
    vendor.fingerprint()
}

/// Writes a revocation of the license with this ID, `revocation.json`, into a folder.
fn revoke(vendor: &Vendor, id: &str, output: &Path) -> Result<()> {
    // It is kept apart from the vendor's keys, so that no license or bundle carries it.
    let roots = folder().join("licensed-release/roots");
    if roots.exists() {
        std::fs::remove_dir_all(&roots).context("cannot remove the roots of an earlier run")?;
    }
    std::fs::create_dir_all(&roots)?;
    std::fs::copy(vendor.keys().join("1.root.json"), roots.join("1.root.json")).context("there is no root document")?;
    let text = |path: &Path| path.display().to_string();
    let revocation = roots.join("revocation.json");
    vendor.run(&["license", "revoke", id, "--roots", &text(&roots), "--reason", "it was sold by mistake"])?;
    vendor.run(&["trust", "sign", &text(&revocation), "--key", &text(&vendor.keys().join("cosign.key"))])?;
    std::fs::copy(&revocation, output.join("revocation.json")).context("cannot copy the revocation")?;
    Ok(())
}

/// Issues a license with this description into a folder, with the file name `NAME.license`.
fn issue(vendor: &Vendor, name: &str, description: &str, output: &Path) -> Result<()> {
    let file = folder().join(format!("licensed-release/{name}.yaml"));
    std::fs::write(&file, description).context("cannot describe a license")?;
    let license = output.join(format!("{name}.license"));
    if license.exists() {
        std::fs::remove_file(&license).context("cannot remove the license of an earlier run")?;
    }
    let text = |path: &Path| path.display().to_string();
    let (keys, key) = (text(&vendor.keys()), text(&vendor.keys().join("cosign.key")));
    vendor.run(&["license", "issue", &text(&file), "--key", &key, "--roots", &keys, "--output", &text(output)])
}

#[test]
#[ignore = "needs cargo xtask test"]
fn software_runs_with_any_license() -> Result<()> {
    let trust = ensure_releases()?;
    let (_site, machine) = machine_with_stick("e2e-license-check")?;
    let engineer = Engineer::at(&machine);
    engineer.landfall(&["install", RELEASE, "--trust", &trust])?.expect_refusal(
        "install without a license",
        "LF4718",
        7,
    )?;
    let install = ["install", RELEASE, "--trust", &trust, "--license", LICENSE];
    engineer.landfall(&install)?.report("install")?;
    engineer.wait_ready("the install")?;

    // The host answers once it is installed. Software that started earlier gets the license with the sidecar's next
    // query.
    wait_until("software learns of the license", POD_LIMIT, || {
        Ok((report(&machine)?["granted"] == true).then_some(()))
    })?;
    expect_granted(&machine, "current")?;
    let answer = report(&machine)?["answer"].clone();
    let site = machine.run("cat /etc/landfall/site.uuid")?.stdout;
    ensure!(answer["license"] == "acme-1" && answer["site"] == site.trim(), "{answer:#}");
    ensure!(answer["limits"]["nodes"] == 3, "{answer:#}");
    ensure!(ask_sidecar(&machine, "features/export")?["granted"] == true, "a feature of the license is not granted");
    ensure!(ask_sidecar(&machine, "features/other")?["granted"] == false, "a feature that no license has is granted");
    expect_one_route(&machine)?;

    console(&machine, 0)?;
    ensure!(ask_sidecar(&machine, "features/export")?["granted"] == true, "a kept answer is lost with the console");
    ensure!(
        ask_sidecar(&machine, "features/never-asked")?["granted"].is_null(),
        "an answer is known that was never given"
    );
    let begun = Instant::now();
    let line = "kubectl --namespace bulletin delete pod --selector app.kubernetes.io/name=bulletin";
    admin_output(&machine, line)?;
    wait_until("software starts without an answer", INIT_LIMIT + POD_LIMIT, || ready(&machine))?;
    printer::note(format!(
        "a pod is ready {:.0} s after it was made, without an answer",
        begun.elapsed().as_secs_f64()
    ));
    ensure!(report(&machine)?["state"] == "unknown", "{:#}", report(&machine)?);

    console(&machine, 1)?;
    wait_until("software learns of the license again", POD_LIMIT + POD_LIMIT, || {
        Ok((report(&machine)?["granted"] == true).then_some(()))
    })?;
    goes_on_after_the_end(engineer)?;
    engineer.uninstall_all()?;
    support_bundle::wait_until_idle(&machine)?;
    engineer.expect_unchanged("after license checks and an uninstall", &["/var/log/landfall"])
}

/// An ended license stops nothing. Software runs and restarts; backups, exports, drills, restores and changes of
/// settings succeed; and software that queries gets the new answer. Only an upgrade waits for another license.
fn goes_on_after_the_end(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let before = bulletin::last_acknowledged(machine)?;
    // An invalid license does not replace a valid one.
    engineer.landfall(&["license", "import", ENDED_LICENSE])?.expect_refusal(
        "import of an ended license",
        "LF4703",
        7,
    )?;
    expect_standing(engineer, "acme-1", "valid", true)?;
    carry_in(engineer, REVOCATION)?;
    expect_standing(engineer, "acme-1", "revoked", false)?;
    carry_in(engineer, ENDED_LICENSE)?;
    expect_standing(engineer, "acme-2", "ended", false)?;
    wait_until("running software learns of the end", RENEWAL_LIMIT, || {
        Ok((report(machine)?["granted"] == false).then_some(()))
    })?;
    admin_output(machine, "kubectl --namespace bulletin delete pod bulletin-0")?;
    wait_until("software begins after the end", INIT_LIMIT + POD_LIMIT, || ready(machine))?;
    engineer.wait_ready("a pod that started after the end of the license")?;
    ensure!(
        report(machine)?["granted"] == false,
        "a pod that started after the end of the license: {:#}",
        report(machine)?
    );

    engineer.landfall(&["backup", "run"])?.report("backup run after the end")?;
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let id = listed["backups"][0]["id"].as_str().context("there is no backup")?.to_owned();
    let drilled = engineer.landfall(&["drill", &id[..8]])?.report("drill after the end")?;
    ensure!(drilled["passed"] == true, "{drilled}");
    exports(engineer, &id[..8])?;
    engineer.configure("values: {valkey.maxmemory: 64mb}\n")?;
    let name = machine.run("hostname")?.stdout;
    let restore = ["restore", "--backup", &id[..8], "--confirm", name.trim()];
    engineer.landfall(&restore)?.report("restore after the end")?;
    engineer.wait_ready("a restore after the end")?;
    engineer
        .landfall(&["support", "collect", "--output", "/root/ended.tar.gz"])?
        .report("support collect after the end")?;
    engineer.landfall(&["prove"])?.report("prove after the end")?;
    machine.run("rm /root/ended.tar.gz")?;
    let after = bulletin::last_acknowledged(machine)?;
    ensure!(after > before, "the bulletin had {before} lines, and has {after}");
    printer::note(
        "proved: after the end of its license, a site runs, saves, exports, proves, restores and changes as before",
    );
    an_upgrade_waits(engineer)?;
    renews(engineer)?;
    let planned = engineer.landfall(&["upgrade", LATER, "--dry-run"])?.report("upgrade --dry-run after a renewal")?;
    ensure!(planned["to"] == "starter 1.1.0", "{planned:#}");
    printer::note("proved: an upgrade waits for a license that has ended, and for nothing else");
    Ok(())
}

/// Exports a stream of this backup to a file, which is removed.
fn exports(engineer: Engineer<'_>, backup: &str) -> Result<()> {
    let [stream, file] = ["bulletin/lines", "/root/lines"];
    let export = ["backup", "export", "--backup", backup, stream, "--output", file];
    let exported = engineer.landfall(&export)?.report("backup export after the end")?;
    ensure!(exported["stream"] == stream, "{exported:#}");
    engineer.machine().run(&format!("test -s {file} && rm {file}")).map(drop)
}

/// A release whose component needs the license is refused before anything is changed. The error names the contact.
fn an_upgrade_waits(engineer: Engineer<'_>) -> Result<()> {
    engineer.wait_ready("everything that was done after the end")?;
    for more in [&["--dry-run"][..], &[]] {
        let said = engineer.landfall(&[&["upgrade", LATER], more].concat())?;
        let failure = said.expect_refusal("upgrade after the end", "LF4718", 7)?;
        let blockers = failure["blockers"].as_array().context("the blockers are no list")?;
        let codes: Vec<&str> = blockers.iter().filter_map(|blocker| blocker["code"].as_str()).collect();
        ensure!(codes == ["LF4703"], "{failure:#}");
        let next = blockers[0]["next"].as_str().unwrap_or_default();
        ensure!(next.contains("licenses@example.com"), "{failure:#}");
    }
    let status = engineer.wait_ready("a refused upgrade")?;
    ensure!(status["release"]["version"] == "1.0.0", "{status:#}");
    Ok(())
}

/// Carries in a vendor's file from a folder.
fn carry_in(engineer: Engineer<'_>, file: &str) -> Result<()> {
    const FOLDER: &str = "/root/back";
    engineer.machine().run(&format!("mkdir {FOLDER} && cp {file} {FOLDER}"))?;
    engineer.landfall(&["carry", "in", FOLDER])?.report("carry in")?;
    engineer.machine().run(&format!("rm -r {FOLDER}")).map(drop)
}

/// Follows the handbook's page: it shows the contact, and imports the license that comes back.
fn renews(engineer: Engineer<'_>) -> Result<()> {
    let [show, status, import, again] = handbook::arguments(PAGE, &[("renewal.license", RENEWED_LICENSE)])?;
    let shown = engineer.follow(&show, &[])?.report("license show")?;
    ensure!(shown["license"]["terms"]["contact"] == "licenses@example.com", "{shown:#}");
    let status = engineer.follow(&status, &[])?.checked_status()?;
    ensure!(status["ready"] == true, "{status:#}");
    engineer.follow(&import, &[])?.report("import of a renewal")?;
    let shown = engineer.follow(&again, &[])?.report("license show")?;
    ensure!(shown["license"]["terms"]["id"] == "acme-3", "{shown:#}");
    expect_standing(engineer, "acme-3", "valid", true)?;
    printer::note("proved: the runbook of an expired license");
    Ok(())
}

/// Fails unless the site has this license with this standing.
fn expect_standing(engineer: Engineer<'_>, id: &str, standing: &str, permits: bool) -> Result<()> {
    let shown = engineer.landfall(&["license", "show"])?.report("license show")?;
    let terms = &shown["license"]["terms"];
    ensure!(terms["id"] == id && terms["standing"] == standing && terms["permits"] == permits, "{shown:#}");
    Ok(())
}

/// Runs a program in the container of the software.
fn in_software(machine: &Machine, program: &str) -> Result<String> {
    admin_output(machine, &format!("kubectl --namespace bulletin exec statefulset/bulletin -c bulletin -- {program}"))
}

/// Returns the content of the file.
fn report(machine: &Machine) -> Result<Value> {
    let text = in_software(machine, &format!("cat {FILE}"))?;
    serde_json::from_str(&text).with_context(|| format!("{FILE}: {text}"))
}

/// Returns the sidecar's answer.
fn ask_sidecar(machine: &Machine, path: &str) -> Result<Value> {
    let program = format!(
        "python3 -c 'import os, urllib.request as r; print(r.urlopen(os.environ[\"LANDFALL_LICENSE_URL\"] + \
         \"/v1/{path}\").read().decode())'"
    );
    let text = in_software(machine, &program)?;
    serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))
}

fn expect_granted(machine: &Machine, state: &str) -> Result<()> {
    let found = report(machine)?;
    ensure!(found["granted"] == true && found["state"] == state, "{found:#}");
    Ok(())
}

/// Fails unless the listener offers no other route of the console.
fn expect_one_route(machine: &Machine) -> Result<()> {
    let address = "http://license.landfall-console.svc:8444";
    for (path, code) in [("/v1/license", "422"), ("/v1/status", "404"), ("/first", "404"), ("/metrics", "404")] {
        let program = format!(
            "python3 -c 'import http.client as h; c = h.HTTPConnection(\"{}\"); c.request(\"GET\", \"{path}\"); \
             print(c.getresponse().status)'",
            address.trim_start_matches("http://")
        );
        let found = in_software(machine, &program)?;
        ensure!(found.trim() == code, "{path} is answered with {found}");
    }
    Ok(())
}

/// Scales the console to this number of pods, and waits until it has them.
fn console(machine: &Machine, pods: u8) -> Result<()> {
    admin_output(
        machine,
        &format!("kubectl --namespace landfall-console scale statefulset/console --replicas {pods}"),
    )?;
    wait_until("the console has as many pods as it should", POD_LIMIT, || {
        let line = "kubectl --namespace landfall-console get pods --output name | wc -l";
        Ok((admin_output(machine, line)?.trim() == pods.to_string()).then_some(()))
    })?;
    Ok(())
}

/// Returns `Some` if the software's only pod is ready.
fn ready(machine: &Machine) -> Result<Option<()>> {
    let line = "kubectl --namespace bulletin get statefulset bulletin --output \
        'jsonpath={.status.readyReplicas}/{.status.replicas}'";
    Ok((admin_output(machine, line)?.trim() == "1/1").then_some(()))
}
