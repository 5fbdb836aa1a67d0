//! Licenses stated outside of the lock: in wheels and npm packages, and in labels of images.

use std::io::Read;

use landfall_inventory::FileLicense;
use landfall_inventory::read::{self, FileContents, Source};
use landfall_media::store::ContentStore;
use landfall_packages::npm::{self, TARBALL_ENDING};
use landfall_packages::{FileReader, WheelName, metadata_of};
use landfall_release_document::{ArtifactEntry, ArtifactFile, ArtifactKind};

use crate::fetched::FetchedImage;

/// Label with the license of an image.
const LABEL: &str = "org.opencontainers.image.licenses";

/// Licenses in the wheels and npm packages of artifacts. The files in the store were read before, so an unreadable one
/// is skipped.
pub fn of_files(artifacts: &[ArtifactEntry], store: &ContentStore) -> Vec<FileLicense> {
    let mut found = Vec::new();
    for artifact in artifacts {
        let declared: fn(&ArtifactFile, &ContentStore) -> Option<String> = match artifact.kind {
            ArtifactKind::Wheels => of_wheel,
            ArtifactKind::Npm => of_tarball,
            ArtifactKind::Node | ArtifactKind::Model | ArtifactKind::Files => continue,
        };
        found.extend(artifact.files.iter().filter_map(|file| {
            let license = declared(file, store)?;
            Some(FileLicense { artifact: artifact.name.clone(), path: file.path.clone(), license })
        }));
    }
    found
}

/// License in the label of an image.
pub fn of_image(image: &FetchedImage) -> Option<String> {
    let labels = image.configuration.config.as_ref()?.labels.as_ref()?;
    read::license(labels.get(LABEL)?)
}

fn of_wheel(file: &ArtifactFile, store: &ContentStore) -> Option<String> {
    file.path.ends_with(WheelName::ENDING).then_some(())?;
    let archive = FileReader::from(fs_err::File::open(store.path(file.blob.digest)).ok()?.into_file());
    declared_license(Source::Python, &metadata_of(archive, file.blob.size).ok()?[..])
}

fn of_tarball(file: &ArtifactFile, store: &ContentStore) -> Option<String> {
    file.path.ends_with(TARBALL_ENDING).then_some(())?;
    let tarball = fs_err::File::open(store.path(file.blob.digest)).ok()?;
    declared_license(Source::Npm, &npm::package_json_in(tarball).ok()?[..])
}

/// License of the package that a file describes.
fn declared_license(source: Source, file: impl Read + AsRef<[u8]>) -> Option<String> {
    let bytes = file.as_ref().len() as u64;
    match read::read(source, bytes, file).ok()? {
        FileContents::Packages(packages) => packages.into_iter().next()?.license,
        FileContents::System(_) | FileContents::License(_) | FileContents::Unread(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;
    use landfall_packages::npm::sample::package;
    use landfall_packages::sample::wheel;
    use landfall_release_document::Descriptor;
    use serde_json::json;

    use super::*;

    #[test]
    fn package_licenses_are_listed() {
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let artifact = |kind, files: Vec<(String, Vec<u8>)>| {
            let file = |(path, bytes): (String, Vec<u8>)| {
                let sums = store.ingest_bytes(&bytes).expect("stored");
                let blob = Descriptor { media_type: "a".to_owned(), digest: sums.sha256, size: sums.size };
                ArtifactFile { path, blob, links: Vec::new() }
            };
            let empty = Descriptor { media_type: "a".to_owned(), digest: Sha256([0; 32]), size: 0 };
            let files = files.into_iter().map(file).collect();
            ArtifactEntry {
                name: "a".to_owned(),
                kind,
                reference: "b".to_owned(),
                manifest: empty.clone(),
                config: empty,
                files,
            }
        };
        let odd = |path: &str| (path.to_owned(), b"damaged".to_vec());
        let silent = wheel("silent", "1.0", "");
        let wheels = artifact(
            ArtifactKind::Wheels,
            vec![wheel("b", "1.0", "License-Expression: MIT"), silent, odd("x-1-py3-none-any.whl"), odd("a.txt")],
        );
        let more = json!({ "license": { "type": "BSD-3-Clause" } });
        let npm = artifact(ArtifactKind::Npm, vec![package("@c/d", "2.0.0", &more), odd("x.tgz")]);
        let found = of_files(&[wheels, npm], &store);
        let found: Vec<_> = found.iter().map(|file| (file.path.as_str(), file.license.as_str())).collect();
        assert_eq!(found, [("b-1.0-py3-none-any.whl", "MIT"), ("@c/d/-/d-2.0.0.tgz", "BSD-3-Clause")]);
    }
}
