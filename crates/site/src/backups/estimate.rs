//! Estimate of the space for a backup and its drill, before the backup reads any data.

use std::collections::{BTreeMap, BTreeSet};

use landfall_backup::{Backup, Repository};
use landfall_cluster::Cluster;
use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_host::space::{self, Space};
use landfall_release_document::{BackupRule, ReleaseDocument};

use super::LiveVolume;
use super::cluster;
use super::error::unusable;
use crate::room::Demand;

/// Space of every backup besides its streams: documents, lists, and partly filled packs.
const LEAST: Space = Space { bytes: 256 << 20, inodes: 400 };

/// Space that software adds to restored data when it starts.
const STARTED: Space = Space { bytes: 1 << 30, inodes: 1000 };

/// Size of a file of the repository in bytes.
const PACK_BYTES: u64 = 16 << 20;

/// Divisor for the part of saved data that changes until the next backup. It is a guess; the guard of the repository's
/// disk covers larger changes.
const CHANGED_PART: u64 = 10;

/// Estimated space of a backup and its drill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackupEstimate {
    /// Permanent space on the repository's filesystem.
    pub(crate) stored: Space,
    /// Space on the data's filesystem during the largest drill.
    pub(crate) drill: Space,
    /// Space on the data's filesystem while etcd's snapshot is saved.
    pub(crate) snapshot: Space,
}

impl BackupEstimate {
    /// Estimates a release's backup from the volumes on the disk and the latest backups. A volume that cannot be found
    /// counts with the size of its saved stream.
    pub fn of(
        paths: &SitePaths,
        cluster: &Cluster,
        release: &ReleaseDocument,
        repository: Option<&Repository>,
    ) -> Result<Self, StepError> {
        let known = repository.map_or(Ok(Vec::new()), Repository::backups).map_err(unusable)?;
        let mut streams = Vec::new();
        for component in &release.components {
            for rule in &component.backup {
                let volume = LiveVolume::of(cluster, paths, &component.namespace, rule).ok();
                streams.push(Stream {
                    container: (&component.name, &rule.workload.name, rule.container.as_deref()),
                    live: volume.as_ref().map(|volume| space_of(paths, volume)).unwrap_or_default(),
                    folder: volume.map(|volume| volume.folder),
                    saved_bytes: saved_bytes(&known, &rule.stream(&component.name)),
                });
            }
        }
        Ok(Self::of_streams(&streams).with_etcd(cluster::file_bytes(paths), saved_bytes(&known, cluster::ETCD)))
    }

    fn of_streams(streams: &[Stream<'_>]) -> Self {
        let mut groups: BTreeMap<_, (u64, Space)> = BTreeMap::new();
        let (mut unsaved, mut drilled) = (BTreeSet::new(), BTreeSet::new());
        let mut bytes = 0_u64;
        for stream in streams {
            let (loaded, live) = groups.entry(stream.container).or_default();
            *loaded += stream.saved_bytes.unwrap_or(0);
            // Several rules may share a volume, which exists once.
            if stream.folder.as_ref().is_none_or(|folder| drilled.insert((stream.container, folder))) {
                *live = live.plus(stream.live);
            }
            let is_counted = |folder: &String| stream.saved_bytes.is_none() && !unsaved.insert(folder.clone());
            if !stream.folder.as_ref().is_some_and(is_counted) {
                bytes = bytes.saturating_add(stream.new_bytes());
            }
        }
        let packs = Space { bytes, inodes: bytes / PACK_BYTES };
        let drills = groups.values().map(|(loaded, live)| drill_space(*loaded, *live));
        let drill = drills.fold(Space::default(), Space::or);
        Self { stored: LEAST.plus(packs), drill, snapshot: Space::default() }
    }

    /// Adds a snapshot of etcd, given the current size of its data and the size in the latest backup.
    fn with_etcd(self, live_bytes: u64, saved_bytes: Option<u64>) -> Self {
        let bytes = saved_bytes.map_or(live_bytes, |saved| saved / CHANGED_PART);
        Self {
            stored: self.stored.plus(Space { bytes, inodes: bytes / PACK_BYTES }),
            drill: self.drill.or(cluster::trial_space(live_bytes)),
            snapshot: Space { bytes: live_bytes, inodes: 2 },
        }
    }

    /// Returns the demands: permanent, then temporary.
    pub fn demands(self, paths: &SitePaths) -> [Demand; 2] {
        [
            Demand { folder: paths.backup_repository(), space: self.stored, purpose: "for a backup" },
            Demand { folder: paths.storage(), space: self.drill, purpose: "for its drill" },
        ]
    }

    /// Returns the demands of a backup without a drill.
    pub(crate) fn demands_without_drill(self, paths: &SitePaths) -> [Demand; 2] {
        let [backup, _] = self.demands(paths);
        [backup, Demand { folder: paths.data(), space: self.snapshot, purpose: "for etcd's snapshot" }]
    }
}

/// Returns the space for a drill of one container. A stream may be compressed, it is unpacked beside its final place,
/// and a starting database writes its own log.
pub(super) fn drill_space(loaded_bytes: u64, live: Space) -> Space {
    Space { bytes: loaded_bytes.max(live.bytes), ..live }.times(2).plus(STARTED)
}

/// Returns the current size of these rules' volumes, each once; zero for a volume without a folder.
pub(super) fn live<'a>(
    paths: &SitePaths,
    cluster: &Cluster,
    rules: impl Iterator<Item = (&'a str, &'a BackupRule)>,
) -> Space {
    let mut known = BTreeSet::new();
    let volumes = rules.filter_map(|(namespace, rule)| LiveVolume::of(cluster, paths, namespace, rule).ok());
    let distinct = volumes.filter(|volume| known.insert(volume.folder.clone()));
    distinct.map(|volume| space_of(paths, &volume)).fold(Space::default(), Space::plus)
}

/// Returns the size of a volume; zero if it has no folder.
fn space_of(paths: &SitePaths, volume: &LiveVolume) -> Space {
    space::tree(&paths.storage().join(&volume.folder)).unwrap_or_default()
}

/// Returns the size of this stream in the newest backup that has it.
fn saved_bytes(known: &[Backup], stream: &str) -> Option<u64> {
    let streams = known.iter().rev().flat_map(|backup| &backup.streams);
    streams.into_iter().find(|saved| saved.name.as_str() == stream).map(|saved| saved.size_bytes)
}

/// A stream whose size is estimated.
struct Stream<'a> {
    /// Component, workload and container that load it in a drill.
    container: (&'a str, &'a str, Option<&'a str>),
    /// Folder of the volume, if known.
    folder: Option<String>,
    live: Space,
    saved_bytes: Option<u64>,
}

impl Stream<'_> {
    /// Returns the new bytes: the whole volume without an earlier backup, otherwise a part of the saved bytes. The
    /// earlier size of the volume is unknown, and a dump is smaller than its volume, so their difference is not growth.
    fn new_bytes(&self) -> u64 {
        self.saved_bytes.map_or(self.live.bytes, |saved| saved / CHANGED_PART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn stream(container: &'static str, live_bytes: u64, saved_bytes: Option<u64>) -> Stream<'static> {
        let live = Space { bytes: live_bytes, inodes: 10 };
        Stream { container: (container, "db", None), folder: None, live, saved_bytes }
    }

    fn of_volume(container: &'static str, folder: &str, saved_bytes: Option<u64>) -> Stream<'static> {
        Stream { folder: Some(folder.to_owned()), ..stream(container, 10 * GIB, saved_bytes) }
    }

    #[test]
    fn later_backup_is_estimated_by_growth() {
        let of = |streams: &[Stream<'_>]| BackupEstimate::of_streams(streams).stored.bytes - LEAST.bytes;
        assert_eq!(of(&[stream("db", 10 * GIB, None)]), 10 * GIB);
        assert_eq!(of(&[stream("db", 10 * GIB, Some(10 * GIB))]), GIB);
        assert_eq!(of(&[stream("db", 12 * GIB, Some(10 * GIB)), stream("kv", GIB, None)]), 2 * GIB);
        // A dump is always smaller than its volume.
        assert_eq!(of(&[stream("db", 100 * GIB, Some(10 * GIB))]), GIB);
        // Rules that share a volume.
        let shared = [of_volume("db", "pvc-1", None), of_volume("db", "pvc-1", None), of_volume("kv", "pvc-2", None)];
        assert_eq!(of(&shared), 20 * GIB);
        assert_eq!(of(&[of_volume("db", "pvc-1", Some(GIB * 10)), of_volume("db", "pvc-1", None)]), 11 * GIB);
        // The volume is unknown now.
        assert_eq!(of(&[stream("db", 0, Some(10 * GIB))]), GIB);
    }

    #[test]
    fn drill_is_estimated_by_largest_container() {
        let drill = |streams: &[Stream<'_>]| BackupEstimate::of_streams(streams).drill;
        let alone = drill(&[stream("db", 3 * GIB, Some(5 * GIB))]);
        assert_eq!(alone, Space { bytes: 11 * GIB, inodes: 1020 });
        assert_eq!(drill(&[stream("db", 3 * GIB, Some(5 * GIB)), stream("kv", 5 * GIB, None)]), alone);
        assert_eq!(drill(&[stream("db", 3 * GIB, None), stream("db", 2 * GIB, None)]).bytes, 11 * GIB);
        let shared = [of_volume("db", "pvc-1", None), of_volume("db", "pvc-1", None)];
        assert_eq!(drill(&shared), drill(&shared[..1]));
        assert_eq!(drill(&[]), Space::default());
    }

    #[test]
    fn estimate_includes_etcd_snapshot() {
        let without = BackupEstimate::of_streams(&[]);
        let first = without.with_etcd(GIB, None);
        assert_eq!((first.stored.bytes - LEAST.bytes, first.snapshot.bytes), (GIB, GIB));
        assert!((2 * GIB..3 * GIB).contains(&first.drill.bytes));
        let later = without.with_etcd(GIB, Some(GIB));
        assert_eq!((later.stored.bytes - LEAST.bytes, later.snapshot.bytes), (GIB / CHANGED_PART, GIB));
        assert_eq!(without.with_etcd(0, None).drill, Space::default(), "a cluster that runs no etcd here");
    }
}
