//! `landfall inspect`: what a bundle or its head says of itself. It believes nothing, and says so.

use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_bundle_spec::head::Opened;
use landfall_bundle_spec::release::{
    ArtifactEntry, ComponentEntry, ImageEntry, RELEASE_DOCUMENT_NAME, RELEASE_DOCUMENT_TYPE, ReleaseDocument,
};
use landfall_bundle_spec::{Sha256, read_typed};
use landfall_media::bundle;
use serde::Serialize;

use crate::cli::InspectArguments;
use crate::failure::Failure;
use crate::printer::Printer;

/// What a head says, unverified.
#[derive(Serialize)]
struct Inspection {
    /// Always false: `landfall verify` is another command.
    verified: bool,
    id: Sha256,
    name: String,
    version: String,
    counter: u64,
    built_at: String,
    total_bytes: u64,
    head_bytes: usize,
    roots: Vec<RootLine>,
    signed_by: Vec<String>,
    release: ReleaseDocument,
    blobs: Vec<BlobLine>,
}

#[derive(Serialize)]
struct RootLine {
    number: u64,
    fingerprint: Sha256,
    development: bool,
}

#[derive(Serialize)]
struct BlobLine {
    digest: Sha256,
    blake3: String,
    size: u64,
    media_type: String,
}

/// Prints what a bundle says.
pub(crate) fn run(arguments: &InspectArguments, printer: Printer) -> Result<(), Failure> {
    let located = bundle::locate(&arguments.bundle)?;
    let opened = Opened::read(located.head()?)?;
    let inspection = inspect(&opened)?;
    printer.report(&inspection, text);
    Ok(())
}

fn inspect(opened: &Opened) -> Result<Inspection, Failure> {
    let contents = opened.untrusted();
    let identity = contents.identity();
    let document = contents.small_document(RELEASE_DOCUMENT_NAME).unwrap_or_default();
    let release = read_typed(RELEASE_DOCUMENT_NAME, RELEASE_DOCUMENT_TYPE, document)?;
    let roots = opened.roots().iter();
    let entries = contents.blobs().entries().iter();
    Ok(Inspection {
        verified: false,
        id: contents.id(),
        name: identity.name,
        version: identity.version,
        counter: identity.counter,
        built_at: identity.built_at,
        total_bytes: contents.layout().total_bytes(),
        head_bytes: contents.head_bytes().len(),
        roots: roots
            .map(|root| RootLine {
                number: root.number(),
                fingerprint: root.fingerprint(),
                development: root.development(),
            })
            .collect(),
        signed_by: opened.signatures().iter().map(|signature| signature.key().to_string()).collect(),
        release,
        blobs: entries
            .map(|entry| BlobLine {
                digest: entry.sha256,
                blake3: entry.blake3.to_hex(),
                size: entry.size,
                media_type: entry.media_type.clone(),
            })
            .collect(),
    })
}

fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let size = HumanBytes(inspection.total_bytes);
    let release = &inspection.release;
    let _infallible =
        writeln!(text, "NOT VERIFIED: this is what the bundle says of itself; `landfall verify` checks it.\n");
    let _infallible = writeln!(
        text,
        "{} {}, counter {}, built {}",
        inspection.name, inspection.version, inspection.counter, inspection.built_at
    );
    let _infallible = writeln!(text, "id {}, {size}, head {}", inspection.id, HumanBytes(inspection.head_bytes as u64));
    for root in &inspection.roots {
        let mark = if root.development { "  DEVELOPMENT" } else { "" };
        let _infallible = writeln!(text, "root {}: {}{mark}", root.number, root.fingerprint);
    }
    for key in &inspection.signed_by {
        let _infallible = writeln!(text, "signed by {key}");
    }
    for pack in &release.node_packs {
        let _infallible = writeln!(text, "Kubernetes {}", pack.kubernetes);
    }
    let _infallible = writeln!(text, "\n{:<16} {:<20} needs", "component", "namespace");
    for ComponentEntry { name, namespace, needs, .. } in &release.components {
        let _infallible = writeln!(text, "{name:<16} {namespace:<20} {}", needs.join(", "));
    }
    let _infallible = writeln!(text, "\n{:>10}  image or artifact", "size");
    let images = release.images.iter().map(|image| (image_bytes(image), &image.reference, &image.manifest));
    let artifacts = release.artifacts.iter();
    let artifacts = artifacts.map(|artifact| (artifact_bytes(artifact), &artifact.reference, &artifact.manifest));
    for (bytes, reference, manifest) in images.chain(artifacts) {
        let size = HumanBytes(bytes).to_string();
        let _infallible = writeln!(text, "{size:>10}  {reference}@{}", manifest.digest);
    }
    text
}

fn image_bytes(image: &ImageEntry) -> u64 {
    image.manifest.size + image.config.size + image.layers.iter().map(|layer| layer.size).sum::<u64>()
}

fn artifact_bytes(artifact: &ArtifactEntry) -> u64 {
    artifact.manifest.size + artifact.files.iter().map(|file| file.blob.size).sum::<u64>()
}
