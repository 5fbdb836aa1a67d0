//! How much longer than its rival `landfall` may take. `cargo xtask bench` reports it; the part `figures` of `cargo xtask test` fails.

/// The most memory that a verb may take in the release profile: half as much again as the largest measured, 43 MiB.
pub const MEMORY_LIMIT_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// The limit of one ratio.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The rival, which no other ratio has.
    pub rival: &'static str,
    /// The largest median that meets it.
    pub at_most: f64,
}

/// The longest time that `build` may take for the starter release before it writes: a person who corrects a definition waits for it.
pub const RENDERING_LIMIT_SECONDS: f64 = 2.0;

/// The longest time that `build` may take for the starter release where nothing has changed.
pub const REBUILD_LIMIT_SECONDS: f64 = 2.0;

/// `build` reads back what it wrote, as a careful person does. It counts from the first byte that is written.
pub const BUILD: Limit = Limit { rival: "cp + syncfs + cold read of the blobs", at_most: 1.15 };

/// `verify` reads and hashes.
pub const VERIFY: Limit = Limit { rival: "b3sum", at_most: 1.0 };

/// `stage` verifies, too.
pub const STAGE: Limit = Limit { rival: "cp + syncfs of the blobs", at_most: 1.08 };

/// All limits. Ratios to other rivals are for information.
pub const LIMITS: [Limit; 3] = [BUILD, VERIFY, STAGE];

/// The largest median over this rival, if there is a limit.
pub(super) fn over(rival: &str) -> Option<f64> {
    LIMITS.iter().find(|limit| limit.rival == rival).map(|limit| limit.at_most)
}
