use std::collections::BTreeMap;

use landfall_error_codes::{CodedError, codes};
use proptest::prelude::*;

use super::*;
use crate::document::ModelsDocument;
use crate::sample::{GgufValue, gguf, safetensors};

/// Files in memory: their first bytes, and their claimed size.
#[derive(Default)]
struct Files(BTreeMap<String, (Vec<u8>, u64)>);

impl ModelSource for Files {
    fn open(&self, file: &ModelFile) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(&self.0[&file.path].0[..]))
    }
}

impl Files {
    fn with(mut self, path: &str, file: (Vec<u8>, u64)) -> Self {
        self.0.insert(path.to_owned(), file);
        self
    }

    fn text(self, path: &str, text: &str) -> Self {
        self.with(path, (text.as_bytes().to_vec(), text.len() as u64))
    }

    fn models(&self) -> Result<Vec<Model>, ModelError> {
        let files: Vec<_> =
            self.0.iter().map(|(path, (_, bytes))| ModelFile { path: path.clone(), bytes: *bytes }).collect();
        models("artifact", &files, self)
    }
}

const CONFIG: &str = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2,
    "hidden_size": 64, "num_attention_heads": 4, "max_position_embeddings": 2048}"#;

fn weights(bytes: u64) -> (Vec<u8>, u64) {
    safetensors(&[("a", "U8", &[bytes], bytes)])
}

fn quantized_model() -> (Vec<u8>, u64) {
    let text = |text: &str| GgufValue::Text(text.to_owned());
    gguf(&[("general.architecture", text("llama"))], &[("a", 24, &[64], 64)])
}

#[test]
fn shards_are_summed_without_copies() {
    let files = Files::default()
        .with("model-00001-of-00002.safetensors", weights(10))
        .with("model-00002-of-00002.safetensors", weights(20))
        .with("consolidated.safetensors", weights(30))
        .with("adapter_model.safetensors", weights(1))
        .with("original/model.safetensors", weights(30))
        .text("config.json", CONFIG)
        .text("README.md", "");
    let found = files.models().expect("read");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].files, found[0].weights.bytes()), ("artifact", 2, 30));
    assert!(matches!(&found[0].figures, Figures::Known(known) if known.layers == 2));
}

/// Returns the reason why the only model has no figures.
fn reason(files: &Files) -> String {
    match &files.models().expect("read")[..] {
        [Model { figures: Figures::Unknown(reason), .. }] => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nested_weights_belong_to_outer_folder() {
    let files = Files::default()
        .with("one/model.safetensors", weights(10))
        .with("one/2_Dense/model.safetensors", weights(1))
        .with("group/two/model.safetensors", weights(10))
        .with("one-more/deep/model.safetensors", weights(10));
    let names: Vec<_> = files.models().expect("read").into_iter().map(|model| model.name).collect();
    assert_eq!(names, ["artifact/group/two", "artifact/one", "artifact/one-more/deep"]);
}

#[test]
fn index_resolves_duplicate_weights() {
    let files = |index: Option<&str>| {
        let files = Files::default()
            .with("model-00001-of-00002.safetensors", weights(10))
            .with("model-00002-of-00002.safetensors", weights(20))
            .with("model.safetensors", weights(30))
            .text("config.json", CONFIG);
        let files = match index {
            Some(index) => files.text(INDEX, index),
            None => files,
        };
        files.models().expect("read").remove(0)
    };
    let map = |last: &str| {
        let shard = |number| format!("\"t{number}\": \"model-0000{number}-of-00002.safetensors\"");
        format!("{{\"weight_map\": {{{}, {}{last}}}}}", shard(1), shard(2))
    };
    let counted = files(Some(&map("")));
    assert_eq!((counted.files, counted.weights.bytes()), (2, 30));
    assert!(matches!(counted.figures, Figures::Known(_)));
    let said = [None, Some("[]")].map(|index| match files(index).figures {
        Figures::Unknown(reason) => reason,
        Figures::Known(_) => "known".to_owned(),
    });
    insta::assert_snapshot!(said.join("\n"), @r"
    weights of 2 names are in one folder without model.safetensors.index.json
    model.safetensors.index.json cannot be read: invalid length 0, expected struct Index with 1 element at line 1 column 2
    ");
}

/// Covers both formats of weights that libraries write in several files.
#[test]
fn missing_index_entry_is_named() {
    let map = |names: &[&str]| {
        let entries = names.iter().enumerate().map(|(number, name)| (number.to_string(), serde_json::json!(name)));
        serde_json::json!({ "weight_map": entries.collect::<serde_json::Map<_, _>>() }).to_string()
    };
    for (index, ending) in [(INDEX, "safetensors"), ("pytorch_model.bin.index.json", "bin")] {
        let shards = ["x-00001-of-00002", "x-00002-of-00002"].map(|stem| format!("{stem}.{ending}"));
        let text = map(&[&shards[0], &shards[1]]);
        let some = Files::default().with(&format!("a/{}", shards[0]), weights(10)).text(&format!("a/{index}"), &text);
        let none = Files::default().text(&format!("a/{index}"), &text);
        for (files, missing) in [(some, &shards[1]), (none, &shards[0])] {
            let error = files.models().expect_err("refused");
            let said = error.to_string();
            assert_eq!(error.code(), codes::SHARD_MISSING, "{said}");
            assert!(said.starts_with(&format!("a/{index} names {missing}, which is not there")), "{said}");
        }
        // The folder has weights in another format, and the index of this one is left over.
        let other = Files::default().text(index, &text).with("model.safetensors", weights(10));
        assert_eq!(other.models().expect("read").len(), 1);
    }
    let outside = Files::default().text(INDEX, &map(&["../../etc/passwd\u{1b}"]));
    assert!(outside.models().expect_err("refused").to_string().contains("../../etc/passwd?,"));
}

#[test]
fn lfs_pointers_are_refused() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", "0".repeat(64));
    for name in ["model.safetensors", "model.gguf", "pytorch_model.bin", "tokenizer.json"] {
        let files = Files::default().with("one/model.safetensors", weights(10)).text(name, &pointer);
        let error = files.models().expect_err("refused");
        assert_eq!(error.code(), codes::PLACEHOLDER);
        assert_eq!(error.to_string(), format!("{name} is a pointer of Git LFS, not the file itself"));
    }
}

#[test]
fn models_are_named_by_path() {
    let files = Files::default()
        .with("q4.gguf", quantized_model())
        .with("q8-00001-of-00002.gguf", quantized_model())
        .with("q8-00002-of-00002.gguf", quantized_model())
        .with("one/model.safetensors", weights(10))
        .with("two/model.safetensors", weights(10))
        .text("two/config.json", CONFIG);
    let found = files.models().expect("read");
    let names: Vec<_> = found.iter().map(|model| (model.name.as_str(), model.files)).collect();
    assert_eq!(names, [("artifact/one", 1), ("artifact/two", 1), ("artifact/q4", 1), ("artifact/q8", 2)]);
    assert_eq!(found[0].figures, Figures::Unknown("no config.json is beside the weights".to_owned()));
    assert_eq!(found[2].figures, Figures::Unknown("its metadata lacks llama.embedding_length".to_owned()));
    assert!(Files::default().text("wheel.whl", "").models().expect("none").is_empty());
}

#[test]
fn false_weights_are_refused() {
    let (header, bytes) = weights(10);
    let short = Files::default().with("model.safetensors", (header, bytes - 1));
    let missing = Files::default().with("model-00001-of-00002.safetensors", weights(10));
    let endless = Files::default().with("model-00001-of-99999.gguf", quantized_model());
    let no_object = Files::default().with("model.safetensors", weights(10)).text("config.json", "[]");
    let huge = Files::default()
        .with("model.safetensors", weights(10))
        .with("config.json", (Vec::new(), limits::CONFIG_BYTES + 1));
    assert_eq!(short.models().expect_err("refused").code(), codes::MODEL_HEADER);
    let infinite =
        Files::default().with("model.safetensors", weights(10)).text("config.json", "{\"factor\": Infinity}");
    let unknown_type =
        Files::default().with("model.safetensors", safetensors(&[("a", "U7", &[1], 3)])).text("config.json", CONFIG);
    let of_gguf = Files::default().with("model.gguf", gguf(&[], &[("a", 99, &[1], 3)]));
    let said = [missing, endless, no_object, huge, infinite, unknown_type, of_gguf].map(|files| reason(&files));
    insta::assert_snapshot!(said.join("\n"), @r#"
    model has 1 of the 2 files that their names announce
    model has 1 of the 99999 files that their names announce
    config.json cannot be read: invalid type: sequence, expected a map at line 1 column 0
    config.json has 4194305 bytes, and at most 4194304 are read
    config.json cannot be read: expected value at line 1 column 12
    the tensor "a" has the unknown type U7
    the tensor "a" has the unknown type 99
    "#);
    let odd =
        Files::default().with("model.safetensors", weights(10)).text("config.json", "{\"model_type\": \"\\u001b\"}");
    let Figures::Unknown(reason) = &odd.models().expect("read")[0].figures else { panic!("figures") };
    assert_eq!(reason, "config.json lacks num_hidden_layers");
}

#[test]
fn stray_weights_are_checked() {
    let (header, bytes) = weights(10);
    for path in [
        "adapter_model.safetensors",
        "consolidated.safetensors",
        "original/model.safetensors",
        "2_Dense/model.SAFETENSORS",
        "left-over.safetensors",
        ".safetensors",
    ] {
        let index = "{\"weight_map\": {\"a\": \"model.safetensors\"}}";
        let files = Files::default().with("model.safetensors", weights(10)).text(INDEX, index);
        assert_eq!(files.models().expect("read")[0].files, 1);
        let error = files.with(path, (header.clone(), bytes - 1)).models().expect_err(path);
        assert_eq!(error.to_string(), format!("the header of {path} is refused"));
    }
    let hidden = Files::default().with(".gguf", (b"GGML".to_vec(), 4));
    assert_eq!(hidden.models().expect_err("no GGUF").code(), codes::MODEL_HEADER);
}

proptest! {
    /// For any configuration and name, the resulting document can be written and read.
    #[test]
    fn collected_models_round_trip(family in ".{0,40}", method in ".{0,40}", name in "[^/]{1,40}") {
        let config = serde_json::json!({
            "model_type": family, "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
            "max_position_embeddings": 64, "quantization_config": {"quant_method": method},
        });
        let files = Files::default()
            .with("one/model.safetensors", weights(10))
            .with(&format!("{name}.gguf"), quantized_model())
            .text("one/config.json", &config.to_string());
        let document = ModelsDocument::new(files.models().expect("read"), Vec::new());
        let again = ModelsDocument::read(&document.to_bytes().expect("written")).expect("read");
        prop_assert_eq!(again, document);
    }
}

/// Returns the manifest of a model in Ollama's store, with these layers: type, digit of the digest, bytes.
fn manifest(layers: &[(&str, char, u64)]) -> String {
    let blob = |(kind, digit, size): &(&str, char, u64)| {
        let digest = digit.to_string().repeat(64);
        format!(
            r#"{{"mediaType": "application/vnd.ollama.image.{kind}", "digest": "sha256:{digest}", "size": {size}}}"#
        )
    };
    let layers: Vec<_> = layers.iter().map(blob).collect();
    format!(r#"{{"schemaVersion": 2, "config": {}, "layers": [{}]}}"#, blob(&("config", 'c', 2)), layers.join(", "))
}

/// Returns a store with a model that has a projector, and a model whose blobs are all missing.
fn store() -> Files {
    let (weights, projector) = (quantized_model(), gguf(&[], &[("v", 24, &[32], 32)]));
    let layers = [("model", 'a', weights.1), ("template", 'b', 3), ("projector", 'd', projector.1)];
    let blob = |digit: char| format!("blobs/sha256-{}", digit.to_string().repeat(64));
    Files::default()
        .text("manifests/registry.ollama.ai/library/llava/7b", &manifest(&layers))
        .text("manifests/registry.ollama.ai/library/elsewhere/1", &manifest(&[("model", '9', 1)]))
        .text("manifests/registry.ollama.ai/library/odd/1", "{}")
        .with(&blob('a'), weights)
        .with(&blob('d'), projector)
        .text(&blob('b'), "{{ .Prompt }}")
        .text(&blob('c'), "{}")
}

#[test]
fn ollama_models_use_manifest_names() {
    let found = store().models().expect("read");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].name.as_str(), found[0].format, found[0].files), ("artifact", WeightsFormat::Gguf, 2));
    assert_eq!(found[0].weights.bytes(), 96);

    let again = store().text("manifests/hf.co/team/b/latest", &manifest(&[("model", 'a', 96)]));
    let names: Vec<_> = again.models().expect("read").into_iter().map(|model| model.name).collect();
    assert_eq!(names, ["artifact/hf.co/team/b:latest", "artifact/llava:7b"]);
}

#[test]
fn invalid_ollama_weights_are_refused() {
    let path = format!("blobs/sha256-{}", "a".repeat(64));
    let error = store().with(&path, (b"GGML".to_vec(), 4)).models().expect_err("refused");
    assert_eq!(error.code(), codes::MODEL_HEADER);
    assert!(error.to_string().contains(&path), "{error}");
}
