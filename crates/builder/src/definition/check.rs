//! Checks of a definition without its inputs: names, uniqueness, and existence of everything that it refers to.

use std::collections::HashSet;

use landfall_error_codes::codes;
use landfall_kinds::MINOR;
use landfall_release_document::{
    ArtifactKind, COMPUTED_PREFIX, NodeImage, NodePackFault, PLATFORMS, check_node_packs, model_figure,
};
use landfall_suggestion::did_you_mean;
use serde_saphyr::Spanned;

use super::{ComponentDefinition, Release, Sources, chart, image_fields, requirements, site_secrets, upgrades};
use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// A definition under check, with its files for messages.
struct DefinitionCheck<'a> {
    sources: &'a Sources,
    release: &'a Release,
}

/// Returns an error for a definition that contradicts itself.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    let checked = DefinitionCheck { sources, release };
    checked.identity()?;
    upgrades::check(sources, release)?;
    requirements::check(sources, release)?;
    checked.artifacts()?;
    checked.node_packs()?;
    checked.components()?;
    image_fields::check(sources, release)?;
    site_secrets::check(sources, release)?;
    checked.values()
}

impl DefinitionCheck<'_> {
    fn invalid<T>(&self, at: &Spanned<T>, field: impl AsRef<str>, what: impl Into<String>) -> BuildError {
        BuildError::at(codes::RELEASE_INVALID, self.sources.place(at.referenced, field), what)
    }

    fn label(&self, name: &Spanned<String>, field: &str) -> Result<()> {
        if is_label(&name.value) {
            return Ok(());
        }
        let what = format!(
            "`{}` is not a name: up to 63 lower-case letters, digits and `-`, a letter or digit at both ends",
            name.value
        );
        Err(self.invalid(name, field, what))
    }

    /// Checks that a label occurs once in its list.
    fn once<'n>(&self, seen: &mut HashSet<&'n str>, name: &'n Spanned<String>, field: &str) -> Result<()> {
        self.label(name, field)?;
        if seen.insert(&name.value) {
            return Ok(());
        }
        Err(self.invalid(name, field, format!("the name `{}` occurs twice", name.value)))
    }

    fn reference(&self, reference: &Spanned<String>, field: &str) -> Result<()> {
        match reference.value.parse::<Reference>() {
            Ok(_) => Ok(()),
            Err(error) => Err(self.invalid(reference, field, error.to_string())),
        }
    }

    fn identity(&self) -> Result<()> {
        let release = self.release;
        self.label(&release.name, "name")?;
        let version = &release.version;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
        let length_is_good = (1..=64).contains(&version.value.len());
        if !length_is_good || !version.value.bytes().all(good) || version.value.starts_with(['.', '-', '+']) {
            let what = format!("`{}` is not a version: letters, digits, `.`, `+` and `-`", version.value);
            return Err(self.invalid(version, "version", what));
        }
        if release.counter.value == 0 {
            return Err(self.invalid(&release.counter, "counter", "the counter begins at 1"));
        }
        let platform = &release.platform;
        if !PLATFORMS.contains(&platform.value.as_str()) {
            let known = PLATFORMS.join(", ");
            let what = format!("`{}` is not a platform that Landfall knows: {known}", platform.value);
            return Err(self.invalid(platform, "platform", what));
        }
        Ok(())
    }

    fn artifacts(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for (index, artifact) in self.release.artifacts.iter().enumerate() {
            self.once(&mut seen, &artifact.name, &format!("artifacts[{index}].name"))?;
            self.reference(&artifact.reference, &format!("artifacts[{index}].reference"))?;
        }
        Ok(())
    }

    /// Kind of an artifact that another field names.
    fn artifact_kind(&self, name: &Spanned<String>, field: &str) -> Result<ArtifactKind> {
        let found = self.release.artifacts.iter().find(|artifact| artifact.name.value == name.value);
        found
            .map(|artifact| artifact.kind)
            .ok_or_else(|| self.invalid(name, field, format!("`{}` is not an artifact of this release", name.value)))
    }

    fn node_packs(&self) -> Result<()> {
        if self.release.node_packs.is_empty() {
            return Err(BuildError::at(
                codes::RELEASE_INVALID,
                self.sources.release_field("nodePacks"),
                "a release carries at least one node pack",
            ));
        }
        for (index, pack) in self.release.node_packs.iter().enumerate() {
            let field = format!("nodePacks[{index}]");
            if !is_minor(&pack.kubernetes.value) {
                let what = format!("`{}` is not a minor version such as v1.36", pack.kubernetes.value);
                return Err(self.invalid(&pack.kubernetes, format!("{field}.kubernetes"), what));
            }
            for (number, name) in pack.artifacts.iter().enumerate() {
                let field = format!("{field}.artifacts[{number}]");
                if self.artifact_kind(name, &field)? != ArtifactKind::Node {
                    return Err(self.invalid(name, field, format!("artifact `{}` is not of kind node", name.value)));
                }
            }
            for (role, reference) in &pack.images {
                self.reference(reference, &format!("{field}.images.{}", role_name(*role)))?;
            }
            if let Some(role) = NodeImage::ALL.into_iter().find(|role| !pack.images.contains_key(role)) {
                let what = format!("no image plays the role {}", role_name(role));
                return Err(self.invalid(&pack.kubernetes, format!("{field}.images"), what));
            }
        }
        self.order_of_node_packs()
    }

    fn order_of_node_packs(&self) -> Result<()> {
        let packs = &self.release.node_packs;
        check_node_packs(packs.iter().map(|pack| pack.kubernetes.value.as_str())).map_err(|fault| {
            let NodePackFault { index, what } = fault;
            let field = format!("nodePacks[{index}].kubernetes");
            self.invalid(&packs[index].kubernetes, field, format!("the list of node packs has {what}"))
        })?;
        self.last_node_pack()
    }

    /// Checks the version of the last node pack: sites run that one, and the rules of its API server are known for one
    /// minor version only.
    fn last_node_pack(&self) -> Result<()> {
        let last = self.release.node_packs.iter().enumerate().next_back();
        let Some((index, last)) = last.filter(|(_, last)| last.kubernetes.value != MINOR) else { return Ok(()) };
        let (written, field) = (&last.kubernetes, format!("nodePacks[{index}].kubernetes"));
        let what =
            format!("the last node pack is of {}, and this Landfall checks objects for {MINOR} alone", written.value);
        let hint = format!(
            "Let the list end with a node pack of {MINOR}, or use a Landfall that checks objects for {}.",
            written.value
        );
        Err(self.invalid(written, field, what).hint(hint))
    }

    fn components(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for (index, component) in self.release.components.iter().enumerate() {
            let field = format!("components[{index}]");
            self.once(&mut seen, &component.name, &format!("{field}.name"))?;
            self.component(component, &field)?;
            chart::check(self.sources, self.release, index)?;
        }
        self.one_console()
    }

    /// Checks that there is at most one console: the host serves only one set of pods.
    fn one_console(&self) -> Result<()> {
        let components = self.release.components.iter().enumerate().filter(|(_, component)| component.is_console());
        let second = components.skip(1).find_map(|(index, component)| Some((index, component.console.as_ref()?)));
        let Some((index, console)) = second else { return Ok(()) };
        Err(self.invalid(
            console,
            format!("components[{index}].console"),
            "another component is the console already".to_owned(),
        ))
    }

    fn component(&self, component: &ComponentDefinition, field: &str) -> Result<()> {
        self.label(&component.namespace, &format!("{field}.namespace"))?;
        if let Some(entitlement) = &component.entitlement {
            self.label(entitlement, &format!("{field}.entitlement"))?;
        }
        for (number, need) in component.needs.iter().enumerate() {
            if !self.release.components.iter().any(|other| other.name.value == need.value) {
                return Err(BuildError::at(
                    codes::RELEASE_UNKNOWN_COMPONENT,
                    self.sources.place(need.referenced, format!("{field}.needs[{number}]")),
                    self.no_component(&need.value),
                ));
            }
        }
        let mut secrets = HashSet::new();
        for (number, secret) in component.secrets.iter().enumerate() {
            let field = format!("{field}.secrets[{number}]");
            self.once(&mut secrets, &secret.name, &format!("{field}.name"))?;
            for (key, length) in &secret.random {
                if !(16..=256).contains(length) {
                    let what = format!("a random value has 16 to 256 characters, `{key}` has {length}");
                    return Err(self.invalid(&secret.name, format!("{field}.random.{key}"), what));
                }
            }
            if let Some(key) = secret.random.keys().find(|key| secret.fixed.contains_key(*key)) {
                let what = format!("`{key}` is both random and fixed");
                return Err(self.invalid(&secret.name, format!("{field}.fixed.{key}"), what));
            }
        }
        let mut claims = HashSet::new();
        for (number, mount) in component.mounts.iter().enumerate() {
            let field = format!("{field}.mounts[{number}]");
            self.once(&mut claims, &mount.claim, &format!("{field}.claim"))?;
            if self.artifact_kind(&mount.artifact, &format!("{field}.artifact"))? == ArtifactKind::Node {
                let what = format!("artifact `{}` is for the node; pods cannot mount it", mount.artifact.value);
                return Err(self.invalid(&mount.artifact, format!("{field}.artifact"), what));
            }
        }
        for (number, reference) in component.references.iter().enumerate() {
            let field = format!("{field}.references[{number}]");
            self.reference(&reference.reference, &format!("{field}.reference"))?;
            self.pointer(&reference.path, &format!("{field}.path"))?;
        }
        for (number, made) in component.made_on_site.iter().enumerate() {
            if !is_title(&made.value) {
                let what = format!("`{}` is not a kind and a name, such as Secret/webhook-tls", made.value);
                return Err(self.invalid(made, format!("{field}.madeOnSite[{number}]"), what));
            }
        }
        Ok(())
    }

    /// Error text for an unknown component, with the nearest name.
    fn no_component(&self, name: &str) -> String {
        let names = self.release.components.iter().map(|component| component.name.value.as_str());
        let near = did_you_mean(name, names);
        format!("`{name}` is not a component of this release{near}")
    }

    fn pointer(&self, pointer: &Spanned<String>, field: &str) -> Result<()> {
        if pointer.value.starts_with('/') {
            return Ok(());
        }
        Err(self.invalid(pointer, field, format!("`{}` is not a JSON Pointer: it begins with `/`", pointer.value)))
    }

    /// Returns an error for a figure of a model that the release lacks, because no fit would ever set it.
    fn figure_of_model(&self, value: &Spanned<String>, field: &str) -> Result<()> {
        let Some((model, _)) = model_figure(&value.value) else { return Ok(()) };
        let models = || self.release.artifacts.iter().filter(|artifact| artifact.kind == ArtifactKind::Model);
        if models().any(|artifact| artifact.name.value == model) {
            return Ok(());
        }
        let near = did_you_mean(model, models().map(|artifact| artifact.name.value.as_str()));
        let what = format!("`{}` is a figure of `{model}`, which is not an artifact of kind model{near}", value.value);
        Err(self.invalid(value, format!("{field}.name"), what))
    }

    fn values(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for (index, value) in self.release.values.iter().enumerate() {
            let field = format!("values[{index}]");
            let name = &value.name;
            if !name.value.contains('.') || !name.value.split('.').all(is_value_segment) {
                let what = format!("`{}` is not the name of a value, such as postgres.storage", name.value);
                return Err(self.invalid(name, format!("{field}.name"), what));
            }
            if !seen.insert(name.value.as_str()) {
                let what = format!("the name `{}` occurs twice", name.value);
                return Err(self.invalid(name, format!("{field}.name"), what));
            }
            if name.value.starts_with(COMPUTED_PREFIX) && value.default.is_some() {
                let what = format!("`{}` is computed on site and has no default", name.value);
                return Err(self.invalid(name, format!("{field}.default"), what));
            }
            self.figure_of_model(name, &field)?;
            if value.targets.is_empty() {
                return Err(self.invalid(name, format!("{field}.targets"), "the value is applied nowhere"));
            }
            for (number, target) in value.targets.iter().enumerate() {
                let field = format!("{field}.targets[{number}]");
                self.pointer(&target.path, &format!("{field}.path"))?;
                if !self.release.components.iter().any(|component| component.name.value == target.component.value) {
                    return Err(BuildError::at(
                        codes::RELEASE_UNKNOWN_COMPONENT,
                        self.sources.place(target.component.referenced, format!("{field}.component")),
                        self.no_component(&target.component.value),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The role as written in files.
pub fn role_name(role: NodeImage) -> &'static str {
    match role {
        NodeImage::ApiServer => "api-server",
        NodeImage::ControllerManager => "controller-manager",
        NodeImage::Scheduler => "scheduler",
        NodeImage::Proxy => "proxy",
        NodeImage::Etcd => "etcd",
        NodeImage::Pause => "pause",
        NodeImage::Registry => "registry",
    }
}

fn is_minor(version: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version
        .strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

/// Returns true if a text is the kind and the name of an object.
pub(super) fn is_title(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty() && !name.contains('/'))
}

pub(crate) fn is_label(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.len() <= 63
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && edge(name.bytes().next())
        && edge(name.bytes().last())
}

fn is_value_segment(segment: &str) -> bool {
    segment.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
