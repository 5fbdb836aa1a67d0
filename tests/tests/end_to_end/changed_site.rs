//! A site whose release has changed, as far as it must agree with another that has the same release: by the rules for installs, without what
//! a change adds by its nature.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use landfall_tests::printer;
use landfall_tests::proofs::in_pod;
use serde_json::Value;

use super::comparison::Landed;
use super::engineer::Engineer;

/// How long controllers may take to settle after everything was ready.
const SETTLE_LIMIT: Duration = Duration::from_mins(3);

/// Between two looks at a site that may still move: what is removed with a delay is gone by then.
const SETTLE_EVERY: Duration = Duration::from_secs(12);

/// Objects of these kinds are not compared: they record which forms a workload had before. Which form it has, its pods say.
const HISTORIES: [&str; 2] = ["apps/ControllerRevision ", "apps/ReplicaSet "];

/// How often a Job was tried depends on when the power was cut; the Job itself is compared.
const OF_JOBS: &str = " of batch/Job ";

/// Annotations that count the forms of a workload.
const COUNTERS: [&str; 2] = ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"];

/// Files of operations and backups, of which each change has its own; those that are made again at each boot; and those that services write
/// in their own time, which a site that has just booted may not have yet.
const OF_CHANGES: [&str; 9] = [
    "/run/landfall/",
    "/var/lib/landfall/backup-try.json",
    "/var/lib/landfall/backups",
    "/var/lib/landfall/console/audit.json",
    "/var/lib/landfall/console/lock",
    "/var/lib/landfall/journal/",
    "/var/lib/landfall/node/clock",
    "/var/lib/landfall/node/renewal",
    "/var/lib/landfall/users.json",
];

/// Prints the digest of a dump of the database, without what each operation writes there: markers of backups, rows of proofs, and the time
/// at which 1.1.0 has changed the schema. `pg_dump` draws a word for two lines.
const DUMP: &str = r#"
pg_dump --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --exclude-table="landfall_*" --exclude-table=schema_version --file=/tmp/dump
grep -v -E "^.(un)?restrict " /tmp/dump | sha256sum
rm /tmp/dump"#;

/// A site after a change.
pub(crate) struct ChangedSite(Landed);

impl ChangedSite {
    /// What is there now.
    fn at(engineer: Engineer<'_>) -> Result<Self> {
        let mut landed = Landed::at(engineer)?;
        let is_compared = |name: &str| !HISTORIES.iter().any(|kind| name.starts_with(kind)) && !name.contains(OF_JOBS);
        landed.cluster.objects.retain(|name, _| is_compared(name));
        for object in landed.cluster.objects.values_mut().flatten() {
            remove_counters(object);
        }
        landed.files.retain(|file| !OF_CHANGES.iter().any(|beginning| file.starts_with(beginning)));
        Ok(Self(landed))
    }

    /// The same, once it no longer changes.
    pub(crate) fn settled(engineer: Engineer<'_>) -> Result<Self> {
        let begun = Instant::now();
        let mut last = Self::at(engineer)?;
        loop {
            std::thread::sleep(SETTLE_EVERY);
            let next = Self::at(engineer)?;
            let moving = next.0.difference(&last.0);
            if moving.is_empty() {
                return Ok(next);
            }
            ensure!(begun.elapsed() < SETTLE_LIMIT, "the site does not settle:\n{}", moving.join("\n"));
            last = next;
        }
    }

    /// Fails unless a site becomes equal to this one.
    pub(crate) fn expect_equal(&self, engineer: Engineer<'_>) -> Result<()> {
        let begun = Instant::now();
        // A failed look, because something is still starting, does not count as equal either.
        let look = || match Self::at(engineer) {
            Ok(found) => self.0.difference(&found.0),
            Err(error) => vec![format!("{error:#}")],
        };
        let mut differences = look();
        while !differences.is_empty() && begun.elapsed() < SETTLE_LIMIT {
            std::thread::sleep(Duration::from_secs(3));
            differences = look();
        }
        ensure!(differences.is_empty(), "not what the release leaves without a power cut:\n{}", differences.join("\n"));
        let objects: usize = self.0.cluster.objects.values().map(Vec::len).sum();
        let (images, files) = (self.0.images.len(), self.0.files.len());
        printer::note(format!("equal in {objects} objects, {images} images and {files} names of files"));
        Ok(())
    }
}

/// The digest of a dump of the database.
pub(crate) fn dump(engineer: Engineer<'_>) -> Result<String> {
    let dumped = in_pod(engineer.machine(), "postgres", "postgres-0", DUMP)?;
    ensure!(dumped.status.success(), "the database cannot be dumped: {}{}", dumped.stdout, dumped.stderr);
    Ok(dumped.stdout.trim().to_owned())
}

fn remove_counters(object: &mut Value) {
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| !COUNTERS.contains(&name.as_str()));
    }
}

#[test]
fn counters_of_forms_are_not_compared() {
    let annotations = serde_json::json!({"deployment.kubernetes.io/revision": "7", "example.org/owner": "research"});
    let mut object = serde_json::json!({"metadata": {"annotations": annotations}});
    remove_counters(&mut object);
    assert_eq!(object, serde_json::json!({"metadata": {"annotations": {"example.org/owner": "research"}}}));
    remove_counters(&mut serde_json::json!({"metadata": {}}));
}
