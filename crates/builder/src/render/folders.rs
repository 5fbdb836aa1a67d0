//! Renders the folders of all components in parallel, because each rendering waits for a program to start.

use std::collections::BTreeMap;

use super::kustomize::{self, RenderedFolder};
use crate::definition::{Definition, ObjectSource};
use crate::error::Result;
use crate::program::Program;
use crate::side_by_side::side_by_side;

/// Renders each folder of manifests; results by index of the component in the definition.
pub(super) fn render(definition: &Definition, kubectl: &Program) -> Result<BTreeMap<usize, Result<RenderedFolder>>> {
    let components = definition.release.components.iter().enumerate();
    let folders: Vec<_> = components
        .filter_map(|(index, component)| match component.source() {
            Some(ObjectSource::Manifests(manifests)) => Some((index, manifests)),
            _ => None,
        })
        .collect();
    side_by_side(&folders, |(index, manifests)| (*index, kustomize::render(kubectl, definition, manifests, *index)))
        .map(BTreeMap::from_iter)
}
