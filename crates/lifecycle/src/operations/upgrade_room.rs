//! Peak demand of an upgrade or a rollback on each filesystem, known before anything changes.

use std::collections::BTreeMap;
use std::iter;

use landfall_bundle_spec::blobs::BlobEntry;
use landfall_cluster::Cluster;
use landfall_documents::operation::Operation;
use landfall_engine::plan::Plan;
use landfall_engine::step::StepError;
use landfall_host::space::{self, Space};
use landfall_release_document::{DataRoom, ReleaseDocument, Requirements};

use super::Operations;
use super::error::Result;
use crate::steps::action::Action;
use landfall_site::backups::BackupEstimate;
use landfall_site::room::{Demand, FilesystemPeak, peaks};

/// Inodes of a blob, which is a file in a folder of its own.
const INODES_OF_BLOB: u64 = 2;

impl Operations {
    /// Returns the peaks of a plan that brings these blobs.
    pub(super) fn peaks(
        &self,
        plan: &Plan<Action>,
        installed: &ReleaseDocument,
        target: &ReleaseDocument,
        missing: &[BlobEntry],
        copied: &BTreeMap<String, Space>,
    ) -> Result<Vec<FilesystemPeak>> {
        if missing.is_empty() && plan.operation == Operation::Rollback {
            // A full disk may be the reason for a rollback, so only the copied data counts.
            return Ok(peaks(&self.paths, &[self.data(plan, copied).to_vec()])?);
        }
        let (staged, unpacked) = self.content(target, missing);
        let is_backed_up = plan.all().any(|planned| matches!(planned.action, Action::BackUp(_)));
        let backup = is_backed_up.then(|| self.backup(installed)).transpose()?;
        let later = unpacked.into_iter().chain(self.data(plan, copied));
        Ok(peaks(&self.paths, &phases(staged, backup, later))?)
    }

    /// Returns the demand of a backup and its drill.
    fn backup(&self, installed: &ReleaseDocument) -> Result<[Demand; 2]> {
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let repository = self.existing_repository()?;
        Ok(BackupEstimate::of(&self.paths, &cluster, installed, repository.as_ref())?.demands(&self.paths))
    }

    /// Returns the demand of the copy from the media, and of containerd's unpacking.
    fn content(&self, target: &ReleaseDocument, missing: &[BlobEntry]) -> (Demand, [Demand; 2]) {
        // Data of running software already exists.
        let room = DataRoom::of(missing, &Requirements { data_bytes: 0, ..target.requirements.clone() });
        let inodes = missing.iter().filter_map(|entry| entry.layer).map(|layer| layer.inodes);
        let unpacked_inodes = inodes.fold(0, u64::saturating_add);
        let demand =
            |bytes, inodes, purpose| Demand { folder: self.paths.data(), space: Space { bytes, inodes }, purpose };
        let staged = demand(room.staged_bytes, INODES_OF_BLOB * missing.len() as u64, "for the release");
        let unpacked = demand(room.unpacked_bytes, unpacked_inodes, "for its images once unpacked");
        // Without new layers, nothing is unpacked.
        let unpacking_bytes = if missing.is_empty() { 0 } else { room.unpacking_bytes };
        (staged, [unpacked, demand(unpacking_bytes, 0, "for unpacking")])
    }

    /// Returns the sizes of the volume folders that a plan copies, by name.
    pub(super) fn copy_sizes(&self, plan: &Plan<Action>) -> Result<BTreeMap<String, Space>, StepError> {
        let folders = plan.all().filter_map(|planned| match &planned.action {
            Action::KeepCopy(copy) => Some(&copy.folder),
            _ => None,
        });
        folders.map(|folder| Ok((folder.clone(), space::tree(&self.paths.storage().join(folder))?))).collect()
    }

    /// Returns the demand of copied and loaded data. Loaded data may be unpacked beside its final place, and existing
    /// data stays until the commit.
    fn data(&self, plan: &Plan<Action>, copied: &BTreeMap<String, Space>) -> [Demand; 2] {
        let loads = plan.all().filter(|planned| matches!(planned.action, Action::Load(_)));
        let loaded = Space { bytes: loads.map(|planned| planned.bytes).sum(), inodes: 0 }.times(2);
        let copied = copied.values().fold(Space::default(), |sum, space| sum.plus(*space));
        let demand = |space, purpose| Demand { folder: self.paths.storage(), space, purpose };
        [demand(copied, "for copies of data that changes"), demand(loaded, "for data of a backup")]
    }
}

/// Returns demands that exist at the same time. The release and the backup stay; the drill ends before images are
/// unpacked and data is copied.
fn phases(staged: Demand, backup: Option<[Demand; 2]>, later: impl Iterator<Item = Demand>) -> [Vec<Demand>; 2] {
    let (backup, drill) = backup.map(|[backup, drill]| (backup, drill)).unzip();
    let stays: Vec<Demand> = iter::once(staged).chain(backup).collect();
    [stays.iter().cloned().chain(drill).collect(), stays.iter().cloned().chain(later).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::operations;
    use crate::plan::install::tests::release;

    #[test]
    fn rollback_without_copies_needs_no_room() {
        let (_root, operations) = operations();
        let release = release();
        let plan = Plan::new(Operation::Rollback, "shop", "1.0.0", Vec::new());
        assert_eq!(operations.peaks(&plan, &release, &release, &[], &BTreeMap::new()).unwrap(), []);
        let (staged, [unpacked, unpacking]) = operations.content(&release, &[]);
        assert!([staged, unpacked, unpacking].iter().all(|demand| demand.space == Space::default()));
    }

    #[test]
    fn backup_demand_spans_both_phases() {
        let demand =
            |bytes| Demand { folder: "/data".into(), space: Space { bytes, inodes: 0 }, purpose: "for a test" };
        let sums =
            |phases: [Vec<Demand>; 2]| phases.map(|phase| phase.iter().map(|demand| demand.space.bytes).sum::<u64>());
        let later = || [demand(1000), demand(10_000)].into_iter();
        assert_eq!(sums(phases(demand(1), Some([demand(10), demand(100)]), later())), [111, 11_011]);
        assert_eq!(sums(phases(demand(1), None, later())), [1, 11_001]);
    }
}
