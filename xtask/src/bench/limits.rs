//! Limits of the time that `landfall` may take relative to its rivals. `cargo xtask bench` only reports them; part
//! `figures` of `cargo xtask test` fails if one is exceeded.

/// Memory limit of a verb other than `build` in the release profile. The largest measured value is 38 MiB, of `stage`.
pub const MEMORY_LIMIT_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// Memory limit of `build` in the release profile, where 84 MiB were measured: the allocator keeps the 32 MiB that the
/// password of a key takes for a second (ADR 127).
pub const BUILD_MEMORY_LIMIT_BYTES: f64 = 96.0 * 1024.0 * 1024.0;

/// The limit of one ratio.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Name of the rival, which is unique among the ratios.
    pub rival: &'static str,
    /// Largest allowed median.
    pub at_most: f64,
}

/// Longest time that `build` may take for the starter release before it writes: a user who corrects a definition waits
/// for it.
pub const RENDERING_LIMIT_SECONDS: f64 = 2.0;

/// Longest time that `build` may take for the starter release if nothing has changed.
pub const REBUILD_LIMIT_SECONDS: f64 = 2.0;

/// `build` reads back what it wrote, as a careful user would. Its time is measured from the first written byte.
pub const BUILD: Limit = Limit { rival: "cp + syncfs + cold read of the blobs", at_most: 1.15 };

/// `verify` reads and hashes.
pub const VERIFY: Limit = Limit { rival: "b3sum", at_most: 1.0 };

/// `stage` also verifies.
pub const STAGE: Limit = Limit { rival: "cp + syncfs of the blobs", at_most: 1.08 };

/// All limits. Ratios to other rivals are for information only.
pub const LIMITS: [Limit; 3] = [BUILD, VERIFY, STAGE];

/// Returns the largest allowed median relative to this rival, if there is a limit.
pub(super) fn over(rival: &str) -> Option<f64> {
    LIMITS.iter().find(|limit| limit.rival == rival).map(|limit| limit.at_most)
}
