//! Detection of Git LFS pointers, which would otherwise go into the bundle in place of the files.

use landfall_error_codes::codes;
use landfall_media::store::ContentStore;
use landfall_models::{POINTER_BYTES, is_pointer};
use landfall_release_document::ArtifactEntry;
use serde_json::Value;

use crate::error::{BuildError, Place, Result};
use crate::fetched::FetchedArtifact;
use crate::rendered::RenderedComponent;

/// Returns an error for an artifact with a pointer in place of a file.
pub fn refuse_in_artifact(entry: &ArtifactEntry, fetched: &FetchedArtifact, store: &ContentStore) -> Result<()> {
    for file in entry.files.iter().filter(|file| file.blob.size < POINTER_BYTES) {
        if is_pointer(&store.read(file.blob.digest, POINTER_BYTES)?) {
            let pin = &fetched.pin;
            return Err(
                pointer(pin.place.clone(), &format!("{} of {}", file.path, pin.reference)).refusing(&pin.reference)
            );
        }
    }
    Ok(())
}

/// Returns an error for a component with a pointer in place of a text, as a kustomization's generator creates it from a
/// file.
pub fn refuse_in_objects(component: &RenderedComponent) -> Result<()> {
    for object in &component.objects {
        if let Some(field) = field_of_pointer(object) {
            let place = component.place(object, &format!(" {field}"));
            return Err(pointer(place, &format!("the text of {field}")));
        }
    }
    Ok(())
}

/// Error for a pointer in place of a file.
pub fn pointer(place: Place, file: &str) -> BuildError {
    BuildError::at(codes::PLACEHOLDER, place, format!("{file} is a pointer of Git LFS, not the file itself"))
}

/// JSON Pointer of a text that is a Git LFS pointer, such as `/data/model.bin`.
fn field_of_pointer(value: &Value) -> Option<String> {
    let below = |(name, value): (String, &Value)| Some(format!("/{name}{}", field_of_pointer(value)?));
    match value {
        Value::String(text) => is_pointer(text.as_bytes()).then(String::new),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(number, value)| below((number.to_string(), value)))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| below((name.clone(), value))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use landfall_error_codes::CodedError as _;
    use serde_json::json;

    use super::*;
    use crate::pack::tests::{ARTIFACTS, Bench};
    use crate::rendered::Origin;

    #[test]
    fn pointer_in_object_is_refused() {
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", "0".repeat(64));
        let component = |text: &str| RenderedComponent {
            index: 0,
            origin: Origin::Definition(PathBuf::from("release.yaml")),
            objects: vec![
                json!({ "kind": "ConfigMap", "metadata": { "name": "m" }, "data": { "a": "b", "words.txt": text } }),
            ],
        };
        refuse_in_objects(&component("words")).expect("a text");
        let error = refuse_in_objects(&component(&pointer)).expect_err("refused");
        assert_eq!(error.code().id, "LF2094");
        assert!(error.to_string().contains("/data/words.txt"), "{error}");
    }
    /// A pointer pushed as a file of a model, which no inference engine could load.
    #[tokio::test]
    async fn pointer_in_artifact_is_refused() {
        let bench = Bench::new(false, false).await;
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", "0".repeat(64));
        let (reference, file) = ARTIFACTS[1];
        bench.push_files(reference, &[(file, &[7; 5000]), ("tokenizer.json", pointer.as_bytes())]);
        bench.lock().await.expect("locked");
        let refused = bench.refusal().await;
        assert!(refused.starts_with("LF2094 release/images.lock"), "{refused}");
        assert!(refused.contains(&format!("tokenizer.json of {reference} is a pointer of Git LFS")), "{refused}");
    }
}
