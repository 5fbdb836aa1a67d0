//! The folders of all components, rendered several at a time: each waits for a program to start.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::kustomize::{self, RenderedFolder};
use super::program::Program;
use crate::definition::{Definition, ObjectSource};
use crate::error::Result;

/// What each folder of manifests is rendered to, by the index of its component in the definition.
pub(super) fn render(definition: &Definition, kubectl: &Program) -> BTreeMap<usize, Result<RenderedFolder>> {
    let components = definition.release.components.iter().enumerate();
    let folders: Vec<_> = components
        .filter_map(|(index, component)| match component.source() {
            Some(ObjectSource::Manifests(manifests)) => Some((index, manifests)),
            _ => None,
        })
        .collect();
    let (next, rendered) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let render_some = || {
        while let Some((index, manifests)) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = kustomize::render(kubectl, definition, manifests, *index);
            rendered.lock().unwrap_or_else(PoisonError::into_inner).insert(*index, one);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(folders.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(render_some);
        }
    });
    rendered.into_inner().unwrap_or_else(PoisonError::into_inner)
}
