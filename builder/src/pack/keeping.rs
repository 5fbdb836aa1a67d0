//! What a build leaves in the content store: what it accepted, and what it did not come to judge. Of an image or artifact whose content
//! is refused, the store forgets all that nothing accepted needs, whether this build fetched it or `landfall lock` read it before.
//!
//! Threats: a refused image may name honest blobs, such as the layers of its base, to have a store lose them. So each image and
//! artifact that a build accepts is recorded with its blobs, which stay.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::Coded as _;
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};

use crate::error::{BuildError, Result};
use crate::fetch::{Fetched, ManifestDocument, Manifests};
use crate::lock::Pin;
use crate::record;
use crate::reference::Reference;

const RECORD_TYPE: &str = "landfall.dev/accepted/1";

/// The folder of the records about what was accepted.
const ACCEPTED: &str = "accepted";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    blobs: BTreeSet<Sha256>,
}

/// What a release needs of upstream, before it is judged.
#[derive(Debug)]
pub struct Keeping<'a> {
    store: &'a ContentStore,
    contents: Vec<(Reference, BTreeSet<Sha256>)>,
    /// How many blobs had come in before.
    before: usize,
}

impl<'a> Keeping<'a> {
    /// Begins before anything but manifests is fetched or made of them.
    pub fn begin(store: &'a ContentStore, manifests: &Manifests<'_>) -> Self {
        Self { store, contents: manifests.contents(), before: store.arrived().len() }
    }

    /// The error that ended the build, after what it refuses was forgotten.
    pub fn after(&self, error: BuildError) -> BuildError {
        let Some(Err(failed)) = error.refused().map(|refused| self.forget(refused)) else { return error };
        let fix = error.code().fix;
        error.hint(format!("{fix} Its content is still in the store, from which it could not be removed: {failed}."))
    }

    fn forget(&self, refused: &str) -> Result<()> {
        let (of_refused, others): (Vec<_>, Vec<_>) =
            self.contents.iter().partition(|(reference, _)| reference.to_string() == refused);
        let mut forgotten: BTreeSet<Sha256> = of_refused.into_iter().flat_map(|(_, blobs)| blobs).copied().collect();
        // What was made of content can be made again.
        forgotten.extend(self.store.arrived().split_off(self.before));
        let records: Vec<Record> = record::all(self.store, ACCEPTED)?;
        let kept = others.into_iter().map(|(_, blobs)| blobs).chain(records.iter().map(|record| &record.blobs));
        for blob in kept.flatten() {
            forgotten.remove(blob);
        }
        self.store.forget(&forgotten)?;
        forgotten.iter().try_for_each(|blob| record::forget(self.store, *blob))
    }

    /// Records that all of it is accepted. The records are synced.
    ///
    /// # Errors
    ///
    /// Where a record cannot be written.
    pub fn accept(&self, fetched: &Fetched) -> Result<()> {
        fetched.images.iter().try_for_each(|image| self.accept_one(&image.pin, &image.manifest))?;
        fetched.artifacts.iter().try_for_each(|artifact| self.accept_one(&artifact.pin, &artifact.manifest))
    }

    fn accept_one(&self, pin: &Pin, manifest: &ManifestDocument) -> Result<()> {
        let path = record::path(self.store, ACCEPTED, pin.digest);
        if path.exists() {
            return Ok(());
        }
        let own =
            [pin.digest, manifest.config.digest].into_iter().chain(manifest.layers.iter().map(|blob| blob.digest));
        let upstream = self.contents.iter().filter(|(reference, _)| *reference == pin.reference);
        let blobs = own.chain(upstream.flat_map(|(_, blobs)| blobs).copied()).collect();
        let record = Record { document_type: RECORD_TYPE.to_owned(), blobs };
        record::write(&path, &record, "the record of what was accepted")
    }
}
