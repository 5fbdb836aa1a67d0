//! Package indexes from the release definition to the head of a bundle.

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::trust::TrustAnchor;
use landfall_error_codes::CodedError as _;
use landfall_packages::npm::{self, NPM_LIST_NAME, NpmList};
use landfall_packages::{WHEEL_LIST_NAME, WheelList, sample};
use landfall_release_document::ReleaseDocument;
use landfall_test_support::definition as notation;
use serde_json::{Value, json};

use super::*;
use crate::pack::tests::{Bench, head};

/// Files of an artifact: paths and content.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// A vendor whose release has this component, and these artifacts of a kind.
async fn bench(component: &str, artifacts: &[(&str, &str, Files<'_>)]) -> Bench {
    let bench = Bench::new(true, false).await;
    let (release, lock) = ("release/release.yaml", "release/images.lock");
    bench.edit(release, "components:\n", &format!("components:\n{component}"));
    for (name, kind, files) in artifacts {
        let reference = format!("registry.example/{kind}/{name}");
        bench.push_files(&format!("{reference}:1"), files);
        let artifact = format!("  - {{name: {name}, kind: {kind}, reference: {reference}}}\ncomponents:\n");
        bench.edit(release, "components:\n", &artifact);
        let entry = format!(
            "artifacts:\n  - \
             {{reference: '{reference}:1', digest: unresolved, mediaType: unresolved, \
             size: unresolved, license: MIT}}\n"
        );
        bench.edit(lock, "artifacts:\n", &entry);
    }
    bench.lock().await.expect("locked");
    bench
}

/// Error for the definition with this component.
fn refusal(component: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../definition/good.yaml").replacen(
        "components:\n",
        &format!(
            "  - {{name: wheels, kind: wheels, reference: registry.example/wheels/small}}\ncomponents:\n{component}"
        ),
        1,
    );
    notation::write(folder.path(), &text);
    let error = crate::release::read(folder.path()).expect_err(component);
    format!("{} {}", error.code().id, error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn misdeclared_package_indexes_are_refused() {
    let refusals = [
        "  - {name: packages, namespace: packages, packageIndex: []}\n",
        "  - {name: packages, namespace: packages, packageIndex: [wheals]}\n",
        "  - {name: packages, namespace: packages, packageIndex: [model]}\n",
        "  - {name: packages, namespace: packages, packageIndex: [wheels, wheels]}\n",
        "  - {name: packages, namespace: packages, packageIndex: [wheels], manifests: manifests/packages}\n",
        "  - \
         {name: packages, namespace: packages, packageIndex: [wheels], mounts: [{artifact: model, claim: model}]}\n",
        "  - {name: 2packages, namespace: packages, packageIndex: [wheels]}\n",
        "  - {name: one, namespace: packages, packageIndex: [wheels]}\n  - \
         {name: two, namespace: packages, packageIndex: [wheels]}\n",
    ];
    insta::assert_snapshot!(refusals.map(refusal).join("\n"));
}

#[tokio::test]
async fn package_index_becomes_component() {
    let (small, bytes) = sample::wheel("small", "1.0", "Requires-Python: >=3.9\n");
    let (other, of_other) = sample::wheel("other", "2.0", "");
    let both = "  - {name: packages, namespace: packages, packageIndex: [wheels, more]}\n";
    let wheels: Files<'_> = &[(&small, &bytes), ("requirements.txt", b"small==1.0\n")];
    let bench = bench(both, &[("wheels", "wheels", wheels), ("more", "wheels", &[(&other, &of_other)])]).await;
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).unwrap());
    let head = head(&bench.path("out"), &report, &anchor);
    let release = ReleaseDocument::read(head.small_document("documents/release.json").unwrap()).unwrap();
    let component = release.components.iter().find(|component| component.name == "packages").unwrap();
    let mounts: Vec<_> = component.mounts.iter().map(|mount| (mount.artifact.as_str(), mount.claim.as_str())).collect();
    assert_eq!(mounts, [("wheels", "wheels"), ("more", "more")]);
    assert!(release.images.iter().any(|image| image.reference.starts_with("landfall.internal/appliance:")));

    let objects: Vec<Value> = serde_json::from_slice(head.small_document(&component.objects).unwrap()).unwrap();
    let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let list = of_kind("ConfigMap")["data"][WHEEL_LIST_NAME].as_str().unwrap();
    let read = WheelList::read(list.as_bytes()).unwrap();
    let served: Vec<_> = read.wheels().iter().map(|wheel| (wheel.path.clone(), wheel.sha256)).collect();
    let path = |artifact: &str, file: &str| format!("{artifact}/{file}");
    assert_eq!(served, [(path("more", &other), Sha256::of(&of_other)), (path("wheels", &small), Sha256::of(&bytes))]);

    let pod = &of_kind("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let arguments = container["args"].as_array().unwrap();
    assert_eq!(arguments.last().unwrap(), &json!(format!("--digest={}", Sha256::of(list))));
    assert!(container["image"].as_str().unwrap().starts_with("landfall.internal/appliance:"));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert!(container["volumeMounts"].as_array().unwrap().iter().all(|mount| mount["readOnly"] == true));
}

#[tokio::test]
async fn unusable_wheels_are_refused() {
    let (small, bytes) = sample::wheel("small", "1.0", "");
    let (_, other) = sample::wheel("other", "1.0", "");
    let without = sample::archive(&[("small.py", b"")]);
    let bomb = [sample::metadata("small", "1.0", "").as_bytes(), &vec![b'a'; 16 << 20]].concat();
    let bomb = sample::archive(&[("small-1.0.dist-info/METADATA", &bomb)]);
    let artifacts: [(&str, Files<'_>); 7] = [
        ("empty", &[("requirements.txt", b"small==1.0\n")]),
        ("foreign", &[(&small, &other)]),
        ("bare", &[(&small, &without)]),
        ("huge", &[(&small, &bomb)]),
        ("broken", &[(&small, b"no archive")]),
        ("renamed", &[("small.whl", &bytes)]),
        ("twice", &[(&small, &bytes), ("again/small-1.0-py3-none-any.whl", &bytes)]),
    ];
    let component = |name: &str| format!("  - {{name: packages, namespace: packages, packageIndex: [{name}]}}\n");
    let of_kind = artifacts.map(|(name, files)| (name, "wheels", files));
    let bench = bench(&component("empty"), &of_kind).await;
    insta::assert_snapshot!(refusals_of(&bench, &artifacts.map(|(name, _)| name), component).await);
}

#[tokio::test]
async fn mounted_packages_are_checked() {
    let (small, bytes) = sample::wheel("small", "1.0", "");
    let (_, other) = sample::wheel("other", "1.0", "");
    let (tarball, packed) = npm::sample::package("plain", "2.0.0", &json!({}));
    let refused = async |kind: &str, files: Files<'_>| {
        let bench = bench("", &[("mounted", kind, files)]).await;
        let error = bench.build().await.expect_err("refused");
        format!("{} {error}", error.code().id)
    };
    let foreign = refused("wheels", &[(&small, &other)]).await;
    assert!(foreign.starts_with("LF2064 ") && foreign.contains("].name: the wheels of registry.example/"), "{foreign}");
    let broken = refused("npm", &[("plain-2.0.0.tgz", b"no archive")]).await;
    assert!(broken.starts_with("LF2068 ") && broken.ends_with("cannot be installed"), "{broken}");
    let good: [(&str, &str, Files<'_>); 3] = [
        ("wheels", "wheels", &[(&small, &bytes)]),
        ("web", "npm", &[(&tarball, &packed)]),
        ("notes", "wheels", &[("requirements.txt", b"")]),
    ];
    bench("", &good).await.build().await.expect("built");
}

/// Errors for each artifact, if the component serves it.
async fn refusals_of(bench: &Bench, artifacts: &[&str], component: impl Fn(&str) -> String) -> String {
    let (mut refusals, mut before) = (Vec::new(), artifacts[0]);
    for name in artifacts.iter().copied() {
        bench.edit("release/release.yaml", &component(before), &component(name));
        before = name;
        refusals.push(bench.refusal().await);
        let error = bench.build().await.expect_err(name);
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            refusals.push(format!("  {inner}"));
            cause = inner.source();
        }
    }
    refusals.join("\n")
}

#[tokio::test]
async fn component_serves_wheels_and_npm() {
    let (small, bytes) = sample::wheel("small", "1.0", "");
    let more = json!({ "scripts": { "install": "node install.js" } });
    let (scoped, of_scoped) = npm::sample::package("@scope/tool", "1.0.0", &more);
    let (_, of_plain) = npm::sample::package("plain", "2.0.0", &json!({}));
    let packages: Files<'_> = &[(&scoped, &of_scoped), ("plain.tgz", &of_plain), ("package-lock.json", b"{}")];
    let component = "  - {name: packages, namespace: packages, packageIndex: [wheels, web]}\n";
    let bench = bench(component, &[("wheels", "wheels", &[(&small, &bytes)]), ("web", "npm", packages)]).await;
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).unwrap());
    let head = head(&bench.path("out"), &report, &anchor);
    let release = ReleaseDocument::read(head.small_document("documents/release.json").unwrap()).unwrap();
    assert!(release.artifacts.iter().any(|artifact| artifact.kind == ArtifactKind::Npm && artifact.name == "web"));
    let component = release.components.iter().find(|component| component.name == "packages").unwrap();
    let objects: Vec<Value> = serde_json::from_slice(head.small_document(&component.objects).unwrap()).unwrap();
    let map =
        |name: &str| objects.iter().find(|object| object["kind"] == "ConfigMap" && object["metadata"]["name"] == name);
    let part = map("packages-npm").unwrap()["data"][NPM_LIST_NAME].as_str().unwrap().as_bytes().to_vec();
    let list = NpmList::read(std::slice::from_ref(&part)).unwrap();
    let served: Vec<_> =
        list.packages().iter().map(|it| (it.address(), it.path.as_str(), it.has_install_script)).collect();
    let path = format!("web/{scoped}");
    let wanted = [(scoped, path.as_str(), true), ("plain/-/plain-2.0.0.tgz".to_owned(), "web/plain.tgz", false)];
    assert_eq!(served, wanted);
    assert!(map("packages-wheels").unwrap()["data"][WHEEL_LIST_NAME].is_string());

    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let digest = NpmList::digest(&[part]);
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--npm-list=/run/npm/npm.json")), "{arguments:?}");
    assert_eq!(arguments.last().unwrap(), &json!(format!("--npm-digest={digest}")));
    let mounted: Vec<_> =
        pod["containers"][0]["volumeMounts"].as_array().unwrap().iter().map(|it| it["mountPath"].clone()).collect();
    assert_eq!(mounted, ["/packages/wheels", "/packages/web", "/run/packages", "/run/npm"]);
}

#[test]
fn long_npm_list_is_split() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../definition/good.yaml").replacen(
        "components:\n",
        "  - {name: web, kind: npm, reference: registry.example/npm/web}\ncomponents:\n  - \
         {name: packages, namespace: packages, packageIndex: [web]}\n",
        1,
    );
    notation::write(folder.path(), &text);
    let definition = crate::release::read(folder.path()).expect("good definition");
    let index = definition.release.components.iter().position(|it| it.name.value == "packages").unwrap();
    let mut objects = objects(&definition.release, index).unwrap();
    super::fill::write_parts(&mut objects, "packages", vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()])
        .unwrap();
    let maps: Vec<_> = objects.iter().filter(|object| object["kind"] == "ConfigMap").collect();
    assert_eq!(
        maps.iter().map(|map| map["metadata"]["name"].clone()).collect::<Vec<_>>(),
        ["packages-npm", "packages-npm-2", "packages-npm-3"]
    );
    assert_eq!(
        maps.iter().map(|map| map["data"].clone()).collect::<Vec<_>>(),
        [json!({ "npm.json": "one" }), json!({ "npm-2.json": "two" }), json!({ "npm-3.json": "three" })]
    );
    let pod = objects.iter().find_map(|object| object.pointer("/spec/template/spec")).unwrap();
    let volume = pod["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == "npm-list").unwrap();
    assert_eq!(volume["projected"]["sources"].as_array().unwrap().len(), 3);
    let digest = Sha256::of("onetwothree");
    let wanted = [
        "packages",
        "serve",
        "--folder=/packages",
        "--npm-list=/run/npm/npm.json",
        "--npm-list=/run/npm/npm-2.json",
        "--npm-list=/run/npm/npm-3.json",
    ];
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    assert_eq!(arguments[..6], wanted.map(Value::from));
    assert_eq!(arguments[6..], [json!(format!("--npm-digest={digest}"))]);
}

#[tokio::test]
async fn unusable_npm_packages_are_refused() {
    let (_, bytes) = npm::sample::package("small", "1.0.0", &json!({}));
    let without = npm::sample::archive(&[("package/index.js", b"")]);
    let unnamed = npm::sample::archive(&[("package/package.json", br#"{"name":"../small","version":"1.0.0"}"#)]);
    let bomb = npm::sample::archive(&[("package/package.json", &vec![b' '; 16 << 20])]);
    let artifacts: [(&str, Files<'_>); 6] = [
        ("empty", &[("package-lock.json", b"{}")]),
        ("bare", &[("small.tgz", &without)]),
        ("unnamed", &[("small.tgz", &unnamed)]),
        ("huge", &[("small.tgz", &bomb)]),
        ("broken", &[("small.tgz", b"no archive")]),
        ("twice", &[("small/-/small-1.0.0.tgz", &bytes), ("again.tgz", &bytes)]),
    ];
    let component = |name: &str| format!("  - {{name: packages, namespace: packages, packageIndex: [{name}]}}\n");
    let of_kind = artifacts.map(|(name, files)| (name, "npm", files));
    let bench = bench(&component("empty"), &of_kind).await;
    insta::assert_snapshot!(refusals_of(&bench, &artifacts.map(|(name, _)| name), component).await);
}
