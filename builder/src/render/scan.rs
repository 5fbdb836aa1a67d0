//! Looks for images that are named where no known field is: in arguments, environment and `ConfigMap`s, and in fields of
//! custom resources that sound like images. They would be missing at the site, so an undeclared one fails the build.

use std::fmt::Write as _;

use landfall_error_codes::codes;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::images::without_images;
use super::spots::{doubtful, spots};
use super::{Rendered, escape, title};
use crate::definition::{Definition, ImageFieldDefinition};
use crate::error::{BuildError, Result};
use crate::lock::{List, Lock};
use crate::reference::Reference;

/// Fields of containers whose texts are searched.
const CONTAINER_FIELDS: [&str; 3] = ["args", "command", "env"];

/// Hosts that hold little else than images.
const REGISTRIES: [&str; 16] = [
    "cgr.dev",
    "docker.elastic.co",
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "icr.io",
    "index.docker.io",
    "lscr.io",
    "mcr.microsoft.com",
    "nvcr.io",
    "public.ecr.aws",
    "quay.io",
    "registry-1.docker.io",
    "registry.access.redhat.com",
    "registry.k8s.io",
    "registry.redhat.io",
];

/// Ends of the names of hosts that hold images of many owners.
const REGISTRY_ENDS: [&str; 6] = [".gcr.io", ".pkg.dev", ".azurecr.io", ".icr.io", ".ocir.io", ".jfrog.io"];

/// What some programs write before an image.
const IMAGE_SCHEMES: [&str; 2] = ["docker://", "oci://"];

/// Tags without a digit that are common enough to distinguish an image from a text with a colon.
const PLAIN_TAGS: [&str; 10] =
    ["alpine", "dev", "edge", "latest", "main", "master", "nightly", "release", "slim", "stable"];

/// A word that looks like an image, outside the fields that are known to hold images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The object, as a person names it.
    pub title: String,
    /// JSON Pointer of the text.
    pub pointer: String,
    /// The word.
    pub word: String,
}

/// Refuses an object that names an image in a text, unless the text is bound to what the lock pins or the component says
/// that it is none.
///
/// Runs after binding: what was declared names a digest then.
pub fn scan(definition: &Definition, component: &Rendered, lock: &Lock) -> Result<()> {
    let index = component.index;
    let fields = &definition.release.image_fields;
    let mut exempt = Exempt::of(&definition.release.components[index].not_images);
    let mut found = Vec::new();
    for object in &component.objects {
        let suspects = suspects(object, fields, lock, &mut exempt).into_iter();
        found.extend(suspects.map(|suspect| (object, suspect)));
    }
    if found.is_empty() {
        return exempt.check(definition, index);
    }
    let written = definition.release.components[index].hooks_of.unwrap_or(index);
    Err(refusal(component, written, &found))
}

/// Everything that a build would refuse as an undeclared image, before anything is bound.
pub fn in_doubt(definition: &Definition, component: &Rendered, lock: &Lock) -> Vec<Suspect> {
    let fields = &definition.release.image_fields;
    let mut exempt = Exempt::of(&definition.release.components[component.index].not_images);
    let unknown = without_images(definition, component);
    unknown.objects.iter().flat_map(|object| suspects(object, fields, lock, &mut exempt)).collect()
}

/// Everything in an object that looks like an image, and is neither bound nor declared to be none.
fn suspects(object: &Value, fields: &[ImageFieldDefinition], lock: &Lock, exempt: &mut Exempt<'_>) -> Vec<Suspect> {
    let suspect = |pointer: String, word: &str| Suspect { title: title(object), pointer, word: word.to_owned() };
    let mut found = Vec::new();
    for (pointer, text) in texts(object) {
        found.extend(undeclared(text, lock, exempt).into_iter().map(|word| suspect(pointer.clone(), word)));
    }
    for spot in spots(object, fields) {
        // An image that this word leaves as it is.
        exempt.covers(&spot.written);
    }
    for (pointer, text) in doubtful(object, fields) {
        let reference = text.parse::<Reference>();
        let is_unbound = reference.is_ok_and(|reference| !is_bound(&reference, lock));
        let is_found = found.iter().any(|other: &Suspect| other.pointer == pointer);
        if is_unbound && !is_found && !exempt.covers(text) {
            found.push(suspect(pointer, text));
        }
    }
    found
}

/// The error of undeclared images, all of them; `written` is the component of the definition where a person declares them.
fn refusal(component: &Rendered, written: usize, found: &[(&Value, Suspect)]) -> BuildError {
    let Some(((object, Suspect { pointer, word, .. }), others)) = found.split_first() else {
        return BuildError::new(codes::BUG, "no image is undeclared");
    };
    let field = format!("components[{written}]");
    let mut what = format!(
        "`{word}` names an image outside a known image field; declare it under {field}.references, or under {field}.notImages if it is none"
    );
    let mut words = vec![word];
    for Suspect { title, pointer, word } in others.iter().map(|(_, suspect)| suspect) {
        if !words.contains(&word) {
            let _infallible = write!(what, "\n  so does `{word}` of {title}: {pointer}");
            words.push(word);
        }
    }
    let words: Vec<_> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    let place = component.place(object, &format!(": {pointer}"));
    BuildError::at(codes::REFERENCE_UNDECLARED, place, what).hint(format!(
        "references: [{{kind: {}, name: {}, path: {pointer}, reference: …, text: \"{word}\"}}], or notImages: [{}] if it is not an image",
        object["kind"].as_str().unwrap_or("?"),
        title(object).split('/').nth(1).unwrap_or("?"),
        words.join(", ")
    ))
}

/// What a component says is no image, and what of it was met.
struct Exempt<'a> {
    words: &'a [Spanned<String>],
    met: Vec<bool>,
}

impl<'a> Exempt<'a> {
    fn of(words: &'a [Spanned<String>]) -> Self {
        Self { words, met: vec![false; words.len()] }
    }

    fn covers(&mut self, word: &str) -> bool {
        let Some(number) = self.words.iter().position(|exempt| exempt.value == word) else { return false };
        self.met[number] = true;
        true
    }

    /// Refuses a word that occurs nowhere: its image is gone, and it must not hide a later one.
    fn check(&self, definition: &Definition, index: usize) -> Result<()> {
        // Words of hooks were taken from those of their chart's component, as far as any text has them.
        let is_written = definition.release.components[index].hooks_of.is_none();
        let Some(number) = self.met.iter().position(|met| !met).filter(|_| is_written) else { return Ok(()) };
        let word = &self.words[number];
        let place = definition.place(word, format!("components[{index}].notImages[{number}]"));
        let what = format!("the component has nothing that looks like the image `{}`", word.value);
        Err(BuildError::at(codes::RELEASE_INVALID, place, what))
    }
}

/// The texts of an object that are searched, each with its place.
fn texts(object: &Value) -> Vec<(String, &str)> {
    let mut texts = Vec::new();
    if object["kind"] == "CustomResourceDefinition" {
        // Its fields `args` and `env` are schemas, whose descriptions speak of images.
        return texts;
    }
    if object["kind"] == "ConfigMap" {
        strings(&object["data"], "/data", &mut texts);
    } else {
        container_texts(object, "", &mut texts);
    }
    texts
}

fn strings<'a>(value: &'a Value, pointer: &str, texts: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => texts.push((pointer.to_owned(), text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strings(item, &format!("{pointer}/{index}"), texts);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                strings(field, &format!("{pointer}/{}", escape(key)), texts);
            }
        }
        _ => {}
    }
}

fn container_texts<'a>(value: &'a Value, pointer: &str, texts: &mut Vec<(String, &'a str)>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let pointer = format!("{pointer}/{}", escape(key));
                if CONTAINER_FIELDS.contains(&key.as_str()) {
                    strings(field, &pointer, texts);
                } else {
                    container_texts(field, &pointer, texts);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                container_texts(item, &format!("{pointer}/{index}"), texts);
            }
        }
        _ => {}
    }
}

/// The words of a text that name images which are neither bound to their pins nor declared to be none, each once.
fn undeclared<'a>(text: &'a str, lock: &Lock, exempt: &mut Exempt<'_>) -> Vec<&'a str> {
    let separator = |letter: char| letter.is_whitespace() || "\"'`,;=()[]{}<>|".contains(letter);
    let mut after_image = false;
    let mut found = Vec::new();
    for word in text.split(separator).filter(|word| !word.is_empty()) {
        let is_value_of_image = std::mem::replace(&mut after_image, matches!(word, "image:" | "image" | "--image"));
        let word = word.trim_end_matches(['.', ':', '/']);
        if is_value_of_image && word == ":" {
            after_image = true;
            continue;
        }
        let word = IMAGE_SCHEMES.iter().find_map(|scheme| word.strip_prefix(scheme)).unwrap_or(word);
        let Ok(reference) = word.parse::<Reference>() else { continue };
        let suspicious = is_value_of_image || suspicious(word, &reference, lock);
        if suspicious && !is_bound(&reference, lock) && !exempt.covers(word) && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

fn suspicious(word: &str, reference: &Reference, lock: &Lock) -> bool {
    let entries = || lock.list(List::Images).iter().filter_map(|entry| entry.reference.value.parse::<Reference>().ok());
    let mut of_repository = entries().filter(|entry| entry.name() == reference.name());
    if reference.digest.is_some() {
        return true;
    }
    let Some((first, path)) = word.split_once('/') else {
        // A single word such as `python` is a program more often than an image: its tag must be the lock's as well.
        return reference.tag.is_some() && of_repository.any(|entry| entry.tag == reference.tag);
    };
    let tagged = reference.tag.as_deref();
    if of_repository.next().is_some() {
        return true;
    }
    if !first.contains(['.', ':']) {
        // Such as `grafana/grafana:11.1`, but neither a path with a line number nor a slice of an array.
        return tagged.is_some_and(names_version) && named_segments(&format!("{first}/{path}"));
    }
    // A host and a tag make an image of anything; without a tag, the host must be one of a registry: label keys, groups
    // of an API and pages of documentation look the same.
    tagged.is_some() || is_registry(first) || entries().any(|entry| entry.host == first)
}

fn names_version(tag: &str) -> bool {
    tag.contains(|letter: char| letter.is_ascii_digit()) || PLAIN_TAGS.contains(&tag)
}

/// Whether every segment of a repository begins with a letter and has more than that one.
fn named_segments(word: &str) -> bool {
    let repository = word.rsplit_once(':').map_or(word, |(repository, _)| repository);
    repository
        .split('/')
        .all(|segment| segment.len() > 1 && segment.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

/// Whether a host holds little else than images.
pub fn is_registry(host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let first_label = host.split('.').next().unwrap_or_default();
    REGISTRIES.contains(&host)
        || REGISTRY_ENDS.iter().any(|end| host.ends_with(end))
        || host.contains(".dkr.ecr.")
        || matches!(first_label, "registry" | "harbor")
}

fn is_bound(reference: &Reference, lock: &Lock) -> bool {
    let Some(digest) = reference.digest else { return false };
    lock.list(List::Images).iter().any(|entry| entry.digest() == Some(digest))
}
