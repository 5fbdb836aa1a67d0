//! What a lock pins, once nothing of it is unresolved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use landfall_bundle_spec::Sha256;

use crate::compression::Compression;
use crate::error::Place;
use crate::file_url::FileUrl;
use crate::hub::Commit;
use crate::reference::Reference;

/// What the lock pins of one manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Full upstream reference with its tag.
    pub reference: Reference,
    /// The platform manifest.
    pub digest: Sha256,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// License of what is inside, where the lock says so.
    pub license: Option<String>,
    /// Where the lock says all this.
    pub place: Place,
}

/// What the lock pins of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactPin {
    /// A manifest that a registry has.
    Manifest(Pin),
    /// Files of which the manifest is made here.
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

    /// License of what is inside, where the lock says so.
    pub fn license(&self) -> Option<&str> {
        match self {
            Self::Manifest(pin) => pin.license.as_deref(),
            Self::Files(pin) => pin.license.as_deref(),
        }
    }
}

/// An artifact that is composed of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesPin {
    /// Full upstream reference with its tag, under which the artifact travels.
    pub reference: Reference,
    /// The files, in the order of the lock.
    pub files: Vec<FilePin>,
    /// The form of its manifest.
    pub form: Form,
    /// License of what is inside, where the lock says so.
    pub license: Option<String>,
    /// Where the lock says all this.
    pub place: Place,
}

/// The form of a manifest that is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Files, whatever they are.
    Files,
    /// A model, as CNCF `ModelPack` has it.
    Model,
}

/// One file of an artifact whose manifest is made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePin {
    /// Where it comes from.
    pub source: FileSource,
    /// Its SHA-256.
    pub digest: Sha256,
    /// Its bytes.
    pub size: u64,
    /// What is taken of it.
    pub take: Take,
    /// The commit of a hub's repository that its address names.
    pub commit: Option<Commit>,
    /// Where the lock says all this.
    pub place: Place,
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    /// Upstream publishes it.
    Url(FileUrl),
    /// It is an object of a bucket, for whose region requests are signed.
    Object {
        /// Its address without a signature.
        url: FileUrl,
        /// The region.
        region: String,
    },
    /// It is a file of this machine, which is read when it is packed.
    Local(PathBuf),
    /// It is beside the lock: its bytes as they were when the lock was read.
    Beside(Arc<[u8]>),
}

impl FilePin {
    /// Its address, where upstream publishes it.
    pub fn url(&self) -> Option<&FileUrl> {
        match &self.source {
            FileSource::Url(url) | FileSource::Object { url, .. } => Some(url),
            FileSource::Local(_) | FileSource::Beside(_) => None,
        }
    }
}

/// What is taken of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// All of it, under this path.
    Whole(String),
    /// These members of an archive with this compression, each under its path.
    Members(Compression, BTreeMap<String, String>),
}

impl Take {
    /// The paths that the artifact gets from the file.
    pub fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Whole(path) => Box::new(std::iter::once(path.as_str())),
            Self::Members(_, members) => Box::new(members.values().map(String::as_str)),
        }
    }
}
