//! `documents/inventory.json`: packages in the release's images, from the databases in their layers, and licenses.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::head::NewDocument;
use landfall_error_codes::codes;
use landfall_inventory::{
    ArtifactLicense, ChartEntry, INVENTORY_DOCUMENT_NAME, ImageInventory, InventoryDocument, ReadImage, read,
};
use landfall_media::store::ContentStore;
use landfall_release_document::{ArtifactEntry, ArtifactKind, ReleaseDocument};
use serde::{Deserialize, Serialize};

use super::licenses;
use crate::error::{BuildError, Result};
use crate::fetched::FetchedImage;
use crate::gpu_program::{GpuProgram, OWN_LICENSE};
use crate::image_files::ImageFiles;
use crate::layers::listing;
use crate::pins::ArtifactPin;
use crate::record;

/// Type of a record. It changes with any change to what is derived from layers. Records of another type, or derived
/// from listings of another type, are created again.
const RECORD_TYPE: &str = "landfall.dev/image-inventory/6";

/// Bytes of a README or a configuration in which a license is searched for.
const LICENSE_BYTES: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    /// Type of the listings from which it was derived.
    listing: String,
    inventory: ImageInventory,
}

/// Creates the document. The blobs must be in the store; `pins` are those of the release's artifacts, in the same
/// order, and `gpu` is the one without a pin.
pub fn document(
    release: &ReleaseDocument,
    pins: &[ArtifactPin],
    images: &[FetchedImage],
    charts: &[ChartEntry],
    gpu: Option<&GpuProgram>,
    store: &ContentStore,
) -> Result<NewDocument> {
    let images = images.iter().map(|image| read_image(image, store)).collect::<Result<Vec<_>>>()?;
    let named = release.artifacts.iter().zip(pins);
    let of_artifacts = named.filter_map(|(artifact, pin)| {
        let stated = pin.license().and_then(read::license);
        let license = stated.or_else(|| model_license(artifact, store))?;
        Some(ArtifactLicense { name: artifact.name.clone(), license })
    });
    let of_gpu = gpu.map(|gpu| ArtifactLicense { name: gpu.entry.name.clone(), license: OWN_LICENSE.to_owned() });
    let files = licenses::of_files(&release.artifacts, store);
    let document = InventoryDocument::new(&images, of_artifacts.chain(of_gpu).collect(), files, charts.to_vec())
        .map_err(|reason| BuildError::new(codes::INVENTORY_REFUSED, format!("the inventory is refused: {reason}")))?;
    Ok(NewDocument { name: INVENTORY_DOCUMENT_NAME.to_owned(), bytes: document.to_bytes()? })
}

fn read_image(image: &FetchedImage, store: &ContentStore) -> Result<ReadImage> {
    Ok(ReadImage {
        reference: image.pin.reference.to_string(),
        license: image.pin.license.as_deref().and_then(read::license).or_else(|| licenses::of_image(image)),
        inventory: inventory(image, store)?,
    })
}

/// Inventory of an image: from its record, or from the listings of its layers. In the latter case the record is written
/// and synced.
fn inventory(image: &FetchedImage, store: &ContentStore) -> Result<ImageInventory> {
    let path = record_path(store, image.pin.digest);
    if let Some(inventory) = read_record(&path) {
        return Ok(inventory);
    }
    let inventory = ImageInventory::of(ImageFiles::read(image, store)?.packages());
    write_record(&path, inventory.clone())?;
    Ok(inventory)
}

fn record_path(store: &ContentStore, manifest: Sha256) -> PathBuf {
    record::path(store, "inventories", manifest)
}

/// Reads a record; `None` if this version does not understand it, so that it is created again.
fn read_record(path: &Path) -> Option<ImageInventory> {
    let record: Record = record::read(path)?;
    (record.document_type == RECORD_TYPE && record.listing == listing::RECORD_TYPE).then_some(record.inventory)
}

fn write_record(path: &Path, inventory: ImageInventory) -> Result<()> {
    let record = Record { document_type: RECORD_TYPE.to_owned(), listing: listing::RECORD_TYPE.to_owned(), inventory };
    record::write(path, &record, "an image's inventory")
}

/// License of a model: in its configuration as a `ModelPack`, or in the front matter of its README.
fn model_license(artifact: &ArtifactEntry, store: &ContentStore) -> Option<String> {
    if artifact.kind != ArtifactKind::Model {
        return None;
    }
    let of_configuration = || license_of_configuration(&beginning(store, artifact.config.digest)?);
    let of_readme = || {
        let readme = artifact.files.iter().find(|file| file.path.eq_ignore_ascii_case("README.md"))?;
        license_of_front_matter(&String::from_utf8_lossy(&beginning(store, readme.blob.digest)?))
    };
    of_configuration().or_else(of_readme)
}

/// Beginning of a blob; `None` if it cannot be read, in which case packing will fail.
fn beginning(store: &ContentStore, blob: Sha256) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs_err::File::open(store.path(blob)).ok()?.take(LICENSE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn license_of_configuration(bytes: &[u8]) -> Option<String> {
    let configuration: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let licenses = configuration["descriptor"]["licenses"].as_array()?;
    let stated: Vec<_> = licenses.iter().filter_map(serde_json::Value::as_str).collect();
    read::license(&stated.join(" AND "))
}

fn license_of_front_matter(readme: &str) -> Option<String> {
    let mut lines = readme.lines();
    lines.next().filter(|line| line.trim_end() == "---")?;
    let mut matter = lines.take_while(|line| line.trim_end() != "---");
    let stated = matter.find_map(|line| line.strip_prefix("license:"))?;
    read::license(stated.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::head::Identity;
    use landfall_bundle_spec::trust::TrustAnchor;
    use landfall_inventory::diff::{Side, diff};
    use landfall_media::durable;
    use landfall_release_document::RELEASE_DOCUMENT_NAME;

    use super::*;
    use crate::pack::tests::{Bench, head};

    const PAUSE: &str = "registry.k8s.io/pause:3.10.2";

    /// A layer with these files. A path with a trailing slash is a folder, and a text that starts with `->` is a link.
    fn layer(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(0);
            if let Some(target) = text.strip_prefix("->") {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, target).expect("link");
            } else if path.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, path, std::io::empty()).expect("folder");
            } else {
                header.set_size(text.len() as u64);
                archive.append_data(&mut header, path, text.as_bytes()).expect("file");
            }
        }
        archive.into_inner().expect("archive")
    }

    fn status(packages: &[(&str, &str)]) -> String {
        let paragraph = |(name, version): &(&str, &str)| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
        };
        packages.iter().map(paragraph).collect()
    }

    /// Inventory and release document of a bundle whose pause image has these layers.
    async fn build_documents(bench: &Bench, layers: &[Vec<u8>]) -> (InventoryDocument, ReleaseDocument) {
        bench.push_image_of(PAUSE, false, layers);
        bench.lock().await.expect("locked");
        let report = bench.build().await.expect("built");
        let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
        let verified = head(&bench.path("out"), &report, &anchor);
        let bytes = |name| verified.small_document(name).expect("document");
        let inventory = InventoryDocument::read(bytes(INVENTORY_DOCUMENT_NAME)).expect("inventory");
        (inventory, ReleaseDocument::read(bytes(RELEASE_DOCUMENT_NAME)).expect("release"))
    }

    #[tokio::test]
    async fn topmost_package_databases_are_listed() {
        let bench = Bench::new(true, false).await;
        let site = "usr/lib/python3/dist-packages";
        let python = |name: &str, version: &str| format!("Name: {name}\nVersion: {version}\n\n");
        let base = layer(&[
            ("var/lib/dpkg/status", &status(&[("libc6", "2.41-11"), ("removed", "1")])),
            ("usr/lib/os-release", "ID=debian\nVERSION_ID=13\n"),
            ("etc/os-release", "->../usr/lib/os-release"),
            ("lib", "->usr/lib"),
            (&format!("{site}/gone-1.dist-info/METADATA"), &python("gone", "1")),
            (&format!("{site}/kept-1.dist-info/METADATA"), &python("kept", "1")),
            ("opt/app/node_modules/left-pad/package.json", r#"{"name": "left-pad", "version": "1.3.0"}"#),
            ("srv/node_modules/replaced/package.json", r#"{"name": "replaced", "version": "1.0.0"}"#),
            ("var/lib/rpm/rpmdb.sqlite", "SQLite format 3"),
        ]);
        let above = layer(&[
            ("var/lib/dpkg/status", &status(&[("libc6", "2.41-12")])),
            (&format!("{site}/.wh.gone-1.dist-info"), ""),
            ("opt/app/.wh..wh..opq", ""),
            ("opt/app/node_modules/right-pad/package.json", r#"{"name": "right-pad", "version": "2.0.0"}"#),
            ("srv", "->/nowhere"),
            ("lib/python3/dist-packages/linked-3.dist-info/METADATA", &python("linked", "3")),
            ("srv-list/node_modules/broken/package.json", "{"),
        ]);
        let (document, _) = build_documents(&bench, &[base, above]).await;
        let image = document.image(PAUSE).expect("listed");
        let packages: Vec<_> = document.packages_of(image).map(landfall_inventory::Package::purl).collect();
        assert_eq!(
            packages,
            [
                "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",
                "pkg:pypi/kept@1",
                "pkg:pypi/linked@3",
                "pkg:npm/right-pad@2.0.0",
            ]
        );
        let unread: Vec<_> = image.unread.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(unread, ["/srv-list/node_modules/broken/package.json", "/var/lib/rpm/rpmdb.sqlite"]);
        assert_eq!((image.system.as_deref(), image.license.as_deref()), (Some("debian 13"), Some("MIT")));
        assert_eq!(document.images.len(), 8);
        assert_eq!(document.artifact_license("model"), Some("MIT"));
        let out = fs_err::read_dir(bench.path("out")).expect("output").filter_map(std::result::Result::ok);
        let mut names = out.filter_map(|entry| entry.file_name().into_string().ok());
        let is_sheet = |name: &String| name.split_once(".html").is_some_and(|(stem, _)| !stem.ends_with(".handbook"));
        let sheet = names.find(is_sheet).expect("sheet");
        let sheet = fs_err::read_to_string(bench.path("out").join(sheet)).expect("text");
        assert!(
            sheet.contains("<td>not stated</td><td class=\"n\">4</td><td>kept, libc6, linked, right-pad</td>"),
            "{sheet}"
        );
    }

    #[tokio::test]
    async fn inventory_record_avoids_layer_reads() {
        let bench = Bench::new(true, false).await;
        let layers = [layer(&[("var/lib/dpkg/status", &status(&[("libc6", "2.41-12")]))])];
        let first = build_documents(&bench, &layers).await;
        assert_eq!(first.0.packages.len(), 1);
        let name = Sha256::of(&layers[0]).to_hex();
        let listing = bench.path("store/landfall/listings").join(&name[..2]).join(name);
        fs_err::remove_file(&listing).expect("the list of the layer");
        assert_eq!(build_documents(&bench, &layers).await, first);
        assert!(!listing.exists(), "the layer was read again");
    }

    #[tokio::test]
    async fn package_change_is_only_difference() {
        let bench = Bench::new(true, false).await;
        let database = |version| layer(&[("var/lib/dpkg/status", &status(&[("libc6", version), ("zlib1g", "1.3")]))]);
        let (old, old_release) = build_documents(&bench, &[database("2.41-12")]).await;
        // The new lock pins the manifest that the tag points to now.
        bench.write("release/images.lock", crate::pack::tests::lock_text(false).as_bytes(), 0o644);
        let (new, new_release) = build_documents(&bench, &[database("2.41-13")]).await;
        let identity =
            Identity { name: "small".to_owned(), version: "1".to_owned(), counter: 1, built_at: String::new() };
        let objects = std::collections::BTreeMap::new();
        let side = |release, inventory| Side {
            id: Sha256([0; 32]),
            identity: &identity,
            total_bytes: 0,
            release,
            inventory: Some(inventory),
            objects: &objects,
            blobs: &[],
        };
        let found = diff(&side(&old_release, &old), &side(&new_release, &new));
        let packages = found.packages.expect("both list packages");
        assert!(packages.added.is_empty() && packages.removed.is_empty(), "{packages:?}");
        let change = &packages.changed[0];
        assert_eq!(
            (packages.changed.len(), change.name.as_str(), change.images.as_slice()),
            (1, "libc6", &[PAUSE.to_owned()][..])
        );
        assert_eq!((&change.from[..], &change.to[..]), (&["2.41-12".to_owned()][..], &["2.41-13".to_owned()][..]));
        assert_eq!(found.images.changed.len(), 1, "the image itself");
        assert!(found.artifacts.is_none());
    }

    #[test]
    fn model_license_is_found() {
        let configuration = br#"{"descriptor": {"licenses": ["Apache-2.0", "MIT"]}}"#;
        assert_eq!(license_of_configuration(configuration).as_deref(), Some("Apache-2.0 AND MIT"));
        assert_eq!(license_of_configuration(b"{}"), None);
        let readme = "---\nlanguage: en\nlicense: \"mit\"\n---\nlicense: other\n";
        assert_eq!(license_of_front_matter(readme).as_deref(), Some("mit"));
        assert_eq!(license_of_front_matter("---\nlanguage: en\n---\nlicense: mit\n"), None);
        assert_eq!(license_of_front_matter("# A model\nlicense: mit\n"), None);
    }

    #[test]
    fn torn_inventory_record_is_not_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ab/abcd");
        assert_eq!(read_record(&path), None);
        write_record(&path, ImageInventory::default()).expect("record");
        assert_eq!(read_record(&path), Some(ImageInventory::default()));
        durable::write_file(&path, b"{", 0o644).expect("file");
        assert_eq!(read_record(&path), None);
    }
}
