//! `documents/models.json`: facts from the headers of the release's models, and the images that were built with CUDA.

use std::io::{self, Read};

use landfall_bundle_spec::head::NewDocument;
use landfall_error_codes::CodedError as _;
use landfall_media::store::ContentStore;
use landfall_models::{
    EngineImage, MODELS_DOCUMENT_NAME, Model, ModelError, ModelFile, ModelSource, ModelsDocument, engine_image, limits,
};
use landfall_release_document::{ArtifactEntry, ArtifactKind, ReleaseDocument};

use crate::error::{BuildError, Place, Result};
use crate::fetched::FetchedImage;
use crate::pins::ArtifactPin;
use crate::reference::Reference;

/// The document; `None` if the release has no model with readable weights. The blobs must be in the store; `pins` are
/// those of the release's artifacts, in the same order.
pub fn document(
    release: &ReleaseDocument,
    pins: &[ArtifactPin],
    images: &[FetchedImage],
    store: &ContentStore,
) -> Result<Option<NewDocument>> {
    let mut models: Vec<Model> = Vec::new();
    for (artifact, pin) in
        release.artifacts.iter().zip(pins).filter(|(artifact, _)| artifact.kind == ArtifactKind::Model)
    {
        models.extend(of_artifact(artifact, pin, store)?);
    }
    if models.is_empty() {
        return Ok(None);
    }
    if models.len() > limits::MODELS {
        let error = ModelError::TooMany { found: models.len() };
        return Err(BuildError::new(error.code(), error.to_string()));
    }
    let bytes = ModelsDocument::new(models, engine_images(images)).to_bytes()?;
    Ok(Some(NewDocument { name: MODELS_DOCUMENT_NAME.to_owned(), bytes }))
}

fn of_artifact(artifact: &ArtifactEntry, pin: &ArtifactPin, store: &ContentStore) -> Result<Vec<Model>> {
    let files = artifact.files.iter().map(|file| ModelFile { path: file.path.clone(), bytes: file.blob.size });
    let files: Vec<_> = files.collect();
    landfall_models::models(&artifact.name, &files, &StoredArtifact { artifact, store }).map_err(|error| {
        let what = format!("the models of {} cannot be read", artifact.reference);
        let (place, reference) = place_and_reference(pin);
        BuildError::at(error.code(), place.clone(), what).because(error).refusing(reference)
    })
}

/// Place and reference of the artifact in the lock.
fn place_and_reference(pin: &ArtifactPin) -> (&Place, &Reference) {
    match pin {
        ArtifactPin::Manifest(pin) => (&pin.place, &pin.reference),
        ArtifactPin::Files(pin) => (&pin.place, &pin.reference),
    }
}

fn engine_images(images: &[FetchedImage]) -> Vec<EngineImage> {
    let image = |image: &FetchedImage| {
        let environment = image.configuration.config.as_ref()?.env.as_ref()?;
        engine_image(&image.pin.reference.to_string(), environment)
    };
    images.iter().filter_map(image).take(limits::MODELS).collect()
}

/// Files of an artifact in the store. Only headers are read, so they are not counted as content.
struct StoredArtifact<'a> {
    artifact: &'a ArtifactEntry,
    store: &'a ContentStore,
}

impl ModelSource for StoredArtifact<'_> {
    fn open(&self, file: &ModelFile) -> io::Result<Box<dyn Read + '_>> {
        let entry = self.artifact.files.iter().find(|entry| entry.path == file.path);
        let entry = entry.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(fs_err::File::open(self.store.path(entry.blob.digest))?))
    }
}
