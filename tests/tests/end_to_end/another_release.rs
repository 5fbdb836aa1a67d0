//! A site changes its release, and keeps its rows and its edits, even through a power cut. A broken release is undone
//! automatically, an earlier release returns without media, and unreferenced content is collected.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use landfall_site::pins::Event;
use landfall_xtask::console::Program;
use landfall_xtask::proofs::{admin_output, administer, sql};
use landfall_xtask::site::{Machine, Site, wait_until};
use landfall_xtask::{bulletin, printer, writer};
use serde_json::{Value, json};

use super::cut::{CutPoint, Moment, boot, cut_during};
use super::engineer::{Engineer, STICK};
use super::fixture::fixture;
use super::installed::installed_machine;
use super::later_releases::{BROKEN, NEXT, UNPROVED, ensure_later_releases, later_root};
use super::{console, delta, differences, handbook, journal, saved_data};

/// Time limit for an upgrade that the agent continues after a boot.
const SELF_LIMIT: Duration = Duration::from_mins(10);

/// Time limit until a change from the console waits for the host's approval.
const WAIT_LIMIT: Duration = Duration::from_mins(1);

/// Pages of the handbook.
const UPGRADE: &str = "operate/upgrade";
const ROLLBACK: &str = "operate/rollback";

/// Replacement, in the page about upgrades, of the stick by the one with the next release.
const OTHER_STICK: (&str, &str) = (STICK, NEXT);

/// Memory that the site sets for its database, which is not the default of any release.
const MEMORY: &str = "768Mi";

/// Command that lists every file of the registry and of artifacts, and the releases whose heads are kept.
const CONTENT: &str = "cd /var/lib/landfall && find registry/docker files releases -type f | sort";

#[test]
#[ignore = "needs cargo xtask test"]
fn site_upgrades_and_rolls_back() -> Result<()> {
    let (_site, machine) = site_with_rows("e2e-upgrade")?;
    let engineer = Engineer::at(&machine);
    let first = content(engineer)?;
    refuses_what_cannot_follow(engineer)?;
    delta::arrives(engineer)?;

    upgrades_through_a_power_cut(engineer)?;
    let second = content(engineer)?;
    let line = bulletin::last_acknowledged(&machine)?;
    comes_and_goes(engineer, line)?;
    ensure!(content(engineer)? == second, "an upgrade and a rollback left or lost content");
    ensure!(first.iter().all(|file| second.contains(file)), "content of the previous release is gone");
    note_server_versions()?;
    let kept = writer::acknowledgments(&machine)?.expect_kept(&machine)?;
    printer::note(format!("proved: {kept} rows were acknowledged in the meantime, and none is missing"));
    goes_back_to_its_data(engineer)?;
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after upgrades and an uninstall", &["/var/log/landfall"])
}

#[test]
#[ignore = "needs cargo xtask test"]
fn failed_upgrades_are_undone() -> Result<()> {
    let (_site, machine) = site_with_rows("e2e-undo")?;
    let engineer = Engineer::at(&machine);
    engineer.landfall(&["upgrade", NEXT])?.report("upgrade")?;
    expect_release(engineer, "1.1.0")?;
    let before = content(engineer)?;
    let line = bulletin::last_acknowledged(&machine)?;
    goes_back_by_itself(engineer)?;
    ensure!(content(engineer)? == before, "an upgrade that was undone left or lost content");
    canary_goes_back(engineer)?;
    ensure!(content(engineer)? == before, "an upgrade whose canary failed left or lost content");
    goes_back_on_request(engineer)?;
    ensure!(content(engineer)? == before, "an upgrade that was aborted left or lost content");
    bulletin::expect_kept(&machine, line)?;
    let kept = writer::acknowledgments(&machine)?.expect_kept(&machine)?;
    printer::note(format!("proved: {kept} rows were acknowledged beside failing upgrades, and none is missing"));
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after upgrades that failed and an uninstall", &["/var/log/landfall"])
}

/// Returns a site of 1.0.0 with rows and edits, to which a client writes continuously.
fn site_with_rows(name: &str) -> Result<(Site, Machine)> {
    ensure_later_releases()?;
    let (site, machine) = installed_machine(name)?;
    sql(&machine, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")?;
    differences::prepare(&machine)?;
    writer::start(&machine)?;
    Ok((site, machine))
}

/// Prints the database versions, which each check of a release has compared with the reported one.
fn note_server_versions() -> Result<()> {
    let [first, later] = differences::server_versions()?;
    printer::note(if first == later {
        format!(
            "NOT proved: another minor version of PostgreSQL, since Debian's archive has {first} alone; it was built \
             again"
        )
    } else {
        format!("proved: PostgreSQL {first} became {later}, went back, and became it again, with its data")
    });
    Ok(())
}

/// Rolls back to the previous release, with the data that the later one had removed, and upgrades again. After that,
/// the later release has the lines up to this one.
fn comes_and_goes(engineer: Engineer<'_>, line: u64) -> Result<()> {
    let machine = engineer.machine();
    let [dry_run, rollback, keep, _restore] = handbook::arguments(ROLLBACK, &[])?;
    for undecided in [dry_run, rollback] {
        engineer.follow(&undecided, &[])?.expect_refusal("rollback that leaves data undecided", "LF4410", 2)?;
    }
    ensure!(schema(engineer)? == "schema_version", "the job of 1.1.0 has not changed the schema");
    refuses_an_unknown_version(engineer, &keep)?;
    let report = engineer.follow(&keep, &["--to", "1.0.0"])?.report("rollback")?;
    ensure!(schema(engineer)? == "schema_version", "the data was not kept");
    ensure!(report["version"] == "1.0.0" && report["removed"] == json!(["bulletin"]), "{report}");
    expect_release(engineer, "1.0.0")?;
    differences::expect_kept(machine, "1.0.0")?;
    printer::note("proved: a component that an upgrade removed came back with its data");
    sets_memory(engineer)?;
    expect_root(engineer, &fixture()?.newest_root)?;
    let begun = Timestamp::now();
    upgrades_from_the_browser(engineer)?;
    printer::note(format!("the upgrade took {:.0} s", Timestamp::now().duration_since(begun).as_secs_f64()));
    let acknowledged = writer::next_acknowledged(machine)?;
    let pause = acknowledged.longest_pause(begun);
    printer::note(format!("its database acknowledged nothing for {pause:.1} s"));
    expect_release(engineer, "1.1.0")?;
    differences::expect_kept(machine, "1.1.0")?;
    differences::expect_memory(machine, MEMORY)?;
    bulletin::expect_kept(machine, line)?;
    printer::note(
        "proved: a component's data stayed while no release had it, and a value of the site against another default",
    );
    expect_root(engineer, &later_root()?)
}

/// A rollback to a version that the site does not keep names the kept versions, and changes nothing, not even a
/// journal.
fn refuses_an_unknown_version(engineer: Engineer<'_>, rollback: &[String]) -> Result<()> {
    for more in [&["--to", "9.9.9", "--dry-run"][..], &["--to", "9.9.9"]] {
        let refused = engineer.follow(rollback, more)?;
        let refused = refused.expect_refusal("rollback to an unknown version", "LF4408", 2)?.to_string();
        ensure!(refused.contains("9.9.9") && refused.contains("1.0.0"), "the versions are not named: {refused}");
    }
    let journals = engineer.machine().run("ls /var/lib/landfall/journal")?.stdout;
    ensure!(!journals.contains("rollback"), "a journal was begun: {journals}");
    ensure!(schema(engineer)? == "schema_version", "a refused rollback changed data");
    expect_release(engineer, "1.1.0")
}

/// Upgrades to the same or an older release, and rollbacks to an unkept version, are refused. Nothing changes, not even
/// a journal.
fn refuses_what_cannot_follow(engineer: Engineer<'_>) -> Result<()> {
    engineer.landfall(&["upgrade", STICK])?.expect_refusal("upgrade to the same release", "LF4402", 2)?;
    engineer.landfall(&["rollback"])?.expect_refusal("rollback of an install", "LF4408", 2)?;
    engineer.landfall(&["upgrade", "--abort"])?.expect_refusal("abort of nothing", "LF4035", 2)?;
    let [dry_run, _upgrade] = handbook::arguments(UPGRADE, &[OTHER_STICK])?;
    let dry_run = engineer.follow(&dry_run, &[])?.report("upgrade --dry-run")?;
    let fates: Vec<_> = dry_run["components"]
        .as_array()
        .context("the dry run lists no components")?
        .iter()
        .filter(|change| change["fate"] != "unchanged")
        .map(|change| (change["component"].as_str(), change["fate"].as_str()))
        .collect();
    let expected = [
        ("dns", "changed"),
        ("postgres", "changed"),
        ("assistant", "changed"),
        ("bulletin", "added"),
        ("valkey", "removed"),
    ];
    let expected = expected.map(|(component, fate)| (Some(component), Some(fate)));
    ensure!(fates == expected, "the dry run says {fates:?}");
    let dns = dry_run["components"].as_array().into_iter().flatten().find(|change| change["component"] == "dns");
    let canary = dns.map(|change| &change["canary"]).context("dns is not in the plan")?;
    let tried = json!({"kind": "tried", "workload": "Deployment/coredns", "proofs": ["nameserver"], "soakSeconds": 6});
    ensure!(*canary == tried, "the plan says of the canary: {canary}");
    let memory = json!([{"setting": "values.postgres.memory", "from": "1Gi", "to": "1280Mi"}]);
    ensure!(dry_run["values"] == memory, "the plan says of values: {}", dry_run["values"]);
    ensure!(dry_run["outlook"]["seconds"].as_u64() > Some(60), "the plan says of its time: {}", dry_run["outlook"]);
    refuses_to_lose_an_edit(engineer)?;
    lists_an_edit_that_goes(engineer)?;
    let journals = engineer.machine().run("ls /var/lib/landfall/journal")?.stdout;
    ensure!(!journals.contains("upgrade") && !journals.contains("rollback"), "a journal was begun: {journals}");
    expect_release(engineer, "1.0.0")
}

/// Command that sets a label of the release on an object that the next release changes.
const LABEL: &str = "kubectl --namespace kube-system label deployment coredns --overwrite k8s-app";

/// An administrator has changed a field that the release sets. The plan names it, and the upgrade is refused before
/// anything is changed.
fn refuses_to_lose_an_edit(engineer: Engineer<'_>) -> Result<()> {
    let edit = |value: &str| -> Result<()> {
        let set = administer(engineer.machine(), &format!("{LABEL}={value}"))?;
        ensure!(set.status.success(), "the nameserver cannot be edited: {}{}", set.stdout, set.stderr);
        Ok(())
    };
    edit("edited")?;
    let plan = engineer.landfall(&["upgrade", NEXT, "--dry-run"])?.report("upgrade --dry-run")?;
    let edits = plan["edits"].as_array().context("the plan has no edits")?;
    let found = edits.iter().find(|edit| edit["component"] == "dns" && edit["now"] == "edited");
    let found = found.with_context(|| format!("the edit is not in the plan: {edits:?}"))?;
    ensure!(found["stays"] == false && found["new"] == "kube-dns", "{found}");
    let refused = engineer.landfall(&["upgrade", NEXT])?;
    let refused = refused.expect_refusal("upgrade that would lose an edit", "LF4036", 4)?.to_string();
    ensure!(refused.contains("coredns") && refused.contains("k8s-app"), "the edit is not named: {refused}");
    edit("kube-dns")?;
    printer::note("proved: an upgrade that would lose an edit is refused, and names it");
    Ok(())
}

/// An administrator has edited an object that the next release lacks. The plan names the edit, which does not block the
/// upgrade.
fn lists_an_edit_that_goes(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let shown = "kubectl --namespace valkey get configmap valkey-settings --output jsonpath='{.data.maxmemory}'";
    let before = admin_output(machine, shown)?;
    let set = |value: &str| {
        let patch = json!({"data": {"maxmemory": value}});
        admin_output(machine, &format!("kubectl --namespace valkey patch configmap valkey-settings --patch '{patch}'"))
    };
    set("1mb")?;
    let plan = engineer.landfall(&["upgrade", NEXT, "--dry-run"])?.report("upgrade --dry-run")?;
    let edits = plan["edits"].as_array().context("the plan has no edits")?;
    ensure!(edits.len() == 1, "the plan has other edits: {edits:?}");
    let wanted = json!({
        "component": "valkey", "object": "ConfigMap valkey/valkey-settings", "isRemoved": true,
        "field": ".data.maxmemory",
        "manager": "kubectl-patch", "now": "1mb", "new": null, "stays": false,
    });
    ensure!(edits[0] == wanted, "{}", edits[0]);
    set(&before).map(drop)
}

/// Upgrades from a delta. The power is cut while the database changes, and the upgrade finishes automatically, without
/// a command.
fn upgrades_through_a_power_cut(engineer: Engineer<'_>) -> Result<()> {
    let at = CutPoint { step: "ready/postgres".to_owned(), moment: Moment::After(Duration::from_millis(500)) };
    let [_dry_run, upgrade] = handbook::arguments(UPGRADE, &[(STICK, delta::DELTA)])?;
    let upgrade: Vec<&str> = upgrade.iter().map(String::as_str).collect();
    cut_during(engineer, &upgrade, &at)?;
    boot(engineer.machine())?;
    wait_until("the upgrade to resume and end", SELF_LIMIT, || {
        let status = engineer.status()?;
        let state = status["state"].as_str().unwrap_or_default();
        ensure!(["changing", "change-interrupted", "installed"].contains(&state), "the status is {state}");
        Ok((state == "installed").then_some(()))
    })?;
    engineer.wait_ready("an upgrade that was resumed")?;
    expect_release(engineer, "1.1.0")?;
    differences::expect_memory(engineer.machine(), differences::default_memory("1.1.0"))?;
    expect_root(engineer, &later_root()?)?;
    expect_backup_before(engineer)?;
    expect_canary_ran(engineer)?;
    engineer.landfall(&["upgrade", STICK])?.expect_refusal("upgrade to an older release", "LF4403", 2)?;
    printer::note("proved: an upgrade whose power was cut was completed, with every row");
    Ok(())
}

/// Fails unless the upgrade began with exactly one proven backup of the previous release, despite the power cut. It
/// must have ended with a backup from which points in time begin.
fn expect_backup_before(engineer: Engineer<'_>) -> Result<()> {
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let backups = listed["backups"].as_array().context("there is no list of backups")?;
    let fields = |one: &Value| (one["version"].clone(), one["reason"].clone(), one["proven"].is_string());
    let found: Vec<_> = backups.iter().map(fields).collect();
    let expected = [(json!("1.0.0"), json!("upgrade"), true), (json!("1.1.0"), json!("change"), false)];
    ensure!(found == expected, "the backups are {found:?}");
    let logged = engineer.landfall(&["backup", "log"])?.report("backup log after an upgrade")?;
    ensure!(logged["logs"][0]["outcome"]["kind"] == "stored", "{logged}");
    let releases = engineer.landfall(&["releases"])?.report("releases")?;
    let versions: Vec<_> = releases["releases"].as_array().into_iter().flatten().map(|one| &one["version"]).collect();
    ensure!(versions == ["1.1.0", "1.0.0"], "the releases are {versions:?}");
    expect_history(engineer)?;
    // Only the version that made a backup is known to be able to read it.
    engineer.landfall(&["restore", "--confirm", "any"])?.expect_refusal(
        "restore without a fitting backup",
        "LF4609",
        2,
    )?;
    let id = backups[0]["id"].as_str().context("a backup has no id")?;
    let named = ["restore", "--backup", id, "--confirm", "any"];
    engineer.landfall(&named)?.expect_refusal("restore of another version", "LF4616", 2)?;
    Ok(())
}

/// Fails unless the site's newest operation is the upgrade, and it is done.
fn expect_history(engineer: Engineer<'_>) -> Result<()> {
    let history = engineer.landfall(&["history", "--limit", "1"])?.report("history")?;
    let newest = &history["operations"][0];
    let found = [&newest["operation"], &newest["outcome"]];
    ensure!(found == ["upgrade", "committed"] && newest["seconds"].is_u64(), "the newest operation is {newest}");
    let releases = [&newest["from"], &newest["to"]].map(|one| one.as_str().unwrap_or_default().rsplit(' ').next());
    ensure!(releases == [Some("1.0.0"), Some("1.1.0")] && history["earlier"].as_u64() >= Some(1), "{history}");
    Ok(())
}

/// Fails unless the upgrade's journal has the nameserver's canary, which passed its proof before it served and after it
/// was watched. Nothing of it may remain.
fn expect_canary_ran(engineer: Engineer<'_>) -> Result<()> {
    let replay = journal::read(engineer.machine())?;
    let done = replay.entries.iter().find_map(|entry| match &entry.event {
        Event::Done { step, output } if step.to_string() == "canary/dns" => Some(output),
        _ => None,
    });
    let proofs = done.context("the canary of the nameserver is not in the journal")?["proofs"].as_array();
    let names: Vec<_> = proofs.into_iter().flatten().map(|proof| &proof["name"]).collect();
    ensure!(names == ["nameserver", "nameserver"], "the canary has passed {names:?}");
    expect_no_canary(engineer)
}

/// Fails if any object of a canary is in the cluster.
fn expect_no_canary(engineer: Engineer<'_>) -> Result<()> {
    let kinds = "pods,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings";
    let list = format!("kubectl get {kinds} --all-namespaces --selector landfall.dev/canary --output name");
    let left = administer(engineer.machine(), &list)?.stdout;
    ensure!(left.trim().is_empty(), "a canary was left: {left}");
    Ok(())
}

/// Returns the nameserver's pods with their termination grace periods, which differ between releases.
fn nameservers(engineer: Engineer<'_>) -> Result<String> {
    let columns = "custom-columns=UID:.metadata.uid,SECONDS:.spec.terminationGracePeriodSeconds";
    let list =
        format!("kubectl --namespace kube-system get pods --selector k8s-app=kube-dns --no-headers --output {columns}");
    let mut pods: Vec<String> =
        administer(engineer.machine(), &list)?.stdout.lines().map(|line| line.trim().to_owned()).collect();
    pods.sort();
    Ok(pods.join("\n"))
}

/// A canary of the new nameserver fails its proof. The running pods are not changed, and the error names the response.
fn canary_goes_back(engineer: Engineer<'_>) -> Result<()> {
    let before = nameservers(engineer)?;
    ensure!(before.lines().count() == 2, "1.1.0 has these nameservers: {before}");
    let failure = engineer.landfall(&["upgrade", UNPROVED])?.expect_refusal("upgrade", "LF4032", 4)?.to_string();
    for part in
        ["canary of component dns", "coredns-canary", "proof nameserver", "coredns_of_another_release", "status 200"]
    {
        ensure!(failure.contains(part), "the failure does not name `{part}`: {failure}");
    }
    engineer.wait_ready("an upgrade whose canary failed")?;
    expect_release(engineer, "1.1.0")?;
    expect_no_canary(engineer)?;
    let after = nameservers(engineer)?;
    ensure!(after == before, "the nameservers were replaced: {before} by {after}");
    printer::note("proved: a canary that failed its proof undid the upgrade before any other pod changed");
    Ok(())
}

/// The new database destroys its data and never starts. The site returns to its previous state automatically, rows
/// included, and the error names the reason.
fn goes_back_by_itself(engineer: Engineer<'_>) -> Result<()> {
    let failure = engineer.landfall(&["upgrade", BROKEN])?.expect_refusal("upgrade", "LF4032", 4)?.to_string();
    ensure!(failure.contains("starter 1.1.0") && failure.contains("postgres"), "the reason is not named: {failure}");
    engineer.wait_ready("an upgrade that went back")?;
    expect_release(engineer, "1.1.0")?;
    // The content of the changed volume is kept and listed until a user removes it.
    let listed = engineer.landfall(&["replaced-data", "list"])?.report("replaced-data list")?;
    let status = engineer.status()?;
    ensure!(listed["replacedData"] == status["replacedData"], "{listed} {}", status["replacedData"]);
    let name = listed["replacedData"][0]["name"].as_str().context("no replaced data is named")?;
    ensure!(failure.contains(name) && name.starts_with("after-upgrade."), "{name} is not named: {failure}");
    printer::note("proved: a broken release was undone automatically, and the data it had changed was kept");
    Ok(())
}

/// A user undoes an unfinished upgrade.
fn goes_back_on_request(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let run = format!("{STICK}/landfall upgrade {BROKEN}");
    machine.run(&format!("setsid --fork sh -c '{run}' > /dev/null 2>&1 < /dev/null"))?;
    wait_until("the wait for the broken database", SELF_LIMIT, || {
        Ok((engineer.status()?["operation"]["step"]["id"] == "ready/postgres").then_some(()))
    })?;
    let aborted = engineer.landfall(&["upgrade", "--abort"])?.report("upgrade --abort")?;
    ensure!(aborted["release"] == "starter 1.1.0", "{aborted}");
    ensure!(aborted["replacedData"].as_array().is_some_and(|replaced| replaced.len() == 1), "{aborted}");
    engineer.wait_ready("an upgrade that was aborted")?;
    expect_release(engineer, "1.1.0")
}

/// Checks that the earlier release has its own default, and sets another value, which the later release must keep.
fn sets_memory(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    differences::expect_memory(machine, differences::default_memory("1.0.0"))?;
    engineer.configure(&format!("values: {{postgres.memory: {MEMORY}}}\n"))?;
    engineer.wait_ready("a change of settings")?;
    differences::expect_memory(machine, MEMORY)
}

/// Upgrades for a customer without a shell: the host finds the stick, plans, and executes exactly what was approved.
/// The console is replaced in the process, and answers again.
fn upgrades_from_the_browser(engineer: Engineer<'_>) -> Result<()> {
    let program = console::program(engineer.machine())?;
    let looked = program.outcome("/api/v1/media", &json!({}))?;
    ensure!(looked["state"] == "done", "{looked:#}");
    let (_, page) = program.get("/api/v1/media")?;
    let media = page["media"].as_array().context("there is no list of media")?;
    let of = |version: &str| media.iter().find(|medium| medium["release"]["version"] == version);
    let installed = of("1.0.0").with_context(|| format!("the installed release is not listed: {page:#}"))?;
    ensure!(installed["problem"]["code"] == "LF4402", "{installed:#}");
    let next = of("1.1.0").with_context(|| format!("the next release is not listed: {page:#}"))?;
    ensure!(next["problem"].is_null() && next["place"] == STICK, "{next:#}");
    let medium = next["id"].clone();
    let planned = program.outcome("/api/v1/plans", &json!({ "change": "upgrade", "medium": medium }))?;
    let digest = planned["plan"].as_str().with_context(|| format!("there is no plan: {planned:#}"))?;
    let (_, plan) = program.get(&format!("/api/v1/plans/{digest}"))?;
    ensure!(plan["document"]["from"] == "starter 1.0.0" && plan["document"]["to"] == "starter 1.1.0", "{plan:#}");
    let site = engineer.machine().run("hostname")?.stdout.trim().to_owned();
    let approve = |plan: &str, confirm: &str| json!({ "medium": medium, "plan": plan, "confirm": confirm });
    let other = format!("sha256:{}", "0".repeat(64));
    let refused = [(approve(&other, &site), 404, "LF4805"), (approve(digest, "another"), 422, "LF4025")];
    for (request, expected, problem) in refused {
        let (code, said) = program.post("/api/v1/upgrades", &request)?;
        ensure!(code == expected && said["code"] == problem, "{request} is answered with {code}: {said:#}");
    }
    engineer.landfall(&["approvals", "require"])?.report("approvals require")?;
    let (code, begun) = program.post("/api/v1/upgrades", &approve(digest, &site))?;
    ensure!(code == 202, "the approval is answered with {code}: {begun:#}");
    let id = begun["request"].as_str().context("a request has no id")?;
    approves_at_the_host(engineer, &program, id, digest)?;
    wait_until("the end of the upgrade in the console", SELF_LIMIT, || {
        std::thread::sleep(Duration::from_secs(2));
        // While it is replaced, the console does not answer.
        let Ok((200, operation)) = program.get("/api/v1/operation") else { return Ok(None) };
        if operation["operation"] == "upgrade" {
            ensure!(operation["state"] != "undone", "{operation:#}");
            return Ok((operation["state"] == "committed" && operation["running"] == false).then_some(()));
        }
        let request = program.get(&format!("/api/v1/requests/{id}"));
        ensure!(!matches!(&request, Ok((200, request)) if request["state"] == "failed"), "{request:?}");
        Ok(None)
    })?;
    printer::note("proved: an upgrade was found on the stick, approved by its plan and followed in the console");
    Ok(())
}

/// Approves the plan as root on the host. Nothing begins before that.
fn approves_at_the_host(engineer: Engineer<'_>, program: &Program<'_>, request: &str, digest: &str) -> Result<()> {
    let waiting = wait_until("the change that waits for the host", WAIT_LIMIT, || {
        let shown = engineer.landfall(&["approvals", "list"])?.report("approvals list")?;
        ensure!(shown["required"] == true, "{shown}");
        Ok(shown["waiting"].as_array().and_then(|all| all.first()).cloned())
    })?;
    ensure!(waiting["plan"] == digest && waiting["document"]["to"] == "starter 1.1.0", "{waiting:#}");
    let (_, asked) = program.get(&format!("/api/v1/requests/{request}"))?;
    let note = asked["notes"][0].as_str().unwrap_or_default();
    ensure!(asked["state"] == "running" && note.contains("landfall approvals list"), "{asked:#}");
    let (_, operation) = program.get("/api/v1/operation")?;
    ensure!(operation["operation"] != "upgrade", "it began before the host approved it: {operation:#}");
    engineer.landfall(&["approvals", "approve", "00000000"])?.expect_refusal("approvals approve", "LF4813", 2)?;
    let word = engineer.landfall(&["approvals", "approve", digest])?.report("approvals approve")?;
    ensure!(word["word"] == "approved" && word["plan"] == digest, "{word:#}");
    let shown = engineer.landfall(&["approvals", "waive"])?.report("approvals waive")?;
    ensure!(shown["required"] == false, "{shown}");
    printer::note("proved: an upgrade from the browser waited until root had approved its plan on the host");
    Ok(())
}

/// Returns the table that the job of 1.1.0 creates, or `none`.
pub(crate) fn schema(engineer: Engineer<'_>) -> Result<String> {
    sql(engineer.machine(), "SELECT coalesce(to_regclass('schema_version')::text, 'none')")
}

/// A rollback restores the data that the previous release had when the upgrade began.
fn goes_back_to_its_data(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    sql(machine, "CREATE TABLE later AS SELECT 1 AS number")?;
    let [_dry_run, _rollback, _keep, restore] = handbook::arguments(ROLLBACK, &[])?;
    let dry_run = engineer.follow(&restore, &["--dry-run"])?.report("rollback --dry-run")?;
    ensure!(dry_run["backup"]["version"] == "1.0.0" && dry_run["backup"]["proven"].is_string(), "{dry_run:#}");
    engineer.follow(&restore, &[])?.expect_refusal("rollback without a name", "LF4025", 2)?;
    engineer.follow(&restore, &["--confirm", "another"])?.expect_refusal("rollback", "LF4025", 2)?;
    ensure!(sql(machine, "SELECT number FROM later")? == "1", "a refused rollback changed data");
    let name = machine.run("hostname")?.stdout;
    let confirmed = ["--confirm", name.trim()];
    let backup = dry_run["backup"]["id"].as_str().context("the backup has no id")?;
    saved_data::damage(engineer, backup)?;
    let failure =
        engineer.follow(&restore, &confirmed)?.expect_refusal("rollback to a damaged backup", "LF4032", 4)?.to_string();
    ensure!(failure.contains("postgres/database"), "the reason is not named: {failure}");
    expect_release(engineer, "1.1.0")?;
    ensure!(sql(machine, "SELECT number FROM later")? == "1", "a rollback that was undone changed data");
    saved_data::mend(machine)?;
    let report = engineer.follow(&restore, &confirmed)?.report("rollback")?;
    ensure!(report["version"] == "1.0.0" && report["restored"] == json!(["postgres/database"]), "{report}");
    expect_release(engineer, "1.0.0")?;
    differences::expect_kept(machine, "1.0.0")?;
    let later = sql(machine, "SELECT coalesce(to_regclass('later')::text, 'none')")?;
    ensure!(later == "none", "what was written after the backup is still there: {later}");
    engineer.follow(&restore, &[])?.expect_refusal("a second rollback of data", "LF4411", 2)?;
    printer::note("proved: a rollback brought the data of its release back");
    Ok(())
}

/// Fails unless the installed release was verified by the root document with this fingerprint.
fn expect_root(engineer: Engineer<'_>, fingerprint: &str) -> Result<()> {
    let root = &engineer.status()?["release"]["root"];
    ensure!(root == fingerprint, "the root is {root}, not {fingerprint}");
    Ok(())
}

fn content(engineer: Engineer<'_>) -> Result<Vec<String>> {
    Ok(engineer.machine().run(CONTENT)?.stdout.lines().map(str::to_owned).collect())
}

/// Fails unless this version is installed and ready, with its components, its database's setting and every row.
pub(crate) fn expect_release(engineer: Engineer<'_>, version: &str) -> Result<()> {
    let machine = engineer.machine();
    let status = engineer.wait_ready("a change of the release")?;
    ensure!(status["release"]["version"] == version, "{}: {}", status["release"]["version"], errors(engineer)?);
    differences::expect(machine, version, &status)?;
    let (work_mem, containerd) =
        if version == "1.1.0" { ("8192kB", "containerd://2.4.3") } else { ("4096kB", "containerd://2.4.2") };
    let found = sql(machine, "SELECT setting || unit FROM pg_settings WHERE name = 'work_mem'")?;
    ensure!(found == work_mem, "work_mem is {found} in {version}");
    let runtime = "kubectl get nodes --output jsonpath='{.items[0].status.nodeInfo.containerRuntimeVersion}'";
    let runtime = administer(machine, runtime)?.stdout;
    ensure!(runtime == containerd, "the runtime of {version} is {runtime}");
    let rows: u32 = sql(machine, "SELECT count(*) FROM kept")?.parse()?;
    ensure!(rows >= 1000, "rows are gone");
    let pods = administer(machine, "kubectl --namespace postgres get pod postgres-0 --output name")?;
    ensure!(pods.status.success(), "the database has no pod: {}", pods.stderr);
    Ok(())
}

/// Returns the errors in the logs of operations.
fn errors(engineer: Engineer<'_>) -> Result<String> {
    let line = "grep --no-filename --ignore-case '\"level\":\"error\"' /var/log/landfall/* | tail -n 5";
    Ok(engineer.machine().try_run(line)?.stdout)
}
