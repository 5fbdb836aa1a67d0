//! Searches for images outside the known fields: in arguments, environment variables and `ConfigMap`s, and in fields of
//! custom resources named like images. Such an image would be missing at the site, so an undeclared one fails the
//! build.

use std::fmt::Write as _;

use landfall_error_codes::codes;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::escape;
use super::images::without_images;
use super::spots::{doubtful, spots};
use crate::definition::{Definition, ImageFieldDefinition};
use crate::error::{BuildError, Result};
use crate::lock::{List, Lock};
use crate::reference::Reference;
use crate::rendered::{RenderedComponent, title};

/// Container fields whose texts are searched.
const CONTAINER_FIELDS: [&str; 3] = ["args", "command", "env"];

/// Hosts that serve almost only images.
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

/// Suffixes of hosts that serve images of many owners.
const REGISTRY_ENDS: [&str; 6] = [".gcr.io", ".pkg.dev", ".azurecr.io", ".icr.io", ".ocir.io", ".jfrog.io"];

/// URL schemes that some programs write before an image.
const IMAGE_SCHEMES: [&str; 2] = ["docker://", "oci://"];

/// Common tags without a digit, which distinguish an image from other text with a colon.
const PLAIN_TAGS: [&str; 10] =
    ["alpine", "dev", "edge", "latest", "main", "master", "nightly", "release", "slim", "stable"];

/// A word that resembles an image, outside the fields that are known to hold images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Kind and name of the object.
    pub title: String,
    /// JSON Pointer of the text.
    pub pointer: String,
    /// The suspicious word.
    pub word: String,
}

/// Returns an error for an object that names an image in a text.
///
/// Allowed are texts that are bound to a pin, or that the component declares not to be images. Runs after binding, when
/// declared images contain digests.
pub fn scan(definition: &Definition, component: &RenderedComponent, lock: &Lock) -> Result<()> {
    let index = component.index;
    let fields = &definition.release.image_fields;
    let mut exempt = ExemptWords::of(&definition.release.components[index].not_images);
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

/// All words that a build would refuse as undeclared images, before binding.
pub fn in_doubt(definition: &Definition, component: &RenderedComponent, lock: &Lock) -> Vec<Suspect> {
    let fields = &definition.release.image_fields;
    let mut exempt = ExemptWords::of(&definition.release.components[component.index].not_images);
    let unknown = without_images(definition, component);
    unknown.objects.iter().flat_map(|object| suspects(object, fields, lock, &mut exempt)).collect()
}

/// Words in an object that resemble images, and are neither bound nor declared not to be images.
fn suspects(
    object: &Value,
    fields: &[ImageFieldDefinition],
    lock: &Lock,
    exempt: &mut ExemptWords<'_>,
) -> Vec<Suspect> {
    let suspect = |pointer: String, word: &str| Suspect { title: title(object), pointer, word: word.to_owned() };
    let mut found = Vec::new();
    for (pointer, text) in texts(object) {
        found.extend(undeclared_words(text, lock, exempt).into_iter().map(|word| suspect(pointer.clone(), word)));
    }
    for spot in spots(object, fields) {
        // Marks the word as used.
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

/// Error for all undeclared images; `written` is the index of the component in which a user declares them.
fn refusal(component: &RenderedComponent, written: usize, found: &[(&Value, Suspect)]) -> BuildError {
    let Some(((object, Suspect { pointer, word, .. }), others)) = found.split_first() else {
        return BuildError::new(codes::BUG, "no image is undeclared");
    };
    let field = format!("components[{written}]");
    let mut what = format!(
        "`{word}` names an image outside a known image field; declare it under {field}.references, or under \
         {field}.notImages if it is not one"
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
        "references: [{{kind: {}, name: {}, path: {pointer}, reference: …, text: \"{word}\"}}], or notImages: [{}] if \
         it is not an image",
        object["kind"].as_str().unwrap_or("?"),
        title(object).split('/').nth(1).unwrap_or("?"),
        words.join(", ")
    ))
}

/// Words of a component that are declared not to be images, and those of them that occurred.
struct ExemptWords<'a> {
    words: &'a [Spanned<String>],
    met: Vec<bool>,
}

impl<'a> ExemptWords<'a> {
    fn of(words: &'a [Spanned<String>]) -> Self {
        Self { words, met: vec![false; words.len()] }
    }

    fn covers(&mut self, word: &str) -> bool {
        let Some(number) = self.words.iter().position(|exempt| exempt.value == word) else { return false };
        self.met[number] = true;
        true
    }

    /// Returns an error for a word that does not occur: its image is gone, and the word must not hide a later image.
    fn check(&self, definition: &Definition, index: usize) -> Result<()> {
        // Components for hooks inherit words of their chart's component only if they occur.
        let is_written = definition.release.components[index].hooks_of.is_none();
        let Some(number) = self.met.iter().position(|met| !met).filter(|_| is_written) else { return Ok(()) };
        let word = &self.words[number];
        let place = definition.place(word, format!("components[{index}].notImages[{number}]"));
        let what = format!("the component has nothing that looks like the image `{}`", word.value);
        Err(BuildError::at(codes::RELEASE_INVALID, place, what))
    }
}

/// Texts of an object that are searched, with their pointers.
fn texts(object: &Value) -> Vec<(String, &str)> {
    let mut texts = Vec::new();
    if object["kind"] == "CustomResourceDefinition" {
        // Its fields `args` and `env` are schemas, whose descriptions mention images.
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

/// Unique words in a text that name images, and are neither bound to pins nor declared not to be images.
fn undeclared_words<'a>(text: &'a str, lock: &Lock, exempt: &mut ExemptWords<'_>) -> Vec<&'a str> {
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
        // A single word such as `python` is more often a program than an image: its tag must be in the lock as well.
        return reference.tag.is_some() && of_repository.any(|entry| entry.tag == reference.tag);
    };
    let tagged = reference.tag.as_deref();
    if of_repository.next().is_some() {
        return true;
    }
    if !first.contains(['.', ':']) {
        // Accepts `grafana/grafana:11.1`, but neither a path with a line number nor a slice of an array.
        return tagged.is_some_and(names_version) && named_segments(&format!("{first}/{path}"));
    }
    // With a tag, any host suffices. Without one, the host must be a registry, because label keys, API groups and
    // documentation URLs look the same.
    tagged.is_some() || is_registry(first) || entries().any(|entry| entry.host == first)
}

fn names_version(tag: &str) -> bool {
    tag.contains(|letter: char| letter.is_ascii_digit()) || PLAIN_TAGS.contains(&tag)
}

/// Returns true if each segment of a repository starts with a letter and has at least two characters.
fn named_segments(word: &str) -> bool {
    let repository = word.rsplit_once(':').map_or(word, |(repository, _)| repository);
    repository
        .split('/')
        .all(|segment| segment.len() > 1 && segment.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

/// Returns true if a host serves almost only images.
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
