//! The comparable state of a site whose release has changed. It is compared by the rules for installs, without the
//! inherent effects of a change.

use anyhow::{Result, bail, ensure};
use landfall_xtask::printer;
use serde_json::Value;

use super::comparison::{LandedSite, read_settled, remaining_differences};
use super::engineer::Engineer;

/// Kinds of objects that are not compared: they record earlier revisions of a workload. Its pods show the current one.
const HISTORIES: [&str; 2] = ["apps/ControllerRevision ", "apps/ReplicaSet "];

/// Suffix of a Job's pods. Their number depends on the moment of a power cut; the Job itself is compared.
const OF_JOBS: &str = " of batch/Job ";

/// Annotations and labels that count the revisions of a workload.
const COUNTERS: [&str; 3] =
    ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation", "pod-template-generation"];

/// Files that are not compared: files of operations and backups, which differ with each change, and files that are
/// recreated at each boot. Others are written by services at any time, so a recently booted site may lack them.
const OF_CHANGES: [&str; 8] = [
    "/run/landfall/",
    // The folded journals follow the closed ones.
    "/var/lib/landfall/activity",
    "/var/lib/landfall/backup-try.json",
    "/var/lib/landfall/backups",
    "/var/lib/landfall/journal/",
    "/var/lib/landfall/node/clock",
    "/var/lib/landfall/node/renewal",
    "/var/lib/landfall/users.json",
];

/// Folders in which the runtime and the kubelet store image data. Images of an undone release stay until the kubelet
/// needs the space.
const PULLED: [&str; 2] = [
    "/var/lib/landfall/containerd/io.containerd.content.v1.content/blobs/",
    "/var/lib/landfall/kubelet/image_manager/pulled/",
];

/// A site after a change.
pub(crate) struct ChangedSite(LandedSite);

impl ChangedSite {
    /// Returns the state of a site once it no longer changes.
    pub(crate) fn read_settled(engineer: Engineer<'_>) -> Result<Self> {
        read_settled(engineer, look).map(Self)
    }

    /// Fails unless a site reaches this state.
    pub(crate) fn expect_equal(&self, engineer: Engineer<'_>) -> Result<()> {
        expect(engineer, |_| self.0.clone())
    }

    /// Fails unless a site that was `later` in between has everything of this state, and beyond that only content of
    /// `later`. The later release's content and data stay after a rollback.
    pub(crate) fn expect_equal_after(&self, later: &Self, engineer: Engineer<'_>) -> Result<()> {
        expect(engineer, |found| expected_state(&self.0, &later.0, found))
    }
}

/// Returns the current state. Fails while an object is being deleted, because it may soon be gone.
fn look(engineer: Engineer<'_>) -> Result<LandedSite> {
    let landed = comparable(LandedSite::at(engineer)?);
    for (name, objects) in &landed.cluster.objects {
        if objects.iter().any(|object| object.pointer("/metadata/deletionTimestamp").is_some()) {
            bail!("{name} is being deleted");
        }
    }
    Ok(landed)
}

/// Fails unless a site reaches the expected state, which may depend on its current one.
fn expect(engineer: Engineer<'_>, wanted: impl Fn(&LandedSite) -> LandedSite) -> Result<()> {
    let differences = remaining_differences(|| {
        let found = look(engineer)?;
        Ok(with_pulled(wanted(&found), &found).difference(&found))
    });
    ensure!(differences.is_empty(), "not what the release leaves:\n{}", differences.join("\n"));
    printer::note("equal to what the release leaves: objects, images, names of files; Secrets match their files");
    Ok(())
}

/// Removes the inherent effects of a change.
fn comparable(mut landed: LandedSite) -> LandedSite {
    let is_compared = |name: &str| !HISTORIES.iter().any(|kind| name.starts_with(kind)) && !name.contains(OF_JOBS);
    landed.cluster.objects.retain(|name, _| is_compared(name));
    landed.cluster.objects.values_mut().flatten().for_each(remove_counters);
    landed.files.retain(|file| !OF_CHANGES.iter().any(|beginning| file.starts_with(beginning)));
    landed
}

fn remove_counters(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in ["annotations", "labels"] {
        let Some(marks) = metadata.get_mut(field).and_then(Value::as_object_mut) else { continue };
        marks.retain(|name, _| !COUNTERS.contains(&name.as_str()));
        // A map that contained nothing else equals a missing one.
        if marks.is_empty() {
            metadata.remove(field);
        }
    }
}

/// Returns the expected state of a site that is `first` again, was `later`, and is now `found`. It has everything of
/// `first`, and the found items that only `later` has.
fn expected_state(first: &LandedSite, later: &LandedSite, found: &LandedSite) -> LandedSite {
    let mut wanted = first.clone();
    for (name, objects) in &later.cluster.objects {
        if found.cluster.objects.contains_key(name) {
            wanted.cluster.objects.entry(name.clone()).or_insert_with(|| objects.clone());
        }
    }
    wanted.images.extend(later.images.intersection(&found.images).cloned());
    wanted.files.extend(later.files.intersection(&found.files).cloned());
    wanted
}

/// Adds the images that a site has beyond the expected ones.
fn with_pulled(mut wanted: LandedSite, found: &LandedSite) -> LandedSite {
    wanted.images.extend(found.images.iter().cloned());
    let pulled = found.files.iter().filter(|file| PULLED.iter().any(|folder| file.starts_with(folder)));
    wanted.files.extend(pulled.cloned());
    wanted
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use landfall_cluster_snapshot::Snapshot;
    use serde_json::json;

    use super::*;

    fn sample_state(objects: &[(&str, Value)], files: &[&str]) -> LandedSite {
        let objects = objects.iter().map(|(name, object)| ((*name).to_owned(), vec![object.clone()])).collect();
        LandedSite {
            cluster: Snapshot { objects, images: BTreeMap::new(), secrets: BTreeMap::new() },
            images: BTreeSet::new(),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            unlike_secrets: BTreeSet::new(),
        }
    }

    #[test]
    fn revision_counters_are_not_compared() {
        let annotations = json!({"deployment.kubernetes.io/revision": "7", "example.org/owner": "research"});
        let mut object = json!({"metadata": {"annotations": annotations, "labels": {"pod-template-generation": "2"}}});
        remove_counters(&mut object);
        assert_eq!(object, json!({"metadata": {"annotations": {"example.org/owner": "research"}}}));
        remove_counters(&mut json!({"metadata": {}}));
    }

    #[test]
    fn inherent_effects_are_not_compared() {
        let replica_set = ("apps/ReplicaSet web/front-5c9", json!({}));
        let pod_of_job = ("Pod web/migration-* of batch/Job migration", json!({}));
        let job = ("batch/Job web/migration", json!({}));
        let files = ["/var/lib/landfall/journal/2-upgrade", "/var/lib/landfall/marks.json"];
        let left = comparable(sample_state(&[replica_set, pod_of_job, job.clone()], &files));
        assert_eq!(left.difference(&sample_state(&[job], &files[1..])), Vec::<String>::new());
    }

    #[test]
    fn rolled_back_site_keeps_later_content() {
        let own = ("ConfigMap web/settings", json!({"data": {"mode": "fast"}}));
        let changed = ("ConfigMap web/settings", json!({"data": {"mode": "slow"}}));
        let claim = ("PersistentVolumeClaim board/data", json!({"spec": {}}));
        let first = sample_state(std::slice::from_ref(&own), &["/etc/a"]);
        let later = sample_state(&[changed.clone(), claim.clone()], &["/etc/a", "/etc/b"]);
        let differences = |objects: &[(&str, Value)], files: &[&str]| {
            let found = sample_state(objects, files);
            expected_state(&first, &later, &found).difference(&found).len()
        };
        assert_eq!(differences(&[own.clone(), claim.clone()], &["/etc/a", "/etc/b"]), 0);
        assert_eq!(differences(std::slice::from_ref(&own), &["/etc/a"]), 0);
        assert_eq!(differences(&[changed], &["/etc/a"]), 1, "the object is still that of the later release");
        assert_eq!(differences(&[claim], &["/etc/a"]), 1, "an object is gone");
        assert_eq!(differences(std::slice::from_ref(&own), &["/etc/b"]), 1, "a file is gone");
        assert_eq!(differences(std::slice::from_ref(&own), &["/etc/a", "/etc/c"]), 1, "neither release leaves it");
        let other = ("PersistentVolumeClaim board/data", json!({"spec": {"size": 1}}));
        assert_eq!(differences(&[own, other], &["/etc/a"]), 1, "neither release leaves it so");
    }

    #[test]
    fn images_of_undone_release_may_stay() {
        let [blobs, _] = PULLED;
        let [own, other] = ["a", "b"].map(|name| format!("{blobs}{name}"));
        let wanted = LandedSite { images: BTreeSet::from(["own".to_owned()]), ..sample_state(&[], &[&own]) };
        let both = BTreeSet::from(["other".to_owned(), "own".to_owned()]);
        let found = LandedSite { images: both, ..sample_state(&[], &[&own, &other]) };
        assert_eq!(with_pulled(wanted.clone(), &found).difference(&found), Vec::<String>::new());
        let lost =
            LandedSite { images: BTreeSet::from(["other".to_owned()]), ..sample_state(&[], &[&other, "/etc/more"]) };
        assert_eq!(with_pulled(wanted, &lost).difference(&lost).len(), 3);
    }
}
