//! Two bundles with images of two states of a Debian release. Their difference lists exactly the changed packages, as
//! reported by dpkg for the images' root filesystems, and by the archive's own lists.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use landfall_test_support::definition as notation;
use landfall_xtask::images::point_releases::{self, REPOSITORY};
use landfall_xtask::images::{Workshop, registry_tree::Reference};
use landfall_xtask::registry::Registry;
use landfall_xtask::vendor::Vendor;
use serde_json::Value;

use super::examples::{entry, lock_with};
use super::found_images::definition;
use super::materials::{image, installed_packages, unpack};
use super::outcome::Outcome;
use super::starter::{Starter, starter};

const COMPONENTS: &str = "components:\n  - {name: debian, manifests: debian, namespace: debian, podSecurity: baseline, \
     without: {probes: a test, limits: a test, proofs: a test}}\n";

/// A pod of the image, in the lock's version.
const POD: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: debian}
spec:
  selector: {matchLabels: {app: debian}}
  template:
    metadata: {labels: {app: debian}}
    spec: {containers: [{name: debian, image: example.internal/debian}]}
";

/// Name and architecture of a package, with its versions before and after; None if it is absent.
type Changes = BTreeMap<(String, String), [Option<String>; 2]>;

/// A bundle with one image, and the store from which it was built.
struct PackedRelease {
    stick: PathBuf,
    reference: String,
    root: PathBuf,
}

/// Locks and builds a release with only this image and the parts of the node, and unpacks the image from the vendor's
/// store.
fn pack_release(
    starter: &Starter,
    vendor: &Vendor,
    folder: &Path,
    image_of: &Reference,
    version: &str,
) -> Result<PackedRelease> {
    let folder = folder.join(version);
    let (release, stick, root) = (folder.join("release"), folder.join("stick"), folder.join("root"));
    std::fs::create_dir_all(release.join("debian"))?;
    std::fs::create_dir(&root)?;
    notation::write(&release, &definition("debian", version, COMPONENTS)?);
    std::fs::write(release.join("debian/kustomization.yaml"), "resources: [debian.yaml]\n")?;
    std::fs::write(release.join("debian/debian.yaml"), POD)?;
    let lock = release.join("images.lock");
    std::fs::write(&lock, lock_with(&entry(image_of, "various"), "")?)?;
    let mut command = starter.landfall_lock();
    command.arg(&release).arg("--registries").arg(vendor.registries_file()).arg("--store").arg(vendor.store());
    Outcome::success(command.arg("--output").arg(vendor.lock_file()))?;
    let arguments = vendor.build_arguments(&release, &stick, &[]);
    Outcome::success(&mut starter.command(vendor, &arguments))?;
    let inspection = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(&stick))?.json()?;
    unpack(vendor.store(), &image(&inspection, REPOSITORY)?, &root)?;
    Ok(PackedRelease { stick, reference: image_of.reference.clone(), root })
}

/// Returns the changes between two root filesystems, as reported by dpkg-query.
fn changes_of_roots(from: &Path, to: &Path) -> Result<Changes> {
    let mut changes = Changes::new();
    for (side, root) in [from, to].into_iter().enumerate() {
        for line in installed_packages(root, "${Package} ${Architecture} ${Version}")? {
            let mut words = line.split(' ').map(str::to_owned);
            let (name, architecture) = words.next().zip(words.next()).context("no architecture")?;
            changes.entry((name, architecture)).or_default()[side] = words.next();
        }
    }
    changes.retain(|_, [from, to]| from != to);
    Ok(changes)
}

/// Returns the changes listed in a difference. Fails unless each is a Debian package of this image.
fn changes_of_bundles(packages: &Value, image: &str) -> Result<Changes> {
    let mut changes = Changes::new();
    for package in
        ["added", "removed", "changed"].iter().flat_map(|list| packages[list].as_array().into_iter().flatten())
    {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let version = |side: &str| -> Result<Option<String>> {
            let versions = package[side].as_array().context("no versions")?;
            ensure!(versions.len() < 2, "{package} has several versions");
            Ok(versions.first().and_then(text))
        };
        ensure!(package["kind"] == "deb" && package["images"] == serde_json::json!([image]), "{package}");
        let identity = text(&package["name"]).zip(text(&package["architecture"])).context("no name")?;
        let before = changes.insert(identity, [version("from")?, version("to")?]);
        ensure!(before.is_none(), "{package} is listed twice");
    }
    Ok(changes)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn point_releases_differ_by_changed_packages() -> Result<()> {
    let starter = starter()?;
    let made = point_releases::ensure(&Workshop::open()?)?;
    let folder = starter.scratch()?;
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let debian = Registry::start(&made.tree.root)?;
    vendor.mirror("example.internal", &debian)?;
    let packed = |tag: &str, version: &str| {
        let mut references = made.tree.references.iter();
        let image = references.find(|image| image.reference.ends_with(tag)).context("no image")?;
        pack_release(starter, &vendor, folder.path(), image, version)
    };
    let [earlier, later] = point_releases::TAGS;
    let (from, to) = (packed(earlier, "1.0.0")?, packed(later, "1.1.0")?);

    let diff = || -> Result<_> {
        let mut command = starter.landfall(&["diff"]);
        command.arg(&from.stick).arg(&to.stick);
        Ok(command)
    };
    let document = Outcome::success(diff()?.arg("--json"))?.json()?;
    let truth = changes_of_roots(&from.root, &to.root)?;
    assert_eq!(changes_of_bundles(&document["packages"], &to.reference)?, truth);

    // The archive agrees: its lists have these packages in these versions, and no newer version of the image's other
    // packages.
    let both = truth
        .iter()
        .filter_map(|((name, _), versions)| Some((name.clone(), versions[0].as_ref().and(versions[1].clone())?)));
    assert_eq!(both.collect::<BTreeMap<_, _>>(), made.newer);
    let same = &installed_packages(&from.root, "${Package} ${Version}")?
        & &installed_packages(&to.root, "${Package} ${Version}")?;
    ensure!(made.newer.len() > 2 && same.len() > 2, "{} packages changed, {} did not", made.newer.len(), same.len());

    // The output for people has a line for each of them.
    let said = Outcome::success(&mut diff()?)?;
    let shown: BTreeSet<_> =
        said.text()?.lines().filter(|line| line.starts_with("~ deb ")).map(str::to_owned).collect();
    let expected = truth.iter().filter_map(|((name, _), [from, to])| Some((name, from.as_ref()?, to.as_ref()?)));
    let image = &to.reference;
    let expected = expected.map(|(name, from, to)| format!("~ deb {name} {from} -> {to} ({image})"));
    assert_eq!(shown, expected.collect());
    Ok(())
}
