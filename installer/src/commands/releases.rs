//! `landfall releases`: shows the installed release, and the target of a rollback.

use landfall_documents::releases::{ImageChange, KeptReleaseStatus, ReleaseDifference, ReleaseList};
use landfall_inventory::diff::BundleDiff;
use landfall_lifecycle::operations::{OperationError, Operations, TrustedRelease};

use super::diff::between;
use super::site::operations_of_root;
use crate::cli::ReleasesArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Compares two heads; `None` unless both can be read.
fn release_difference(heads: &[TrustedRelease]) -> Option<ReleaseDifference> {
    let mut heads: Vec<&TrustedRelease> = heads.iter().collect();
    heads.sort_by_key(|head| head.release.counter);
    let [earlier, later] = heads[..] else { return None };
    match between(&earlier.verified, &later.verified) {
        Ok(BundleDiff { components, images, .. }) => {
            let [from, to] = [earlier, later].map(|head| head.release.version.clone());
            Some(ReleaseDifference { from, to, components, images })
        }
        Err(failure) => {
            tracing::warn!(what = failure.what(), "the releases that the site keeps cannot be compared");
            None
        }
    }
}

/// Reads the releases of this host.
pub(crate) fn release_list(operations: &Operations) -> Result<ReleaseList, Failure> {
    let (releases, heads): (Vec<_>, Vec<_>) = operations.kept_releases()?.into_iter().unzip();
    let heads: Vec<TrustedRelease> = heads.into_iter().flatten().collect();
    Ok(ReleaseList { releases, difference: release_difference(&heads) })
}

impl Document for ReleaseList {
    const KIND: &'static str = "releases";
}

/// Prints the list.
pub(crate) fn run(arguments: &ReleasesArguments, printer: Printer) -> Result<(), Failure> {
    let list = release_list(&operations_of_root(printer)?)?;
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
    use landfall_documents::releases::{Changes, ImageState, Names};

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
