//! `landfall backup objects` and `landfall backup export`: write content of a backup to a file.

use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_lifecycle::operations::{ExportedObjects, ExportedStream, ObjectSelection};

use crate::cli::{BackupExportArguments, BackupObjectsArguments};
use crate::commands::site::operations_of_root;
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for ExportedStream {
    const KIND: &'static str = "exportedStream";
}

impl Document for ExportedObjects {
    const KIND: &'static str = "exportedObjects";
}

/// Writes objects of the cluster.
pub(super) fn objects(arguments: &BackupObjectsArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let BackupObjectsArguments { output, backup, namespaces, kinds, names } = arguments;
    let wanted = ObjectSelection { namespaces: namespaces.clone(), kinds: kinds.clone(), names: names.clone() };
    let exported = operations.export_objects(backup.as_deref(), &wanted, output)?;
    printer.report(&exported, objects_text)?;
    Ok(())
}

/// Writes a stream.
pub(super) fn stream(arguments: &BackupExportArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let BackupExportArguments { stream, output, backup } = arguments;
    let exported = operations.export_stream(backup.as_deref(), stream, output)?;
    printer.report(&exported, |exported| {
        let ExportedStream { stream, time, file, size_bytes, .. } = exported;
        format!("{stream} of the backup of {time} is in {} ({})", file.display(), HumanBytes(*size_bytes))
    })?;
    Ok(())
}

fn objects_text(exported: &ExportedObjects) -> String {
    let ExportedObjects { time, file, objects, of_release, unreadable, .. } = exported;
    let total: u64 = objects.values().sum();
    let mut text = format!("{} of the backup of {time}", format_count(total, "object"));
    for (kind, count) in objects {
        let _infallible = write!(text, "\n  {count} {kind}");
    }
    if *of_release > 0 {
        let _infallible = write!(text, "\nleft out: {of_release} of the release, which brings them itself");
    }
    if !unreadable.is_empty() {
        let _infallible =
            write!(text, "\nnot in the backup, since their software did not answer: {}", unreadable.join(", "));
    }
    let file = file.display();
    let _infallible = write!(
        text,
        "\nread {file}, remove what is not wanted, then:\n  landfall kubectl apply --server-side -f {file}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_objects_show_apply_command() {
        let counts = [("v1 ConfigMap", 2), ("v1 Namespace", 1)].map(|(kind, count)| (kind.to_owned(), count));
        let exported = ExportedObjects {
            backup: "01".repeat(32),
            time: "2026-11-22T02:00:00Z".to_owned(),
            file: "/root/team.json".into(),
            objects: counts.into(),
            of_release: 3,
            unreadable: vec!["example.com/v1 Widget".to_owned()],
        };
        insta::assert_snapshot!(objects_text(&exported), @"
        3 objects of the backup of 2026-11-22T02:00:00Z
          2 v1 ConfigMap
          1 v1 Namespace
        left out: 3 of the release, which brings them itself
        not in the backup, since their software did not answer: example.com/v1 Widget
        read /root/team.json, remove what is not wanted, then:
          landfall kubectl apply --server-side -f /root/team.json
        ");
    }
}
