//! The figures of a model from the metadata of its GGUF file.

use crate::architecture::{Architecture, Experts, Latent, ModelKind, Quantization, Window};
use crate::weights::Weights;

use super::metadata::Metadata;
use super::types::mixture;

/// Families that turn a text into a vector.
const ENCODERS: [&str; 8] =
    ["bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "modern-bert", "t5encoder"];

/// Returns the figures, or the reason why they are unknown.
pub fn figures(metadata: &Metadata, weights: &Weights) -> Result<Architecture, String> {
    let family = metadata.text("general.architecture").filter(|family| !family.is_empty());
    let family = family.ok_or("its metadata names no architecture")?;
    let of = |name: &str| metadata.number(&format!("{family}.{name}"));
    let needed = |name: &str| of(name).ok_or_else(|| format!("its metadata lacks {family}.{name}"));
    let small =
        |name: &'static str, number: u64| u32::try_from(number).map_err(|_| format!("{family}.{name} is {number}"));
    if of("ssm.state_size").is_some() || of("shortconv.l_cache").is_some() {
        return Err(format!("layers of {family} keep a state instead of keys and values"));
    }
    let hidden = needed("embedding_length")?;
    let heads = needed("attention.head_count")?;
    let head_dim = of("attention.key_length").unwrap_or(hidden / heads.max(1));
    let layers = small("block_count", needed("block_count")?)?;
    let kind = if ENCODERS.contains(&family) { ModelKind::Encoder } else { ModelKind::Decoder };
    let vocabulary = of("vocab_size").or_else(|| metadata.count("tokenizer.ggml.tokens")).unwrap_or_default();
    // Older files of such models lack these sizes; llama.cpp then keeps full keys and values.
    let has = |name| of(name).is_some_and(|size| size > 0);
    let is_latent = has("attention.key_length_mla") && has("attention.value_length_mla");
    let rank = of("attention.kv_lora_rank").filter(|_| is_latent);
    let architecture = Architecture {
        family: family.to_owned(),
        kind,
        layers,
        hidden: small("embedding_length", hidden)?,
        heads: small("attention.head_count", heads)?,
        kv_heads: small("attention.head_count_kv", of("attention.head_count_kv").unwrap_or(heads))?,
        head_dim: small("attention.key_length", head_dim)?,
        value_dim: small("attention.value_length", of("attention.value_length").unwrap_or(head_dim))?,
        context: needed("context_length")?,
        vocabulary,
        intermediate: small("feed_forward_length", of("feed_forward_length").unwrap_or_default())?,
        experts: experts(of("expert_count"), of("expert_used_count"))?,
        // A deliberate upper bound: llama-server saves memory in windowed layers, but the pattern of layers is not
        // read.
        window: None::<Window>,
        latent: rank.map(|rank| latent(rank, of("rope.dimension_count").unwrap_or_default())).transpose()?,
        quantization: quantization(metadata, weights),
    };
    architecture.check()?;
    Ok(architecture)
}

fn experts(count: Option<u64>, active: Option<u64>) -> Result<Option<Experts>, String> {
    let Some(count) = count.filter(|count| *count > 0) else { return Ok(None) };
    let small = |number: u64| u32::try_from(number).map_err(|_| format!("it has {number} experts"));
    Ok(Some(Experts { count: small(count)?, active: small(active.unwrap_or_default())? }))
}

fn latent(rank: u64, rope_dim: u64) -> Result<Latent, String> {
    let small = |number: u64| u32::try_from(number).map_err(|_| format!("the size {number} of its latent is absurd"));
    Ok(Latent { rank: small(rank)?, rope_dim: small(rope_dim)? })
}

/// Returns the mixture of types by its usual name, or `None` if the weights are plain floats.
fn quantization(metadata: &Metadata, weights: &Weights) -> Option<Quantization> {
    let named = metadata.number("general.file_type").and_then(mixture);
    let method = named.or_else(|| weights.main_type())?;
    if ["F32", "F16", "BF16", "F64"].contains(&method) {
        return None;
    }
    let digits = method.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let bits = digits.chars().next().and_then(|digit| digit.to_digit(10)).unwrap_or_default();
    Some(Quantization { method: method.to_owned(), bits, group: 0 })
}
