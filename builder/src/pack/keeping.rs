//! Retention of blobs in the content store after a build.
//!
//! If the content of an image, artifact or chart is refused, the store deletes all of its blobs that no accepted
//! content needs. It does not matter if this build or `landfall lock` fetched them. Content that was not judged stays.
//!
//! Threats: a refused image may name legitimate blobs, such as layers of its base, to make a store delete them.
//! Therefore each accepted image, artifact and chart is recorded with its blobs, which stay.

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

/// Folder with the records of accepted content.
const ACCEPTED: &str = "accepted";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    blobs: BTreeSet<Sha256>,
}

/// Upstream content of a release that is not judged yet.
#[derive(Debug)]
pub struct Keeping<'a> {
    store: &'a ContentStore,
    contents: Vec<(Reference, BTreeSet<Sha256>)>,
    /// Number of blobs that arrived earlier.
    before: usize,
}

impl<'a> Keeping<'a> {
    /// Starts before anything but manifests is fetched or derived.
    pub fn begin(store: &'a ContentStore, manifests: &Manifests<'_>) -> Self {
        Self { store, contents: manifests.contents(), before: store.arrived().len() }
    }

    /// Deletes the content that an error refuses; returns the error with the outcome.
    pub fn after(&self, error: BuildError) -> BuildError {
        let forgotten = error.refused().map(|refused| self.forget(refused));
        said_of(error, forgotten)
    }

    fn forget(&self, refused: &str) -> Result<()> {
        let (of_refused, others): (Vec<_>, Vec<_>) =
            self.contents.iter().partition(|(reference, _)| reference.to_string() == refused);
        let mut forgotten: BTreeSet<Sha256> = of_refused.into_iter().flat_map(|(_, blobs)| blobs).copied().collect();
        // Content that was derived can be derived again.
        forgotten.extend(self.store.arrived().split_off(self.before));
        for blob in others.into_iter().flat_map(|(_, blobs)| blobs) {
            forgotten.remove(blob);
        }
        forget_unaccepted(self.store, forgotten)
    }

    /// Records all content as accepted. The records are synced.
    ///
    /// # Errors
    ///
    /// Fails if a record cannot be written.
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

/// Deletes the blobs of a chart that an error refuses; returns the error with the outcome. For errors of rendering or
/// opening.
pub fn after_chart(store: &ContentStore, blobs: &BTreeSet<Sha256>, error: BuildError) -> BuildError {
    let forgotten = error.refused().map(|_| forget_unaccepted(store, blobs.clone()));
    said_of(error, forgotten)
}

/// Like [`after_chart`], for an error that names the refused chart.
pub fn after_rendering(store: &ContentStore, charts: &Charts, error: BuildError) -> BuildError {
    let Some(refused) = error.refused().and_then(|refused| charts.blobs(refused)) else { return error };
    let mut own = refused.clone();
    for (_, blobs) in charts.pinned_blobs().filter(|(_, blobs)| *blobs != refused) {
        own.retain(|blob| !blobs.contains(blob));
    }
    after_chart(store, &own, error)
}

/// Records the charts of a rendered release as accepted. The records are synced. Archives next to the lock are not in
/// the store.
///
/// # Errors
///
/// Fails if a record cannot be written.
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

/// Adds to the error that refused content could not be deleted.
fn said_of(error: BuildError, forgotten: Option<Result<()>>) -> BuildError {
    let Some(Err(failed)) = forgotten else { return error };
    let fix = error.code().fix;
    error.hint(format!("{fix} Its content is still in the store, from which it could not be removed: {failed}."))
}
