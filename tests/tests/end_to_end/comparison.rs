//! What an install left, as far as two installs of one release must agree on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use landfall_lifecycle::cluster::snapshot::{Snapshot, difference};
use landfall_tests::printer;
use landfall_tests::proofs::administer;
use landfall_tests::site::Machine;

use super::engineer::Engineer;
use super::fixture::machine_with_stick;

/// How long controllers may take to settle after everything was ready.
const SETTLE_LIMIT: Duration = Duration::from_mins(1);

/// A site after an install.
#[derive(Clone)]
pub(crate) struct Landed {
    /// What the cluster holds.
    pub(crate) cluster: Snapshot,
    /// The images of the node with their digests, as the runtime has them.
    pub(crate) images: BTreeSet<String>,
}

impl Landed {
    /// Looks at a site.
    pub(crate) fn at(engineer: Engineer<'_>) -> Result<Self> {
        let line = "ctr --address /run/landfall/containerd/containerd.sock --namespace k8s.io images list";
        let listed = administer(engineer.machine(), line)?;
        ensure!(listed.status.success(), "cannot list images: {}", listed.stderr);
        let columns = |line: &str| {
            let mut columns = line.split_whitespace();
            Some(format!("{} {}", columns.next()?, columns.nth(1)?))
        };
        let images = listed.stdout.lines().skip(1).filter_map(columns).collect();
        let mut cluster = engineer.snapshot()?;
        // The kubelet reports images minutes later and at most fifty: the runtime is asked instead.
        cluster.images.clear();
        Ok(Self { cluster, images })
    }

    /// Everything in which two sites differ, a line each.
    pub(crate) fn difference(&self, other: &Self) -> Vec<String> {
        let objects = difference(&self.cluster, &other.cluster).into_iter().map(|one| one.to_string());
        let images =
            self.images.symmetric_difference(&other.images).map(|image| format!("{image} is on one node only"));
        objects.chain(images).collect()
    }
}

/// An uninterrupted install, for comparison.
pub(crate) struct Uninterrupted {
    /// What it left.
    pub(crate) landed: Landed,
    /// Bytes that it read from the media.
    pub(crate) media_read_bytes: u64,
}

static UNINTERRUPTED: OnceLock<Uninterrupted> = OnceLock::new();

/// Keeps what the first uninterrupted install of this run left.
pub(crate) fn keep_uninterrupted(engineer: Engineer<'_>, report: &serde_json::Value) -> Result<&'static Uninterrupted> {
    let media_read_bytes = report["mediaReadBytes"].as_u64().context("install does not say what it read")?;
    let landed = settled(engineer)?;
    Ok(UNINTERRUPTED.get_or_init(|| Uninterrupted { landed, media_read_bytes }))
}

/// The uninterrupted install of this run; made now if no test made one.
pub(crate) fn uninterrupted() -> Result<&'static Uninterrupted> {
    if let Some(kept) = UNINTERRUPTED.get() {
        return Ok(kept);
    }
    let (_site, machine) = machine_with_stick("e2e-baseline")?;
    let engineer = Engineer::at(&machine);
    let report = engineer.install()?;
    engineer.wait_ready("the uninterrupted install")?;
    keep_uninterrupted(engineer, &report)
}

/// What a site holds once it does not change any more.
fn settled(engineer: Engineer<'_>) -> Result<Landed> {
    let begun = Instant::now();
    let mut last = Landed::at(engineer)?;
    while begun.elapsed() < SETTLE_LIMIT {
        std::thread::sleep(Duration::from_secs(12));
        let next = Landed::at(engineer)?;
        if next.difference(&last).is_empty() {
            return Ok(next);
        }
        last = next;
    }
    Err(anyhow!("the site does not settle within {} s", SETTLE_LIMIT.as_secs()))
}

/// Fails unless the site becomes equal to an uninterrupted install.
pub(crate) fn expect_equal(engineer: Engineer<'_>) -> Result<()> {
    let wanted = uninterrupted()?;
    let begun = Instant::now();
    let mut differences = wanted.landed.difference(&Landed::at(engineer)?);
    while !differences.is_empty() && begun.elapsed() < SETTLE_LIMIT {
        std::thread::sleep(Duration::from_secs(3));
        differences = wanted.landed.difference(&Landed::at(engineer)?);
    }
    ensure!(differences.is_empty(), "not what an uninterrupted install leaves:\n{}", differences.join("\n"));
    let objects: usize = wanted.landed.cluster.objects.values().map(Vec::len).sum();
    printer::note(format!(
        "equal to an uninterrupted install: {objects} objects, {} images",
        wanted.landed.images.len()
    ));
    expect_no_leftovers(engineer.machine())
}

/// Fails if a temporary file of an interrupted write is left.
fn expect_no_leftovers(machine: &Machine) -> Result<()> {
    let left = machine.run(
        "find / -xdev -name '*.landfall-temporary'; find /var/lib/landfall/registry/landfall -type f -path '*partial*'",
    )?;
    ensure!(left.stdout.is_empty(), "temporary files are left:\n{}", left.stdout);
    Ok(())
}

/// Digests of every generated secret and private key, by path.
pub(crate) fn secrets(machine: &Machine) -> Result<BTreeMap<String, String>> {
    let line = "find /var/lib/landfall/secrets /etc/kubernetes/pki -type f \\( -path '/var/lib/*' -o -name '*.key' \\) \
        ! -name '*.landfall-temporary' -exec sha256sum {} + 2> /dev/null";
    let listed = machine.try_run(line)?.stdout;
    let pairs = listed.lines().filter_map(|line| line.split_once("  "));
    Ok(pairs.map(|(digest, path)| (path.to_owned(), digest.to_owned())).collect())
}
