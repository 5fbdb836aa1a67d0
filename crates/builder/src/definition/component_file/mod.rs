//! `component.yaml`: what a component says of itself, in the folder of its objects. A release lists it by naming the
//! folder.
//!
//! ```text
//! release.yaml ─ listings: from ─▶ component.yaml ─ join ─▶ components, values, proofs, imageFields of the release
//! ```

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use serde_saphyr::{
    IncludeRequest, IncludeResolveError, InputSource, Location, ResolvedInclude, Spanned, from_str_with_options,
};

use super::{
    ComponentDefinition, ComponentListing, ProofDefinition, Release, SourceFile, Sources, TargetDefinition,
    ValueDefinition,
};
use crate::documents::{text, yaml_text};
use crate::error::{BuildError, Result};

/// Name of the file in a component's folder.
pub const FILE_NAME: &str = "component.yaml";

/// A component's own file, as text.
#[derive(Debug)]
pub struct ComponentFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Reads the own file of each listed component, in their order.
pub fn read(path: &Path, release: &Release) -> Result<Vec<ComponentFile>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = release.listings.iter().map(|listing| {
        let path = super::without_detours(&folder.join(&listing.from.value).join(FILE_NAME));
        let text = text(&path, codes::RELEASE_UNREADABLE)?;
        Ok(ComponentFile { path, text })
    });
    read.collect()
}

/// Joins each listing with its file, and the lists of all files. Those of components come first, so that proofs which
/// need several components run last.
pub fn join(path: &Path, release: &mut Release, files: &[ComponentFile]) -> Result<Sources> {
    let parsed = parse(files)?;
    let own_values = std::mem::take(&mut release.values);
    let own_proofs = std::mem::take(&mut release.proofs);
    let own_image_fields = std::mem::take(&mut release.image_fields);
    let mut sources = Vec::with_capacity(files.len());
    for ((file, component), listing) in files.iter().zip(parsed).zip(release.listings.clone()) {
        let (needs, reaches) = (listing.needs.len(), listing.reaches.len());
        sources.push(SourceFile { needs, reaches, ..source_file(&file.path, release) });
        let mut component = joined(listing, component);
        release.values.append(&mut component.values);
        release.proofs.append(&mut component.proofs);
        release.image_fields.append(&mut component.image_fields);
        release.components.push(component);
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
        values: release.values.len(),
        proofs: release.proofs.len(),
        image_fields: release.image_fields.len(),
        ..SourceFile::first(path)
    }
}

/// Parses the files so that each location names its file.
fn parse(files: &[ComponentFile]) -> Result<Vec<ComponentDefinition>> {
    // A fault is found in the file alone: an included file has another place in the parser's messages.
    for file in files {
        let _: ComponentDefinition = yaml_text(&file.path, &file.text, codes::RELEASE_UNREADABLE)?;
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

/// A component with its name, its place and everything else that its listing says.
fn joined(listing: ComponentListing, file: ComponentDefinition) -> ComponentDefinition {
    let ComponentListing { name, from, namespace, needs, reaches, entitlement } = listing;
    let below = |path: Spanned<PathBuf>| Spanned { value: from.value.join(&path.value), ..path };
    let has_other_source = file.chart.is_some() || file.package_index.is_some();
    let manifests = match file.manifests {
        Some(written) => Some(below(written)),
        None if has_other_source => None,
        None => Some(from.clone()),
    };
    let chart = file.chart.map(|mut chart| {
        chart.value.folder = chart.value.folder.map(below);
        chart.value.values = chart.value.values.into_iter().map(below).collect();
        chart
    });
    let values = file.values.into_iter().map(|value| complete_value(value, &name.value)).collect();
    let proofs =
        file.proofs.into_iter().map(|proof| ProofDefinition { component: own(proof.component, &name), ..proof });
    ComponentDefinition {
        proofs: proofs.collect(),
        needs: needs.into_iter().chain(file.needs).collect(),
        reaches: reaches.into_iter().chain(file.reaches).collect(),
        entitlement: entitlement.or(file.entitlement),
        name,
        namespace,
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
