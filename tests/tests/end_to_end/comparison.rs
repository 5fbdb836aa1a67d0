//! The part of an install's result that must be equal in two installs of one release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use landfall_cluster_snapshot::{Snapshot, difference};
use landfall_xtask::printer;
use landfall_xtask::proofs::administer;
use landfall_xtask::site::{Machine, names};
use serde_json::Value;

use super::cut::{CutPoint, Moment};
use super::engineer::Engineer;
use super::fixture::machine_with_stick;
use super::{journal, secrets};

/// Time limit for controllers to settle after everything is ready.
const SETTLE_LIMIT: Duration = Duration::from_mins(3);

/// Time between two reads of a site that may still change.
const SETTLE_EVERY: Duration = Duration::from_secs(12);

/// Socket of the container runtime.
const RUNTIME: &str = "/run/landfall/containerd/containerd.sock";

/// Folder of the kubelet's static pods.
const STATIC_PODS: &str = "/etc/kubernetes/manifests";

/// State of a site after an install.
#[derive(Clone)]
pub(crate) struct LandedSite {
    /// The contents of the cluster.
    pub(crate) cluster: Snapshot,
    /// Images of the node with their digests, as reported by the runtime.
    pub(crate) images: BTreeSet<String>,
    /// Names of files in the folders that an install writes to.
    pub(crate) files: BTreeSet<String>,
    /// Secrets of the cluster that differ from the site's own files.
    pub(crate) unlike_secrets: BTreeSet<String>,
}

impl LandedSite {
    /// Collects the state of a site.
    pub(crate) fn at(engineer: Engineer<'_>) -> Result<Self> {
        let machine = engineer.machine();
        let ctr = |what: &str| {
            let said = administer(machine, &format!("ctr --address {RUNTIME} --namespace k8s.io {what}"))?;
            ensure!(said.status.success(), "ctr {what}: {}", said.stderr);
            Ok(said)
        };
        // The runtime removes unneeded content with a delay. A lease holds that of an interrupted pull for a day.
        // Deleting a lease triggers the removal now.
        let own = ctr("leases create")?.stdout;
        let held = ctr("leases list --quiet")?.stdout;
        for lease in held.split_whitespace().filter(|lease| *lease != own.trim()) {
            // The lease may expire at this moment.
            administer(machine, &format!("ctr --address {RUNTIME} --namespace k8s.io leases delete {lease}"))?;
        }
        ctr(&format!("leases delete --sync {}", own.trim()))?;
        let listed = ctr("images list")?;
        let mut cluster = engineer.snapshot()?;
        // The kubelet reports images minutes later, and at most fifty. So the runtime is queried instead.
        cluster.images.clear();
        let images = listed.stdout.lines().skip(1).map(image).collect::<Result<_>>()?;
        let (files, unlike_secrets) = (names(machine)?, secrets::unlike_files(machine)?);
        Ok(Self { cluster, images, files, unlike_secrets })
    }

    /// Returns every difference between two sites, one per line.
    pub(crate) fn difference(&self, other: &Self) -> Vec<String> {
        let objects = difference(&self.cluster, &other.cluster).into_iter().map(|one| one.to_string());
        let images =
            self.images.symmetric_difference(&other.images).map(|image| format!("{image} is on one node only"));
        let files = self.files.symmetric_difference(&other.files).map(|file| format!("{file} is on one node only"));
        let secrets = self.unlike_secrets.union(&other.unlike_secrets).cloned();
        objects.chain(images).chain(files).chain(secrets).collect()
    }
}

/// Returns name and digest from a line of the runtime's list: name, type, digest, and more.
fn image(line: &str) -> Result<String> {
    let mut columns = line.split_whitespace();
    let (name, digest) = (columns.next().unwrap_or_default(), columns.nth(1).unwrap_or_default());
    let is_hex = |hex: &str| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(digest.strip_prefix("sha256:").is_some_and(is_hex), "no digest in the third column of `{line}`");
    Ok(format!("{name} {digest}"))
}

/// An uninterrupted install, for comparison.
pub(crate) struct UninterruptedInstall {
    /// State after the install.
    pub(crate) landed: LandedSite,
    /// Bytes that it wrote to the store, each of which must be read from the media once.
    pub(crate) staged_bytes: u64,
    /// Bytes that it read from the store: placed files were checked first, once.
    pub(crate) placed_bytes: u64,
    /// Duration of each of its steps.
    durations: BTreeMap<String, Duration>,
}

impl UninterruptedInstall {
    /// Returns the moment in a step after this percentage of its duration on this machine.
    pub(crate) fn moment(&self, step: &str, percent: u64) -> Result<CutPoint> {
        let took = self.durations.get(step).with_context(|| format!("the journal has no duration for {step}"))?;
        let wait = took.mul_f64(f64::from(u32::try_from(percent)?) / 100.0);
        Ok(CutPoint { step: step.to_owned(), moment: Moment::After(wait) })
    }
}

static UNINTERRUPTED: OnceLock<UninterruptedInstall> = OnceLock::new();

/// Keeps the result of the first uninterrupted install of this run.
pub(crate) fn keep_uninterrupted(engineer: Engineer<'_>, report: &Value) -> Result<&'static UninterruptedInstall> {
    let bytes = |name: &str| report[name].as_u64().with_context(|| format!("install does not report {name}"));
    let staged_bytes = bytes("storeWrittenBytes")?;
    ensure!(bytes("mediaReadBytes")? >= staged_bytes && staged_bytes > 0, "more was staged than read: {report}");
    let placed_bytes = bytes("storeReadBytes")?;
    let durations = journal::durations(&journal::read(engineer.machine())?);
    let landed = read_settled(engineer, LandedSite::at)?;
    ensure!(landed.unlike_secrets.is_empty(), "{:?}", landed.unlike_secrets);
    Ok(UNINTERRUPTED.get_or_init(|| UninterruptedInstall { landed, staged_bytes, placed_bytes, durations }))
}

/// Returns the uninterrupted install of this run, which is made now if no test has made one yet.
pub(crate) fn uninterrupted_install() -> Result<&'static UninterruptedInstall> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = UNINTERRUPTED.get() {
        return Ok(kept);
    }
    let (_site, machine) = machine_with_stick("e2e-baseline")?;
    let engineer = Engineer::at(&machine);
    let report = engineer.install()?;
    engineer.wait_ready("the uninterrupted install")?;
    keep_uninterrupted(engineer, &report)
}

/// Returns the state read by `look` once the site no longer changes and the cluster lists every static pod. A failed
/// read, because something is still starting, counts as a change.
pub(crate) fn read_settled(
    engineer: Engineer<'_>,
    look: impl Fn(Engineer<'_>) -> Result<LandedSite>,
) -> Result<LandedSite> {
    let begun = Instant::now();
    let wanted = static_pods(engineer.machine())?;
    let (mut last, mut moving) = (look(engineer), Vec::<String>::new());
    while begun.elapsed() < SETTLE_LIMIT {
        std::thread::sleep(SETTLE_EVERY);
        let next = look(engineer);
        moving = match (&last, &next) {
            (Ok(last), Ok(next)) => {
                let unlisted = wanted.iter().filter(|pod| !next.cluster.objects.contains_key(*pod));
                let unlisted = unlisted.map(|pod| format!("{pod} runs from a file, and the cluster does not list it"));
                next.difference(last).into_iter().chain(unlisted).collect()
            }
            (_, Err(error)) | (Err(error), _) => vec![format!("{error:#}")],
        };
        if moving.is_empty() {
            return next;
        }
        last = next;
    }
    Err(anyhow!("the site does not settle within {} s:\n{}", SETTLE_LIMIT.as_secs(), moving.join("\n")))
}

/// Returns the differences that `look` still finds at the time limit; empty as soon as there are none. A failed read,
/// because something is still starting, counts as a difference.
pub(crate) fn remaining_differences(look: impl Fn() -> Result<Vec<String>>) -> Vec<String> {
    let begun = Instant::now();
    let look = || look().unwrap_or_else(|error| vec![format!("{error:#}")]);
    let mut differences = look();
    while !differences.is_empty() && begun.elapsed() < SETTLE_LIMIT {
        std::thread::sleep(Duration::from_secs(3));
        differences = look();
    }
    differences
}

/// Returns the names in the cluster of the kubelet's static pods. The kubelet reports each pod to the API server once
/// the node exists. If the API server does not have the pods' priority class yet, it refuses the pod, and the kubelet
/// retries up to 90 s later. The pod runs all the time, so only a comparison needs to wait for that.
fn static_pods(machine: &Machine) -> Result<BTreeSet<String>> {
    let listed = machine.run(&format!("ls {STATIC_PODS}"))?.stdout;
    let pods = listed.lines().map(|file| {
        let text = machine.read_file(&format!("{STATIC_PODS}/{file}"))?;
        let pod: Value = serde_saphyr::from_slice(&text).with_context(|| format!("{file} is no YAML"))?;
        let name =
            |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).with_context(|| format!("{file}: {pod}"));
        Ok(format!("Pod {}/{}-{}", name("/metadata/namespace")?, name("/metadata/name")?, machine.name()))
    });
    let pods = pods.collect::<Result<BTreeSet<_>>>()?;
    ensure!(pods.len() > 4, "too few pods run from files: {pods:?}");
    Ok(pods)
}

/// Fails unless the site reaches the state of an uninterrupted install.
pub(crate) fn expect_equal(engineer: Engineer<'_>) -> Result<()> {
    let wanted = uninterrupted_install()?;
    let differences = remaining_differences(|| Ok(wanted.landed.difference(&LandedSite::at(engineer)?)));
    ensure!(differences.is_empty(), "not what an uninterrupted install leaves:\n{}", differences.join("\n"));
    let objects: usize = wanted.landed.cluster.objects.values().map(Vec::len).sum();
    printer::note(format!(
        "equal to an uninterrupted install: {objects} objects, {} images, {} names of files; Secrets match their files",
        wanted.landed.images.len(),
        wanted.landed.files.len()
    ));
    Ok(())
}

#[test]
fn image_line_without_digest_is_refused() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let line =
        |digest: &str| format!("a.example/b:1 application/vnd.oci.image.manifest.v1+json {digest} 1.0 MiB linux -");
    assert_eq!(image(&line(&digest)).unwrap(), format!("a.example/b:1 {digest}"));
    for wrong in ["sha256:0a", "1.0", &digest.to_uppercase()] {
        let error = image(&line(wrong)).unwrap_err().to_string();
        assert_eq!(error, format!("no digest in the third column of `{}`", line(wrong)));
    }
}
