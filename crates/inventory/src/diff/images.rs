//! Comparison of images, by repository.

use std::collections::BTreeMap;

use landfall_documents::releases::{Changes, ImageChange, ImageState};
use landfall_release_document::ImageEntry;

use super::Side;
use crate::purl::split_tag;

/// Images that belong together: one of the first bundle, one of the second, or both.
pub(super) type Pair<T> = (Option<T>, Option<T>);

/// Pairs references: first equal ones, then those of one repository, in order.
pub(super) fn pairs<'a>(from: &[&'a str], to: &[&'a str]) -> Vec<Pair<&'a str>> {
    let mut pairs: Vec<Pair<&str>> = Vec::new();
    let mut rest: BTreeMap<&str, [Vec<&str>; 2]> = BTreeMap::new();
    for reference in from {
        if to.contains(reference) {
            pairs.push((Some(reference), Some(reference)));
        } else {
            rest.entry(split_tag(reference).0).or_default()[0].push(reference);
        }
    }
    for reference in to.iter().filter(|reference| !from.contains(reference)) {
        rest.entry(split_tag(reference).0).or_default()[1].push(reference);
    }
    for [old, new] in rest.into_values() {
        for index in 0..old.len().max(new.len()) {
            pairs.push((old.get(index).copied(), new.get(index).copied()));
        }
    }
    pairs
}

pub(super) fn changes(from: &Side<'_>, to: &Side<'_>) -> Changes<ImageState, ImageChange> {
    let (old, new) = (references(from), references(to));
    let mut changes = Changes::default();
    for (old, new) in pairs(&old, &new) {
        match (old.and_then(|name| state(from, name)), new.and_then(|name| state(to, name))) {
            (Some(from), Some(to)) if from != to => changes.changed.push(ImageChange { from, to }),
            (Some(removed), None) => changes.removed.push(removed),
            (None, Some(added)) => changes.added.push(added),
            _ => {}
        }
    }
    changes
}

fn references<'a>(side: &Side<'a>) -> Vec<&'a str> {
    side.release.images.iter().map(|image| image.reference.as_str()).collect()
}

fn state(side: &Side<'_>, reference: &str) -> Option<ImageState> {
    let image = side.release.images.iter().find(|image| image.reference == reference)?;
    Some(ImageState { reference: image.reference.clone(), digest: image.manifest.digest, bytes: bytes(image) })
}

fn bytes(image: &ImageEntry) -> u64 {
    let blobs = [&image.manifest, &image.config].into_iter().chain(&image.layers);
    blobs.map(|blob| blob.size).fold(0, u64::saturating_add)
}
