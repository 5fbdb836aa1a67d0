//! Limits for reading hostile layers and heads.

/// Maximum number of distinct packages of a release. A head's document may contain
/// [`landfall_bundle_spec::limits::CONTAINERS`] objects and arrays.
pub const PACKAGES: usize = 60_000;

/// Maximum number of packages of all images together; a package counts once for each image.
pub const USES: usize = 300_000;

/// Maximum number of images, artifacts or charts.
pub const ENTRIES: usize = 10_000;

/// Maximum length of a name, a version, a license or a reason in bytes.
pub const TEXT_BYTES: usize = 256;

/// Maximum number of licenses read from a `copyright` file; the rest is skipped.
pub const LICENSES: usize = 1000;

/// Maximum length of the path of an artifact's file in bytes.
pub const PATH_BYTES: usize = 1024;

/// Maximum size of a file that lists packages in bytes.
pub const DATABASE_BYTES: u64 = 128 << 20;

/// Maximum size in bytes of a row of RPM's database: the header of one package, which lists its files.
pub const RPM_ROW_BYTES: usize = 32 << 20;

/// Maximum size of the metadata of one package in bytes.
pub const METADATA_BYTES: u64 = 1 << 20;

/// Maximum length of a line in bytes; the rest is dropped.
pub const LINE_BYTES: usize = 16 << 10;

/// Maximum number of an image's unreadable files to list by name; others are only counted.
pub const UNREAD: usize = 100;
