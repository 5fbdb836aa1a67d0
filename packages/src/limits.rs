//! Limits of what is read of wheels. Nothing is allocated or read beyond them, whatever an archive claims.

/// Longest name of a wheel's file, in bytes: what a filesystem allows.
pub const FILE_NAME_BYTES: usize = 255;

/// Longest path of a wheel in its folder, in bytes.
pub const PATH_BYTES: usize = 1024;

/// Largest `METADATA`, in bytes. It contains the text that package indexes show for people.
pub const METADATA_BYTES: u64 = 2 << 20;

/// Longest field of `METADATA` that is used, in bytes.
pub const FIELD_BYTES: usize = 256;

/// Maximum number of files in a wheel. The largest wheels, such as those of `torch`, have about twenty thousand.
pub const ENTRIES: u64 = 250_000;

/// Largest directory of a wheel's archive, in bytes. It is read as a stream, so this limits time rather than memory.
pub const DIRECTORY_BYTES: u64 = 64 << 20;

/// How far the end of an archive may be from the end of its file, in bytes: the longest comment that the format allows.
pub const SEARCH_BYTES: u64 = 66 << 10;

/// Largest list of wheels, in bytes. It travels in a `ConfigMap`, which may have a MiB in all.
pub const LIST_BYTES: usize = 900 << 10;

/// Media ranges of an `Accept` header that are looked at.
pub const MEDIA_RANGES: usize = 64;
