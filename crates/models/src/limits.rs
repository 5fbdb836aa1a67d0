//! Limits for reading model files. No reader allocates or reads more, whatever a file claims.

/// Maximum size of the JSON header of a safetensors file in bytes, by the format. It is read as a stream, of which only
/// the names of tensors are kept. So this limits time, and memory only if it consists of names.
pub const SAFETENSORS_HEADER_BYTES: u64 = 100_000_000;

/// Maximum size of the header of a GGUF file in bytes: it contains the vocabulary, which takes up to 20 MiB. It is read
/// as a stream, so this limits time rather than memory.
pub const GGUF_HEADER_BYTES: u64 = 64 << 20;

/// Maximum number of tensors in a file.
pub const TENSORS: u64 = 1 << 17;

/// Maximum number of dimensions of a tensor.
pub const DIMENSIONS: usize = 8;

/// Maximum nesting of the JSON in a safetensors header. The format needs three.
pub const JSON_NESTING: usize = 64;

/// Maximum length of a tensor's name, and of a kept name or text of GGUF metadata, in bytes.
pub const NAME_BYTES: usize = 1024;

/// Maximum number of metadata entries of a GGUF file.
pub const GGUF_ENTRIES: u64 = 1 << 12;

/// Maximum nesting of arrays in GGUF metadata.
pub const GGUF_NESTING: u32 = 4;

/// Maximum size of `config.json` in bytes. Lists of unquantized layers make it long.
pub const CONFIG_BYTES: u64 = 4 << 20;

/// Maximum size of `model.safetensors.index.json` in bytes. It names the file of each tensor.
pub const INDEX_BYTES: u64 = 32 << 20;

/// Maximum number of models in one release.
pub const MODELS: usize = 1024;

/// Maximum length of a text in the document in bytes.
pub const TEXT_BYTES: usize = 1024;
