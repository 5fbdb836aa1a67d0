//! The vendor's side: release definitions and locks, fetching, rendering, packing.
//!
//! ```text
//! release.yaml ─┬─ definition ── render ──┐
//! images.lock ──┴─ lock ───────── inputs ─┴─ fetch (content store) ── sign ── pack (media) ── bundle
//! ```

mod acceptance;
pub mod backup;
mod bucket;
pub mod canary;
mod charts;
mod completeness;
mod compression;
pub mod definition;
mod digests;
mod documents;
pub mod error;
mod executables;
pub mod fetch;
pub mod fetched;
pub mod file_url;
mod files;
mod gpu_program;
mod hub;
mod image_files;
mod init;
mod layers;
mod license;
mod license_check;
pub mod lock;
pub mod manifest;
mod name_hint;
mod node_packs;
mod npm;
pub mod options;
mod own_image;
pub mod pack;
mod package_index;
mod paths;
mod patterns;
pub mod pins;
mod pointers;
mod program;
pub mod proofs;
mod record;
pub mod reference;
pub mod release;
mod render;
mod rendered;
pub mod resolution;
mod secret_copies;
mod secret_entry;
mod side_by_side;
mod signatures;
pub mod signing;
mod tool;
mod traffic;
mod unpacked;
mod wheels;
mod workloads;
mod yaml;

pub use error::{BuildError, Place};
pub use gpu_program::GPU_PROGRAM;
pub use init::{InitComponent, InitOptions, InitReport, init};
pub use license::{IssueOptions, issue};
pub use options::{BuildOptions, BuildOutput, Handbook, LockOptions, SourceOptions};
pub use own_image::{APPLIANCE_PROGRAM, VALIDATOR_PROGRAM};
pub use pack::{BuildReport, SiteRoom};
pub use resolution::{
    AddedImage, ChangedKind, EntryChange, FollowUp, FollowUpKind, ImageInDoubt, InputChange, LockCheck, LockFindings,
    LockReport, LockRequest, LockRequests, LockUpdate, PinnedInput, RequestKind, UnlistedImage, UnrenderedComponent,
    UnusedEntry,
};

use landfall_bundle_spec::trust::SigningKey;
use landfall_error_codes::codes;
use landfall_media::progress::Progress;

/// `landfall lock`: resolves the lock of a release, adds the images that the release names, and writes it, synced.
/// Blocks; must not be called from async code.
pub fn lock(options: &LockOptions, progress: &dyn Progress) -> error::Result<LockReport> {
    runtime()?.block_on(resolution::lock(options, progress))
}

/// `landfall lock --update`: pins upstream's current content for the named entries, or for all of them without names,
/// and writes the lock, synced. Blocks; must not be called from async code.
pub fn lock_update(options: &LockOptions, names: &[String], progress: &dyn Progress) -> error::Result<LockUpdate> {
    runtime()?.block_on(resolution::update(options, names, progress))
}

/// `landfall lock --dry-run`: lists the requests of locking a release. Renders what needs no network; sends and writes
/// nothing.
pub fn lock_requests(options: &LockOptions) -> error::Result<LockRequests> {
    resolution::requests(options)
}

/// `landfall lock --check`: checks that a release's lock matches upstream's current content and has all images that the
/// release names. Does not write the lock. Blocks; must not be called from async code.
pub fn lock_check(options: &LockOptions, progress: &dyn Progress) -> error::Result<LockCheck> {
    runtime()?.block_on(resolution::check(options, progress))
}

/// `landfall build`: builds a release into a signed bundle, synced and read back. Blocks; must not be called from async
/// code.
pub fn build(
    options: &BuildOptions,
    keys: &[SigningKey],
    output: BuildOutput<'_>,
    progress: &dyn Progress,
) -> error::Result<BuildReport> {
    runtime()?.block_on(pack::build(options, keys, output, progress))
}

fn runtime() -> error::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| BuildError::new(codes::BUILD_INTERRUPTED, "threads cannot be started").because(error))
}
