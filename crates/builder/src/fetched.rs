//! Images, artifacts and signatures whose content is in the store.

use landfall_release_document::SignatureEntry;

use crate::manifest::{ImageConfiguration, ManifestDocument};
use crate::pins::Pin;
use crate::reference::Reference;

/// An image whose manifest, configuration and layers are in the store.
#[derive(Debug, Clone)]
pub struct FetchedImage {
    /// Pin of the image.
    pub pin: Pin,
    /// Manifest of the image.
    pub manifest: ManifestDocument,
    /// Configuration of the image.
    pub configuration: ImageConfiguration,
}

/// An artifact whose manifest, configuration and files are in the store.
#[derive(Debug, Clone)]
pub struct FetchedArtifact {
    /// Pin of the artifact.
    pub pin: Pin,
    /// Manifest of the artifact.
    pub manifest: ManifestDocument,
}

/// A manifest about an image that goes into the bundle, with all of its blobs in the store.
#[derive(Debug, Clone)]
pub struct CarriedSignature {
    /// Entry in the release document.
    pub entry: SignatureEntry,
    /// Reference of the image.
    pub image: Reference,
}
