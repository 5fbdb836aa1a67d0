//! A successful install from its dry run to its end: the installed software, the faults that it survives, and the state
//! that an uninstall leaves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_xtask::proof_list::ProofList;
use landfall_xtask::seed::SeededNumbers;
use landfall_xtask::site::{Machine, Output, wait_until};
use landfall_xtask::{printer, proofs, workspace};
use serde_json::Value;

use super::comparison::{LandedSite, expect_equal, keep_uninterrupted};
use super::cut::{CutPoint, Moment, boot, cut_during};
use super::engineer::{Engineer, PLANTED, READY_LIMIT, STICK};
use super::fixture::{fixture, routed_machine_with_stick};
use super::{
    administration, console, failing_proofs, figures, handbook, memory, rights, support_bundle, taken_over, terminal,
};

/// Step at whose beginning a second engineer starts.
const BUSY_STEP: &str = "wait for the control plane";

/// Bytes per chunk.
const CHUNK_BYTES: u64 = 1 << 20;

/// File in which every part of the cluster finds its API server.
const HOSTS: &str = "/etc/hosts";
const API_NAME: &str = "api.landfall.internal";

/// Time limit for the agent to restore a name. It checks every ten seconds.
const NAME_LIMIT: Duration = Duration::from_secs(30);

/// Time limit for written data to reach the disk without a sync by the test. Valkey syncs its log every second.
const SYNCED_AFTER: Duration = Duration::from_secs(3);

/// Time limit for a service to answer after its pods are ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Time limit for a problem to appear in the status.
const WRONG_LIMIT: Duration = Duration::from_mins(2);

#[test]
#[ignore = "needs cargo xtask test"]
fn release_installs_reboots_and_uninstalls() -> Result<()> {
    let (_site, machine) = routed_machine_with_stick("e2e-install")?;
    let engineer = Engineer::at(&machine);
    expect_nothing_of_the_host(&machine)?;
    figures::looks_take_little_time(engineer)?;
    let (plan, from_head) = (engineer.plan()?, engineer.plan_from_the_head()?);
    ensure!(plan["plan"] == from_head["plan"], "the head alone gives another plan: {from_head:#}");
    engineer.expect_unchanged("after a dry run", &[])?;

    let ((report, peak_memory_bytes), taken) =
        figures::taken_by(&machine, || memory::peak_of(&machine, "install", || install_while_another_tries(engineer)))?;
    figures::expect_space(&plan["figures"], taken)
        .with_context(|| figures::explain_figures(&machine, &plan["figures"]))?;
    // On the first run, only the speeds of this machine are known.
    figures::report_times(&machine, &plan["figures"])?;
    let status = engineer.wait_ready("the install")?;
    let mut list = ProofList::default();
    list.run("state after the install", || {
        expect_all_ready(&status)?;
        let root = &status["release"]["root"];
        ensure!(*root == fixture()?.newest_root, "trusted is {root}, not the newest of all root documents");
        keep_uninterrupted(engineer, &report).map(drop)
    });
    list.run("bytes and memory", || expect_each_byte_once(&report, peak_memory_bytes));
    list.run("summary", || expect_summary(&machine, &report));
    list.run("handbook", || handbook::expect_to_name_everything(&machine));
    list.run("second install", || {
        let install = ["install", STICK, "--trust", &fixture()?.fingerprint];
        engineer.landfall(&install)?.expect_refusal("install", "LF4012", 2).map(drop)
    });
    list.run("use of the release", || proofs::prove(&machine, &fixture()?.expected));
    let remembered = remember(&machine)?;
    list.run("failing proofs", || failing_proofs::are_reported(engineer));
    list.run("administration", || administration::expect_answers(engineer));
    list.run("support bundle", || support_bundle::expect_bundle(&machine));
    list.run("console", || console::expect_to_be_found(&machine));
    list.run("taken-over console", || taken_over::gains_no_more(&machine));
    list.run("rights", || rights::lead_to_no_administrator(&machine));

    list.run("ends of programs", || restart_the_agent(engineer));
    let hosts = lose_the_api_name(&machine)?;
    wait_for_the_api_name(&machine, &hosts)?;
    machine.crash()?;
    come_back(engineer, "a crash", &remembered)?;
    // A running agent would restore it before the power is cut.
    machine.run("systemctl stop landfall-agent")?;
    lose_the_api_name(&machine)?;
    machine.power_cut()?;
    come_back(engineer, "a power cut", &remembered)?;
    wait_for_the_api_name(&machine, &hosts)?;
    list.run("equality after crashes", || expect_equal(engineer));
    list.run("use after crashes", || proofs::prove(&machine, &fixture()?.expected));
    list.run("network", || engineer.expect_quiet("in the life of the site"));
    list.run("recorded packet", || a_packet_of_a_pod_is_recorded(&machine));
    list.run("planted differences", || planted_differences_are_found(engineer));
    list.run("problems in the status", || status_reports_problems(engineer));
    list.run("uninstall", || uninstall_in_two_goes(engineer));
    list.end()
}

fn expect_nothing_of_the_host(machine: &Machine) -> Result<()> {
    for program in ["go", "nft", "iptables", "containerd", "kubelet", "kubectl"] {
        let found = machine.try_run(&format!("command -v {program}"))?;
        ensure!(!found.status.success(), "{program} is inside: {}", found.stdout);
    }
    let tree = workspace::root();
    ensure!(!machine.try_run(&format!("ls {}", tree.display()))?.status.success(), "the project is inside");
    Ok(())
}

/// Installs. In the middle of it, every other operation is refused with the name of the first.
fn install_while_another_tries(engineer: Engineer<'_>) -> Result<Value> {
    let trust = fixture()?.fingerprint.clone();
    let mut tried = Vec::new();
    let said = engineer.watch(&["install", STICK, "--trust", &trust], |line| {
        if line.contains(BUSY_STEP) {
            for verb in [&["uninstall"][..], &["resume"], &["install", STICK, "--trust", &trust]] {
                tried.push((verb[0].to_owned(), engineer.landfall(verb)));
            }
            tried.push(("status".to_owned(), engineer.landfall(&["status"])));
        }
    })?;
    ensure!(tried.len() == 4, "no second operation was attempted:\n{}", said.lines.join("\n"));
    for (verb, outcome) in tried {
        let outcome = outcome?;
        if verb == "status" {
            ensure!(outcome.checked_status()?["state"] == "installing", "status does not report the install");
            continue;
        }
        let failure = outcome.expect_refusal(&verb, "LF4006", 4)?;
        ensure!(failure.to_string().contains("`landfall install`"), "the first operation is not named: {failure}");
    }
    said.report("install")
}

fn expect_all_ready(status: &Value) -> Result<()> {
    proofs::expect_ready(status, &fixture()?.expected)
}

/// Fails unless an undisturbed install read every byte of the bundle once and wrote every byte of its blobs once, in
/// little memory. In addition, a chunk of each part is read twice to find the parts. The first time is before anything
/// is written, so that a missing part is reported then; the second is before staging.
pub(crate) fn expect_each_byte_once(report: &Value, peak_memory_bytes: u64) -> Result<()> {
    let bundle = fixture()?;
    let search = 2 * bundle.parts()?.len() as u64 * CHUNK_BYTES;
    let counters = [("mediaReadBytes", bundle.total_bytes, search), ("storeWrittenBytes", bundle.blob_bytes, 0)];
    for (name, there_is, beside) in counters {
        let counted = report[name].as_u64().with_context(|| format!("install does not say its {name}"))?;
        printer::note(format!("install: {name} {counted} of {there_is}"));
        let is_once = counted >= there_is - there_is / 200 && counted <= there_is + beside + there_is / 200;
        ensure!(is_once, "{name} is {counted}, and there are {there_is}");
    }
    printer::note(format!("install: at most {} MiB of memory", peak_memory_bytes >> 20));
    memory::expect_little("install", peak_memory_bytes)
}

/// Fails unless everything in the summary exists: services answer, the kubeconfig works, and only root can read
/// secrets.
fn expect_summary(machine: &Machine, report: &Value) -> Result<()> {
    ensure!(report["node"] == "node-1" && report["address"] == machine.address().to_string(), "{report:#}");
    let text = |value: &Value| value.as_str().map(str::to_owned).with_context(|| format!("{value} in {report:#}"));
    let kubeconfig = text(&report["kubeconfig"])?;
    let nodes = proofs::administer(machine, &format!("kubectl --kubeconfig {kubeconfig} get nodes --output name"))?;
    ensure!(nodes.stdout.trim() == "node/node-1", "{kubeconfig} does not work: {}{}", nodes.stdout, nodes.stderr);

    let services = report["services"].as_array().context("no services")?;
    let wanted = [("assistant", 80, true), ("postgres", 5432, false), ("valkey", 6379, false)];
    for (component, port, has_address) in wanted {
        let name = format!("{component}.{component}.svc");
        let service =
            services.iter().find(|one| one["name"] == *name).with_context(|| format!("{name}: {report:#}"))?;
        let is_right = service["component"] == component
            && service["ports"] == serde_json::json!([port])
            && service["address"].is_string() == has_address;
        ensure!(is_right, "the summary is wrong: {service}");
        if has_address {
            let address = text(&service["address"])?;
            // The node's own rules for a service appear shortly after its pods are ready.
            wait_until(&format!("an answer of {name}"), ANSWER_LIMIT, || {
                let asked = machine.try_run(&format!("timeout 5 bash -c 'echo > /dev/tcp/{address}/{port}'"))?;
                Ok(asked.status.success().then_some(()))
            })?;
        }
    }

    let secrets = report["secrets"].as_array().context("no secrets")?.iter().map(text).collect::<Result<Vec<_>>>()?;
    ensure!(secrets.len() == 2, "secrets: {secrets:?}");
    for (secret, (namespace, pod)) in secrets.iter().zip([("postgres", "postgres-0"), ("valkey", "valkey-0")]) {
        ensure!(secret.ends_with(&format!("/{namespace}/{namespace}-credentials.json")), "{secret} is of another");
        let mode = machine.run(&format!("stat --format '%F %a %U %G' {secret}"))?.stdout;
        ensure!(mode.trim() == "regular file 600 root root", "{secret}: {mode}");
        let content: Value = serde_json::from_slice(&machine.read_file(secret)?).context("a secret is no JSON")?;
        let used = proofs::in_pod(machine, namespace, pod, &format!("cat /run/secrets/{namespace}/password"))?.stdout;
        ensure!(
            used.len() >= 32 && content["values"]["password"] == used,
            "{pod} does not use the password of {secret}"
        );
    }
    Ok(())
}

/// Checks that a pod's packets are recorded. Otherwise, their earlier absence would prove nothing.
fn a_packet_of_a_pod_is_recorded(machine: &Machine) -> Result<()> {
    let script = format!(
        "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b\"x\", (\"{PLANTED}\", \
         9))'"
    );
    let sent = proofs::in_pod(machine, "assistant", "deployment/assistant", &script)?;
    ensure!(sent.status.success(), "the pod cannot send: {}", sent.stderr);
    let foreign = machine.switch().foreign_packets()?;
    let is_planted = foreign.len() == 1 && foreign[0].destination == PLANTED && foreign[0].protocol == "udp 9";
    ensure!(is_planted, "the pod's packet was not recorded, or not alone: {foreign:?}");
    Ok(())
}

/// Data that a user wrote and that must persist.
struct RememberedSite {
    word: String,
}

fn in_postgres(machine: &Machine, statement: &str) -> Result<Output> {
    proofs::psql(machine, &format!("-c \"{statement}\""))
}

fn in_valkey(machine: &Machine, command: &str) -> Result<Output> {
    let script =
        format!("export REDISCLI_AUTH=$(cat /run/secrets/valkey/password); valkey-cli -h 127.0.0.1 --no-raw {command}");
    proofs::in_pod(machine, "valkey", "valkey-0", &script)
}

fn remember(machine: &Machine) -> Result<RememberedSite> {
    let word = format!("word{}", SeededNumbers::with_name("remembered")?.within(1, u64::MAX));
    let written = in_postgres(
        machine,
        &format!("CREATE TABLE remembered (word text); INSERT INTO remembered VALUES ('{word}')"),
    )?;
    ensure!(written.status.success(), "cannot write to PostgreSQL: {}", written.stderr);
    let written = in_valkey(machine, &format!("set remembered {word}"))?;
    ensure!(written.stdout.contains("OK"), "cannot write to Valkey: {}{}", written.stdout, written.stderr);
    std::thread::sleep(SYNCED_AFTER);
    Ok(RememberedSite { word })
}

fn expect_remembered(machine: &Machine, remembered: &RememberedSite) -> Result<()> {
    let read = in_postgres(machine, "SELECT word FROM remembered")?;
    ensure!(read.stdout.trim() == remembered.word, "PostgreSQL forgot: {}{}", read.stdout, read.stderr);
    let read = in_valkey(machine, "get remembered")?;
    ensure!(read.stdout.contains(&remembered.word), "Valkey forgot: {}{}", read.stdout, read.stderr);
    Ok(())
}

/// Boots after the power cut. The site must be ready automatically within the limit, with its data.
fn come_back(engineer: Engineer<'_>, after: &str, remembered: &RememberedSite) -> Result<()> {
    let machine = engineer.machine();
    let begun = Instant::now();
    boot(machine)?;
    // Until the kubelet reports, the API server returns the earlier state. Only actual use shows that pods run again.
    let found = wait_until("the earlier data", READY_LIMIT, || Ok(expect_remembered(machine, remembered).ok()));
    found.with_context(|| format!("after {after}: {:?}", expect_remembered(machine, remembered)))?;
    let status = engineer.wait_ready(&format!("the data from before {after} was found"))?;
    printer::note(format!("used again {:.0} s after {after} and a boot", begun.elapsed().as_secs_f64()));
    expect_all_ready(&status)
}

/// Returns the containers with their processes.
pub(crate) fn containers(machine: &Machine) -> Result<BTreeMap<String, String>> {
    let line = "ctr --address /run/landfall/containerd/containerd.sock --namespace k8s.io tasks list";
    let listed = proofs::administer(machine, line)?;
    ensure!(listed.status.success(), "cannot list containers: {}", listed.stderr);
    let columns = |line: &str| {
        let mut columns = line.split_whitespace().map(str::to_owned);
        Some((columns.next()?, format!("{} {}", columns.next()?, columns.next()?)))
    };
    Ok(listed.stdout.lines().skip(1).filter_map(columns).collect())
}

/// Time limit for a program to run again after its end. systemd waits five seconds, and the kernel needs less.
const PROGRAM_LIMIT: Duration = Duration::from_secs(30);

/// Time limit for a program that restarts containers to do so.
const RESTARTED_AFTER: Duration = Duration::from_secs(15);

/// Checks that no pod ends when the agent, the kubelet or containerd ends. systemd restarts each of them.
fn restart_the_agent(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let before = containers(machine)?;
    ensure!(before.len() > 20 && before.values().all(|state| state.ends_with("RUNNING")), "too few run: {before:?}");
    let agent = |machine: &Machine| machine.run("systemctl show --property MainPID --value landfall-agent");
    let old = agent(machine)?.stdout;
    machine.run("systemctl restart landfall-agent")?;
    ensure!(agent(machine)?.stdout != old, "the agent was not restarted");
    expect_to_run_on(engineer, &before, "a restart of the agent")?;
    for program in ["kubelet", "containerd"] {
        kill(machine, program)?;
        expect_to_run_on(engineer, &before, &format!("the end of {program}"))?;
    }
    Ok(())
}

/// Kills a program, and waits until systemd has started it again.
fn kill(machine: &Machine, program: &str) -> Result<()> {
    let pid = |machine: &Machine| -> Result<String> {
        Ok(machine.try_run(&format!("pgrep --exact {program}"))?.stdout.trim().to_owned())
    };
    let old = pid(machine)?;
    ensure!(old.parse::<u32>().is_ok(), "{program} does not run once: {old:?}");
    machine.run(&format!("kill -KILL {old}"))?;
    wait_until(&format!("the next {program}"), PROGRAM_LIMIT, || {
        let new = pid(machine)?;
        Ok((new != old && new.parse::<u32>().is_ok()).then_some(()))
    })
}

/// Waits until the site is ready. Fails unless the same containers run then and some time later.
pub(crate) fn expect_to_run_on(engineer: Engineer<'_>, before: &BTreeMap<String, String>, after: &str) -> Result<()> {
    engineer.wait_ready(after)?;
    std::thread::sleep(RESTARTED_AFTER);
    expect_all_ready(&engineer.status()?)?;
    let now = containers(engineer.machine())?;
    ensure!(*before == now, "other containers run after {after}:\n{before:#?}\n{now:#?}");
    printer::note(format!("after {after} all {} containers run on", now.len()));
    Ok(())
}

/// Removes the API server's name from `/etc/hosts`, like a program that manages the file. Returns the earlier file.
fn lose_the_api_name(machine: &Machine) -> Result<Vec<u8>> {
    let before = machine.read_file(HOSTS)?;
    machine.run(&format!("sed --in-place '/{API_NAME}/d' {HOSTS} && sync"))?;
    let found = machine.try_run(&format!("getent hosts {API_NAME}"))?;
    ensure!(!found.status.success(), "{API_NAME} is still known: {}", found.stdout);
    Ok(before)
}

/// Waits until the agent has restored the name.
fn wait_for_the_api_name(machine: &Machine, hosts: &[u8]) -> Result<()> {
    let begun = Instant::now();
    wait_until("the API server's name", NAME_LIMIT, || Ok((machine.read_file(HOSTS)? == hosts).then_some(())))?;
    printer::note(format!("{API_NAME} is in {HOSTS} again after {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Checks that the comparison that other tests rely on can fail.
fn planted_differences_are_found(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let good = LandedSite::at(engineer)?;
    let wrong = "docker.io/library/python@sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let images = "ctr --address /run/landfall/containerd/containerd.sock --namespace k8s.io images";
    let (pause, other) = (image_of(&good, "registry.k8s.io/pause:")?, image_of(&good, "registry.k8s.io/etcd:")?);
    // The same image under a name by which it can be restored.
    let (kept, _) = image_with(&good, "sha256:", |digest| digest == other.1)?;
    let left = "/var/lib/landfall/containerd/io.containerd.content.v1.content/ingest/planted";
    let plants = [
        (
            "kubectl --namespace assistant scale deployment assistant --replicas 2",
            "apps/Deployment assistant/assistant: /spec/replicas",
        ),
        (
            "kubectl --namespace kube-system patch configmap coredns --type merge --patch \
             '{\"data\": {\"Corefile\": \"planted\"}}'",
            "ConfigMap kube-system/coredns: /data/Corefile",
        ),
        (
            &format!("kubectl --namespace assistant set image deployment/assistant '*={wrong}'"),
            "apps/Deployment assistant/assistant: /spec/template/spec/containers/0/image",
        ),
        (
            // Another image under its old name.
            &format!("{images} tag --force {} {}", pause.0, other.0),
            &format!("{} {} is on one node only", other.0, pause.1),
        ),
        (
            // It has the same length as the value that it replaces, so a comparison of lengths would not detect it.
            "kubectl --namespace postgres patch secret postgres-credentials --type merge --patch \
             \"{\\\"stringData\\\": {\\\"password\\\": \\\"$(printf 'x%.0s' $(seq 32))\\\"}}\"",
            "Secret postgres/postgres-credentials: password",
        ),
        (&format!("touch {left}"), &format!("{left} is on one node only")),
    ];
    let put_back = format!("{images} tag --force {kept} {} && rm {left}", other.0);
    for (plant, found) in plants {
        let planted = proofs::administer(machine, plant)?;
        ensure!(planted.status.success(), "cannot plant: {}", planted.stderr);
        let differences = good.difference(&LandedSite::at(engineer)?);
        let is_found = differences.iter().any(|line| line.starts_with(found));
        ensure!(is_found, "`{plant}` was not found, only:\n{}", differences.join("\n"));
    }
    let cleaned = proofs::administer(machine, &put_back)?;
    ensure!(cleaned.status.success(), "cannot restore an image: {}", cleaned.stderr);
    let now = LandedSite::at(engineer)?;
    ensure!(now.images.is_superset(&good.images) && !now.files.contains(left), "what was planted is still there");
    Ok(())
}

/// Fails unless the status reports what is not ready and why, including deleted objects. The image that was planted
/// before cannot be pulled.
fn status_reports_problems(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let expect = |what: &'static str, is_reported: &dyn Fn(&Value) -> bool| {
        wait_until(&format!("a status that reports {what}"), WRONG_LIMIT, || {
            let status = engineer.status()?;
            Ok((status["ready"] == false && is_reported(&status)).then_some(()))
        })
        .with_context(|| format!("{:#}", engineer.status().unwrap_or_default()))
    };
    let reasons = |status: &Value| {
        let components = status["components"].as_array().cloned().unwrap_or_default();
        let assistant = components.into_iter().find(|component| component["component"] == "assistant");
        assistant.map_or_else(String::new, |assistant| assistant["reasons"].to_string())
    };
    expect("an image that cannot be pulled", &|status| reasons(status).contains("@sha256:00000000"))?;
    let deleted =
        proofs::administer(machine, "kubectl --namespace assistant delete configmap landfall-inventory-assistant")?;
    ensure!(deleted.status.success(), "cannot delete an inventory: {}", deleted.stderr);
    expect("a component that is gone", &|status| reasons(status).contains("were deleted from assistant"))?;
    machine.run("systemctl stop landfall-agent")?;
    expect("an agent that does not run", &|status| {
        status["agent"]["ready"] == false && status["agent"]["reason"].to_string().contains("inactive")
    })?;
    machine.run("systemctl start landfall-agent")?;
    expect("an agent that runs again", &|status| status["agent"]["ready"] == true)
}

/// Returns name and digest of the image whose name has this prefix.
fn image_of<'a>(landed: &'a LandedSite, prefix: &str) -> Result<(&'a str, &'a str)> {
    image_with(landed, prefix, |_| true)
}

/// Returns name and digest of the image whose name has this prefix and whose digest satisfies a condition.
fn image_with<'a>(landed: &'a LandedSite, prefix: &str, wanted: impl Fn(&str) -> bool) -> Result<(&'a str, &'a str)> {
    let mut images = landed.images.iter().filter_map(|image| image.split_once(' '));
    let found = images.find(|(name, digest)| name.starts_with(prefix) && wanted(digest));
    found.with_context(|| format!("the node has no image {prefix}"))
}

/// Uninstalls, loses power in the middle, and continues. Afterwards, the machine is in its initial state.
fn uninstall_in_two_goes(engineer: Engineer<'_>) -> Result<()> {
    terminal::refuses_a_wrong_name(engineer)?;
    let at = CutPoint {
        step: "agent".to_owned(),
        moment: Moment::After(Duration::from_millis(
            SeededNumbers::with_name("uninstall in two goes")?.within(100, 2000),
        )),
    };
    cut_during(engineer, &["uninstall"], &at)?;
    boot(engineer.machine())?;
    let status = engineer.status()?;
    let operation = &status["operation"];
    printer::note(format!(
        "the uninstall was cut: record {}, step {} is {}",
        operation["record"], operation["step"]["id"], operation["step"]["status"]
    ));
    ensure!(status["state"] == "uninstall-interrupted", "the cut did not interrupt the uninstall: {status:#}");
    engineer
        .landfall(&["install", STICK, "--trust", &fixture()?.fingerprint])?
        .expect_refusal("install", "LF4016", 5)?;
    let ((), peak_memory_bytes) =
        memory::peak_of(engineer.machine(), "uninstall", || engineer.uninstall_all().map(drop))?;
    printer::note(format!("uninstall: at most {} MiB of memory", peak_memory_bytes >> 20));
    memory::expect_little("uninstall", peak_memory_bytes)?;
    engineer.expect_unchanged("after an uninstall in two goes", &["/var/log/landfall"])?;
    ensure!(engineer.status()?["verdict"] == "absent", "status still sees something");
    Ok(())
}
