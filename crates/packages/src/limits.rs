//! Limits for reading wheels and tarballs. No reader allocates or reads more, whatever an archive claims.

/// Maximum length of a wheel's file name in bytes: the limit of filesystems.
pub const FILE_NAME_BYTES: usize = 255;

/// Maximum length of a file's path in its folder in bytes.
pub const PATH_BYTES: usize = 1024;

/// Maximum size of `METADATA` in bytes. It contains the text that package indexes show to people.
pub const METADATA_BYTES: u64 = 2 << 20;

/// Maximum length of a used field of `METADATA` in bytes.
pub const FIELD_BYTES: usize = 256;

/// Maximum number of files in a wheel. The largest wheels, such as those of `torch`, have about twenty thousand.
pub const ENTRIES: u64 = 250_000;

/// Maximum size of the directory of a wheel's archive in bytes. It is read as a stream, so this limits time rather than
/// memory.
pub const DIRECTORY_BYTES: u64 = 64 << 20;

/// Maximum distance in bytes from the end of an archive to the end of its file: the longest comment that the format
/// allows.
pub const SEARCH_BYTES: u64 = 66 << 10;

/// Maximum size of a list of wheels, or of a part of a list of npm packages, in bytes. It is delivered in a
/// `ConfigMap`, which may have a total of one MiB.
pub const LIST_BYTES: usize = 900 << 10;

/// Maximum number of media ranges to examine in an `Accept` header.
pub const MEDIA_RANGES: usize = 64;

/// Maximum length of an npm package's name, including its scope, in bytes: npm's own limit.
pub const NPM_NAME_BYTES: usize = 214;

/// Maximum length of an npm package's version in bytes: npm's own limit.
pub const NPM_VERSION_BYTES: usize = 256;

/// Maximum size of `package.json` in bytes.
pub const PACKAGE_JSON_BYTES: u64 = 512 << 10;

/// Maximum number of values in a `package.json`. In memory, a value may take two hundred times its bytes.
pub const PACKAGE_JSON_VALUES: usize = 50_000;

/// Maximum number of members of a tarball.
pub const NPM_MEMBERS: usize = 250_000;

/// Maximum size in bytes of a header that is a separate member of a tarball.
pub const NPM_HEADER_BYTES: u64 = 64 << 10;

/// Maximum number of unpacked bytes of a tarball. They are read as a stream, so this limits time rather than memory.
pub const NPM_UNPACKED_BYTES: u64 = 2 << 30;

/// Maximum total size of the `package.json` files of all versions of one package in bytes: clients read them in one
/// document.
pub const NPM_DOCUMENT_BYTES: u64 = 4 << 20;

/// Maximum number of parts of a list of npm packages. All of them are in the head of a bundle.
pub const NPM_LIST_PARTS: usize = 4;

/// Maximum length in bytes of a host, with its port, that a client may name.
pub const HOST_BYTES: usize = 261;
