//! Limits of format 1. Nothing is allocated or read beyond them, whatever a bundle claims.

/// Bytes that a chunk covers: the granularity of verification, of resuming and of cuts between parts.
pub const CHUNK_BYTES: u64 = 1024 * 1024;

/// Largest `landfall.json`, in bytes.
pub const LANDFALL_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Largest file of the signature and trust area, in bytes.
pub const AREA_FILE_BYTES: u64 = 64 * 1024;

/// Maximum number of signatures in one bundle, strangers' included.
pub const SIGNATURES: usize = 16;

/// All files below `trust/` together, in bytes: more than 1,024 root documents of a large team.
pub const TRUST_BYTES: u64 = 8 * 1024 * 1024;

/// Largest `blobs.json`, in bytes: about 25,000 blobs.
pub const BLOBS_DOCUMENT_BYTES: u64 = 8 * 1024 * 1024;

/// Largest `chunks.b3`, in bytes: 2 TiB of blobs.
pub const CHUNK_LIST_BYTES: u64 = 64 * 1024 * 1024;

/// Largest single document of the head, in bytes.
pub const DOCUMENT_BYTES: u64 = 16 * 1024 * 1024;

/// All the documents of the head together, in bytes.
pub const DOCUMENTS_BYTES: u64 = 32 * 1024 * 1024;

/// Largest file with the provenance of a build, in bytes.
pub const PROVENANCE_BYTES: u64 = 32 * 1024 * 1024;

/// Largest integer in a document: the largest that every JSON reader represents exactly (2^53 - 1).
pub const INTEGER: u64 = (1 << 53) - 1;

/// Largest blob, in bytes; sums of sizes cannot overflow below it.
pub const BLOB_BYTES: u64 = 1 << 45;

/// Deepest nesting of a document.
pub const DEPTH: usize = 32;

/// Maximum number of objects and arrays in a document: they cost a reader far more memory than their bytes.
pub const CONTAINERS: usize = 1 << 17;

/// Maximum number of values in a document, nested values included.
pub const VALUES: usize = 1 << 20;

/// Longest name in the archive, in bytes: the name field of a ustar header.
pub const NAME_BYTES: usize = 100;

/// Maximum number of root documents in one bundle.
pub const ROOTS: usize = 1024;

/// Maximum number of parts of a bundle: three digits in their file names.
pub const PARTS: usize = 999;

/// Part size that FAT32 takes, with room to spare, in bytes.
pub const FAT32_PART_BYTES: u64 = 4_294_901_760;
