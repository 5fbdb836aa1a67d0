//! Retention of blobs in the content store after a build.
//!
//! If the content of an image, artifact or chart is refused, the store deletes all of its blobs that no accepted
//! content needs. It does not matter whether this build or `landfall lock` fetched them. Content that was not judged
//! stays.
//!
//! Threats: a refused image may name legitimate blobs, such as layers of its base, to make a store delete them.
//! Therefore each accepted image, artifact and chart is recorded with its blobs, which stay.

use std::collections::BTreeSet;

use landfall_bundle_spec::Sha256;
use landfall_media::store::ContentStore;

use crate::acceptance::{accept_blobs, forget_unaccepted, with_outcome};
use crate::error::{BuildError, Result};
use crate::fetch::{FetchedContent, Manifests};
use crate::manifest::ManifestDocument;
use crate::pins::Pin;
use crate::reference::Reference;

/// Upstream content of a release that is not judged yet.
#[derive(Debug)]
pub struct PendingContent<'a> {
    store: &'a ContentStore,
    contents: Vec<(Reference, BTreeSet<Sha256>)>,
    /// Number of blobs that arrived earlier.
    before: usize,
}

impl<'a> PendingContent<'a> {
    /// Starts before anything except manifests is fetched or derived.
    pub fn begin(store: &'a ContentStore, manifests: &Manifests<'_>) -> Self {
        Self { store, contents: manifests.contents(), before: store.arrived_blobs().len() }
    }

    /// Deletes the content that an error refuses; returns the error with the outcome.
    pub fn after(&self, error: BuildError) -> BuildError {
        let forgotten = error.refused_reference().map(|refused| self.forget(refused));
        with_outcome(error, forgotten)
    }

    fn forget(&self, refused: &str) -> Result<()> {
        let (of_refused, others): (Vec<_>, Vec<_>) =
            self.contents.iter().partition(|(reference, _)| reference.to_string() == refused);
        let mut forgotten: BTreeSet<Sha256> = of_refused.into_iter().flat_map(|(_, blobs)| blobs).copied().collect();
        // Derived content can be derived again.
        forgotten.extend(self.store.arrived_blobs().split_off(self.before));
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
    pub fn accept(&self, fetched: &FetchedContent) -> Result<()> {
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
