//! The figures of a model that decide how much memory it takes.

use serde::{Deserialize, Serialize};

/// Bytes of one number in the KV cache: vLLM and llama.cpp keep it in 16 bits unless they are configured otherwise.
pub const KV_NUMBER_BYTES: u64 = 2;

/// What a model does with tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// It writes text, token by token, and keeps keys and values of all earlier tokens.
    Decoder,
    /// It turns a text into a vector or a score at once, and keeps nothing.
    Encoder,
}

/// The figures of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Its family, such as `llama`.
    pub family: String,
    /// What it does with tokens.
    pub kind: ModelKind,
    /// Layers.
    pub layers: u32,
    /// Width of a token between layers.
    pub hidden: u32,
    /// Attention heads of a layer.
    pub heads: u32,
    /// Heads of a layer that have keys and values of their own.
    pub kv_heads: u32,
    /// Numbers in a key of one head.
    pub head_dim: u32,
    /// Numbers in a value of one head.
    pub value_dim: u32,
    /// The most tokens of a sequence.
    pub context: u64,
    /// Words of the vocabulary.
    pub vocabulary: u64,
    /// Width of the feed-forward part of a layer, or of one expert; 0 if not known.
    pub intermediate: u32,
    /// Experts of a layer, where it has several (mixture of experts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
    /// Layers that attend to the last tokens alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Keys and values as one compressed vector (multi-head latent attention).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<Latent>,
    /// How the weights were made smaller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
}

/// Experts of a layer. All of them are in memory; only some of them compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experts {
    /// How many a layer has.
    pub count: u32,
    /// How many compute for one token; 0 if not known.
    pub active: u32,
}

/// Layers that attend to the last tokens alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// How many layers.
    pub layers: u32,
    /// To how many tokens.
    pub tokens: u64,
}

/// Keys and values of all heads as one vector, which every GPU keeps whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    /// Numbers of the compressed vector.
    pub rank: u32,
    /// Numbers of the key that carries the position.
    pub rope_dim: u32,
}

/// How weights were made smaller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    /// The method, such as `awq`, or the mixture of types, such as `Q4_K_M`.
    pub method: String,
    /// Bits of a weight; 0 if not known.
    pub bits: u32,
    /// Weights that share one scale, along the input; 0 if not known or all of a row.
    pub group: u32,
}

impl Architecture {
    /// Bytes that one token takes in the KV cache of one layer, on each of `degree` GPUs.
    fn layer_bytes(&self, degree: u32) -> u64 {
        let numbers = if let Some(latent) = self.latent {
            u64::from(latent.rank) + u64::from(latent.rope_dim)
        } else {
            let heads = self.kv_heads.div_ceil(degree.max(1)).max(1);
            u64::from(heads) * (u64::from(self.head_dim) + u64::from(self.value_dim))
        };
        numbers.saturating_mul(KV_NUMBER_BYTES)
    }

    /// Bytes that one token takes in the KV cache on each of `degree` GPUs, while no layer forgets any.
    pub fn token_bytes(&self, degree: u32) -> u64 {
        match self.kind {
            ModelKind::Decoder => self.layer_bytes(degree).saturating_mul(u64::from(self.layers)),
            ModelKind::Encoder => 0,
        }
    }

    /// Bytes that a sequence of so many tokens takes in the KV cache on each of `degree` GPUs.
    pub fn sequence_bytes(&self, tokens: u64, degree: u32) -> u64 {
        if self.kind == ModelKind::Encoder {
            return 0;
        }
        let window = self.window.unwrap_or(Window { layers: 0, tokens: 0 });
        let whole = u64::from(self.layers.saturating_sub(window.layers)).saturating_mul(tokens);
        let windowed = u64::from(window.layers).saturating_mul(tokens.min(window.tokens));
        self.layer_bytes(degree).saturating_mul(whole.saturating_add(windowed))
    }

    /// Refuses figures that no model has, so that nothing computed from them overflows. The reason is in words.
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
