//! Entries of a lock that a release does not use.

use std::collections::BTreeSet;

use super::report::UnusedEntry;
use crate::definition::{ChartDefinition, Definition};
use crate::error::Place;
use crate::lock::{List, Lock};
use crate::reference::Reference;

/// Unused entries, in the order of the lock. `images` are the references of used images, if all are known.
pub(super) fn entries(definition: &Definition, lock: &Lock, images: Option<&BTreeSet<String>>) -> Vec<UnusedEntry> {
    let release = &definition.release;
    let artifacts = selected_references(
        lock,
        List::Artifacts,
        release.artifacts.iter().map(|artifact| artifact.reference.value.as_str()),
    );
    let charts = release.components.iter().filter_map(|component| component.chart());
    let charts = charts.filter_map(|ChartDefinition { reference, .. }| reference.as_ref());
    let charts = selected_references(lock, List::Charts, charts.map(|reference| reference.value.as_str()));
    let is_used = |list: List, reference: &str| match list {
        List::Images => images.is_none_or(|used| used.contains(reference)),
        List::Artifacts => artifacts.contains(reference),
        List::Charts => charts.contains(reference),
    };
    let unused = lock.entries().filter(|(position, entry)| !is_used(position.list, &entry.reference.value));
    unused
        .map(|(position, entry)| UnusedEntry { kind: position.list.into(), entry: entry.reference.value.clone() })
        .collect()
}

/// References of the entries that these names select.
fn selected_references<'a>(lock: &Lock, list: List, names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let entry = |name: &str| lock.find(list, &name.parse::<Reference>().ok()?, Place::default()).ok();
    names.filter_map(entry).map(|entry| entry.reference.value.clone()).collect()
}
