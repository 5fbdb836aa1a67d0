//! The fit of a model in the memory of a host, computed by its processors.

use super::engine::Engine;
use super::gpu::{too_large, too_short};
use super::host::Host;
use super::report::{PlaceFit, Profile, Reason, Refusal};
use super::size::{self, Room, SHORT_CONTEXT};
use crate::architecture::{Architecture, ModelKind};
use crate::document::{Model, WeightsFormat};

/// Maximum context to propose, in tokens: processors need minutes to read more.
const MOST_CONTEXT: u64 = 8192;

/// Maximum number of concurrent sequences to propose: processors share their speed among them.
const MOST_SEQUENCES: u64 = 4;

/// Name of the place.
pub const CPU: &str = "CPU";

/// Returns how a model runs on the processors of a host, or why it does not.
pub fn fit(model: &Model, figures: &Architecture, host: &Host) -> PlaceFit {
    let (profile, refusal) = match profile(model, figures, host, MOST_CONTEXT) {
        Ok(profile) => (Some(profile), None),
        Err(refusal) => (None, Some(refusal)),
    };
    PlaceFit { place: CPU.to_owned(), profile, refusal, mig: None, degrees: Vec::new() }
}

/// Like [`fit`], with a context of at most `most` tokens.
pub fn profile(model: &Model, figures: &Architecture, host: &Host, most: u64) -> Result<Profile, Refusal> {
    let engine = engine(model, figures)?;
    let weights = model.weights.bytes();
    let room = Room::on_cpu(weights, host.memory_bytes, figures.vocabulary);
    let Some(free) = room.for_keys_and_values() else { return Err(too_large(room)) };
    let context = size::context(figures, 1, free, most).ok_or_else(|| too_short(figures, 1, room))?;
    let sequences = size::sequences(figures, 1, free, context, MOST_SEQUENCES);
    // llama.cpp allocates the cache at its start, for exactly these sequences.
    let cached = figures.sequence_bytes(context, 1).saturating_mul(sequences);
    let tokens = (figures.kind == ModelKind::Decoder).then_some(context * sequences);
    Ok(Profile {
        engine,
        tensor_parallel: 0,
        copies: 1,
        context,
        sequences,
        short_sequences: size::sequences(figures, 1, free, SHORT_CONTEXT.min(context), MOST_SEQUENCES),
        kv_cache_tokens: tokens,
        kv_bytes_per_token: figures.token_bytes(1),
        weights_bytes: weights,
        memory_bytes: room.fixed_bytes.saturating_add(cached),
        settings: match engine {
            Engine::LlamaCpp => vec![
                format!("--ctx-size={}", context * sequences),
                format!("--parallel={sequences}"),
                format!("--threads={}", host.cores),
            ],
            Engine::Vllm | Engine::Ollama | Engine::Component => Vec::new(),
        },
    })
}

fn engine(model: &Model, figures: &Architecture) -> Result<Engine, Refusal> {
    match (model.format, figures.kind) {
        (WeightsFormat::Gguf, _) => Ok(Engine::LlamaCpp),
        (WeightsFormat::Safetensors, ModelKind::Encoder) => Ok(Engine::Component),
        (WeightsFormat::Safetensors, ModelKind::Decoder) => {
            let text =
                "llama.cpp reads GGUF, and the weights are safetensors: ship a GGUF file for hosts without a GPU";
            Err(Refusal::new(Reason::Format, text.to_owned()))
        }
    }
}
