use proptest::prelude::*;
use serde_json::error::Category;
use serde_json::json;

use super::*;

fn figures(value: &Value) -> Result<Architecture, String> {
    read_config(value.to_string().as_bytes()).expect("an object")
}

fn llama() -> Value {
    json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072, "vocab_size": 128_256,
        "intermediate_size": 14_336, "torch_dtype": "bfloat16",
    })
}

fn with(changes: &Value) -> Value {
    let mut value = llama();
    for (name, change) in changes.as_object().expect("object") {
        value[name] = change.clone();
    }
    value
}

#[test]
fn plain_decoder_has_figures() {
    let found = figures(&llama()).expect("figures");
    assert_eq!((found.layers, found.heads, found.kv_heads, found.head_dim), (32, 32, 8, 128));
    assert_eq!((found.kind, found.context, found.intermediate), (ModelKind::Decoder, 131_072, 14_336));
    // 2 × 32 layers × 8 heads × 128 numbers × 2 bytes.
    assert_eq!((found.token_bytes(1), found.token_bytes(8), found.token_bytes(16)), (131_072, 16_384, 16_384));
}

#[test]
fn mixtures_windows_and_latents_are_parsed() {
    let experts = figures(&with(&json!({"num_local_experts": 8, "num_experts_per_tok": 2}))).expect("mixture");
    assert_eq!(experts.experts, Some(Experts { count: 8, active: 2 }));
    let mistral = figures(&with(&json!({"model_type": "mistral", "sliding_window": 4096}))).expect("mistral");
    assert_eq!(mistral.window, Some(Window { layers: 32, tokens: 4096 }));
    assert_eq!(mistral.sequence_bytes(32_768, 1), mistral.sequence_bytes(4096, 1));
    for off in [json!({"sliding_window": null}), json!({"sliding_window": 4096, "use_sliding_window": false})] {
        assert_eq!(figures(&with(&off)).expect("whole").window, None);
    }
    let gemma = figures(&with(&json!({"model_type": "gemma2", "sliding_window": 4096}))).expect("gemma");
    assert_eq!(gemma.window, Some(Window { layers: 16, tokens: 4096 }));
    let kinds = ["sliding_attention", "full_attention", "sliding_attention"];
    let named = figures(&with(&json!({"layer_types": kinds, "sliding_window": 128}))).expect("named layers");
    assert_eq!(named.window, Some(Window { layers: 2, tokens: 128 }));
    let latent =
        json!({"model_type": "deepseek_v2", "num_hidden_layers": 27, "kv_lora_rank": 512, "qk_rope_head_dim": 64});
    let latent = figures(&with(&latent)).expect("latent");
    // 27 layers × (512 + 64) numbers × 2 bytes, on every GPU.
    assert_eq!((latent.token_bytes(1), latent.token_bytes(8)), (31_104, 31_104));
}

#[test]
fn encoders_and_text_parts_are_parsed() {
    let bert = json!({
        "model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": 6, "hidden_size": 384,
        "num_attention_heads": 12, "max_position_embeddings": 512, "vocab_size": 30_522,
    });
    let found = figures(&bert).expect("figures");
    assert_eq!((found.kind, found.context, found.sequence_bytes(512, 1)), (ModelKind::Encoder, 512, 0));
    let sees = json!({"model_type": "sees", "architectures": ["SeesForConditionalGeneration"], "text_config": llama()});
    assert_eq!(figures(&sees).expect("figures").layers, 32);
}

#[test]
fn kv_heads_have_several_names() {
    let heads = |changes: Value| {
        let mut value = with(&changes);
        value.as_object_mut().expect("object").remove("num_key_value_heads");
        figures(&value).expect("figures").kv_heads
    };
    assert_eq!(heads(json!({})), 32);
    assert_eq!(heads(json!({"multi_query_attention": true, "multi_query_group_num": 2})), 2);
    assert_eq!(heads(json!({"multi_query_attention": false, "multi_query_group_num": 2})), 32);
    assert_eq!(heads(json!({"attn_config": {"kv_n_heads": 8}})), 8);
    assert_eq!(
        figures(&with(&json!({"model_type": "mpnet", "architectures": [], "max_position_embeddings": 514})))
            .expect("figures")
            .context,
        512
    );
}

#[test]
fn quantizations_are_named() {
    let of = |value: Value| figures(&with(&json!({"quantization_config": value}))).expect("figures").quantization;
    let some = |method: &str, bits, group| Some(Quantization { method: method.to_owned(), bits, group });
    assert_eq!(of(json!({"quant_method": "awq", "bits": 4, "group_size": 128})), some("awq", 4, 128));
    assert_eq!(of(json!({"quant_method": "gptq", "bits": 4, "group_size": -1})), some("gptq", 4, 0));
    assert_eq!(of(json!({"quant_method": "fp8"})), some("fp8", 8, 0));
    let groups = json!({"group_0": {"weights": {"num_bits": 8, "group_size": null}}});
    assert_eq!(
        of(json!({"quant_method": "compressed-tensors", "config_groups": groups})),
        some("compressed-tensors", 8, 0)
    );
    assert_eq!(of(json!({"quant_method": "fp8", "weight_block_size": [64, 128]})), some("fp8", 8, 128));
    assert_eq!(of(json!({"quant_method": "modelopt", "quant_algo": "FP8"})), some("modelopt", 8, 0));
    assert_eq!(of(json!({})), None);
}

#[test]
fn unknown_architectures_have_no_figures() {
    let said = [
        json!({}),
        json!({"model_type": "x"}),
        with(&json!({"mamba_d_state": 16})),
        with(&json!({"block_configs": [{}]})),
        with(&json!({"kv_lora_rank": 512})),
        with(&json!({"layer_types": ["linear_attention"]})),
        with(&json!({"is_encoder_decoder": true})),
        with(&json!({"num_hidden_layers": 0})),
        with(&json!({"num_attention_heads": 0})),
        with(&json!({"hidden_size": 1_u64 << 40})),
        with(&json!({"max_position_embeddings": u64::MAX})),
    ]
    .map(|value| figures(&value).expect_err("no figures"));
    insta::assert_snapshot!(said.join("\n"), @r#"
    config.json lacks model_type
    config.json lacks num_hidden_layers
    layers of llama differ, or keep a state instead of keys and values (mamba_d_state)
    layers of llama differ, or keep a state instead of keys and values (block_configs)
    how llama keeps its compressed keys and values (kv_lora_rank) is not known
    it has layers of the unknown kind "linear_attention"
    llama has an encoder and a decoder, whose memory is not computed
    layers: 0 is not between 1 and 4096
    heads: 0 is not between 1 and 16384
    hidden_size is 1099511627776
    context: 18446744073709551615 is not between 1 and 4294967296
    "#);
    for (bytes, category) in
        [(&b"[]"[..], Category::Data), (b"", Category::Eof), (b"{\"a\":1", Category::Eof), (b"\xff", Category::Syntax)]
    {
        assert_eq!(read_config(bytes).unwrap_err().classify(), category);
    }
}

proptest! {
    #[test]
    fn figures_never_overflow(
        numbers in proptest::collection::vec(any::<u64>(), 8),
        tokens in any::<u64>(),
        degree in any::<u32>(),
    ) {
        let names = ["num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads",
            "max_position_embeddings", "sliding_window", "kv_lora_rank", "head_dim"];
        let changes: serde_json::Map<_, _> =
            names.iter().zip(numbers).map(|(name, number)| ((*name).to_owned(), number.into())).collect();
        if let Ok(found) = figures(&with(&Value::Object(changes))) {
            let _ = (found.token_bytes(degree), found.sequence_bytes(tokens, degree));
        }
    }
}
