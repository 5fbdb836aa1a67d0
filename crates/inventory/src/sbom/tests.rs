use std::collections::BTreeSet;

use landfall_release_document::Descriptor;
use serde_json::json;

use super::*;
use crate::read::FileContents;
use crate::system::System;
use crate::{ArtifactLicense, ChartEntry, FileLicense, ImageInventory, Package, PackageKind, ReadImage};

const TOOL: Tool<'_> = Tool { name: "landfall", version: "0.0.0" };

fn descriptor(number: u8) -> Descriptor {
    Descriptor { media_type: "application/octet-stream".to_owned(), digest: Sha256([number; 32]), size: 10 }
}

/// Returns a release with two images, a model, wheels, an npm package and a chart.
fn release() -> ReleaseDocument {
    let image = |reference: &str, number: u8| {
        json!({ "reference": reference, "manifest": descriptor(number),
        "config": descriptor(number + 1), "layers": [] })
    };
    let artifact = |name: &str, kind: &str, path: &str, number: u8| {
        json!({ "name": name, "kind": kind, "reference": format!("ghcr.io/shop/{name}:1"),
            "manifest": descriptor(number),
            "config": descriptor(number + 1), "files": [{ "path": path, "blob": descriptor(number + 2) }] })
    };
    let release = json!({
        "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
        "platform": "linux/amd64", "node_packs": [],
        "images": [image("docker.io/library/web:1.0", 10), image("ghcr.io/shop/web:2.0", 20)],
        "artifacts": [artifact("brain", "model", "model.gguf", 30),
            artifact("python", "wheels", "wheels/typing_extensions-4.15.0-py3-none-any.whl", 40),
            artifact("web", "npm", "@types/node/-/node-24.0.2.tgz", 50)],
        "components": [], "values": [], "requirements": { "cores": 1, "memory_bytes": 1, "data_bytes": 0 },
    });
    serde_json::from_value(release).expect("release")
}

fn inventory() -> InventoryDocument {
    let package = |kind, name: &str, version: &str, license: &str| {
        let license = Some(license.to_owned()).filter(|license| !license.is_empty());
        Package { license, ..Package::new(kind, name, version).expect("package") }
    };
    let system = FileContents::System(System { distribution: "debian".to_owned(), version: Some("13".to_owned()) });
    let shared = package(PackageKind::Deb, "libc6", "2.41-12", "");
    let python = package(PackageKind::Pypi, "requests", "2.32.0", "Apache 2.0 or so");
    let npm = package(PackageKind::Npm, "@types/node", "24.0.1", "MIT OR Apache-2.0");
    let read = |reference: &str, found: Vec<FileContents>| ReadImage {
        reference: reference.to_owned(),
        license: Some("BSD-3-Clause".to_owned()),
        inventory: ImageInventory::of(
            [system.clone()].into_iter().chain(found).map(|found| ("/etc/os-release".to_owned(), found)),
        ),
    };
    let images = vec![
        read("docker.io/library/web:1.0", vec![FileContents::Packages(vec![shared.clone(), python])]),
        read(
            "ghcr.io/shop/web:2.0",
            vec![FileContents::Packages(vec![npm, shared]), FileContents::Unread("too large".to_owned())],
        ),
    ];
    let license = ArtifactLicense { name: "brain".to_owned(), license: "apache-2.0".to_owned() };
    let chart = ChartEntry {
        component: "web".to_owned(),
        name: "web".to_owned(),
        version: "3.1.0".to_owned(),
        path: None,
        license: Some("MIT".to_owned()),
        reference: Some("ghcr.io/shop/charts/web:3.1.0".to_owned()),
        digest: Some(Sha256([7; 32])),
    };
    let within = ChartEntry {
        name: "cache".to_owned(),
        path: Some("charts/cache".to_owned()),
        license: None,
        reference: None,
        digest: None,
        ..chart.clone()
    };
    let wheel = FileLicense {
        artifact: "python".to_owned(),
        path: "wheels/typing_extensions-4.15.0-py3-none-any.whl".to_owned(),
        license: "PSF-2.0".to_owned(),
    };
    let document = InventoryDocument::new(&images, vec![license], vec![wheel], vec![chart, within]).expect("document");
    InventoryDocument::read(&document.to_bytes().expect("bytes")).expect("read again")
}

fn identity() -> Identity {
    Identity {
        name: "shop".to_owned(),
        version: "1.0.0".to_owned(),
        counter: 1,
        built_at: "2026-11-20T08:16:00Z".to_owned(),
    }
}

/// Returns the bills of the bundle and of an image, in this format.
fn bills(format: Format) -> [Value; 2] {
    let (identity, release, inventory) = (identity(), release(), inventory());
    let installer = Sha256([9; 32]);
    let subject =
        Subject { id: Sha256([1; 32]), identity: &identity, installer, release: &release, inventory: &inventory };
    let image = find_image(&release, "shop/web").expect("one image");
    [Bill::of_bundle(&subject), Bill::of_image(&subject, image)].map(|bill| bill.to_json(format, TOOL))
}

fn schema(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schemas").join(name);
    serde_json::from_slice(&std::fs::read(path).expect("schema")).expect("JSON")
}

fn check(validator: &jsonschema::Validator, bill: &Value) {
    let errors: Vec<_> =
        validator.iter_errors(bill).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    // Test that the validator itself can fail.
    let mut wrong = bill.clone();
    let items = if wrong["packages"].is_array() { "packages" } else { "components" };
    wrong[items][1]["name"] = json!(1);
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn spdx_bills_match_schema() {
    let validator = jsonschema::validator_for(&schema("spdx-2.3.schema.json")).expect("schema");
    for bill in bills(Format::Spdx) {
        check(&validator, &bill);
        let ids: Vec<_> = bill["packages"].as_array().expect("list").iter().map(|item| &item["SPDXID"]).collect();
        assert_eq!(ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), ids.len());
    }
}

#[test]
fn cyclonedx_bills_match_schema() {
    let mut registry = jsonschema::Registry::new();
    for name in ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"] {
        registry = registry.add(format!("http://cyclonedx.org/schema/{name}"), schema(name)).expect("schema");
    }
    let registry = registry.prepare().expect("schemas");
    let options = jsonschema::options().with_registry(&registry);
    let validator = options.build(&schema("bom-1.6.SNAPSHOT.schema.json")).expect("schema");
    for bill in bills(Format::CycloneDx) {
        check(&validator, &bill);
    }
}

#[test]
fn bills_match_snapshots() {
    insta::assert_json_snapshot!("cyclonedx", bills(Format::CycloneDx)[0]);
    insta::assert_json_snapshot!("spdx_of_an_image", bills(Format::Spdx)[1]);
    assert_eq!(bills(Format::Spdx), bills(Format::Spdx));
}

#[test]
fn image_names_are_unambiguous() {
    let release = release();
    let find = |name| find_image(&release, name).map(|image| image.reference.as_str());
    assert_eq!(find("docker.io/library/web:1.0"), Ok("docker.io/library/web:1.0"));
    assert_eq!(find("library/web"), Ok("docker.io/library/web:1.0"));
    assert_eq!(find("web:2.0"), Ok("ghcr.io/shop/web:2.0"));
    assert_eq!(find("web").expect_err("two").len(), 2);
    assert_eq!(find("eb:2.0").expect_err("part of a segment").len(), 2);
}
