//! What a build leaves in the content store: what it accepted, and what it did not come to judge. Of an image, artifact or chart whose
//! content is refused, the store forgets all that nothing accepted needs, whether this build fetched it or `landfall lock` read it before.
//!
//! Threats: a refused image may name honest blobs, such as the layers of its base, to have a store lose them. So each image, artifact
//! and chart that a build accepts is recorded with its blobs, which stay.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::Coded as _;
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};

use crate::charts::Charts;
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
        let forgotten = error.refused().map(|refused| self.forget(refused));
        said_of(error, forgotten)
    }

    fn forget(&self, refused: &str) -> Result<()> {
        let (of_refused, others): (Vec<_>, Vec<_>) =
            self.contents.iter().partition(|(reference, _)| reference.to_string() == refused);
        let mut forgotten: BTreeSet<Sha256> = of_refused.into_iter().flat_map(|(_, blobs)| blobs).copied().collect();
        // What was made of content can be made again.
        forgotten.extend(self.store.arrived().split_off(self.before));
        for blob in others.into_iter().flat_map(|(_, blobs)| blobs) {
            forgotten.remove(blob);
        }
        forget_unaccepted(self.store, forgotten)
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
        let own =
            [pin.digest, manifest.config.digest].into_iter().chain(manifest.layers.iter().map(|blob| blob.digest));
        let upstream = self.contents.iter().filter(|(reference, _)| *reference == pin.reference);
        accept_blobs(self.store, pin.digest, || own.chain(upstream.flat_map(|(_, blobs)| blobs).copied()).collect())
    }
}

/// The error that ended a rendering, or the opening of charts, after the chart with these blobs that it refuses was forgotten.
pub fn after_chart(store: &ContentStore, blobs: &BTreeSet<Sha256>, error: BuildError) -> BuildError {
    let forgotten = error.refused().map(|_| forget_unaccepted(store, blobs.clone()));
    said_of(error, forgotten)
}

/// The same, where the error says which of the charts it refuses.
pub fn after_rendering(store: &ContentStore, charts: &Charts, error: BuildError) -> BuildError {
    let Some(refused) = error.refused().and_then(|refused| charts.blobs(refused)) else { return error };
    let mut own = refused.clone();
    for (_, blobs) in charts.pinned_blobs().filter(|(_, blobs)| *blobs != refused) {
        own.retain(|blob| !blobs.contains(blob));
    }
    after_chart(store, &own, error)
}

/// Records that the charts of a release, which was rendered, are accepted. The records are synced. An archive beside the lock is not in the
/// store.
///
/// # Errors
///
/// Where a record cannot be written.
pub fn accept_charts(store: &ContentStore, charts: &Charts) -> Result<()> {
    let mut fetched = charts.pinned_blobs().filter(|(_, blobs)| !blobs.is_empty());
    fetched.try_for_each(|(digest, blobs)| accept_blobs(store, digest, || blobs.clone()))
}

fn accept_blobs(store: &ContentStore, name: Sha256, blobs: impl FnOnce() -> BTreeSet<Sha256>) -> Result<()> {
    let path = record::path(store, ACCEPTED, name);
    if path.exists() {
        return Ok(());
    }
    let record = Record { document_type: RECORD_TYPE.to_owned(), blobs: blobs() };
    record::write(&path, &record, "the record of what was accepted")
}

fn forget_unaccepted(store: &ContentStore, mut blobs: BTreeSet<Sha256>) -> Result<()> {
    let records: Vec<Record> = record::all(store, ACCEPTED)?;
    for blob in records.iter().flat_map(|record| &record.blobs) {
        blobs.remove(blob);
    }
    store.forget(&blobs)?;
    blobs.iter().try_for_each(|blob| record::forget(store, *blob))
}

/// The error, with what became of the content that it refuses.
fn said_of(error: BuildError, forgotten: Option<Result<()>>) -> BuildError {
    let Some(Err(failed)) = forgotten else { return error };
    let fix = error.code().fix;
    error.hint(format!("{fix} Its content is still in the store, from which it could not be removed: {failed}."))
}
