//! Renders every source once, to derive the fields of its component.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use serde_json::Value;

use super::donors::Donors;
use super::guess::{self, Guess};
use super::place::{UnfinishedFolder, relative};
use super::plain::{copy, is_left_out, overlay};
use super::sources::{Source, SourceKind, refuse};
use super::{InitOptions, image_fields, starter};
use crate::charts::{self, Charts};
use crate::completeness;
use crate::definition::{COMPONENT_FILE, ComponentFile, Definition, Property, join_files};
use crate::documents::yaml_text;
use crate::error::{BuildError, Place, Result};
use crate::own_image;
use crate::program::Program;
use crate::render::{in_doubt, lowest_pod_security, render_folder, usages};
use crate::rendered::{Origin, RenderedComponent, kustomization};
use crate::tool::Tool;
use crate::traffic::served_ports;

/// Renders the sources in order. On return, copied, unpacked and overlaid files are in the folder.
pub fn all(
    options: &InitOptions,
    sources: &[Source],
    donors: &Donors,
    folder: &UnfinishedFolder,
) -> Result<Vec<Guess>> {
    let is_chart = |source: &Source| matches!(source.kind, SourceKind::Chart | SourceKind::Archive);
    let find = |tool, path: &Path| Program::find(tool, path, donors.starter());
    let has_objects = |source: &Source| matches!(source.kind, SourceKind::Kustomization | SourceKind::Plain { .. });
    let kubectl = if sources.iter().any(has_objects) { Some(find(Tool::Kubectl, &options.kubectl)?) } else { None };
    let helm = if sources.iter().any(is_chart) { Some(find(Tool::Helm, &options.helm)?) } else { None };
    helm.as_ref().map(Program::version).transpose()?;
    let mut guesses = Vec::new();
    for source in sources {
        let guess = match (&kubectl, &helm) {
            _ if source.kind == SourceKind::Component => listed(source, folder.path())?,
            (Some(kubectl), _) if !is_chart(source) => manifests(source, kubectl, donors, folder.path())
                .map_err(|error| error.instead_of(&manifest_folder(source, folder.path()), &source.path))?,
            (_, Some(helm)) => chart(source, helm, donors, folder.path())
                .map_err(|error| error.instead_of(&chart_folder(source, folder.path()), &source.path))?,
            _ => return Err(refuse(&source.path, "needs a program that renders it")),
        };
        guesses.push(guess);
    }
    guess::needs(&mut guesses);
    Ok(guesses)
}

/// Folder for the copied manifests or the overlay of a source.
fn manifest_folder(source: &Source, folder: &Path) -> PathBuf {
    folder.join("manifests").join(&source.name)
}

/// Folder for the unpacked archive of a chart.
fn chart_folder(source: &Source, folder: &Path) -> PathBuf {
    folder.join("charts").join(&source.name)
}

/// A component whose own file says where its objects come from.
fn listed(source: &Source, folder: &Path) -> Result<Guess> {
    let mut guess = Guess::new(&source.name, relative(&source.path, folder)?, false);
    guess.has_own_file = true;
    Ok(guess)
}

fn manifests(source: &Source, kubectl: &Program, donors: &Donors, folder: &Path) -> Result<Guess> {
    let own = manifest_folder(source, folder);
    let (written, at, mut left_out) = if let SourceKind::Plain { files } = &source.kind {
        let left_out = copy(&source.path, files, &own)?;
        (format!("manifests/{}", source.name), own.clone(), left_out)
    } else {
        (relative(&source.path, folder)?, source.path.clone(), Vec::new())
    };
    let render = |at: &Path| {
        let file = kustomization(at).ok_or_else(|| refuse(at, "has no kustomization"))?;
        Ok::<_, BuildError>(render_folder(kubectl, at, &file)?.objects)
    };
    let mut objects = render(&at).map_err(|error| error.of_copy(&own, &source.path))?;
    let mut written = written;
    let found: Vec<Value> = objects.iter().filter(|object| is_left_out(object)).cloned().collect();
    if !found.is_empty() {
        landfall_media::durable::create_folder(&own)?;
        overlay(&relative(&source.path, &own)?, &found, &own)?;
        objects = render(&own).map_err(|error| error.of_copy(&own, &source.path))?;
        written = format!("manifests/{}", source.name);
        left_out.extend(found);
    }
    let mut guess = Guess::new(&source.name, written, false);
    guess.has_own_file = left_out.is_empty() && at.join(COMPONENT_FILE).is_file();
    guess.read(&objects, &left_out, &[]);
    let rendered = RenderedComponent { index: 0, origin: Origin::Folder(at), objects };
    let definition = draft(folder, &source.name, "manifests: x")?;
    look(&mut guess, &definition, &rendered, donors)?;
    Ok(guess)
}

fn chart(source: &Source, helm: &Program, donors: &Donors, folder: &Path) -> Result<Guess> {
    let (written, at) = if source.kind == SourceKind::Archive {
        let at = chart_folder(source, folder);
        charts::unpack(&source.path, &at)?;
        (format!("charts/{}", source.name), at)
    } else {
        (relative(&source.path, folder)?, source.path.clone())
    };
    let mut guess = Guess::new(&source.name, written, true);
    let drafted = |guess: &Guess| draft(folder, &source.name, &format!("chart: {}", guess.chart(&guess.folder)));
    let opened = BTreeMap::from([(0, charts::open_folder(&at)?)]);
    let charts = Charts::new(helm.clone(), starter::kubernetes(donors)?, opened);
    let mut idle = charts::idle_hooks(&drafted(&guess)?, 0, &charts);
    if let Err(error) = &idle
        && error.code() == codes::CHART_LOOKUP
    {
        guess.looks_up = Some(error.to_string());
        idle = charts::idle_hooks(&drafted(&guess)?, 0, &charts);
    }
    // A chart that cannot be rendered at all is reported below.
    guess.left_out = idle.unwrap_or_default();
    let mut definition = drafted(&guess)?;
    match charts::render(&mut definition, 0, &charts, &[]) {
        Ok(rendered) => {
            let components = &definition.release.components;
            let generated: Vec<_> =
                components.iter().flat_map(|it| &it.secrets).map(|secret| secret.name.value.clone()).collect();
            let objects = rendered.iter().flat_map(|it| it.objects.iter().cloned());
            let (left_out, objects): (Vec<_>, Vec<_>) = objects.partition(is_left_out);
            let whole = RenderedComponent { index: 0, origin: Origin::Folder(at), objects };
            guess.read(&whole.objects, &left_out, &generated);
            look(&mut guess, &definition, &whole, donors)?;
        }
        // The chart needs values: a user adds them, and `landfall build` renders it again.
        Err(error) => guess.problem = Some(error.instead_of(&chart_folder(source, folder), &source.path).in_short()),
    }
    Ok(guess)
}

/// Adds the images, the Pod Security level, the ports and the missing properties.
fn look(guess: &mut Guess, definition: &Definition, rendered: &RenderedComponent, donors: &Donors) -> Result<()> {
    for usage in usages(definition, rendered)? {
        if own_image::is_appliance(&usage.reference) {
            guess.is_console = true;
        } else if !guess.images.contains(&usage.reference) {
            guess.images.push(usage.reference);
        }
    }
    let suspects = in_doubt(definition, rendered, donors.starter());
    guess.image_fields = image_fields::find(rendered, &suspects, donors.starter());
    for field in &guess.image_fields {
        if !guess.images.contains(&field.image) {
            guess.images.push(field.image.clone());
        }
    }
    guess.pod_security = lowest_pod_security(definition, rendered);
    guess.offers = served_ports(&rendered.objects);
    guess.lacks = completeness::missing_in(&rendered.objects).into_keys().collect();
    // Tests of a chart are proofs.
    if definition.release.proofs.is_empty() {
        guess.lacks.insert(Property::Proofs);
    }
    Ok(())
}

/// A definition with one component, as an argument for other functions.
fn draft(folder: &Path, name: &str, source: &str) -> Result<Definition> {
    let path = folder.join("release.yaml");
    let text = format!(
        "name: draft\nversion: 0.1.0\ncounter: 1\nplatform: linux/amd64\nlock: images.lock\n\
         requirements: {{cores: 1, memory: 1Gi, data: 1Gi}}\nnodePacks: []\ncomponents:\n  - \
         {{name: {name}, from: ., namespace: {name}}}\n"
    );
    let in_file = |error: BuildError| error.within(Place::file(&path));
    let mut release = yaml_text(&path, &text, codes::BUG).map_err(in_file)?;
    let file = ComponentFile { path: folder.join(COMPONENT_FILE), text: format!("{source}\n") };
    let component_files = vec![Sha256::of(&file.text)];
    let sources = join_files(&path, &mut release, &[file]).map_err(in_file)?;
    Ok(Definition { digest: Sha256::of(&text), path, sources, component_files, release, order: vec![0] })
}
