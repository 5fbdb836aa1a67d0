//! The frozen vectors of the format, read from files by the verifier that ships.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::trust::TrustAnchor;
use landfall_bundle_spec::{Sha256, Verified};
use landfall_error_codes::CodedError;
use landfall_media::bundle::locate;
use landfall_media::counters::Counters;
use landfall_media::progress::SilentProgress;
use landfall_media::{Payload, durable, verify};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bundle-spec/vectors")
}

/// Reads every byte of the file, given its path, and returns the result of the `landfall` command. A head has no
/// payload to verify.
fn read(file: &Path, trust: &str) -> Result<Sha256, String> {
    let code = |error: &dyn CodedError| error.code().id.to_owned();
    let anchor = if trust.starts_with("vendor/") {
        TrustAnchor::Root(std::fs::read(folder().join(trust)).expect("a root"))
    } else {
        TrustAnchor::fingerprint(trust).map_err(|error| code(&error))?
    };
    let located = locate(file).map_err(|error| code(&error))?;
    if file.extension().is_some_and(|extension| extension == "head") {
        let bytes = std::fs::read(file).expect("a head");
        return Verified::read_file(&bytes, &anchor).map(|head| head.id()).map_err(|error| code(&error));
    }
    let head = located.head().map_err(|error| code(&error))?;
    let verified = Verified::read(head, &anchor).map_err(|error| code(&error))?;
    let id = verified.id();
    let media = located.assemble(Payload::from(verified), Counters::new()).map_err(|error| code(&error))?;
    verify::verify(&media, "verifying", &SilentProgress).map_err(|error| code(&error))?;
    Ok(id)
}

#[test]
fn shipped_engine_passes_all_vectors() {
    let index: Value = serde_json::from_slice(&std::fs::read(folder().join("index.json")).expect("an index"))
        .expect("the index is JSON");
    let vectors = index["vectors"].as_array().expect("vectors");
    let mut payloads = 0;
    for vector in vectors {
        let text = |field: &str| vector[field].as_str().map(str::to_owned);
        let file = text("file").expect("a file");
        // Vectors of one bundle side by side would be mistaken for its parts.
        let alone = tempfile::tempdir().expect("a folder");
        let path = alone.path().join(Path::new(&file).file_name().expect("a name"));
        let bytes = std::fs::read(folder().join(&file)).expect("a vector");
        durable::write_file(&path, &bytes, 0o644).expect("a copy");
        let result = read(&path, &text("trust").expect("trust")).map(|id| id.to_string());
        let expected = text("id").ok_or_else(|| text("command").or_else(|| text("code")).expect("a code"));
        assert_eq!(result, expected, "{file}: {}", vector["what"]);
        payloads += usize::from(path.extension().is_some_and(|extension| extension == "landfall"));
    }
    assert!(payloads > 10, "{payloads} vectors with a payload");
}
