//! Artifacts with archives as layers: their conversion, and attacks through hostile archives.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, CodedError as _, codes};
use landfall_media::progress::SilentProgress;
use landfall_media::store::{ContentStore, ExpectedBlob};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

use super::archive::Limits;
use super::tests::{add, gzip};
use super::{layer, unpack};
use crate::compression::Compression;
use crate::error::{BuildError, Result};
use crate::fetched::FetchedArtifact;
use crate::manifest::OCI_MANIFEST;
use crate::pins::Pin;

const WEIGHTS: &str = "application/vnd.cncf.model.weight.v1";
const MODEL_CONFIGURATION: &str = "application/vnd.cncf.model.config.v1+json";

/// A pushed layer: media type, content and annotations.
struct PushedLayer<'a>(&'a str, Vec<u8>, Value);

struct Bench {
    _folder: tempfile::TempDir,
    store: ContentStore,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        Self { _folder: folder, store }
    }

    fn store_blob(&self, bytes: &[u8]) -> ExpectedBlob {
        let sums = self.store.ingest_bytes(bytes).expect("stored");
        ExpectedBlob { digest: sums.sha256, size: sums.size }
    }

    /// Unpacks an artifact with these layers and this configuration.
    fn unpack_artifact(&self, config: (&str, &Value), layers: &[PushedLayer<'_>]) -> Result<FetchedArtifact> {
        let described = |media_type: &str, blob: ExpectedBlob, annotations: &Value| {
            json!({ "mediaType": media_type,
            "digest": blob.digest, "size": blob.size, "annotations": annotations })
        };
        let layers =
            layers.iter().map(|PushedLayer(kind, bytes, notes)| described(kind, self.store_blob(bytes), notes));
        let layers: Vec<_> = layers.collect();
        let (config_type, config) = config;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example",
            "config": described(config_type, self.store_blob(config.to_string().as_bytes()), &json!({})),
            "layers": layers,
        });
        let blob = self.store_blob(manifest.to_string().as_bytes());
        let pin = Pin {
            reference: "ghcr.io/a/model:1".parse().expect("reference"),
            digest: blob.digest,
            media_type: OCI_MANIFEST.to_owned(),
            size: blob.size,
            license: None,
            place: crate::Place::default(),
        };
        unpack(&self.store, &pin, &serde_json::from_value(manifest).expect("manifest"), &SilentProgress)
    }

    /// Media type, path and content of each layer.
    fn files(&self, artifact: &FetchedArtifact) -> Vec<(String, String, Vec<u8>)> {
        let layers = artifact.manifest.layers.iter().map(|layer| {
            let path = ["org.cncf.model.filepath", "org.opencontainers.image.title"];
            let path = path.iter().find_map(|name| layer.annotations.get(*name)).expect("a path").clone();
            (layer.media_type.clone(), path, self.store.read(layer.digest, u64::MAX).expect("stored"))
        });
        layers.collect()
    }
}

fn archive(fill: impl Fn(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    fill(&mut archive);
    archive.into_inner().expect("archive")
}

fn of_files(files: &[(&str, &[u8])]) -> Vec<u8> {
    archive(|archive| {
        add(archive, "./", tar::EntryType::Directory, b"");
        for (name, bytes) in files {
            add(archive, name, tar::EntryType::Regular, bytes);
        }
    })
}

/// Configuration of a model with these diff IDs.
fn model(diff_ids: &[Sha256]) -> Value {
    json!({ "descriptor": { "name": "m" }, "config": { "paramSize": "1b" },
        "modelfs": { "type": "layers", "diffIds": diff_ids } })
}

fn none() -> Value {
    json!({})
}

#[test]
fn archives_unpack_into_files() {
    let bench = Bench::new();
    let weights = of_files(&[("./a.safetensors", b"first"), ("sub/b.safetensors", b"second")]);
    let configs = of_files(&[("config.json", b"{}")]);
    let raw = b"# card".to_vec();
    let diff_ids = [Sha256::of(&weights), Sha256::of(&configs), Sha256::of(&raw)];
    let types = [format!("{WEIGHTS}.tar+gzip"), "application/vnd.cncf.model.weight.config.v1.tar+zstd".to_owned()];
    let layers = [
        PushedLayer(&types[0], gzip(&weights), none()),
        PushedLayer(&types[1], compress_to_vec(&configs[..], CompressionLevel::Fastest), none()),
        PushedLayer("application/vnd.cncf.model.doc.v1.raw", raw, json!({ "org.cncf.model.filepath": "README.md" })),
    ];
    let found = bench.unpack_artifact((MODEL_CONFIGURATION, &model(&diff_ids)), &layers).expect("unpacked");
    let file = |kind: &str, path: &str, bytes: &[u8]| {
        (format!("application/vnd.cncf.model.{kind}"), path.to_owned(), bytes.to_vec())
    };
    assert_eq!(
        bench.files(&found),
        [
            file("weight.v1.raw", "a.safetensors", b"first"),
            file("weight.v1.raw", "sub/b.safetensors", b"second"),
            file("weight.config.v1.raw", "config.json", b"{}"),
            file("doc.v1.raw", "README.md", b"# card"),
        ]
    );
    let annotations: &BTreeMap<_, _> = &found.manifest.layers[1].annotations;
    assert_eq!(annotations["dev.landfall.source"], "ghcr.io/a/model:1");
    assert_eq!(annotations["dev.landfall.source.digest"], Sha256::of(gzip(&weights)).to_string());
    assert_eq!(annotations["dev.landfall.source.member"], "sub/b.safetensors");

    // Manifest and configuration are in the store, and describe the files that go into the bundle.
    let manifest: Value =
        serde_json::from_slice(&bench.store.read(found.pin.digest, found.pin.size).expect("manifest")).expect("JSON");
    assert_eq!(manifest["artifactType"], "application/vnd.example");
    let config = bench.store.read(found.manifest.config.digest, u64::MAX).expect("configuration");
    let config: Value = serde_json::from_slice(&config).expect("JSON");
    let digests: Vec<_> = found.manifest.layers.iter().map(|layer| layer.digest).collect();
    assert_eq!(config["modelfs"]["diffIds"], json!(digests));
    assert_eq!((&config["descriptor"]["name"], &config["config"]["paramSize"]), (&json!("m"), &json!("1b")));

    // A repetition gives the same result; content in the store is not unpacked again.
    let again = bench.unpack_artifact((MODEL_CONFIGURATION, &model(&diff_ids)), &layers).expect("unpacked");
    assert_eq!(again.pin, found.pin);
    let blob = bench.store_blob(&gzip(&weights));
    fs_err::remove_file(bench.store.path(blob.digest)).expect("removed");
    let known = layer::unpack(&bench.store, "a layer", blob, Compression::Gzip, layer::limits_of(blob)).expect("known");
    assert_eq!((known.diff_id, known.files.len()), (diff_ids[0], 2));
}

#[test]
fn only_oras_archives_are_unpacked() {
    let bench = Bench::new();
    let plain = [PushedLayer("application/x", b"tool".to_vec(), json!({ "org.opencontainers.image.title": "tool" }))];
    let found = bench.unpack_artifact(("application/vnd.oci.empty.v1+json", &none()), &plain).expect("as it is");
    assert_eq!(found.manifest.layers[0].media_type, "application/x");

    let folder = of_files(&[("folder/a", b"1"), ("folder/b", b"2")]);
    let notes = json!({ "org.opencontainers.image.title": "folder", "io.deis.oras.content.unpack": "true",
        "io.deis.oras.content.digest": Sha256::of(&folder) });
    let layers = [PushedLayer("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&folder), notes)];
    let found = bench.unpack_artifact(("application/vnd.unknown.config.v1+json", &none()), &layers).expect("unpacked");
    let paths: Vec<_> = bench.files(&found).into_iter().map(|(kind, path, _)| (kind, path)).collect();
    let file = "application/vnd.landfall.file.v1".to_owned();
    assert_eq!(paths, [(file.clone(), "folder/a".to_owned()), (file, "folder/b".to_owned())]);
}

#[test]
fn mismatched_layer_is_refused() {
    let bench = Bench::new();
    let weights = of_files(&[("a.gguf", b"weights")]);
    let kind = format!("{WEIGHTS}.tar+gzip");
    let (right, wrong) = (Sha256::of(&weights), Sha256([9; 32]));
    let refused = |config: &Value, notes: Value| -> (Code, String) {
        let error = bench
            .unpack_artifact((MODEL_CONFIGURATION, config), &[PushedLayer(&kind, gzip(&weights), notes)])
            .expect_err("refused");
        (error.code(), error.to_string())
    };
    let (code, what) = refused(&model(&[wrong]), none());
    assert_eq!(code, codes::ARTIFACT_LAYER_MISMATCH);
    assert!(what.contains(&wrong.to_string()) && what.contains(&right.to_string()), "{what}");
    let (code, what) = refused(&model(&[right]), json!({ "io.deis.oras.content.digest": wrong }));
    assert!(code == codes::ARTIFACT_LAYER_MISMATCH && what.contains("annotation"), "{what}");
    let (code, what) = refused(&model(&[right, right]), none());
    assert!(code == codes::ARTIFACT_LAYER_MISMATCH && what.contains("describes 2"), "{what}");
    let (code, what) = refused(&json!("text"), none());
    assert!(code == codes::ARTIFACT_INVALID && what.contains("is malformed"), "{what}");
}

#[test]
fn mismatched_model_file_is_refused() {
    let bench = Bench::new();
    let (file, folder) = (b"weights".to_vec(), of_files(&[("config.json", b"{}")]));
    let (of_file, of_folder, wrong) = (Sha256::of(&file), Sha256::of(&folder), Sha256([9; 32]));
    let types = [format!("{WEIGHTS}.raw"), format!("{WEIGHTS}.tar")];
    let raw = || PushedLayer(&types[0], file.clone(), json!({ "org.cncf.model.filepath": "a.gguf" }));
    let both = [raw(), PushedLayer(&types[1], folder.clone(), none())];
    let unpacked = |diff_ids: &[Sha256], layers: &[PushedLayer<'_>]| {
        bench
            .unpack_artifact((MODEL_CONFIGURATION, &model(diff_ids)), layers)
            .map_err(|error| (error.code(), error.to_string()))
    };
    unpacked(&[of_file], &[raw()]).expect("as it is stated");
    unpacked(&[of_file, of_folder], &both).expect("as it is stated");
    for (diff_ids, layers) in [(&[wrong][..], &[raw()][..]), (&[wrong, of_folder][..], &both[..])] {
        let (code, what) = unpacked(diff_ids, layers).expect_err("refused");
        assert_eq!(code, codes::ARTIFACT_LAYER_MISMATCH);
        assert!(what.contains(&format!("the layer {of_file} of ghcr.io/a/model:1 is a file")), "{what}");
    }
    let (code, what) = unpacked(&[], &[raw()]).expect_err("refused");
    assert!(code == codes::ARTIFACT_LAYER_MISMATCH && what.contains("describes 0"), "{what}");
    // A model whose configuration does not describe layers is unchanged.
    let stated = json!({ "descriptor": { "name": "m" } });
    bench.unpack_artifact((MODEL_CONFIGURATION, &stated), &[raw()]).expect("as it is");
}

#[test]
fn untyped_oras_file_gets_hint() {
    let bench = Bench::new();
    let hint = |kind: &str, notes: Value| {
        let layers = [PushedLayer(kind, b"a program, pushed without a type".to_vec(), notes)];
        let error =
            bench.unpack_artifact(("application/vnd.oci.empty.v1+json", &none()), &layers).expect_err("refused");
        assert_eq!(error.code(), codes::ARTIFACT_ARCHIVE, "{error}");
        landfall_error_codes::CodedError::hint(&error)
    };
    let untyped = "application/vnd.oci.image.layer.v1.tar";
    let named = json!({ "org.opencontainers.image.title": "tool" });
    let said = hint(untyped, named.clone()).expect("a hint");
    assert!(said.contains("`NAME:application/octet-stream`"), "{said}");
    let folder = json!({ "org.opencontainers.image.title": "tools", "io.deis.oras.content.unpack": "true" });
    for (kind, notes) in [(untyped, folder), (untyped, none()), ("application/vnd.cncf.model.weight.v1.tar", named)] {
        assert_eq!(hint(kind, notes), None, "{kind}");
    }
}

#[test]
fn old_empty_record_is_ignored() {
    let bench = Bench::new();
    let empty = bench.store_blob(b"");
    let hex = empty.digest.to_hex();
    let folder = bench.store.root().join("landfall/unpacked").join(&hex[..2]);
    let record = json!({ "type": "landfall.dev/unpacked/1", "layer": { "diff_id": empty.digest, "files": [] } });
    landfall_media::durable::create_folder(&folder).expect("folder");
    landfall_media::durable::write_file(&folder.join(hex), record.to_string().as_bytes(), 0o644).expect("record");
    let limits = layer::limits_of(empty);
    let error = layer::unpack(&bench.store, "a layer", empty, Compression::None, limits).expect_err("refused");
    assert_eq!(error.code(), codes::ARTIFACT_ARCHIVE, "{error}");
}

/// An archive whose member has a name of this length, in the form of GNU tar.
fn long_name(bytes: usize) -> Vec<u8> {
    archive(|archive| {
        add(archive, "././@LongLink", tar::EntryType::GNULongName, &vec![b'a'; bytes]);
        add(archive, "a", tar::EntryType::Regular, b"1");
    })
}

#[test]
fn bad_member_refuses_layer() {
    let one = |name: &'static str, kind| archive(move |archive| add(archive, name, kind, b""));
    let regular = |name| one(name, tar::EntryType::Regular);
    let twice = of_files(&[("a", b"1"), ("./a", b"2")]);
    let sparse = archive(|archive| {
        add(archive, "PaxHeaders/a", tar::EntryType::XHeader, b"22 GNU.sparse.major=1\n");
        add(archive, "a", tar::EntryType::Regular, b"1");
    });
    let cut = of_files(&[("a", &[7; 2000])])[..1800].to_vec();
    let bad = [
        ("a link", one("a", tar::EntryType::Symlink)),
        ("a hard link", one("a", tar::EntryType::Link)),
        ("a device", one("a", tar::EntryType::Char)),
        ("a name above", regular("../a")),
        ("a name above in the middle", regular("a/../../b")),
        ("a name from the root", regular("/etc/passwd")),
        ("a folder from the root", one("/etc/", tar::EntryType::Directory)),
        ("a name with nothing in it", regular("a//b")),
        ("a name that moves a cursor", regular("a\u{1b}[31m")),
        ("a file twice", twice),
        ("a sparse file", sparse),
        ("a name of 2 MiB", long_name(2 << 20)),
        ("an archive that ends early", cut),
        ("an empty file", Vec::new()),
        ("no archive", b"not an archive, and longer than nothing".repeat(40)),
    ];
    for (what, bytes) in bad {
        let bench = Bench::new();
        let kind = format!("{WEIGHTS}.tar");
        let digest = Sha256::of(&bytes);
        let error = bench
            .unpack_artifact((MODEL_CONFIGURATION, &model(&[digest])), &[PushedLayer(&kind, bytes, none())])
            .expect_err(what);
        assert_eq!(error.code(), codes::ARTIFACT_ARCHIVE, "{what}: {error}");
        assert!(!error.to_string().contains('\u{1b}') && error.to_string().contains("ghcr.io/a/model:1"), "{error}");
    }
}

#[test]
fn layer_limits_are_enforced() {
    let bench = Bench::new();
    let limits = Limits { entries: 3, member_bytes: 5000, unpacked_bytes: 60_000 };
    let take = |bytes: &[u8]| -> Result<layer::Layer, BuildError> {
        layer::unpack(&bench.store, "a layer", bench.store_blob(&gzip(bytes)), Compression::Gzip, limits)
    };
    assert_eq!(take(&of_files(&[("a", &[1; 5000]), ("b", b"2")])).expect("fits").files.len(), 2);
    // A long name within the limit is accepted.
    assert_eq!(take(&long_name(300)).expect("fits").files[0].path.len(), 300);
    let zeros = [of_files(&[("a", b"1")]), vec![0; 100_000]].concat();
    for (what, bytes) in [
        ("a large member", of_files(&[("a", &[1; 5001])])),
        ("many members", of_files(&[("a", b"1"), ("b", b"2"), ("c", b"3")])),
        ("what follows the end", zeros),
    ] {
        assert_eq!(take(&bytes).expect_err(what).code(), codes::ARTIFACT_ARCHIVE, "{what}");
    }
}
