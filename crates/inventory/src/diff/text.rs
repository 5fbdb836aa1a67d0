//! The differences as text for people.

use std::fmt::Write;

use landfall_documents::releases::{Changes, Names};

use super::{ArtifactChange, BundleDiff, NamedBundle, ObjectChange, PackageChange};

/// Maximum number of an object's fields that the text names.
const FIELDS: usize = 5;

/// Formats the differences. `size` formats bytes for people.
pub fn text(diff: &BundleDiff, size: impl Fn(u64) -> String) -> String {
    let mut text = String::new();
    for (mark, NamedBundle { name, version, counter, id, total_bytes }) in [('-', &diff.from), ('+', &diff.to)] {
        line(&mut text, format_args!("{mark} {name} {version}, counter {counter}, {}, id {id}", size(*total_bytes)));
    }
    let bytes = &diff.bytes;
    let [new, shared, dropped] = [bytes.new_bytes, bytes.shared_bytes, bytes.dropped_bytes].map(&size);
    line(&mut text, format_args!("{new} new, {shared} in both, {dropped} no longer needed"));
    images(&mut text, diff, &size);
    packages(&mut text, diff);
    artifacts(&mut text, &diff.artifacts, &size);
    objects(&mut text, &diff.objects);
    names(&mut text, "components", &diff.components);
    names(&mut text, "values of site.yaml", &diff.values);
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(text, "{line}");
}

fn heading(text: &mut String, what: &str, is_same: bool) {
    line(text, format_args!("\n{what}{}", if is_same { ": the same" } else { "" }));
}

fn images(text: &mut String, diff: &BundleDiff, size: &impl Fn(u64) -> String) {
    let images = &diff.images;
    heading(text, "images", images.is_none());
    for change in &images.changed {
        let (from, to) = (&change.from, &change.to);
        let tag = if from.reference == to.reference {
            format!("another digest, {}", to.digest)
        } else {
            to.reference.clone()
        };
        line(text, format_args!("~ {} -> {tag} ({} -> {})", from.reference, size(from.bytes), size(to.bytes)));
    }
    for (mark, list) in [('+', &images.added), ('-', &images.removed)] {
        for image in list {
            line(text, format_args!("{mark} {} ({})", image.reference, size(image.bytes)));
        }
    }
}

fn packages(text: &mut String, diff: &BundleDiff) {
    let Some(packages) = &diff.packages else {
        line(text, format_args!("\npackages: not known, because an earlier Landfall built one of the bundles"));
        return;
    };
    heading(text, "packages", packages.is_none());
    let whole: Vec<&str> =
        diff.images.added.iter().chain(&diff.images.removed).map(|image| image.reference.as_str()).collect();
    let is_of_whole = |change: &PackageChange| change.images.iter().all(|image| whole.contains(&image.as_str()));
    for (mark, list) in [('~', &packages.changed), ('+', &packages.added), ('-', &packages.removed)] {
        for change in list.iter().filter(|change| !is_of_whole(change)) {
            let versions = [&change.from, &change.to].map(|versions| versions.join(", "));
            let versions: Vec<_> = versions.into_iter().filter(|versions| !versions.is_empty()).collect();
            let (kind, images) = (change.kind.name(), change.images.join(", "));
            line(text, format_args!("{mark} {kind} {} {} ({images})", change.name, versions.join(" -> ")));
        }
        let hidden = list.iter().filter(|change| is_of_whole(change)).count();
        if hidden > 0 {
            let which = if mark == '+' { "new" } else { "gone" };
            line(text, format_args!("{mark} in images that are {which}: {hidden}"));
        }
    }
}

fn artifacts(
    text: &mut String,
    artifacts: &Changes<super::ArtifactState, ArtifactChange>,
    size: &impl Fn(u64) -> String,
) {
    heading(text, "models and files", artifacts.is_none());
    for change in &artifacts.changed {
        let (from, to) = (&change.from, &change.to);
        line(text, format_args!("~ {} {}: {} -> {}", to.kind, to.name, from.reference, to.reference));
        for file in &change.files {
            let bytes = [file.from_bytes, file.to_bytes].map(|bytes| bytes.map_or("none".to_owned(), size));
            line(text, format_args!("    {} ({} -> {})", file.path, bytes[0], bytes[1]));
        }
    }
    for (mark, list) in [('+', &artifacts.added), ('-', &artifacts.removed)] {
        for artifact in list {
            let (kind, name, reference) = (&artifact.kind, &artifact.name, &artifact.reference);
            line(text, format_args!("{mark} {kind} {name}: {reference} ({})", size(artifact.bytes)));
        }
    }
}

fn objects(text: &mut String, objects: &Changes<ObjectChange, ObjectChange>) {
    heading(text, "objects", objects.is_none());
    for (mark, list) in [('~', &objects.changed), ('+', &objects.added), ('-', &objects.removed)] {
        for object in list {
            let namespace = object.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
            let fields = object.fields.iter().take(FIELDS).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = (object.fields.len() + object.more_fields).saturating_sub(FIELDS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let fields = if fields.is_empty() { fields } else { format!(": {fields}{more}") };
            line(
                text,
                format_args!("{mark} {} {namespace}{} of {}{fields}", object.kind, object.name, object.component),
            );
        }
    }
}

fn names(text: &mut String, what: &str, names: &Names) {
    heading(text, what, names.added.is_empty() && names.removed.is_empty() && names.changed.is_empty());
    for (mark, list) in [('~', &names.changed), ('+', &names.added), ('-', &names.removed)] {
        for name in list {
            line(text, format_args!("{mark} {name}"));
        }
    }
}
