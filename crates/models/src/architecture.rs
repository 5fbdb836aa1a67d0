//! The figures of a model that determine how much memory it needs.

use serde::{Deserialize, Serialize};

/// Bytes of one number in the KV cache: vLLM and llama.cpp use 16 bits unless they are configured otherwise.
pub const KV_NUMBER_BYTES: u64 = 2;

/// The kind of a model, by its use of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// It generates text, token by token, and keeps keys and values of all earlier tokens.
    Decoder,
    /// It turns a text into a vector or a score in one pass, and keeps nothing.
    Encoder,
}

/// The figures of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Family of the model, such as `llama`.
    pub family: String,
    /// Kind of the model.
    pub kind: ModelKind,
    /// Number of layers.
    pub layers: u32,
    /// Width of a token between layers.
    pub hidden: u32,
    /// Number of attention heads of a layer.
    pub heads: u32,
    /// Number of heads of a layer that have their own keys and values.
    pub kv_heads: u32,
    /// Numbers in a key of one head.
    pub head_dim: u32,
    /// Numbers in a value of one head.
    pub value_dim: u32,
    /// Maximum number of tokens of a sequence.
    pub context: u64,
    /// Number of words in the vocabulary.
    pub vocabulary: u64,
    /// Width of the feed-forward part of a layer, or of one expert; 0 if unknown.
    pub intermediate: u32,
    /// Experts of a layer, if it has several (mixture of experts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
    /// Layers that attend only to the last tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Keys and values as one compressed vector (multi-head latent attention).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<Latent>,
    /// Quantization of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
}

/// Experts of a layer. All of them are in memory; only some of them compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experts {
    /// Number of experts of a layer.
    pub count: u32,
    /// Number of experts that compute for one token; 0 if unknown.
    pub active: u32,
}

/// Layers that attend only to the last tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Number of such layers.
    pub layers: u32,
    /// Number of tokens to which they attend.
    pub tokens: u64,
}

/// Keys and values of all heads as one compressed vector, of which every GPU keeps a full copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    /// Length of the compressed vector.
    pub rank: u32,
    /// Length of the part of the key that carries the position.
    pub rope_dim: u32,
}

/// The quantization of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    /// Method, such as `awq`, or mixture of types, such as `Q4_K_M`.
    pub method: String,
    /// Bits of a weight; 0 if unknown.
    pub bits: u32,
    /// Number of weights along the input that share one scale; 0 if unknown or if it is a whole row.
    pub group: u32,
}

impl Architecture {
    /// Bytes of a token in the KV cache of one layer, on each of `degree` GPUs.
    fn layer_bytes(&self, degree: u32) -> u64 {
        let numbers = if let Some(latent) = self.latent {
            u64::from(latent.rank) + u64::from(latent.rope_dim)
        } else {
            let heads = self.kv_heads.div_ceil(degree.max(1)).max(1);
            u64::from(heads) * (u64::from(self.head_dim) + u64::from(self.value_dim))
        };
        numbers.saturating_mul(KV_NUMBER_BYTES)
    }

    /// Bytes of a token in the KV cache on each of `degree` GPUs, if no layer drops tokens.
    pub fn token_bytes(&self, degree: u32) -> u64 {
        match self.kind {
            ModelKind::Decoder => self.layer_bytes(degree).saturating_mul(u64::from(self.layers)),
            ModelKind::Encoder => 0,
        }
    }

    /// Bytes of a sequence of this many tokens in the KV cache, on each of `degree` GPUs.
    pub fn sequence_bytes(&self, tokens: u64, degree: u32) -> u64 {
        if self.kind == ModelKind::Encoder {
            return 0;
        }
        let window = self.window.unwrap_or(Window { layers: 0, tokens: 0 });
        let whole = u64::from(self.layers.saturating_sub(window.layers)).saturating_mul(tokens);
        let windowed = u64::from(window.layers).saturating_mul(tokens.min(window.tokens));
        self.layer_bytes(degree).saturating_mul(whole.saturating_add(windowed))
    }

    /// Returns an error, in words, for figures that no model has, so that no computation with them overflows.
    pub fn check(&self) -> Result<(), String> {
        let figures = [
            ("layers", u64::from(self.layers), 1, 1 << 12),
            ("hidden size", u64::from(self.hidden), 1, 1 << 20),
            ("heads", u64::from(self.heads), 1, 1 << 14),
            ("key-value heads", u64::from(self.kv_heads), 1, 1 << 14),
            ("size of a key", u64::from(self.head_dim), 1, 1 << 14),
            ("size of a value", u64::from(self.value_dim), 1, 1 << 14),
            ("context", self.context, 1, 1 << 32),
            ("vocabulary", self.vocabulary, 0, 1 << 26),
            ("intermediate size", u64::from(self.intermediate), 0, 1 << 24),
            ("experts", u64::from(self.experts.map_or(1, |experts| experts.count)), 1, 1 << 16),
            ("window", self.window.map_or(1, |window| window.tokens), 1, 1 << 32),
            ("windowed layers", u64::from(self.window.map_or(0, |window| window.layers)), 0, u64::from(self.layers)),
            ("latent rank", u64::from(self.latent.map_or(1, |latent| latent.rank)), 1, 1 << 16),
            ("latent position", u64::from(self.latent.map_or(0, |latent| latent.rope_dim)), 0, 1 << 16),
        ];
        match figures.iter().find(|(_, value, least, most)| value < least || value > most) {
            Some((what, value, least, most)) => Err(format!("{what}: {value} is not between {least} and {most}")),
            None => Ok(()),
        }
    }
}
