use serde_json::json;

use super::*;
use crate::{ImageInventory, Package, PackageKind, ReadImage, read::FileContents};

const OLD: &str = "docker.io/library/web:1.0";
const NEW: &str = "docker.io/library/web:1.1";

/// The data that a side borrows.
struct Bundle {
    identity: Identity,
    release: ReleaseDocument,
    inventory: InventoryDocument,
    objects: BTreeMap<String, Value>,
}

impl Bundle {
    /// Creates a release with one image of these packages, an object and a model.
    fn new(reference: &str, digest: u8, packages: &[(&str, &str)], replicas: u32, model_bytes: u64) -> Self {
        let blob = |number: u8, size: u64| {
            json!({ "mediaType": "application/octet-stream",
            "digest": Sha256([number; 32]), "size": size })
        };
        let release = json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
            "platform": "linux/amd64", "node_packs": [],
            "images": [{ "reference": reference, "manifest": blob(digest, 1), "config": blob(2, 2),
                "layers": [blob(digest, 100)] }],
            "artifacts": [{ "name": "brain", "kind": "model", "reference": "ghcr.io/shop/brain:1",
                "manifest": blob(7, 1), "config": blob(8, 1),
                "files": [{ "path": "model.gguf", "blob": blob(9, model_bytes) }] }],
            "components": [], "values": [], "requirements": { "cores": 1, "memory_bytes": 1, "data_bytes": 0 },
        });
        let packages =
            packages.iter().map(|(name, version)| Package::new(PackageKind::Deb, name, version).expect("package"));
        let found = [("/var/lib/dpkg/status".to_owned(), FileContents::Packages(packages.collect()))];
        let image = ReadImage { reference: reference.to_owned(), license: None, inventory: ImageInventory::of(found) };
        let object = json!([{ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "web",
            "labels": { "a/b": "c" } }, "spec": { "replicas": replicas, "list": [1, 2] } }]);
        Self {
            identity: Identity {
                name: "shop".to_owned(),
                version: "1.0.0".to_owned(),
                counter: 1,
                built_at: "2026-11-20T08:16:00Z".to_owned(),
            },
            release: serde_json::from_value(release).expect("release"),
            inventory: InventoryDocument::new(&[image], Vec::new(), Vec::new(), Vec::new()).expect("inventory"),
            objects: BTreeMap::from([("web".to_owned(), object)]),
        }
    }

    fn side(&self) -> Side<'_> {
        Side {
            id: Sha256([1; 32]),
            identity: &self.identity,
            total_bytes: 1 << 20,
            release: &self.release,
            inventory: Some(&self.inventory),
            objects: &self.objects,
            blobs: &[],
        }
    }
}

fn bytes(bytes: u64) -> String {
    format!("{bytes} B")
}

#[test]
fn changed_package_is_listed() {
    let old = Bundle::new(OLD, 1, &[("libc6", "2.41-12"), ("zlib1g", "1.3"), ("old", "1")], 1, 10);
    let new = Bundle::new(NEW, 3, &[("libc6", "2.41-13"), ("zlib1g", "1.3"), ("new", "1")], 2, 11);
    let diff = diff(&old.side(), &new.side());
    let packages = diff.packages.as_ref().expect("both list packages");
    let names = |list: &[PackageChange]| -> Vec<String> {
        list.iter()
            .map(|change| format!("{} {:?} {:?} {:?}", change.name, change.from, change.to, change.images))
            .collect()
    };
    assert_eq!(names(&packages.changed), [format!(r#"libc6 ["2.41-12"] ["2.41-13"] ["{NEW}"]"#)]);
    assert_eq!(names(&packages.added), [format!(r#"new [] ["1"] ["{NEW}"]"#)]);
    assert_eq!(names(&packages.removed), [format!(r#"old ["1"] [] ["{NEW}"]"#)]);
    assert_eq!(diff.objects.changed[0].fields, ["/spec/replicas"]);
    assert_eq!(diff.artifacts.changed[0].files[0].to_bytes, Some(11));
    insta::assert_snapshot!(text::text(&diff, bytes));
}

#[test]
fn identical_bundles_do_not_differ() {
    let bundle = Bundle::new(OLD, 1, &[("libc6", "2.41-12")], 1, 10);
    let same = diff(&bundle.side(), &bundle.side());
    assert!(same.images.is_none() && same.objects.is_none() && same.artifacts.is_none());
    assert!(same.packages.as_ref().is_some_and(Changes::is_none));
    assert_eq!(text::text(&same, bytes).matches(": the same").count(), 6);
    let earlier = Side { inventory: None, ..bundle.side() };
    let unknown = diff(&earlier, &bundle.side());
    assert!(unknown.packages.is_none() && text::text(&unknown, bytes).contains("packages: not known"));
}

#[test]
fn packages_of_new_images_are_summarized() {
    let old = Bundle::new(OLD, 1, &[("libc6", "2.41-12")], 1, 10);
    let new = Bundle::new("ghcr.io/other/thing:1", 3, &[("musl", "1"), ("busybox", "2")], 1, 10);
    let diff = diff(&old.side(), &new.side());
    assert_eq!(diff.packages.as_ref().expect("known").added.len(), 2);
    let text = text::text(&diff, bytes);
    assert!(text.contains("+ in images that are new: 2") && !text.contains("musl"), "{text}");
    assert!(text.contains("- in images that are gone: 1"), "{text}");
}
