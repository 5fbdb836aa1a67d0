use std::collections::BTreeMap;

use landfall_error_codes::{Coded, codes};
use proptest::prelude::*;

use super::*;
use crate::document::ModelsDocument;
use crate::sample::{GgufValue, gguf, safetensors};

/// Files in memory: their beginning, and the size that they claim.
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

fn quantized() -> (Vec<u8>, u64) {
    let text = |text: &str| GgufValue::Text(text.to_owned());
    gguf(&[("general.architecture", text("llama"))], &[("a", 24, &[64], 64)])
}

#[test]
fn parts_of_a_model_are_added_and_copies_are_not() {
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

#[test]
fn several_models_are_named_by_their_paths() {
    let files = Files::default()
        .with("q4.gguf", quantized())
        .with("q8-00001-of-00002.gguf", quantized())
        .with("q8-00002-of-00002.gguf", quantized())
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
fn weights_that_lie_or_miss_a_part_and_bad_configurations_are_refused() {
    let (header, bytes) = weights(10);
    let short = Files::default().with("model.safetensors", (header, bytes - 1));
    let missing = Files::default().with("model-00001-of-00002.safetensors", weights(10));
    let endless = Files::default().with("model-00001-of-99999.gguf", quantized());
    let no_object = Files::default().with("model.safetensors", weights(10)).text("config.json", "[]");
    let huge = Files::default()
        .with("model.safetensors", weights(10))
        .with("config.json", (Vec::new(), limits::CONFIG_BYTES + 1));
    for (files, code) in [
        (short, codes::MODEL_HEADER),
        (missing, codes::MODEL_INCOMPLETE),
        (endless, codes::MODEL_INCOMPLETE),
        (no_object, codes::MODEL_CONFIGURATION),
        (huge, codes::MODEL_CONFIGURATION),
    ] {
        assert_eq!(files.models().expect_err("refused").code(), code);
    }
    let odd =
        Files::default().with("model.safetensors", weights(10)).text("config.json", "{\"model_type\": \"\\u001b\"}");
    let Figures::Unknown(reason) = &odd.models().expect("read")[0].figures else { panic!("figures") };
    assert_eq!(reason, "config.json lacks num_hidden_layers");
}

proptest! {
    /// Whatever a configuration and a name hold, the document that follows can be written and read.
    #[test]
    fn what_was_collected_can_travel(family in ".{0,40}", method in ".{0,40}", name in "[^/]{1,40}") {
        let config = serde_json::json!({
            "model_type": family, "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
            "max_position_embeddings": 64, "quantization_config": {"quant_method": method},
        });
        let files = Files::default()
            .with("one/model.safetensors", weights(10))
            .with(&format!("{name}.gguf"), quantized())
            .text("one/config.json", &config.to_string());
        let document = ModelsDocument::new(files.models().expect("read"), Vec::new());
        let again = ModelsDocument::read(&document.to_bytes().expect("written")).expect("read");
        prop_assert_eq!(again, document);
    }
}
