//! The blobs of a payload that a bundle's files contain: all of them, or in a delta only those that a site lacks.

use std::collections::HashSet;

use landfall_bundle_spec::blobs::{BlobEntry, Place};
use landfall_bundle_spec::{END_BYTES, Sha256, file_bytes};

use crate::payload::Payload;

/// A set of blobs of a payload, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    blobs: Vec<usize>,
}

impl Contents {
    /// All blobs of the payload.
    pub fn all_blobs(payload: &Payload) -> Self {
        Self { blobs: (0..payload.blobs().len()).collect() }
    }

    /// The blobs that a site with these blobs lacks, plus the program: a site may have to run it before it can read the
    /// rest.
    pub fn lacking(payload: &Payload, held: &HashSet<Sha256>) -> Self {
        let is_wanted = |blob: &BlobEntry| blob.place == Some(Place::Installer) || !held.contains(&blob.sha256);
        let blobs = payload.blobs().iter().enumerate();
        Self { blobs: blobs.filter(|(_, blob)| is_wanted(blob)).map(|(index, _)| index).collect() }
    }

    /// The blobs with these indexes, which must ascend.
    pub(crate) fn of(blobs: Vec<usize>) -> Self {
        Self { blobs }
    }

    /// Indexes of the blobs, ascending.
    pub fn blobs(&self) -> &[usize] {
        &self.blobs
    }

    /// Returns true if the set includes this blob.
    pub fn has(&self, blob: usize) -> bool {
        self.blobs.binary_search(&blob).is_ok()
    }

    /// Returns true if no blob of the payload is left out.
    pub fn are_whole(&self, payload: &Payload) -> bool {
        self.left_out(payload) == 0
    }

    /// Bytes of the files that hold these blobs: head, headers, blobs, padding and end.
    pub fn stream_bytes(&self, payload: &Payload) -> u64 {
        let entries: u64 = self.blobs.iter().map(|blob| file_bytes(payload.blob(*blob).size)).sum();
        payload.layout().head_bytes() + entries + END_BYTES
    }

    /// Number of blobs that are left out.
    pub fn left_out(&self, payload: &Payload) -> usize {
        payload.blobs().len() - self.blobs.len()
    }

    /// Bytes of the blobs that are left out.
    pub fn left_out_bytes(&self, payload: &Payload) -> u64 {
        let left_out = (0..payload.blobs().len()).filter(|blob| !self.has(*blob));
        left_out.map(|blob| payload.blob(blob).size).sum()
    }
}
