//! Options of the vendor's commands, as resolved values.

use std::io::Write;
use std::path::PathBuf;

/// Sources of a release's inputs.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Path of the release definition, or of its folder.
    pub release: PathBuf,
    /// Path of the lock, in place of the one in the definition.
    pub lock: Option<PathBuf>,
    /// Path of the registries file; if absent, upstream's registries are used directly.
    pub registries: Option<PathBuf>,
}

/// Options of `landfall lock`.
#[derive(Debug, Clone)]
pub struct LockOptions {
    /// Definition, lock and registries.
    pub source: SourceOptions,
    /// The vendor's content store, which keeps files that are fetched for their digests.
    pub store: PathBuf,
    /// The kubectl that renders: a path, or a name to look up in PATH.
    pub kubectl: PathBuf,
    /// The Helm that renders charts: a path, or a name to look up in PATH. A release without charts needs none.
    pub helm: PathBuf,
    /// Path of the new lock, in place of the one that is read.
    pub output: Option<PathBuf>,
}

/// The handbook as one page of HTML, which is unpacked when the rest of the bundle is written: until then, it takes no
/// memory.
#[derive(Debug, Clone, Copy)]
pub struct Handbook {
    /// Bytes of the page.
    pub length: u64,
    /// Function that returns the page.
    pub unpack: fn() -> Vec<u8>,
}

/// Output of a bundle.
pub enum BuildOutput<'a> {
    /// A folder, which also receives the head, `SHA256SUMS`, the transfer sheet, the provenance and the handbook.
    Folder {
        /// Path of the folder.
        path: PathBuf,
        /// The handbook, which is written beside the bundle.
        handbook: Handbook,
        /// Maximum size of a part in bytes; if absent, one file.
        part_bytes: Option<u64>,
    },
    /// A stream, which receives only the bundle.
    Stream(&'a mut dyn Write),
}

/// Options of `landfall build`, except keys and output.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Definition, lock and registries.
    pub source: SourceOptions,
    /// Folder with the root documents and, if present, the revocation.
    pub roots: PathBuf,
    /// Commands that sign, in addition to the keys.
    pub sign_commands: Vec<String>,
    /// The vendor's content store; a rebuild fetches only what is new.
    pub store: PathBuf,
    /// Path of the static `landfall` that goes into the bundle.
    pub installer: PathBuf,
    /// Path of the static `landfall-appliance` for the console's image; only a release with a console needs it.
    pub appliance: PathBuf,
    /// Path of the static `landfall-validator` for the image of license checks; only a release with one needs it.
    pub validator: PathBuf,
    /// Path of the `landfall-gpu` that goes into the bundle of a release that needs GPUs; no other release needs it.
    pub gpu_program: PathBuf,
    /// The kubectl that renders: a path, or a name to look up in PATH.
    pub kubectl: PathBuf,
    /// The Helm that renders charts: a path, or a name to look up in PATH. A release without charts needs none.
    pub helm: PathBuf,
    /// Build time in UTC, such as `2026-11-20T08:16:00Z`.
    pub built_at: String,
}
