use serde_json::{Value, json};

use super::*;

fn sample() -> Value {
    json!({
        "type": MODELS_DOCUMENT_TYPE,
        "models": [{
            "name": "small", "format": "safetensors", "files": 1, "weights": {"BF16": {"tensors": 2, "bytes": 1000}},
            "figures": {"known": {
                "family": "llama", "kind": "decoder", "layers": 2, "hidden": 64, "heads": 4, "kv_heads": 2,
                "head_dim": 16,
                "value_dim": 16, "context": 2048, "vocabulary": 1000, "intermediate": 128,
                "quantization": {"method": "awq", "bits": 4, "group": 128},
            }},
        }, {
            "name": "other", "format": "gguf", "files": 1, "weights": {}, "figures": {"unknown": "why"},
        }],
        "images": [{"reference": "docker.io/vllm/vllm-openai:v1", "cuda": "12.9", "code": ["8.0", "9.0a", "12.0+PTX"]}],
    })
}

fn read(value: &Value) -> Result<ModelsDocument, String> {
    ModelsDocument::read(value.to_string().as_bytes()).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    })
}

#[test]
fn document_round_trips() {
    let document = read(&sample()).expect("read");
    assert_eq!(ModelsDocument::read(&document.to_bytes().expect("written")).expect("read"), document);
    assert_eq!(document.models[0].quantization(), "awq 4-bit");
    assert_eq!(document.models[1].quantization(), "none");
    assert_eq!(document.images[0].codes().len(), 4);
}

#[test]
fn invalid_documents_are_refused() {
    let changes: [fn(&mut Value); 7] = [
        |value| value["type"] = "landfall.dev/models/2".into(),
        |value| value["surprise"] = 1.into(),
        |value| value["models"][0]["name"] = "a\u{1b}b".into(),
        |value| value["models"][0]["weights"]["BF16"]["bytes"] = u64::MAX.into(),
        |value| value["models"][0]["figures"]["known"]["layers"] = 0.into(),
        |value| value["models"] = vec![value["models"][1].clone(); limits::MODELS + 1].into(),
        |value| value["images"][0]["code"][0] = "new".into(),
    ];
    let expected = [
        "the type `landfall.dev/models/2`",
        "unknown field `surprise`",
        "the name of a model",
        "the weights of small are absurd",
        "layers: 0 is not between",
        "more than 1024 models",
        "\"new\" is not a device",
    ];
    for (change, expected) in changes.into_iter().zip(expected) {
        let mut value = sample();
        change(&mut value);
        let refused = read(&value).expect_err("refused");
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
}

#[test]
fn image_environment_names_cuda() {
    let image =
        |lines: &[&str]| engine_image("a/b:c", &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
    let found = image(&["PATH=/bin", "CUDA_VERSION=12.9.1", "TORCH_CUDA_ARCH_LIST=7.5 9.0a;12.0+PTX"]).expect("CUDA");
    assert_eq!(found.cuda, CudaVersion::new(12, 9));
    assert_eq!(found.code, ["7.5", "9.0a", "12.0+PTX"]);
    let odd = image(&["CUDA_VERSION=12.9.1", "TORCH_CUDA_ARCH_LIST=7.5 Hopper"]).expect("CUDA");
    assert!(odd.code.is_empty(), "{odd:?}");
    assert_eq!(image(&["CUDA_VERSION=", "PATH=/bin"]), None);
    assert_eq!(image(&["CUDA_VERSION_NEW=12.9.1"]), None);
}
