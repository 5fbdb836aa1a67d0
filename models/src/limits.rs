//! Limits of what is read of model files. Nothing is allocated or read beyond them, whatever a file claims.

/// Largest JSON header of a safetensors file, in bytes: what the format allows. It is read as a stream, of which the names of
/// tensors are kept: this limits time, and memory where it is all names.
pub const SAFETENSORS_HEADER_BYTES: u64 = 100_000_000;

/// Largest header of a GGUF file, in bytes: it contains the vocabulary, which takes up to 20 MiB. It is read as a stream,
/// so this limits time rather than memory.
pub const GGUF_HEADER_BYTES: u64 = 64 << 20;

/// Maximum number of tensors in a file.
pub const TENSORS: u64 = 1 << 17;

/// Maximum number of dimensions of a tensor.
pub const DIMENSIONS: usize = 8;

/// Maximum nesting of the JSON in a safetensors header. The format needs three.
pub const JSON_NESTING: usize = 64;

/// Longest name of a tensor, and longest name or text of GGUF metadata that is kept, in bytes.
pub const NAME_BYTES: usize = 1024;

/// Maximum number of metadata entries of a GGUF file.
pub const GGUF_ENTRIES: u64 = 1 << 12;

/// Maximum nesting of arrays in GGUF metadata.
pub const GGUF_NESTING: u32 = 4;

/// Largest `config.json`, in bytes. Lists of layers that are not quantized make it long.
pub const CONFIG_BYTES: u64 = 4 << 20;

/// Largest `model.safetensors.index.json`, in bytes. It names the file of each tensor.
pub const INDEX_BYTES: u64 = 32 << 20;

/// Maximum number of models in one release.
pub const MODELS: usize = 1024;

/// Longest text in the document, in bytes.
pub const TEXT_BYTES: usize = 1024;
