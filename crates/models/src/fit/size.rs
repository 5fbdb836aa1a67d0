//! The arithmetic of memory: the space that weights and overhead leave for keys and values, and the number of tokens
//! that it holds.
//!
//! On GPUs: `room = 0.90 × memory − weights ÷ degree − overhead`, as vLLM divides a GPU's memory. The overhead is
//! derived from published reports, not from Landfall's runs (2 GiB on one GPU; 3 GiB on several, which also need
//! buffers). On the CPU: `room = memory − reserve − weights − buffers of llama.cpp`. `docs/MODELS.md` explains each
//! term.

use crate::architecture::{Architecture, ModelKind};

/// Percentage of a GPU's memory that vLLM takes unless it is configured otherwise.
pub const UTILIZATION_PERCENT: u64 = 90;

const GIB: u64 = 1 << 30;

/// Maximum number of sequences that an engine on GPUs computes at once: vLLM's default limit.
pub const MOST_SEQUENCES: u64 = 256;

/// Maximum number of concurrent sequences to propose for Ollama, which allocates the cache of all of them at its start.
pub const MOST_OLLAMA_SEQUENCES: u64 = 16;

/// Minimum context in tokens at which a model is useful; for a model with a shorter context, that context.
pub const LEAST_CONTEXT: u64 = 2048;

/// Number of tokens of a short sequence, such as a question with a few pages.
pub const SHORT_CONTEXT: u64 = 4096;

/// Number of tokens that llama.cpp computes at once. It keeps their results for the whole vocabulary, in four bytes
/// each.
const BATCH_TOKENS: u64 = 512;
const RESULT_BYTES: u64 = 4;

/// Minimum memory that a host reserves for everything else; otherwise a fifth of its memory.
const LEAST_RESERVE_BYTES: u64 = 4 * GIB;

/// Memory that is available, and memory that weights and overhead need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes available for weights, overhead, keys and values.
    pub available_bytes: u64,
    /// Bytes of these that weights and overhead need.
    pub fixed_bytes: u64,
}

impl Room {
    /// The room on each of `degree` GPUs with this much memory.
    pub fn on_gpus(weights_bytes: u64, memory_bytes: u64, degree: u32) -> Self {
        let overhead = if degree > 1 { 3 * GIB } else { 2 * GIB };
        let share = weights_bytes.div_ceil(u64::from(degree.max(1)));
        Self { available_bytes: memory_bytes / 100 * UTILIZATION_PERCENT, fixed_bytes: share.saturating_add(overhead) }
    }

    /// The room in the memory of a host.
    pub fn on_cpu(weights_bytes: u64, memory_bytes: u64, vocabulary: u64) -> Self {
        let reserve = (memory_bytes / 5).max(LEAST_RESERVE_BYTES);
        let buffers = vocabulary.saturating_mul(BATCH_TOKENS * RESULT_BYTES);
        Self {
            available_bytes: memory_bytes.saturating_sub(reserve),
            fixed_bytes: weights_bytes.saturating_add(buffers),
        }
    }

    /// Bytes for keys and values; `None` if weights and overhead do not fit.
    pub fn for_keys_and_values(self) -> Option<u64> {
        self.available_bytes.checked_sub(self.fixed_bytes)
    }
}

/// Returns the longest context that fits at least once: the model's own, or else the largest power of two below it.
/// Returns `None` if not even the minimum fits.
pub fn context(model: &Architecture, degree: u32, room_bytes: u64, most: u64) -> Option<u64> {
    let own = model.context.min(most);
    let fits = |tokens: &u64| model.sequence_bytes(*tokens, degree) <= room_bytes;
    let shorter = (0..u64::BITS).rev().map(|power| 1 << power).skip_while(|tokens| *tokens >= own);
    std::iter::once(own).chain(shorter).take_while(|tokens| *tokens >= LEAST_CONTEXT.min(own)).find(fits)
}

/// Returns the number of sequences of this many tokens that fit at once. An encoder keeps nothing, so it gets the
/// engine's maximum.
pub fn sequences(model: &Architecture, degree: u32, room_bytes: u64, tokens: u64, most: u64) -> u64 {
    match model.kind {
        ModelKind::Encoder => most,
        ModelKind::Decoder => (room_bytes / model.sequence_bytes(tokens, degree).max(1)).min(most),
    }
}

/// Returns the number of tokens that the KV cache holds if no layer drops tokens; `None` for an encoder, which has no
/// cache.
pub fn tokens(model: &Architecture, degree: u32, room_bytes: u64) -> Option<u64> {
    room_bytes.checked_div(model.token_bytes(degree))
}
