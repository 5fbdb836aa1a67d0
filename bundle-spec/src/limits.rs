//! Limits of format 1. No reader allocates or reads more, whatever a bundle claims.

/// Bytes of a chunk: the unit of verification, of resuming, and of cuts between parts.
pub const CHUNK_BYTES: u64 = 1024 * 1024;

/// Maximum size of `landfall.json` in bytes.
pub const LANDFALL_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Maximum size of a file of the signature and trust area in bytes.
pub const AREA_FILE_BYTES: u64 = 64 * 1024;

/// Maximum number of signatures in one bundle, including those by unknown signers.
pub const SIGNATURES: usize = 16;

/// Maximum total size of the files below `trust/` in bytes: enough for 1,024 root documents of a large team.
pub const TRUST_BYTES: u64 = 8 * 1024 * 1024;

/// Maximum size of `blobs.json` in bytes: about 25,000 blobs.
pub const BLOBS_DOCUMENT_BYTES: u64 = 8 * 1024 * 1024;

/// Maximum size of `chunks.b3` in bytes: 2 TiB of blobs.
pub const CHUNK_LIST_BYTES: u64 = 64 * 1024 * 1024;

/// Maximum size of a document of the head in bytes.
pub const DOCUMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Maximum total size of the documents of the head in bytes.
pub const DOCUMENTS_BYTES: u64 = 32 * 1024 * 1024;

/// Maximum size of a provenance file in bytes.
pub const PROVENANCE_BYTES: u64 = 32 * 1024 * 1024;

/// Largest integer in a document, 2^53 - 1: every JSON reader represents it exactly.
pub const INTEGER: u64 = (1 << 53) - 1;

/// Maximum size of a blob in bytes; within it, sums of sizes cannot overflow.
pub const BLOB_BYTES: u64 = 1 << 45;

/// Maximum nesting depth of a document.
pub const DEPTH: usize = 32;

/// Maximum number of objects and arrays in a document. They take far more of a reader's memory than their bytes.
pub const CONTAINERS: usize = 1 << 17;

/// Maximum number of values in a document, including nested ones.
pub const VALUES: usize = 1 << 20;

/// Maximum length in bytes of a name in the archive: the name field of a ustar header.
pub const NAME_BYTES: usize = 100;

/// Maximum number of root documents in one bundle.
pub const ROOTS: usize = 1024;

/// Maximum number of parts of a bundle: three digits in their file names.
pub const PARTS: usize = 999;

/// Size in bytes of a part that fits on FAT32, with a margin.
pub const FAT32_PART_BYTES: u64 = 4_294_901_760;
