//! What is read of hostile layers and of heads, and what is refused.

/// Distinct packages of a release. A head's document may hold [`landfall_bundle_spec::limits::CONTAINERS`] objects and arrays.
pub const PACKAGES: usize = 60_000;

/// Packages of all images together, each counted in every image that has it.
pub const USES: usize = 300_000;

/// Images, artifacts or charts.
pub const ENTRIES: usize = 10_000;

/// Bytes of a name, a version, a license or a reason.
pub const TEXT_BYTES: usize = 256;

/// Licenses that a `copyright` file may name; what follows is not read.
pub const LICENSES: usize = 1000;

/// Bytes of the path of a file of an artifact.
pub const PATH_BYTES: usize = 1024;

/// Bytes of a file that lists packages.
pub const DATABASE_BYTES: u64 = 128 << 20;

/// Bytes of a row of RPM's database: the header of one package, which lists its files.
pub const RPM_ROW_BYTES: usize = 32 << 20;

/// Bytes of the metadata of one package.
pub const METADATA_BYTES: u64 = 1 << 20;

/// Bytes of a line; what follows is not kept.
pub const LINE_BYTES: usize = 16 << 10;

/// Files of an image that could not be read, by name; further ones are only counted.
pub const UNREAD: usize = 100;
