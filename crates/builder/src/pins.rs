//! Pins of a lock whose fields are resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use landfall_bundle_spec::Sha256;

use crate::compression::Compression;
use crate::error::Place;
use crate::file_url::FileUrl;
use crate::hub::Commit;
use crate::reference::Reference;

/// Pin of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Full upstream reference with its tag.
    pub reference: Reference,
    /// Digest of the platform manifest.
    pub digest: Sha256,
    /// Media type of the manifest.
    pub media_type: String,
    /// Size of the manifest in bytes.
    pub size: u64,
    /// License of the content, if the lock states it.
    pub license: Option<String>,
    /// Place in the lock.
    pub place: Place,
}

/// Pin of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactPin {
    /// A manifest in a registry.
    Manifest(Pin),
    /// Files from which the manifest is made here.
    Files(FilesPin),
}

impl ArtifactPin {
    /// Full upstream reference with its tag.
    pub fn reference(&self) -> &Reference {
        match self {
            Self::Manifest(pin) => &pin.reference,
            Self::Files(pin) => &pin.reference,
        }
    }

    /// License of the content, if the lock states it.
    pub fn license(&self) -> Option<&str> {
        match self {
            Self::Manifest(pin) => pin.license.as_deref(),
            Self::Files(pin) => pin.license.as_deref(),
        }
    }
}

/// Pin of an artifact that is composed of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesPin {
    /// Full upstream reference with its tag, under which the artifact is in the bundle.
    pub reference: Reference,
    /// Pins of the files, in the order of the lock.
    pub files: Vec<FilePin>,
    /// Form of its manifest.
    pub form: Form,
    /// License of the content, if the lock states it.
    pub license: Option<String>,
    /// Place in the lock.
    pub place: Place,
}

/// The form of a manifest that is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Files of any kind.
    Files,
    /// A model in the form of CNCF `ModelPack`.
    Model,
}

/// Pin of a file of an artifact whose manifest is made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePin {
    /// Source of the file.
    pub source: FileSource,
    /// SHA-256 of the file.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
    /// The part of the file that is used.
    pub take: Take,
    /// Commit in its URL, for a file of a hub's repository.
    pub commit: Option<Commit>,
    /// Place in the lock.
    pub place: Place,
}

/// Source of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    /// URL at the publisher.
    Url(FileUrl),
    /// An object of a bucket, with the region for which requests are signed.
    Object {
        /// URL without a signature.
        url: FileUrl,
        /// Region of the bucket.
        region: String,
    },
    /// Path of a local file, which is read when it is packed.
    Local(PathBuf),
    /// Content of a file next to the lock, as it was when the lock was read.
    Beside(Arc<[u8]>),
}

impl FilePin {
    /// URL at the publisher; `None` for a local file.
    pub fn url(&self) -> Option<&FileUrl> {
        match &self.source {
            FileSource::Url(url) | FileSource::Object { url, .. } => Some(url),
            FileSource::Local(_) | FileSource::Beside(_) => None,
        }
    }
}

/// The part of a file that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The whole file, under this path.
    Whole(String),
    /// Members of an archive with this compression, each with its path in the artifact.
    Members(Compression, BTreeMap<String, String>),
}

impl Take {
    /// Paths in the artifact that come from the file.
    pub fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Whole(path) => Box::new(std::iter::once(path.as_str())),
            Self::Members(_, members) => Box::new(members.values().map(String::as_str)),
        }
    }
}

/// Pin of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartPin {
    /// A manifest in a registry.
    Manifest(Pin),
    /// An archive from a repository or a local file.
    Archive(ArchivePin),
}

impl ChartPin {
    /// Digest of the manifest or the archive.
    pub fn digest(&self) -> Sha256 {
        match self {
            Self::Manifest(pin) => pin.digest,
            Self::Archive(pin) => pin.digest,
        }
    }
}

/// Pin of a chart's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePin {
    /// Location of the archive.
    pub source: ArchiveSource,
    /// SHA-256 of the archive.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
    /// Place in the lock.
    pub place: Place,
}

/// Location of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveSource {
    /// URL at the publisher.
    Url(FileUrl),
    /// Path of a local file.
    File(PathBuf),
}
