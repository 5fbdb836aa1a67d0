//! The options of the vendor's commands, as resolved values.

use std::io::Write;
use std::path::PathBuf;

/// Where a release's inputs come from.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// The release definition, or its folder.
    pub release: PathBuf,
    /// The lock, instead of the one that the definition names.
    pub lock: Option<PathBuf>,
    /// The registries file, instead of upstream's registries.
    pub registries: Option<PathBuf>,
}

/// The options of `landfall lock`.
#[derive(Debug, Clone)]
pub struct LockOptions {
    /// Definition, lock and registries.
    pub source: SourceOptions,
    /// The vendor's content store, which keeps the files that are fetched for their digests.
    pub store: PathBuf,
    /// The kubectl that renders: a path, or a name that is looked up in PATH.
    pub kubectl: PathBuf,
    /// The Helm that renders charts, in the same way; a release without charts needs none.
    pub helm: PathBuf,
    /// File that receives the lock, instead of the one it was read from.
    pub output: Option<PathBuf>,
}

/// Where a bundle goes.
pub enum BuildOutput<'a> {
    /// A folder, which also receives the head, `SHA256SUMS`, the transfer sheet and the provenance.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Maximum size of a part, in bytes; without it, one file.
        part_bytes: Option<u64>,
    },
    /// A stream, which receives the bundle alone.
    Stream(&'a mut dyn Write),
}

/// The options of `landfall build`, apart from the keys and where the bundle goes.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Definition, lock and registries.
    pub source: SourceOptions,
    /// Folder with the root documents, and the revocation where there is one.
    pub roots: PathBuf,
    /// Commands that sign, beside the keys at hand.
    pub sign_commands: Vec<String>,
    /// The vendor's content store; a rebuild fetches only what is new.
    pub store: PathBuf,
    /// The static `landfall` that travels in the bundle.
    pub installer: PathBuf,
    /// The static `landfall-appliance`, of which the console's image is made; needed only by a release with a console.
    pub appliance: PathBuf,
    /// The static `landfall-validator`, of which the image of license checks is made; needed only by a release with one.
    pub validator: PathBuf,
    /// The `landfall-gpu` that travels with a release that needs GPUs; no other release needs it.
    pub gpu_program: PathBuf,
    /// The kubectl that renders: a path, or a name that is looked up in PATH.
    pub kubectl: PathBuf,
    /// The Helm that renders charts, in the same way; a release without charts needs none.
    pub helm: PathBuf,
    /// When it is built, in UTC: `2026-11-20T08:16:00Z`.
    pub built_at: String,
}
