//! Components made from a chart: the chart's own, and those for hooks before and after it.
//!
//! ```text
//! NAME-before ── NAME-before-2 ── … ── NAME ── NAME-after ── NAME-after-2 ── …
//! ```
//!
//! The first Job before the component comes with the objects that all hooks of that time use. The first Job after it is
//! an object of the component itself. Each later Job is a separate component: a component is ready once its Jobs are
//! complete. As in Helm, a Job starts only after the previous one has ended. A component that needs the chart's
//! component also needs the last Job after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use landfall_error_codes::codes;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::hooks::{ObjectPlacement, hook_error};
use super::output::SourcedObject;
use crate::definition::{ComponentDefinition, Definition, is_label, order};
use crate::error::{BuildError, Result};
use crate::rendered::{Origin, RenderedComponent, title};

/// Creates the component of a chart, between the components for its hooks.
pub fn bring(
    definition: &mut Definition,
    index: usize,
    chart: &str,
    placed: ObjectPlacement,
) -> Result<Vec<RenderedComponent>> {
    let ObjectPlacement { before, next_before, objects, next, .. } = placed;
    let mut stages = Stages { definition, index };
    let first = (!before.is_empty()).then_some(before);
    let before: Vec<_> = first.into_iter().chain(next_before.into_iter().map(|job| vec![job])).collect();
    let mut found = stages.before(before)?;
    let after = stages.after(next)?;
    found.iter().chain(&after).for_each(|stage| stages.move_declarations(stage));
    stages.share_words(&objects, found.iter().chain(&after));
    found.push((index, objects));
    found.extend(after);
    definition.order = order(&definition.release)
        .map_err(|names| BuildError::new(codes::BUG, format!("a chart's hooks made a cycle: {}", names.join(", "))))?;
    Ok(found.into_iter().map(|(index, objects)| rendered_component(index, chart, objects)).collect())
}

fn rendered_component(index: usize, chart: &str, sourced: Vec<SourcedObject>) -> RenderedComponent {
    let files: BTreeMap<String, PathBuf> =
        sourced.iter().map(|sourced| (title(&sourced.object), sourced.file.clone())).collect();
    let origin = Origin::Chart(chart.into(), files);
    RenderedComponent { index, origin, objects: sourced.into_iter().map(|sourced| sourced.object).collect() }
}

/// Index of a component in the definition, and its objects.
type Stage = (usize, Vec<SourcedObject>);

/// Adds components for the hooks of a chart.
struct Stages<'a> {
    definition: &'a mut Definition,
    /// Index of the chart's component.
    index: usize,
}

impl Stages<'_> {
    fn own(&self) -> &ComponentDefinition {
        &self.definition.release.components[self.index]
    }

    /// Adds components for hooks that run before.
    fn before(&mut self, stages: Vec<Vec<SourcedObject>>) -> Result<Vec<Stage>> {
        stages.iter().flatten().try_for_each(|sourced| self.without_mounts(sourced))?;
        let mut found: Vec<Stage> = Vec::new();
        let of_component = self.own().needs.clone();
        for sourced in stages {
            let previous = found.last().map(|(index, _)| self.name(*index));
            let needs = of_component.iter().cloned().chain(previous).collect();
            found.push((self.add("before", found.len(), needs)?, sourced));
        }
        let (Some((first, _)), Some((last, _))) = (found.first(), found.last()) else { return Ok(found) };
        let last = self.name(*last);
        let of_hooks: Vec<_> = found.iter().flat_map(|(_, sourced)| sourced).collect();
        self.move_secrets(*first, &of_hooks);
        self.definition.release.components[self.index].needs.push(last);
        Ok(found)
    }

    /// Adds components for Jobs that run after, one after the other.
    fn after(&mut self, jobs: Vec<SourcedObject>) -> Result<Vec<Stage>> {
        let own = self.name(self.index);
        let mut found: Vec<Stage> = Vec::new();
        for job in jobs {
            let previous = found.last().map_or_else(|| own.clone(), |(index, _)| self.name(*index));
            found.push((self.add("after", found.len(), vec![previous])?, vec![job]));
        }
        let Some(last) = found.last().map(|(index, _)| self.name(*index)) else { return Ok(found) };
        for (index, component) in self.definition.release.components.iter_mut().enumerate() {
            let is_stage = found.iter().any(|(stage, _)| *stage == index);
            if !is_stage && component.needs.iter().any(|need| need.value == own.value) {
                component.needs.push(last.clone());
            }
        }
        Ok(found)
    }

    fn name(&self, index: usize) -> Spanned<String> {
        self.definition.release.components[index].name.clone()
    }

    /// Adds a component in the same namespace; returns its index.
    fn add(&mut self, time: &str, number: usize, needs: Vec<Spanned<String>>) -> Result<usize> {
        let own = self.own();
        let suffix = if number == 0 { String::new() } else { format!("-{}", number + 1) };
        let name = Spanned { value: format!("{}-{time}{suffix}", own.name.value), ..own.name.clone() };
        let is_taken = self.definition.release.components.iter().any(|other| other.name.value == name.value);
        if is_taken || !is_label(&name.value) {
            let field = format!("components[{}].name", self.index);
            let place = self.definition.sources.place(name.referenced, field);
            let what = if is_taken { "that component" } else { "the chart's component, with a shorter name," };
            let what = format!("`{}` is the name of what the chart's hooks become: name {what} otherwise", name.value);
            return Err(BuildError::at(codes::RELEASE_INVALID, place, what));
        }
        let added = ComponentDefinition { name, needs, ..of_hooks(own, self.index) };
        self.definition.release.components.push(added);
        Ok(self.definition.release.components.len() - 1)
    }

    /// Returns an error if a hook that runs before mounts an artifact of the component, whose claim does not exist yet.
    fn without_mounts(&self, sourced: &SourcedObject) -> Result<()> {
        let mut mounts = self.own().mounts.iter().map(|mount| &mount.claim.value);
        let Some(claim) = mounts.find(|claim| mounts_claim(&sourced.object, claim)) else { return Ok(()) };
        let what = format!("it runs before the component, whose claim `{claim}` does not exist at that time");
        let hint = format!(
            "Declare the mount `{claim}` in a component of its own, in the same namespace, that the chart's component \
             needs."
        );
        Err(hook_error(sourced, what).hint(hint))
    }

    /// Moves Secrets that early hooks use to the first component, so that they exist in time.
    fn move_secrets(&mut self, to: usize, objects: &[&SourcedObject]) {
        let is_named = |name: &str| objects.iter().any(|it| has_text(&it.object, &|text| text == name));
        let components = &mut self.definition.release.components;
        let own = &mut components[self.index];
        let secrets = own.secrets.extract_if(.., |secret| is_named(&secret.name.value)).collect();
        let site_secrets = own.site_secrets.extract_if(.., |secret| is_named(&secret.value.name)).collect();
        let first = &mut components[to];
        (first.secrets, first.site_secrets) = (secrets, site_secrets);
    }

    /// Moves declarations about a component's objects to it: a user writes all of them in the chart's component.
    fn move_declarations(&mut self, (to, objects): &Stage) {
        let is_here = |kind: &str, name: &str| objects.iter().any(|it| title(&it.object) == format!("{kind}/{name}"));
        let (own, name) = (self.own().name.value.clone(), self.name(*to));
        let release = &mut self.definition.release;
        for target in release.values.iter_mut().flat_map(|value| &mut value.targets) {
            if target.component.value == own && is_here(&target.kind, &target.name) {
                target.component.value.clone_from(&name.value);
            }
        }
        let component = &mut release.components[self.index];
        let references = component.references.extract_if(.., |one| is_here(&one.kind, &one.name)).collect();
        let editable = component.editable.extract_if(.., |one| is_here(&one.kind, &one.name)).collect();
        let stage = &mut release.components[*to];
        (stage.references, stage.editable) = (references, editable);
    }

    /// Gives each component those words declared not to be images that occur in its objects.
    fn share_words<'a>(&mut self, objects: &[SourcedObject], stages: impl Iterator<Item = &'a Stage>) {
        let has = |objects: &[SourcedObject], word: &str| {
            objects.iter().any(|it| has_text(&it.object, &|text| text.contains(word)))
        };
        let components = &mut self.definition.release.components;
        let mut words = std::mem::take(&mut components[self.index].not_images);
        let mut elsewhere = BTreeSet::new();
        for (stage, sourced) in stages {
            let found: Vec<_> = words.iter().filter(|word| has(sourced, &word.value)).cloned().collect();
            elsewhere.extend(found.iter().map(|word| word.value.clone()));
            components[*stage].not_images = found;
        }
        words.retain(|word| has(objects, &word.value) || !elsewhere.contains(&word.value));
        components[self.index].not_images = words;
    }
}

/// An empty component for hooks of another one, with its settings.
fn of_hooks(own: &ComponentDefinition, index: usize) -> ComponentDefinition {
    ComponentDefinition {
        name: own.name.clone(),
        hooks_of: Some(index),
        manifests: None,
        chart: None,
        package_index: None,
        namespaces: own.namespaces.clone(),
        needs: Vec::new(),
        offers: Vec::new(),
        reaches: Vec::new(),
        pod_security: own.pod_security,
        quota: own.quota.clone(),
        ready_seconds: own.ready_seconds,
        entitlement: own.entitlement.clone(),
        console: None,
        canary: None,
        license_check: None,
        not_images: Vec::new(),
        made_on_site: own.made_on_site.clone(),
        namespace: own.namespace.clone(),
        secrets: Vec::new(),
        site_secrets: Vec::new(),
        mounts: Vec::new(),
        data: None,
        backup: Vec::new(),
        unsaved: Vec::new(),
        rules: Vec::new(),
        references: Vec::new(),
        editable: Vec::new(),
        without: BTreeMap::new(),
        values: Vec::new(),
        proofs: Vec::new(),
        image_fields: Vec::new(),
    }
}

/// Returns true if a volume of an object is this claim.
fn mounts_claim(value: &Value, claim: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| mounts_claim(item, claim)),
        Value::Object(fields) => {
            fields.get("claimName").is_some_and(|name| name == claim)
                || fields.values().any(|it| mounts_claim(it, claim))
        }
        _ => false,
    }
}

/// Returns true if `is_wanted` holds for any text in a value.
fn has_text(value: &Value, is_wanted: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_wanted(text),
        Value::Array(items) => items.iter().any(|item| has_text(item, is_wanted)),
        Value::Object(fields) => fields.values().any(|field| has_text(field, is_wanted)),
        _ => false,
    }
}
