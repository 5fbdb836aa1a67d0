//! The figures of a model from its `config.json`, in the form of the library *transformers*.
//!
//! Threats: the file may contain anything. Its size is limited before it is parsed, and figures are checked against the
//! range of real models. A model of an unknown kind has no figures rather than wrong ones.

use serde_json::Value;

use crate::architecture::{Architecture, Experts, Latent, ModelKind, Quantization, Window};
use crate::names::shorten;

/// Prefixes or suffixes of the names of classes that generate text.
const DECODERS: [&str; 3] = ["ForCausalLM", "ForConditionalGeneration", "LMHeadModel"];

/// Parts of the names of families that turn a text into a vector.
const ENCODERS: [&str; 5] = ["bert", "electra", "mpnet", "nomic", "xlm-roberta"];

/// Fields of models whose layers differ, or keep a state instead of keys and values.
const STATES: [&str; 13] = [
    "ssm_state_size",
    "state_size",
    "mamba_d_state",
    "mamba_expand",
    "linear_num_value_heads",
    "linear_conv_kernel_dim",
    "conv_L_cache",
    "hybrid_override_pattern",
    "block_configs",
    "linear_attn_config",
    "attn_type_list",
    "lru_width",
    "block_types",
];

/// Families whose keys and values vLLM keeps as one compressed vector.
const LATENT: [&str; 8] = [
    "deepseek_v2",
    "deepseek_v3",
    "deepseek_v32",
    "kimi_k2",
    "kimi_linear",
    "longcat_flash",
    "glm_moe_dsa",
    "deepseek_mtp",
];

/// Reads a `config.json`. The outer error means that it is not a JSON object; the inner one states why the figures are
/// unknown.
pub fn read_config(bytes: &[u8]) -> Result<Result<Architecture, String>, serde_json::Error> {
    let value: serde_json::Map<String, Value> = serde_json::from_slice(bytes)?;
    let whole = Value::Object(value);
    // A multimodal model has a separate part for text.
    let text = whole.get("text_config").filter(|part| part.is_object()).unwrap_or(&whole);
    let quantized = text.get("quantization_config").or_else(|| whole.get("quantization_config"));
    Ok(Fields(text).architecture(&whole, quantized))
}

/// The fields of a configuration, each under any of its names.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn number(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| self.0.get(name)?.as_u64())
    }

    fn small(&self, names: &[&str]) -> Result<Option<u32>, String> {
        let Some(number) = self.number(names) else { return Ok(None) };
        u32::try_from(number).map(Some).map_err(|_| format!("{} is {number}", names[0]))
    }

    fn required_number(&self, names: &[&str]) -> Result<u32, String> {
        self.small(names)?.ok_or_else(|| format!("config.json lacks {}", names[0]))
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn architecture(&self, whole: &Value, quantized: Option<&Value>) -> Result<Architecture, String> {
        let family = self.text("model_type");
        let family =
            if family.is_empty() { return Err("config.json lacks model_type".to_owned()) } else { shorten(family) };
        if let Some(field) = STATES.iter().find(|field| self.0.get(**field).is_some_and(|value| !value.is_null())) {
            return Err(format!("layers of {family} differ, or keep a state instead of keys and values ({field})"));
        }
        let layers = self.required_number(&["num_hidden_layers", "n_layer", "n_layers", "num_layers"])?;
        let hidden = self.required_number(&["hidden_size", "n_embd", "d_model", "dim"])?;
        let heads = self.required_number(&["num_attention_heads", "n_head", "n_heads"])?;
        let head_dim = self.small(&["head_dim"])?.unwrap_or(hidden / heads.max(1));
        let architecture = Architecture {
            kind: self.kind(whole, &family)?,
            layers,
            hidden,
            heads,
            kv_heads: self.kv_heads(heads)?,
            head_dim,
            value_dim: head_dim,
            context: self.context(&family)?,
            vocabulary: self.number(&["vocab_size"]).unwrap_or_default(),
            intermediate: self
                .small(&["moe_intermediate_size", "intermediate_size", "n_inner", "hidden_dim"])?
                .unwrap_or_default(),
            experts: self.experts()?,
            window: self.window(&family, layers)?,
            latent: self.latent(&family)?,
            quantization: quantized.and_then(quantization),
            family,
        };
        architecture.check()?;
        Ok(architecture)
    }

    fn kind(&self, whole: &Value, family: &str) -> Result<ModelKind, String> {
        if [self.0, whole].iter().any(|part| part.get("is_encoder_decoder") == Some(&Value::Bool(true))) {
            return Err(format!("{family} has an encoder and a decoder, whose memory is not computed"));
        }
        let classes = whole.get("architectures").or_else(|| self.0.get("architectures")).and_then(Value::as_array);
        let is_decoder = classes
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|class| DECODERS.iter().any(|end| class.ends_with(end)));
        let is_encoder = ENCODERS.iter().any(|part| family.contains(part));
        Ok(if is_encoder && !is_decoder { ModelKind::Encoder } else { ModelKind::Decoder })
    }

    fn kv_heads(&self, heads: u32) -> Result<u32, String> {
        // Falcon's first models share one key and value among all heads, which a flag indicates.
        if self.0.get("multi_query") == Some(&Value::Bool(true))
            && self.0.get("new_decoder_architecture") != Some(&Value::Bool(true))
        {
            return Ok(1);
        }
        if self.0.get("multi_query_attention") == Some(&Value::Bool(false)) {
            return Ok(heads);
        }
        let names = ["num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num"];
        let nested = self.0.get("attn_config").map(|nested| Fields(nested).small(&["kv_n_heads"])).transpose()?;
        Ok(self.small(&names)?.or(nested.flatten()).unwrap_or(heads))
    }

    /// Returns the context for which the model was trained, without the position scaling that some engines offer.
    fn context(&self, family: &str) -> Result<u64, String> {
        let names = ["max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length"];
        let context = self.number(&names).ok_or_else(|| format!("config.json lacks {}", names[0]))?;
        // The positions of RoBERTa, its relatives and MPNet begin at 2.
        let is_shifted = ["roberta", "xlm-roberta", "camembert", "mpnet"].contains(&family);
        Ok(if is_shifted { context.saturating_sub(2) } else { context })
    }

    fn experts(&self) -> Result<Option<Experts>, String> {
        let count = self.small(&["num_local_experts", "num_experts", "n_routed_experts"])?;
        let active = self.small(&["num_experts_per_tok", "num_experts_per_token"])?.unwrap_or_default();
        Ok(count.filter(|count| *count > 0).map(|count| Experts { count, active }))
    }

    fn latent(&self, family: &str) -> Result<Option<Latent>, String> {
        let Some(rank) = self.small(&["kv_lora_rank"])? else { return Ok(None) };
        if !LATENT.contains(&family) {
            return Err(format!("how {family} keeps its compressed keys and values (kv_lora_rank) is not known"));
        }
        let rope_dim = self.small(&["qk_rope_head_dim"])?.unwrap_or_default();
        Ok(Some(Latent { rank, rope_dim }))
    }

    /// Returns the number of windowed layers, and the size of their window in tokens.
    fn window(&self, family: &str, layers: u32) -> Result<Option<Window>, String> {
        if let Some(kinds) = self.0.get("layer_types").and_then(Value::as_array) {
            return self.window_of(kinds);
        }
        let Some(tokens) = self.number(&["sliding_window"]) else { return Ok(None) };
        if self.0.get("use_sliding_window") == Some(&Value::Bool(false)) {
            return Ok(None);
        }
        let every = |pattern: u32| layers - layers / pattern.max(1);
        let pattern = self.small(&["sliding_window_pattern"])?;
        let windowed = match (family, pattern) {
            ("gemma2", _) => layers / 2,
            (_, Some(pattern)) => every(pattern),
            ("gemma3_text", None) => every(6),
            ("cohere2", None) => every(4),
            // Qwen's first layers attend to all tokens.
            _ => layers.saturating_sub(self.small(&["max_window_layers"])?.unwrap_or_default()),
        };
        Ok((windowed > 0).then_some(Window { layers: windowed, tokens }))
    }

    /// Like [`Fields::window`], for configurations that list the type of each layer.
    fn window_of(&self, kinds: &[Value]) -> Result<Option<Window>, String> {
        let mut window: Option<Window> = None;
        for kind in kinds {
            let field = match kind.as_str().unwrap_or_default() {
                "full_attention" => continue,
                "sliding_attention" => "sliding_window",
                "chunked_attention" => "attention_chunk_size",
                other => return Err(format!("it has layers of the unknown kind {:?}", shorten(other))),
            };
            let tokens = self.number(&[field]).ok_or_else(|| format!("config.json lacks {field}"))?;
            let so_far = window.map_or(0, |window| window.layers);
            window = Some(Window { layers: so_far + 1, tokens });
        }
        Ok(window)
    }
}

/// Returns the quantization of the weights, or `None` if the configuration does not name a method.
fn quantization(value: &Value) -> Option<Quantization> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let method = text("quant_method").or_else(|| text("quant_algo")).filter(|method| !method.is_empty())?;
    // `compressed-tensors` describes groups of layers; their weights usually agree.
    let groups = value.get("config_groups").and_then(Value::as_object);
    let of_groups = groups.and_then(|groups| groups.values().next()).and_then(|group| group.get("weights"));
    let number = |names: &[&str]| {
        let in_groups = || names.iter().find_map(|name| of_groups?.get(name)?.as_u64());
        let found = names.iter().find_map(|name| value.get(name)?.as_u64()).or_else(in_groups);
        found.and_then(|number| u32::try_from(number).ok())
    };
    let is_set = |name: &str| value.get(name) == Some(&Value::Bool(true));
    // A block has two dimensions, and neither may be split.
    let sides = ["weight_block_size", "block_structure"].iter().find_map(|name| {
        let sides = value.get(name).or_else(|| of_groups?.get(name))?.as_array()?;
        sides.iter().filter_map(Value::as_u64).max().and_then(|side| u32::try_from(side).ok())
    });
    let implied = match method {
        "modelopt" if text("quant_algo") == Some("FP8") => 8,
        "fp8" | "fbgemm_fp8" => 8,
        "mxfp4" => 4,
        "bitsandbytes" if is_set("load_in_4bit") => 4,
        "bitsandbytes" if is_set("load_in_8bit") => 8,
        _ => 0,
    };
    Some(Quantization {
        method: shorten(method),
        bits: number(&["bits", "w_bit", "num_bits"]).unwrap_or(implied),
        group: number(&["group_size", "q_group_size"]).or(sides).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
