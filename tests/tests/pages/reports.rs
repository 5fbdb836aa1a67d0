//! The pages that `preflight`, `plan` and `facts` write for e-mail with `--html`, opened from the disk. The real
//! program generates them from a signed head and a file of facts.
#![expect(clippy::disallowed_methods, reason = "files of a test, in a folder that is removed")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, LayerContents, Place};
use landfall_bundle_spec::chunks::{BlobHasher, BlobSums};
use landfall_bundle_spec::head::{Identity, NewDocument, UnsignedHead};
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_test_browser::{Browser, Looks};
use landfall_xtask::{builds, workspace};
use serde_json::{Value, json};

use super::appearance::Findings;
use super::browser;

/// Presentations of each page, with the expected colors of its background and text.
const LOOKS: [(&str, Looks, [&str; 2]); 4] = [
    ("light", Looks::LIGHT, ["rgb(255, 255, 255)", "rgb(28, 33, 40)"]),
    ("dark", Looks::DARK, ["rgb(18, 22, 27)", "rgb(230, 237, 243)"]),
    ("phone", Looks::PHONE, ["rgb(255, 255, 255)", "rgb(28, 33, 40)"]),
    ("printed", Looks::PRINTED, ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]),
];

/// Roles of the node's images.
const ROLES: [(&str, &str); 7] = [
    ("api-server", "registry.k8s.io/kube-apiserver:v1.36.3"),
    ("controller-manager", "registry.k8s.io/kube-controller-manager:v1.36.3"),
    ("scheduler", "registry.k8s.io/kube-scheduler:v1.36.3"),
    ("proxy", "registry.k8s.io/kube-proxy:v1.36.3"),
    ("etcd", "registry.k8s.io/etcd:3.7.3-0"),
    ("pause", "registry.k8s.io/pause:3.10.2"),
    ("registry", "docker.io/library/registry:3.1.2"),
];

/// Blobs of a bundle, which are added one by one.
#[derive(Default)]
struct Blobs {
    entries: Vec<BlobEntry>,
    sums: Vec<BlobSums>,
    contents: Vec<Vec<u8>>,
}

impl Blobs {
    fn add(&mut self, bytes: Vec<u8>, media_type: &str, place: Option<Place>) -> Value {
        let mut hasher = BlobHasher::new();
        hasher.update(&bytes);
        let sums = hasher.finish();
        let mut entry = match place {
            Some(place) => BlobEntry::with_place(&sums, media_type, place),
            None => BlobEntry::blob(&sums, media_type),
        };
        if media_type.contains("layer") {
            let diff_id = Sha256([7; 32]);
            entry.layer = Some(LayerContents { diff_id, unpacked_bytes: 90 << 20, inodes: 1200 });
        }
        let described = json!({ "mediaType": media_type, "digest": entry.sha256, "size": entry.size });
        self.entries.push(entry);
        self.sums.push(sums);
        self.contents.push(bytes);
        described
    }

    /// Adds an image or artifact: its manifest, its configuration, and one blob of this media type.
    fn add_three(&mut self, name: &str, media_type: &str) -> [Value; 3] {
        let mut blob =
            |what: &str, media_type: &str| self.add(format!("{what} of {name}").into_bytes(), media_type, None);
        [
            blob("manifest", "application/vnd.oci.image.manifest.v1+json"),
            blob("configuration", "application/vnd.oci.image.config.v1+json"),
            blob("content", media_type),
        ]
    }
}

/// Returns a release that can be planned, with a rule that must be accepted if it is not met.
fn release(blobs: &mut Blobs) -> Value {
    let images: Vec<Value> = ROLES
        .iter()
        .map(|(_, reference)| {
            let [manifest, config, layer] = blobs.add_three(reference, "application/vnd.oci.image.layer.v1.tar+gzip");
            json!({ "reference": reference, "manifest": manifest, "config": config, "layers": [layer] })
        })
        .collect();
    let [manifest, config, file] = blobs.add_three("kubernetes", "application/octet-stream");
    let artifact = json!({
        "name": "kubernetes", "kind": "node", "reference": "example.org/kubernetes:1.36.3", "manifest": manifest,
        "config": config, "files": [{ "path": "kubelet", "blob": file }],
    });
    let roles: serde_json::Map<String, Value> =
        ROLES.iter().map(|(role, reference)| ((*role).to_owned(), json!(reference))).collect();
    json!({
        "type": "landfall.dev/release/1", "name": "shop", "version": "2.3.0", "counter": 7, "assembled": false,
        "platform": "linux/amd64", "images": images, "artifacts": [artifact], "values": [],
        "node_packs": [{ "kubernetes": "v1.36", "artifacts": ["kubernetes"], "images": roles }],
        "components": [{
            "name": "web", "namespace": "web", "needs": [], "objects": "documents/objects/web.json",
            "pod_security": "restricted", "ready_seconds": 60,
        }],
        "requirements": { "cores": 2, "memory_bytes": 4_u64 << 30, "data_bytes": 6_u64 << 30 },
        "rules": [{
            "name": "fast-disk", "severity": "must-accept", "require": "facts.speeds.writeBytesPerSecond > 100000000",
            "message": "The disk is slow", "fix": "Use another disk.",
        }],
    })
}

/// Writes the bundle and the root document into a folder.
fn write_bundle(folder: &Path) -> Result<()> {
    let vendor = Vendor::new(KeyKind::Ed25519)?;
    let mut blobs = Blobs::default();
    for (place, bytes) in Place::ALL.into_iter().zip([&b"#!/bin/sh\n"[..], br#"{"imageLayoutVersion":"1.0.0"}"#, b"{}"])
    {
        blobs.add(bytes.to_vec(), "application/octet-stream", Some(place));
    }
    let release = release(&mut blobs);
    let objects = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "web" }, "data": {},
    }]);
    let document = |name: &str, value: &Value| NewDocument {
        name: format!("documents/{name}"),
        bytes: value.to_string().into_bytes(),
    };
    let documents = vec![
        document("release.json", &release),
        document("site.schema.json", &json!({})),
        document("objects/web.json", &objects),
    ];
    let identity = Identity {
        name: "shop".to_owned(),
        version: "2.3.0".to_owned(),
        counter: 7,
        built_at: "2025-11-20T08:16:00Z".to_owned(),
    };
    let values: Vec<&[_]> = blobs.sums.iter().map(|sums| sums.chunks.as_slice()).collect();
    let mut head = UnsignedHead::new(&identity, documents, &BlobsDocument::new(blobs.entries)?, &values)?;
    head.sign(&vendor.key)?;
    let head = head.finish(std::slice::from_ref(&vendor.root))?;
    std::fs::write(folder.join("shop.landfall"), Sample { head, contents: blobs.contents }.stream())?;
    std::fs::write(folder.join("root.json"), vendor.root.bytes())?;
    Ok(())
}

/// Writes a host's modified facts, and returns their file's name.
fn write_facts(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) -> Result<String> {
    let sample = workspace::root().join("crates/rules/samples/small.json");
    let mut facts: Value = serde_json::from_slice(&std::fs::read(sample)?)?;
    (facts["kind"], facts["schema"]) = (json!("facts"), json!(3));
    change(&mut facts);
    std::fs::write(folder.join(name), facts.to_string())?;
    Ok(name.to_owned())
}

/// Runs `landfall` in the folder. Fails unless it ends with this code.
fn landfall(folder: &Path, exit: i32, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(builds::landfall()?);
    let output = command.args(arguments).current_dir(folder).output().context("cannot start landfall")?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.code() == Some(exit), "landfall {arguments:?} ended with {}:\n{said}", output.status);
    Ok(())
}

/// Writes the pages of a host with many faults, of one that is ready, and of a plan. Also writes the facts of both
/// hosts and of this one.
fn write_pages(folder: &Path) -> Result<()> {
    write_bundle(folder)?;
    let spoiled = write_facts(folder, "spoiled.json", |facts| {
        facts["cores"] = json!(1);
        facts["swapBytes"] = json!(1_u64 << 30);
        facts["network"]["portsInUse"] = json!([22, 6443]);
        facts["network"]["firewalld"] = json!({ "passesAll": false, "trusted": [] });
        facts["security"]["fapolicyd"] = json!(true);
        facts["speeds"]["writeBytesPerSecond"] = json!(1000);
        facts["hostname"] = json!("node_1<script>");
    })?;
    let good = write_facts(folder, "good.json", |_| {})?;
    let trust = ["shop.landfall", "--trust", "root.json", "--facts"];
    let with = |verb: &str, more: &[&str]| -> Vec<String> {
        [&[verb], &trust[..], more].concat().into_iter().map(str::to_owned).collect()
    };
    let facts = |more: &[&str]| -> Vec<String> { [&["facts"], more].concat().into_iter().map(str::to_owned).collect() };
    for (exit, arguments) in [
        (4, with("preflight", &[spoiled.as_str(), "--html", "spoiled.html"])),
        (0, with("preflight", &[good.as_str(), "--html", "good.html"])),
        (0, with("plan", &[good.as_str(), "--html", "plan.html"])),
        (0, facts(&[spoiled.as_str(), "--html", "facts-spoiled.html"])),
        (0, facts(&[good.as_str(), "--html", "facts.html"])),
        (0, facts(&["--html", "facts-here.html"])),
    ] {
        landfall(folder, exit, &arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Returns the colors of background and text.
async fn colors(browser: &Browser) -> Result<Vec<String>> {
    let script = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]";
    browser.driver.execute(script, Vec::new()).await?.convert()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn report_pages_fit_every_medium() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_pages(folder.path())?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_with_files().await?;
    let ways = LOOKS.map(|(name, looks, _)| (name, looks));
    for (page, heading, words, picture) in [
        ("spoiled", "Preflight of shop 2.3.0", "An installation is blocked", Some("report-preflight")),
        ("good", "Preflight of shop 2.3.0", "Nothing blocks an installation", None),
        ("plan", "Plan of shop 2.3.0", "objects of Kubernetes", Some("report-plan")),
        ("facts-spoiled", "Facts of node_1<script>", "judged before each installation", None),
        ("facts", "Facts of ", "judged before each installation", Some("report-facts")),
        ("facts-here", "Facts of ", "judged before each installation", None),
    ] {
        browser.open(&folder.path().join(page).with_extension("html").display().to_string()).await?;
        browser.expect("h1", heading).await?;
        browser.expect(".verdict", words).await?;
        for (name, looks, expected) in LOOKS {
            browser.look(looks).await?;
            let seen = colors(&browser).await?;
            ensure!(seen == expected, "{page}, {name}: the colors are {seen:?}, not {expected:?}");
        }
        findings.look_in(&ways, &browser, page, picture).await?;
    }
    ensure!(browser.count("script").await? == 0, "a page has a script");
    browser.close().await?;
    findings.judge(24)
}
