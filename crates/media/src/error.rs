//! Errors of storing and reading bytes. Every error names the file or object; `Display` never repeats the source.

use std::io;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, CodedError, ExitClass, codes};

use crate::durable::{DurableError, SyncFailed, code_of, explain_full_disk, hint_of};

/// A result of this crate.
pub type Result<T, E = MediaError> = std::result::Result<T, E>;

/// An error about a file, a part or a blob.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A durable write failed, or a sync failed fatally.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A file could not be read or written.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// The operation, as a verb: `read`.
        operation: &'static str,
        /// Path that the operation was about.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// Reading the source of a blob failed.
    #[error("cannot read the source of blob {what}")]
    Source {
        /// Digest of the blob, or another description.
        what: String,
        /// The source's error.
        #[source]
        source: io::Error,
    },
    /// The path is neither a bundle nor a part of one, and contains none.
    #[error("{} is not a Landfall bundle and contains none", .0.display())]
    BundleNotFound(PathBuf),
    /// The path does not exist.
    #[error("{} does not exist", .0.display())]
    NotThere(PathBuf),
    /// One folder holds several bundles.
    #[error("{} holds several bundles: {}", folder.display(), names.join(", "))]
    SeveralBundles {
        /// The folder.
        folder: PathBuf,
        /// First file of each bundle.
        names: Vec<String>,
    },
    /// A part is missing.
    #[error("the part of the bundle that begins at byte {offset} is missing from {} (expected {name})",
        folder.display())]
    PartMissing {
        /// The folder that was searched.
        folder: PathBuf,
        /// Usual name of the part.
        name: String,
        /// Offset of its first byte in the stream.
        offset: u64,
    },
    /// A file has the name of a part but is not that part.
    #[error("{} is not the part of this bundle that begins at byte {offset}", path.display())]
    PartForeign {
        /// The file.
        path: PathBuf,
        /// Offset in the stream at which the part with that name begins.
        offset: u64,
    },
    /// A file has the name of one part, but another file holds that part.
    #[error("{} is not the part that its name says: that part is in {}", path.display(), holder.display())]
    PartSwapped {
        /// The misnamed file.
        path: PathBuf,
        /// The file that holds that part.
        holder: PathBuf,
        /// Offset in the stream at which that part begins.
        offset: u64,
    },
    /// A byte of the stream differs from what was signed.
    #[error("{} is damaged at byte {part_offset}: {what} (byte {offset} of the bundle)", part.display())]
    Damaged {
        /// The file.
        part: PathBuf,
        /// Offset in that file of the first byte of the damaged unit.
        part_offset: u64,
        /// Offset in the stream of the same byte.
        offset: u64,
        /// The header, blob or chunk.
        what: String,
    },
    /// Several places differ from what was signed, or cannot be read.
    #[error("{} places are damaged:\n{}{}", list.len(), lines(list),
        if *is_complete { "" } else { "\nthere are more" })]
    SeveralDamaged {
        /// One error for each place, in the order of the stream; at least two.
        list: Vec<MediaError>,
        /// True if everything was checked.
        is_complete: bool,
    },
    /// Bytes follow the bundle's end.
    #[error("{} holds {surplus} bytes after the end of the bundle", path.display())]
    SurplusData {
        /// The last part.
        path: PathBuf,
        /// Number of surplus bytes.
        surplus: u64,
    },
    /// A file ends before the end of its part.
    #[error("{} ends too early: {missing} bytes or more are missing at its end", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// Minimum number of missing bytes.
        missing: u64,
    },
    /// A source delivered bytes with a digest other than the requested one.
    #[error("the source of {expected} delivered {found}")]
    BlobMismatch {
        /// Digest that was requested.
        expected: Sha256,
        /// Digest or size of the delivered bytes.
        found: String,
    },
    /// A blob is not in the store.
    #[error("{digest} is not in the store {}", store.display())]
    BlobMissing {
        /// Digest of the blob.
        digest: Sha256,
        /// Root of the store.
        store: PathBuf,
    },
    /// A file of the store does not match its name or record.
    #[error("{} is damaged: {what}", path.display())]
    StoreDamaged {
        /// The file.
        path: PathBuf,
        /// Kind of damage.
        what: String,
    },
    /// The media returned bytes other than those written to it.
    #[error("{} did not return what was written to it, at byte {part_offset}: {what}", part.display())]
    ReadBack {
        /// The file.
        part: PathBuf,
        /// Offset in that file of the first byte of the damaged unit.
        part_offset: u64,
        /// The header, blob or chunk.
        what: String,
    },
    /// The output does not fit.
    #[error("{} has {available} bytes free; the bundle needs {needed}", folder.display())]
    NoSpace {
        /// The output folder.
        folder: PathBuf,
        /// Bytes of the bundle.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// A delta leaves out blobs that this site does not hold.
    #[error("{} leaves out {blobs} blobs of {bytes} bytes that this site does not hold, the first of them {first}",
        path.display())]
    DeltaUnfit {
        /// First file of the delta.
        path: PathBuf,
        /// Number of blobs that neither the delta nor the site holds.
        blobs: usize,
        /// Total bytes of these blobs.
        bytes: u64,
        /// First of these blobs.
        first: Sha256,
    },
    /// The format does not allow this.
    #[error(transparent)]
    Format(#[from] landfall_bundle_spec::Error),
    /// A file with the output's name exists.
    #[error("{} exists already", .0.display())]
    OutputExists(PathBuf),
    /// Another build is writing this file of the output.
    #[error("another build is writing {}", .0.display())]
    OutputInUse(PathBuf),
    /// A bug in Landfall.
    #[error("media: {0}")]
    Bug(String),
}

impl MediaError {
    /// Returns true if the process must end because a disk can no longer be trusted.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Durable(error) if error.is_fatal())
    }

    /// Returns true if the media could not return some bytes, although other bytes may be readable.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Io { operation: "read", source, .. } if source.raw_os_error() == Some(EIO))
    }

    /// Combines all damage that was found into one error; `None` without damage.
    pub(crate) fn of_damage(mut list: Vec<Self>, is_complete: bool) -> Option<Self> {
        match list.len() {
            0 | 1 if is_complete => list.pop(),
            _ => Some(Self::SeveralDamaged { list, is_complete }),
        }
    }

    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source: explain_full_disk(path, source) }
    }
}

/// The kernel's error for a place that the disk cannot read.
const EIO: i32 = 5;

/// Returns one line for each error.
fn lines(list: &[MediaError]) -> String {
    list.iter().map(|error| format!("  {}", with_sources(error))).collect::<Vec<_>>().join("\n")
}

fn with_sources(error: &MediaError) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}

/// Returns the code of the gravest error: a refusal takes precedence over an unreadable place.
fn worst(list: &[MediaError]) -> Code {
    let mut codes = list.iter().map(CodedError::code);
    let first = codes.next().unwrap_or(codes::BUG);
    std::iter::once(first).chain(codes).find(|code| code.class == ExitClass::Refused).unwrap_or(first)
}

impl From<SyncFailed> for MediaError {
    fn from(failed: SyncFailed) -> Self {
        Self::Durable(DurableError::Sync(failed))
    }
}

impl CodedError for MediaError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Durable(error) => error.hint(),
            Self::Io { source, .. } => hint_of(source),
            _ => None,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Durable(error) => error.code(),
            Self::Io { source, .. } => code_of(source),
            Self::Source { .. } => codes::MEDIA_IO,
            Self::BundleNotFound(_) | Self::NotThere(_) => codes::BUNDLE_NOT_FOUND,
            Self::SeveralBundles { .. } => codes::SEVERAL_BUNDLES,
            Self::PartMissing { .. } => codes::PART_MISSING,
            Self::PartForeign { .. } => codes::PART_FOREIGN,
            Self::PartSwapped { .. } => codes::PART_SWAPPED,
            Self::Damaged { .. } => codes::PAYLOAD_DAMAGED,
            Self::SeveralDamaged { list, .. } => worst(list),
            Self::SurplusData { .. } => codes::SURPLUS_DATA,
            Self::Short { .. } => codes::BUNDLE_SHORT,
            Self::BlobMismatch { .. } => codes::BLOB_MISMATCH,
            Self::BlobMissing { .. } => codes::BLOB_MISSING,
            Self::StoreDamaged { .. } => codes::STORE_DAMAGED,
            Self::ReadBack { .. } => codes::READ_BACK_FAILED,
            Self::NoSpace { .. } => codes::NO_SPACE,
            Self::DeltaUnfit { .. } => codes::DELTA_UNFIT,
            Self::Format(error) => error.code(),
            Self::OutputExists(_) => codes::OUTPUT_EXISTS,
            Self::OutputInUse(_) => codes::OUTPUT_IN_USE,
            Self::Bug(_) => codes::BUG,
        }
    }
}

/// Adds the operation and the path to an error of the kernel.
pub(crate) trait PathContext<T> {
    /// `operation` is a verb.
    fn at(self, operation: &'static str, path: &Path) -> Result<T>;
}

impl<T> PathContext<T> for io::Result<T> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| MediaError::io(operation, path, source))
    }
}
