//! Limits of what is read of wheels and tarballs. Nothing is allocated or read beyond them, whatever an archive claims.

/// Longest name of a wheel's file, in bytes: what a filesystem allows.
pub const FILE_NAME_BYTES: usize = 255;

/// Longest path of a file in its folder, in bytes.
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

/// Largest list of wheels, or part of a list of npm packages, in bytes. It travels in a `ConfigMap`, which may have a MiB in all.
pub const LIST_BYTES: usize = 900 << 10;

/// Media ranges of an `Accept` header that are looked at.
pub const MEDIA_RANGES: usize = 64;

/// Longest name of an npm package, its scope included, in bytes: npm's own limit.
pub const NPM_NAME_BYTES: usize = 214;

/// Longest version of an npm package, in bytes: npm's own limit.
pub const NPM_VERSION_BYTES: usize = 256;

/// Largest `package.json`, in bytes.
pub const PACKAGE_JSON_BYTES: u64 = 512 << 10;

/// Maximum number of values in a `package.json`. Each may cost a reader two hundred times its bytes.
pub const PACKAGE_JSON_VALUES: usize = 50_000;

/// Maximum number of members of a tarball.
pub const NPM_MEMBERS: usize = 250_000;

/// Largest header of a tarball that is a member of its own, in bytes.
pub const NPM_HEADER_BYTES: u64 = 64 << 10;

/// How many bytes a tarball may unpack to. They are read as a stream, so this limits time rather than memory.
pub const NPM_UNPACKED_BYTES: u64 = 2 << 30;

/// All `package.json` of one package's versions together, in bytes: clients read them in one document.
pub const NPM_DOCUMENT_BYTES: u64 = 4 << 20;

/// Maximum number of parts of a list of npm packages. All of them travel in the head of a bundle.
pub const NPM_LIST_PARTS: usize = 4;

/// Longest host with its port that a client may name, in bytes.
pub const HOST_BYTES: usize = 261;
