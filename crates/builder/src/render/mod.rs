//! Rendering of manifests to JSON objects, with images bound to platform digests. It runs at build time, never on site.

mod bases;
mod checks;
mod fields;
mod folders;
mod images;
mod kustomization;
mod kustomize;
mod objects;
mod scan;
mod spots;
#[cfg(test)]
pub(crate) mod tests;
mod values;

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use landfall_kinds::escape;

pub(crate) use bases::Sources;
pub(crate) use checks::{NeededObject, lowest_pod_security, needed_objects};
pub use images::{bind, check_fields, each_usage, usages};
use kustomize::RenderedFolder;
pub(crate) use kustomize::{parse, render_folder};
pub use scan::{Suspect, in_doubt, is_registry, scan};
pub use spots::is_custom;
pub use values::{check as check_values, check_defaults, check_editable, site_schema};

use crate::charts::{self, Charts};
use crate::completeness;
use crate::definition::{Definition, ObjectSource};
use crate::error::{BuildError, Result};
use crate::license_check;
use crate::package_index;
use crate::program::Program;
use crate::proofs;
use crate::rendered::{Origin, RenderedComponent};
use crate::traffic;

/// Rendered components of a release, with their sources.
#[derive(Debug)]
pub struct Rendering {
    /// Components in the order in which they are applied.
    pub components: Vec<RenderedComponent>,
    /// Files of the kustomization of each component, by its index in the definition.
    pub sources: BTreeMap<usize, Sources>,
}

/// Renders every component, in the order in which they are applied, and checks the objects.
///
/// Charts may add to the definition: Secrets that a site generates, proofs, and components that precede theirs.
pub fn render(definition: &mut Definition, kubectl: &Program, charts: &Charts) -> Result<Rendering> {
    let mut components: Vec<RenderedComponent> = Vec::new();
    let mut sources = BTreeMap::new();
    let mut folders = folders::render(definition, kubectl)?;
    for index in definition.order.clone() {
        let (rendered, of_folder) = one(definition, index, folders.remove(&index), charts, &components)?;
        components.extend(rendered);
        sources.extend(of_folder.map(|found| (index, found)));
    }
    license_check::inject(definition, &mut components)?;
    traffic::check_rendered(definition, &components)?;
    traffic::inject(definition, &mut components);
    // At this point, tests of charts are proofs.
    proofs::check(&definition.sources, &definition.release)?;
    let dropped = objects::check(definition, &mut components)?;
    definition.release.remarks.extend(dropped);
    checks::check(definition, &components)?;
    let stale = completeness::check_rendered(definition, &components)?;
    definition.release.remarks.extend(stale);
    Ok(Rendering { components, sources })
}

/// Results of rendering each component separately, without checks.
#[derive(Debug, Default)]
pub struct UncheckedRendering {
    /// Components that could be rendered, in the order in which they are applied.
    pub components: Vec<RenderedComponent>,
    /// Errors of the other components, by their index in the definition.
    pub failed: Vec<(usize, BuildError)>,
}

/// Renders all components that can be rendered, for inspection. As in [`render`], charts add to the definition.
pub fn render_unchecked(definition: &mut Definition, kubectl: &Program, charts: &Charts) -> UncheckedRendering {
    let mut found = UncheckedRendering::default();
    let mut folders = folders::render(definition, kubectl).unwrap_or_default();
    for index in definition.order.clone() {
        match one(definition, index, folders.remove(&index), charts, &found.components) {
            Ok((rendered, _)) => found.components.extend(rendered),
            Err(error) => found.failed.push((index, error)),
        }
    }
    found
}

/// Renders a component, together with those for its chart's hooks. Returns the files of its kustomization, if it has
/// one; `folder` is where it is rendered.
fn one(
    definition: &mut Definition,
    index: usize,
    folder: Option<Result<RenderedFolder>>,
    charts: &Charts,
    before: &[RenderedComponent],
) -> Result<(Vec<RenderedComponent>, Option<Sources>)> {
    Ok(match definition.release.components[index].source() {
        Some(ObjectSource::Manifests(manifests)) => {
            let origin = Origin::Folder(definition.resolve(&manifests.value));
            let rendered = folder.ok_or_else(|| BuildError::new(codes::BUG, "a folder was not rendered"))??;
            (vec![RenderedComponent { index, origin, objects: rendered.objects }], Some(rendered.sources))
        }
        Some(ObjectSource::Chart(_)) => (charts::render(definition, index, charts, before)?, None),
        Some(ObjectSource::PackageIndex(_)) => {
            let origin = Origin::Definition(definition.path.clone());
            let objects = package_index::objects(&definition.release, index)?;
            (vec![RenderedComponent { index, origin, objects }], None)
        }
        None => (Vec::new(), None),
    })
}
