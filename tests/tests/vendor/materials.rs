//! Bills of materials and differences of the real bundle, compared with the package managers' own output about the
//! images' root filesystems.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_xtask::vendor::VENDOR_STORE;
use landfall_xtask::{cache, workspace};
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::starter;

/// Repository of the image with packages of Debian and of Python.
const PYTHON: &str = "docker.io/library/python";

/// Formats of bills: the locations of their lists, the schema, and the schemas to which it refers.
const FORMATS: [(&str, &str, &str, &[&str]); 2] = [
    ("spdx", "packages", "spdx-2.3.schema.json", &[]),
    (
        "cyclonedx",
        "components",
        "bom-1.6.SNAPSHOT.schema.json",
        &["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"],
    ),
];

/// Returns a schema of a format's publisher, from the test data of the inventory.
fn schema(name: &str) -> Result<Value> {
    let path = workspace::root().join("crates/inventory/testdata/schemas").join(name);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))
}

/// Returns the path of a blob in a vendor's store.
fn blob(store: &Path, digest: &str) -> Result<PathBuf> {
    let hex = digest.strip_prefix("sha256:").context("not a digest")?;
    Ok(store.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data"))
}

/// Unpacks the root filesystem of an image in a vendor's store with tar, without files that its layers remove.
pub fn unpack(store: &Path, image: &Value, folder: &Path) -> Result<()> {
    for layer in image["layers"].as_array().context("no layers")? {
        let digest = layer["digest"].as_str().context("no digest")?;
        // Creating devices requires root, and no package owns them.
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--no-same-owner", "--delay-directory-restore", "--exclude=dev/*", "--file"]);
        Outcome::success(tar.arg(blob(store, digest)?).arg("--directory").arg(folder))?;
        let listed = Outcome::success(Command::new("find").arg(folder).args(["-name", ".wh.*"]))?;
        for path in listed.text()?.lines().map(Path::new) {
            let name = path.file_name().and_then(|name| name.to_str()).context("a name")?;
            ensure!(name != ".wh..wh..opq", "this test knows no opaque folders: {}", path.display());
            let removed = path.with_file_name(name.trim_start_matches(".wh."));
            Outcome::success(Command::new("rm").args(["--recursive", "--force"]).arg(removed).arg(path))?;
        }
    }
    ensure!(folder.join("var/lib/dpkg/status").is_file(), "{} has no status", image["reference"]);
    Ok(())
}

/// Returns the output of dpkg-query about each installed package of an unpacked root filesystem, in this format.
pub fn installed_packages(root: &Path, format: &str) -> Result<BTreeSet<String>> {
    let mut dpkg = Command::new("dpkg-query");
    dpkg.arg(format!("--admindir={}", root.join("var/lib/dpkg").display()));
    dpkg.args(["--show", &format!("--showformat=${{db:Status-Status}} {format}\n")]);
    let said = Outcome::success(&mut dpkg)?;
    let installed: BTreeSet<String> =
        said.text()?.lines().filter_map(|line| line.strip_prefix("installed ")).map(str::to_owned).collect();
    ensure!(installed.len() > 50, "dpkg-query lists {} packages", installed.len());
    Ok(installed)
}

/// Returns the bundle's image with this repository.
pub fn image(inspection: &Value, repository: &str) -> Result<Value> {
    let images = inspection["release"]["images"].as_array().context("no images")?;
    let is_meant = |image: &&Value| image["reference"].as_str().is_some_and(|name| name.starts_with(repository));
    images.iter().find(is_meant).cloned().with_context(|| format!("the bundle has no {repository}"))
}

/// Returns name and version of a bill's components whose package URL has this prefix.
fn components(bill: &Value, purl: &str) -> BTreeSet<String> {
    let all = bill["components"].as_array().into_iter().flatten();
    let meant = all.filter(|component| component["purl"].as_str().is_some_and(|url| url.starts_with(purl)));
    meant
        .map(|item| format!("{} {}", item["name"].as_str().unwrap_or(""), item["version"].as_str().unwrap_or("")))
        .collect()
}

#[test]
#[ignore = "needs cargo xtask test"]
fn image_bill_matches_dpkg_and_pip() -> Result<()> {
    let starter = starter()?;
    let image = image(&starter.inspection()?, PYTHON)?;
    let folder = starter.scratch()?;
    unpack(&cache::cache_root()?.join(VENDOR_STORE), &image, folder.path())?;
    let mut sbom = starter.landfall(&["sbom", "--format", "cyclonedx", "--image"]);
    let bill =
        Outcome::success(sbom.arg(image["reference"].as_str().context("a name")?).arg(starter.stick()))?.value()?;

    let installed = installed_packages(folder.path(), "${Package} ${Version}")?;
    assert_eq!(components(&bill, "pkg:deb/debian/"), installed);
    copyright_files_are_read(&bill, folder.path())?;

    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "list", "--format", "json", "--disable-pip-version-check", "--path"]);
    let said = Outcome::success(pip.arg(folder.path().join("usr/lib/python3/dist-packages")))?.value()?;
    let listed = said.as_array().context("pip printed no list")?.iter().map(|package| {
        let name = package["name"].as_str().unwrap_or("").to_lowercase().replace(['_', '.'], "-");
        format!("{name} {}", package["version"].as_str().unwrap_or(""))
    });
    let listed: BTreeSet<String> = listed.collect();
    ensure!(listed.iter().any(|package| package.starts_with("pip ")), "{listed:?}");
    assert_eq!(components(&bill, "pkg:pypi/"), listed);
    Ok(())
}

/// Checks that each Debian package with a machine-readable `copyright` file has a license, including those that reach
/// the file through a link.
fn copyright_files_are_read(bill: &Value, root: &Path) -> Result<()> {
    let (mut read, mut linked) = (0, 0);
    for component in bill["components"].as_array().context("no components")? {
        let is_of_debian = component["purl"].as_str().is_some_and(|url| url.starts_with("pkg:deb/"));
        let folder = root.join("usr/share/doc").join(component["name"].as_str().context("no name")?);
        let Ok(copyright) = std::fs::read(folder.join("copyright")) else { continue };
        if is_of_debian && copyright.starts_with(b"Format: ") {
            ensure!(component["licenses"][0].is_object(), "{} has no license: {component}", component["name"]);
            read += 1;
            linked += usize::from(folder.is_symlink());
        }
    }
    ensure!(read > 30 && linked > 0, "{read} packages have licenses, {linked} of them by links");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn bills_from_head_are_reproducible() -> Result<()> {
    let starter = starter()?;
    let head = starter.file(".head")?;
    for format in ["spdx", "cyclonedx"] {
        let bill = |bundle: &Path| Outcome::success(starter.landfall(&["sbom", "--format", format]).arg(bundle));
        let of_head = bill(&head)?;
        assert_eq!(of_head.stdout, bill(&starter.stick())?.stdout, "{format}");
        assert!(of_head.stderr.contains("NOT VERIFIED"), "{}", of_head.stderr);
        let text = of_head.text()?;
        for name in [
            "pgvector",
            "valkey",
            "pkg:deb/debian/libc6@",
            "pkg:oci/pause@",
            "containerd-shim-runc-v2",
            "model.safetensors",
        ] {
            assert!(text.contains(name), "{format} lacks {name}");
        }
    }
    let unknown = Outcome::of(starter.landfall(&["sbom", "--format", "spdx", "--image", "nothing"]).arg(&head))?;
    assert_eq!((unknown.code, unknown.error()), (2, Some("LF2092")), "{}", unknown.stderr);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn bills_are_valid_by_schema() -> Result<()> {
    let starter = starter()?;
    let head = starter.file(".head")?;
    for (format, list, of_format, referred) in FORMATS {
        let mut registry = jsonschema::Registry::new();
        for name in referred {
            registry = registry.add(format!("http://cyclonedx.org/schema/{name}"), schema(name)?)?;
        }
        let registry = registry.prepare()?;
        let validator = jsonschema::options().with_registry(&registry).build(&schema(of_format)?)?;
        for image in [None, Some(PYTHON)] {
            let mut sbom = starter.landfall(&["sbom", "--format", format]);
            sbom.args(image.map(|name| ["--image", name]).into_iter().flatten());
            let mut bill = Outcome::success(sbom.arg(&head))?.value()?;
            let faults: Vec<String> =
                validator.iter_errors(&bill).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
            assert_eq!(faults, Vec::<String>::new(), "{format} of {image:?}");
            let count = bill[list].as_array().context("no list")?.len();
            ensure!(count > 50, "the bill of {image:?} lists {count} parts");
            // The check must be able to fail.
            bill[list][count - 1]["name"] = Value::from(1);
            assert!(!validator.is_valid(&bill), "{format} of {image:?}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn bundle_equals_itself() -> Result<()> {
    let starter = starter()?;
    let head = starter.file(".head")?;
    let diff = Outcome::success(starter.landfall(&["diff", "--json"]).arg(&head).arg(starter.stick()))?.json()?;
    assert_eq!((&diff["kind"], &diff["verified"]), (&Value::from("diff"), &Value::from(false)));
    for part in ["images", "packages", "components", "objects", "artifacts", "values"] {
        for list in ["added", "removed", "changed"] {
            assert_eq!(diff[part][list], serde_json::json!([]), "{part} {list}");
        }
    }
    assert_eq!((&diff["bytes"]["newBytes"], diff["from"]["id"].as_str()), (&Value::from(0), diff["to"]["id"].as_str()));
    Ok(())
}
