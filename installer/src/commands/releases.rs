//! `landfall releases`: shows the installed release, and the target of a rollback.

use landfall_inventory::diff::{BundleDiff, Changes, ImageChange, ImageState, Names};
use landfall_lifecycle::operations::{KeptReleaseStatus, OperationError, Operations, TrustedRelease};
use schemars::JsonSchema;
use serde::Serialize;

use super::diff::between;
use super::site::operations_of_root;
use crate::cli::ReleasesArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Releases that a site keeps.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseList {
    /// Releases, the installed one first.
    releases: Vec<KeptReleaseStatus>,
    /// Difference between the two kept releases; absent if the site keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<ReleaseDifference>,
}

/// Difference between two releases.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReleaseDifference {
    /// Earlier version.
    from: String,
    /// Later version.
    to: String,
    /// Components, by name; a changed one has objects that differ.
    components: Names,
    /// Images, by repository.
    images: Changes<ImageState, ImageChange>,
}

impl ReleaseDifference {
    /// Compares two heads; `None` unless both can be read.
    fn of(heads: &[TrustedRelease]) -> Option<Self> {
        let mut heads: Vec<&TrustedRelease> = heads.iter().collect();
        heads.sort_by_key(|head| head.release.counter);
        let [earlier, later] = heads[..] else { return None };
        match between(&earlier.verified, &later.verified) {
            Ok(BundleDiff { components, images, .. }) => {
                let [from, to] = [earlier, later].map(|head| head.release.version.clone());
                Some(Self { from, to, components, images })
            }
            Err(failure) => {
                tracing::warn!(what = failure.what(), "the releases that the site keeps cannot be compared");
                None
            }
        }
    }
}

impl ReleaseList {
    /// Reads the releases of this host.
    pub(crate) fn of(operations: &Operations) -> Result<Self, Failure> {
        let (releases, heads): (Vec<_>, Vec<_>) = operations.kept_releases()?.into_iter().unzip();
        let heads: Vec<TrustedRelease> = heads.into_iter().flatten().collect();
        Ok(Self { releases, difference: ReleaseDifference::of(&heads) })
    }
}

impl Document for ReleaseList {
    const KIND: &'static str = "releases";
}

/// Prints the list.
pub(crate) fn run(arguments: &ReleasesArguments, printer: Printer) -> Result<(), Failure> {
    let list = ReleaseList::of(&operations_of_root(printer)?)?;
    if list.releases.is_empty() {
        return Err(OperationError::NotInstalled.into());
    }
    let shown: fn(&ReleaseList) -> String = if arguments.details { detailed_text } else { text };
    printer.report(&list, shown)?;
    Ok(())
}

fn text(list: &ReleaseList) -> String {
    list.releases.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The list with the notes of each release, and with the differences between them.
fn detailed_text(list: &ReleaseList) -> String {
    let ReleaseList { releases, difference } = list;
    let noted = |release: &KeptReleaseStatus| format!("{}\n{}", line(release), notes(release.notes.as_deref()));
    releases.iter().map(noted).chain(difference.as_ref().map(difference_text)).collect::<Vec<_>>().join("\n")
}

fn line(release: &KeptReleaseStatus) -> String {
    let state = if release.installed { "installed" } else { "kept: `landfall rollback` returns to it" };
    format!("{} {} (counter {}), {state}", release.name, release.version, release.counter)
}

/// The differences, one per line.
fn difference_text(ReleaseDifference { from, to, components, images }: &ReleaseDifference) -> String {
    let mut lines = vec![format!("from {from} to {to}:")];
    for (mark, names) in [('+', &components.added), ('-', &components.removed), ('~', &components.changed)] {
        lines.extend(names.iter().map(|name| format!("  {mark} component {name}")));
    }
    for (mark, added) in [('+', &images.added), ('-', &images.removed)] {
        lines.extend(added.iter().map(|image| format!("  {mark} image {}", image.reference)));
    }
    lines.extend(images.changed.iter().map(|ImageChange { from, to }| {
        let to = if from.reference == to.reference { "another digest".to_owned() } else { to.reference.clone() };
        format!("  ~ image {} -> {to}", from.reference)
    }));
    if lines.len() == 1 {
        lines.push("  neither components nor images differ".to_owned());
    }
    lines.join("\n")
}

/// Release notes, with a prefix so that no line resembles output of this program.
fn notes(notes: Option<&str>) -> String {
    let Some(notes) = notes else { return "  its vendor wrote no notes".to_owned() };
    notes.trim_end().lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;

    use super::*;

    fn image(reference: &str, digest: u8) -> ImageState {
        ImageState { reference: format!("registry.example/{reference}"), digest: Sha256([digest; 32]), bytes: 7 }
    }

    fn difference() -> ReleaseDifference {
        let changed = vec![
            ImageChange { from: image("web:1.0", 1), to: image("web:1.1", 2) },
            ImageChange { from: image("db:3", 3), to: image("db:3", 4) },
        ];
        ReleaseDifference {
            from: "1.0.0".to_owned(),
            to: "1.1.0".to_owned(),
            components: Names {
                added: vec!["reports".to_owned()],
                removed: Vec::new(),
                changed: vec!["web".to_owned()],
            },
            images: Changes { added: Vec::new(), removed: vec![image("old:1", 5)], changed },
        }
    }

    #[test]
    fn list_shows_rollback_differences() {
        let release = |version: &str, installed| KeptReleaseStatus {
            name: "starter".to_owned(),
            version: version.to_owned(),
            counter: 2,
            bundle: "sha256:00".to_owned(),
            installed,
            notes: installed.then(|| "# New\n\nstarter 9.9.9 (counter 9), installed\n".to_owned()),
        };
        let releases = vec![release("1.1.0", true), release("1.0.0", false)];
        let list = ReleaseList { releases, difference: Some(difference()) };
        insta::assert_snapshot!(text(&list), @"
        starter 1.1.0 (counter 2), installed
        starter 1.0.0 (counter 2), kept: `landfall rollback` returns to it
        ");
        let details: Vec<String> = detailed_text(&list).lines().map(str::to_owned).collect();
        assert_eq!(
            details,
            [
                "starter 1.1.0 (counter 2), installed",
                "  | # New",
                "  | ",
                "  | starter 9.9.9 (counter 9), installed",
                "starter 1.0.0 (counter 2), kept: `landfall rollback` returns to it",
                "  its vendor wrote no notes",
                "from 1.0.0 to 1.1.0:",
                "  + component reports",
                "  ~ component web",
                "  - image registry.example/old:1",
                "  ~ image registry.example/web:1.0 -> registry.example/web:1.1",
                "  ~ image registry.example/db:3 -> another digest",
            ]
        );
    }
}
