//! Space that a release needs in a site's data folder: one sum, which the vendor's build announces and a site's
//! preflight requires.

use std::collections::HashSet;

use landfall_bundle_spec::blobs::BlobEntry;

use crate::Requirements;

/// Bytes that containerd needs in addition to an image while it unpacks it.
const UNPACKING_BYTES: u64 = 512 << 20;

/// Bytes on the data folder's filesystem, by purpose. The space that Kubernetes keeps free is additional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DataRoom {
    /// Bytes of everything that is staged.
    pub staged_bytes: u64,
    /// Bytes of unpacked image layers.
    pub unpacked_bytes: u64,
    /// Temporary bytes while layers are unpacked.
    pub unpacking_bytes: u64,
    /// Bytes that running software writes.
    pub data_bytes: u64,
}

impl DataRoom {
    /// Computes the space for these blobs of a head and for the resulting software. An impossible sum saturates, so
    /// that it still exceeds any available space.
    pub fn of(blobs: &[BlobEntry], requirements: &Requirements) -> Self {
        // A blob may occur both under a name of its own and among the others; it is staged once.
        let mut seen = HashSet::new();
        let staged = blobs.iter().filter(|entry| seen.insert(entry.sha256)).map(|entry| entry.size);
        let layers = blobs.iter().filter_map(|entry| entry.layer).map(|layer| layer.unpacked_bytes);
        Self {
            staged_bytes: total(staged),
            unpacked_bytes: total(layers),
            unpacking_bytes: UNPACKING_BYTES,
            data_bytes: requirements.data_bytes,
        }
    }

    /// Total of all parts in bytes.
    pub fn total_bytes(&self) -> u64 {
        let Self { staged_bytes, unpacked_bytes, unpacking_bytes, data_bytes } = *self;
        total([staged_bytes, unpacked_bytes, unpacking_bytes, data_bytes].into_iter())
    }
}

fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;
    use landfall_bundle_spec::blobs::{LayerContents, Place};
    use landfall_bundle_spec::chunks::BlobHasher;

    use super::*;

    fn entry(size: usize, unpacked_bytes: Option<u64>) -> BlobEntry {
        let mut hasher = BlobHasher::new();
        hasher.update(&vec![7; size]);
        let layer =
            unpacked_bytes.map(|unpacked_bytes| LayerContents { diff_id: Sha256([1; 32]), unpacked_bytes, inodes: 1 });
        BlobEntry { layer, ..BlobEntry::blob(&hasher.finish(), "application/octet-stream") }
    }

    #[test]
    fn blobs_count_once_unless_unpacked() {
        let requirements = Requirements { cores: 1, memory_bytes: 1, data_bytes: 1000, gpus: None };
        let program = BlobEntry { place: Some(Place::ALL[0]), ..entry(10, None) };
        let blobs = [program, entry(10, None), entry(20, Some(50)), entry(30, Some(70))];
        let room = DataRoom::of(&blobs, &requirements);
        let expected =
            DataRoom { staged_bytes: 60, unpacked_bytes: 120, unpacking_bytes: UNPACKING_BYTES, data_bytes: 1000 };
        assert_eq!((room, room.total_bytes()), (expected, UNPACKING_BYTES + 1180));
        let endless = DataRoom::of(&[entry(1, Some(u64::MAX)), entry(2, Some(1))], &requirements);
        assert_eq!(endless.total_bytes(), u64::MAX);
    }
}
