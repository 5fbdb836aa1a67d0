//! Ceilings of format 1. Nothing is allocated or read beyond them, whatever a bundle says of itself.

/// Bytes that a chunk covers: the granularity of verification, of resuming and of cuts between parts.
pub const CHUNK_BYTES: u64 = 1024 * 1024;

/// Largest `landfall.json`, in bytes.
pub const LANDFALL_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Largest file of the signature and trust area, in bytes.
pub const AREA_FILE_BYTES: u64 = 64 * 1024;

/// Most files in the signature and trust area.
pub const AREA_FILES: usize = 16;

/// Largest `blobs.json`, in bytes: about 25,000 blobs.
pub const BLOBS_DOCUMENT_BYTES: u64 = 8 * 1024 * 1024;

/// Largest `chunks.b3`, in bytes: 2 TiB of blobs.
pub const CHUNK_LIST_BYTES: u64 = 64 * 1024 * 1024;

/// Largest single document of the head, in bytes.
pub const DOCUMENT_BYTES: u64 = 16 * 1024 * 1024;

/// All the documents of the head together, in bytes.
pub const DOCUMENTS_BYTES: u64 = 32 * 1024 * 1024;

/// Largest integer in a document: what every JSON reader holds exactly (2^53 - 1).
pub const INTEGER: u64 = (1 << 53) - 1;

/// Largest blob, in bytes; sums of sizes cannot overflow below it.
pub const BLOB_BYTES: u64 = 1 << 45;

/// Deepest nesting of a document.
pub const DEPTH: usize = 32;

/// Longest name in the archive, in bytes: the name field of a ustar header.
pub const NAME_BYTES: usize = 100;

/// Most steps that are walked along a chain of root documents.
pub const ROOT_STEPS: usize = 1024;

/// Most parts of a bundle: three digits in the names of their files.
pub const PARTS: usize = 999;

/// Part size that FAT32 takes, with room to spare, in bytes.
pub const FAT32_PART_BYTES: u64 = 4_294_901_760;
