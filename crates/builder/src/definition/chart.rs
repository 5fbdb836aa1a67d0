//! Components whose objects come from a Helm chart, and the checks that do not need the chart itself.

use std::path::PathBuf;

use landfall_error_codes::codes;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{ComponentDefinition, Definition, Release, Sources};
use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// Maximum length of the name of a Helm release in bytes; Helm refuses a longer one.
const RELEASE_NAME_BYTES: usize = 53;

/// A Helm chart with its rendering options.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartDefinition {
    /// Path of a local folder with the chart, relative to the definition; in a component's own file, relative to that.
    #[serde(default)]
    pub folder: Option<Spanned<PathBuf>>,
    /// Reference of the chart, as named in the lock.
    #[serde(default)]
    pub reference: Option<Spanned<String>>,
    /// Name of the Helm release; by default the component's name.
    #[serde(default)]
    pub release: Option<Spanned<String>>,
    /// Files of values, relative as `folder` is; later ones take precedence.
    #[serde(default)]
    pub values: Vec<Spanned<PathBuf>>,
    /// Objects that are rendered only for an install or only for an upgrade, such as the hook `Job/shop-admin`, that
    /// may exist at both.
    #[serde(default)]
    pub repeatable: Vec<Spanned<String>>,
    /// Objects that the chart renders but the release omits, such as `Job/shop-cleanup`.
    #[serde(default)]
    pub leave_out: Vec<Spanned<String>>,
    /// Result of look-ups in the cluster; if absent, a rendering that makes one is refused.
    #[serde(default)]
    pub lookups: Option<Lookups>,
}

/// Results of a chart's look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lookups {
    /// Empty, as with `helm template` and at a first install.
    Empty,
}

impl ChartDefinition {
    /// Returns true if look-ups are allowed and return nothing.
    pub fn has_empty_lookups(&self) -> bool {
        self.lookups == Some(Lookups::Empty)
    }
}

/// Source of a component's objects.
#[derive(Debug, Clone, Copy)]
pub enum ObjectSource<'a> {
    /// A folder with a kustomization.
    Manifests(&'a Spanned<PathBuf>),
    /// A chart.
    Chart(&'a ChartDefinition),
    /// `build` itself, for a package index with the wheels and npm packages of these artifacts.
    PackageIndex(&'a [Spanned<String>]),
}

impl ComponentDefinition {
    /// Its Helm chart, if its objects come from one.
    pub fn chart(&self) -> Option<&ChartDefinition> {
        self.chart.as_ref().map(|chart| &chart.value)
    }

    /// Source of its objects; `None` for a component made of a chart's hooks.
    pub fn source(&self) -> Option<ObjectSource<'_>> {
        let chart = self.chart().map(ObjectSource::Chart);
        let index = || self.package_index.as_ref().map(|served| ObjectSource::PackageIndex(&served.value));
        chart.or_else(|| self.manifests.as_ref().map(ObjectSource::Manifests)).or_else(index)
    }
}

impl Definition {
    /// Returns true if any component comes from a chart.
    pub fn has_charts(&self) -> bool {
        self.release.components.iter().any(|component| component.chart.is_some())
    }

    /// Indexes of all components that a component needs, directly or transitively.
    pub fn needed_by(&self, index: usize) -> Vec<usize> {
        needed_by(&self.release, index)
    }
}

/// Indexes of all components that a component needs, directly or transitively.
pub(crate) fn needed_by(release: &Release, index: usize) -> Vec<usize> {
    let (mut found, mut next) = (Vec::new(), vec![index]);
    while let Some(index) = next.pop() {
        for need in &release.components[index].needs {
            let other = release.components.iter().position(|component| component.name.value == need.value);
            if let Some(other) = other.filter(|other| !found.contains(other)) {
                found.push(other);
                next.push(other);
            }
        }
    }
    found
}

/// Returns an error for a component with two sources of objects, and for an invalid chart.
pub(super) fn check(sources: &Sources, release: &Release, index: usize) -> Result<()> {
    let component = &release.components[index];
    let invalid = |at: Location, field: &str, what: String| {
        let place = sources.place(at, format!("components[{index}].{field}"));
        Err(BuildError::at(codes::RELEASE_INVALID, place, what))
    };
    for (number, namespace) in component.namespaces.iter().enumerate() {
        if !super::check::is_label(&namespace.value) {
            let what = format!("`{}` is not the name of a namespace", namespace.value);
            return invalid(namespace.referenced, &format!("namespaces[{number}]"), what);
        }
    }
    // Without any, the manifests are in the folder of the component's own file.
    let second = match (&component.manifests, &component.chart, &component.package_index) {
        (_, Some(chart), Some(_)) | (Some(_), Some(chart), None) => Some(("chart", chart.referenced)),
        (Some(_), None, Some(index)) => Some(("packageIndex", index.referenced)),
        _ => None,
    };
    if let Some((field, at)) = second {
        let what = "a component has one of `manifests`, `chart` and `packageIndex`".to_owned();
        return invalid(at, field, what);
    }
    let Some(Spanned { value: chart, referenced, .. }) = &component.chart else { return Ok(()) };
    if chart.folder.is_some() == chart.reference.is_some() {
        let what = "a chart must have one of `folder` and `reference`".to_owned();
        return invalid(*referenced, "chart", what);
    }
    if let Some(reference) = &chart.reference
        && let Err(error) = reference.value.parse::<Reference>()
    {
        return invalid(reference.referenced, "chart.reference", error.to_string());
    }
    let name = chart.release.as_ref().unwrap_or(&component.name);
    if name.value.len() > RELEASE_NAME_BYTES || !super::check::is_label(&name.value) {
        let what =
            format!("`{}` is not the name of a Helm release: up to 53 lower-case letters, digits and `-`", name.value);
        return invalid(name.referenced, "chart.release", what);
    }
    let lists = [("repeatable", &chart.repeatable), ("leaveOut", &chart.leave_out)];
    for (field, number, title) in lists
        .into_iter()
        .flat_map(|(field, list)| list.iter().enumerate().map(move |(number, title)| (field, number, title)))
    {
        if !super::check::is_title(&title.value) {
            let what = format!("`{}` is not a kind and a name, such as Job/shop-admin", title.value);
            return invalid(title.referenced, &format!("chart.{field}[{number}]"), what);
        }
    }
    Ok(())
}
