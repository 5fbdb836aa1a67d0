//! `component.yaml`: what a component says of itself, in the folder of its objects. A release takes it by naming the
//! folder.
//!
//! ```text
//! release.yaml ─ from: ─▶ component.yaml ─ join ─▶ components, values, proofs, imageFields of the release
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::{
    IncludeRequest, IncludeResolveError, InputSource, Location, ResolvedInclude, Spanned, from_str_with_options,
};

use super::{
    ChartDefinition, ComponentDefinition, ProofDefinition, Release, SourceFile, Sources, TargetDefinition,
    ValueDefinition,
};
use crate::documents::{text, yaml_text};
use crate::error::{BuildError, Place, Result};

/// Name of the file in a component's folder.
pub const FILE_NAME: &str = "component.yaml";

/// Keys that a release states next to `from`.
const OF_RELEASE: [&str; 5] = ["name", "from", "namespace", "needs", "entitlement"];

/// Keys that only the release states.
const ONLY_OF_RELEASE: [&str; 3] = ["name", "from", "namespace"];

/// Keys that only a component's own file states. Otherwise, they are keys of the release.
const ONLY_OF_FILE: [&str; 3] = ["values", "proofs", "imageFields"];

/// Keys of a map, each with the place of its value.
type Keys = Spanned<BTreeMap<String, Spanned<IgnoredAny>>>;

/// The keys of a release's components.
#[derive(Deserialize)]
struct ReleaseKeys {
    components: Vec<Keys>,
}

/// A component's own file, as text.
#[derive(Debug)]
pub struct ComponentFile {
    /// Index of its component.
    pub index: usize,
    /// Path of the file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Reads the own file of each component that has one, in the order of the components.
pub fn read(path: &Path, release_text: &str, release: &Release) -> Result<Vec<ComponentFile>> {
    check_keys(path, release_text)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = release.components.iter().enumerate().filter_map(|(index, one)| Some((index, one.from.as_ref()?)));
    let read = named.map(|(index, from)| {
        let path = super::without_detours(&folder.join(&from.value).join(FILE_NAME));
        let text = text(&path, codes::RELEASE_UNREADABLE)?;
        Ok(ComponentFile { index, path, text })
    });
    read.collect()
}

/// Returns an error for keys of a release's components that are missing or in the wrong file.
fn check_keys(path: &Path, text: &str) -> Result<()> {
    let keys: ReleaseKeys = yaml_text(path, text, codes::RELEASE_UNREADABLE)?;
    for (index, keys) in keys.components.iter().enumerate() {
        let field = |key: &str| format!("components[{index}].{key}");
        if let Some(missing) = ["name", "namespace"].into_iter().find(|key| !keys.value.contains_key(*key)) {
            let place = Place::field(path, keys.referenced.line(), format!("components[{index}]"));
            return Err(BuildError::at(codes::RELEASE_UNREADABLE, place, format!("missing field `{missing}`")));
        }
        let has_file = keys.value.contains_key("from");
        let is_wrong = |key: &str| if has_file { !OF_RELEASE.contains(&key) } else { ONLY_OF_FILE.contains(&key) };
        if let Some((key, value)) = keys.value.iter().find(|(key, _)| is_wrong(key)) {
            let place = Place::field(path, value.referenced.line(), field(key));
            let (what, hint) = if has_file {
                (format!("a component with `from` has its `{key}` in its own {FILE_NAME}"), "Move it there.")
            } else {
                (format!("a component without `from` has no `{key}`"), "Move it to the release's own list.")
            };
            return Err(BuildError::at(codes::RELEASE_INVALID, place, what).hint(hint));
        }
    }
    Ok(())
}

/// Joins each file with its component, and the lists of all files. Those of components come first, so that proofs
/// which need several components run last.
pub fn join(path: &Path, release: &mut Release, files: Vec<ComponentFile>) -> Result<Sources> {
    let parsed = parse(&files)?;
    let own_values = std::mem::take(&mut release.values);
    let own_proofs = std::mem::take(&mut release.proofs);
    let own_image_fields = std::mem::take(&mut release.image_fields);
    let mut sources = Vec::with_capacity(files.len());
    for (file, component) in files.into_iter().zip(parsed) {
        sources.push(source_file(&file.path, release));
        let component = joined(&release.components[file.index], component);
        add_lists(&component, release);
        release.components[file.index] = component;
    }
    let first = source_file(path, release);
    release.values.extend(own_values);
    release.proofs.extend(own_proofs);
    release.image_fields.extend(own_image_fields);
    let sources = Sources::new(first, sources);
    check_component_names(&sources, release)?;
    Ok(sources)
}

/// The file whose lists follow those that the release has so far.
fn source_file(path: &Path, release: &Release) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        values: release.values.len(),
        proofs: release.proofs.len(),
        image_fields: release.image_fields.len(),
    }
}

/// Parses the files so that each location names its file.
fn parse(files: &[ComponentFile]) -> Result<Vec<ComponentDefinition>> {
    for file in files {
        let _: ComponentDefinition = yaml_text(&file.path, &file.text, codes::RELEASE_UNREADABLE)?;
        let keys: Keys = yaml_text(&file.path, &file.text, codes::RELEASE_UNREADABLE)?;
        if let Some((key, value)) = keys.value.iter().find(|(key, _)| ONLY_OF_RELEASE.contains(&key.as_str())) {
            let place = Place::field(&file.path, value.referenced.line(), key);
            let what = format!("the release gives a component its `{key}`");
            return Err(BuildError::at(codes::RELEASE_INVALID, place, what));
        }
    }
    // The parser numbers the files of one document in the order in which they are included.
    let list: Vec<String> = (0..files.len()).map(|index| format!("- !include {index}\n")).collect();
    let texts: Vec<String> = files.iter().map(|file| file.text.clone()).collect();
    let include = move |request: IncludeRequest<'_>| {
        let text = request.spec.parse().ok().and_then(|index: usize| texts.get(index));
        let text = text.ok_or_else(|| IncludeResolveError::Message("a component's file includes none".to_owned()))?;
        Ok(ResolvedInclude::new(request.spec, request.spec, InputSource::Text(text.clone())))
    };
    let options = serde_saphyr::options! {}.with_include_resolver(include);
    from_str_with_options(&list.concat(), options).map_err(|error| {
        let what = format!("the files of the components cannot be read together: {}", error.without_snippet());
        BuildError::new(codes::BUG, what)
    })
}

/// The component of a release with what its own file says.
fn joined(of_release: &ComponentDefinition, file: ComponentDefinition) -> ComponentDefinition {
    let ComponentDefinition { name, from, namespace, needs, entitlement, .. } = of_release.clone();
    let folder = from.as_ref().map(|from| from.value.clone()).unwrap_or_default();
    let below = |path: Spanned<PathBuf>| Spanned { value: folder.join(&path.value), ..path };
    let has_other_source = file.chart.is_some() || file.package_index.is_some();
    let manifests = match file.manifests {
        Some(written) => Some(below(written)),
        None if has_other_source => None,
        None => from.clone(),
    };
    let chart = file.chart.map(|chart| ChartDefinition {
        folder: chart.folder.map(below),
        values: chart.values.into_iter().map(below).collect(),
        ..chart
    });
    let values = file.values.into_iter().map(|value| complete_value(value, &name.value)).collect();
    let proofs =
        file.proofs.into_iter().map(|proof| ProofDefinition { component: own(proof.component, &name), ..proof });
    let is_new = |need: &Spanned<String>| file.needs.iter().all(|other| other.value != need.value);
    let needs: Vec<_> = file.needs.iter().cloned().chain(needs.iter().filter(|need| is_new(need)).cloned()).collect();
    ComponentDefinition {
        proofs: proofs.collect(),
        entitlement: entitlement.or(file.entitlement),
        name: name.clone(),
        from,
        namespace,
        needs,
        manifests,
        chart,
        values,
        ..file
    }
}

/// A value whose targets are objects of the component, and whose short name is one of the component.
fn complete_value(value: ValueDefinition, component: &str) -> ValueDefinition {
    let targets = value.targets.into_iter().map(|target| {
        let component = Spanned { value: component.to_owned(), ..target.path.clone() };
        TargetDefinition { component: own(target.component, &component), ..target }
    });
    let targets = targets.collect();
    let is_short = !value.name.value.contains('.');
    let name = if is_short { format!("{component}.{}", value.name.value) } else { value.name.value.clone() };
    ValueDefinition { name: Spanned { value: name, ..value.name }, targets, ..value }
}

/// The written component, or this one if none is written.
fn own(written: Spanned<String>, component: &Spanned<String>) -> Spanned<String> {
    if written.value.is_empty() { component.clone() } else { written }
}

/// Adds the values, proofs and image fields of a component to those of its release.
fn add_lists(component: &ComponentDefinition, release: &mut Release) {
    release.values.extend(component.values.iter().cloned());
    release.proofs.extend(component.proofs.iter().cloned());
    release.image_fields.extend(component.image_fields.iter().cloned());
}

/// Returns an error for a value or a proof of the release that names no component.
fn check_component_names(sources: &Sources, release: &Release) -> Result<()> {
    let of_proofs = release
        .proofs
        .iter()
        .enumerate()
        .map(|(index, proof)| (proof.name.referenced, format!("proofs[{index}]"), &proof.component));
    let of_values = release.values.iter().enumerate().flat_map(|(index, value)| {
        let targets = value.targets.iter().enumerate();
        targets.map(move |(number, target)| {
            (target.path.referenced, format!("values[{index}].targets[{number}]"), &target.component)
        })
    });
    match of_proofs.chain(of_values).find(|(.., component)| component.value.is_empty()) {
        None => Ok(()),
        Some((at, field, _)) => {
            let place = sources.place(at, field);
            Err(BuildError::at(codes::RELEASE_UNREADABLE, place, "missing field `component`"))
        }
    }
}

/// Text that a file leaves to the release, which states it or refuses its absence.
pub(super) fn unwritten() -> Spanned<String> {
    Spanned::new(String::new(), Location::UNKNOWN, Location::UNKNOWN)
}
