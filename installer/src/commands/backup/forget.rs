//! `landfall backup forget`: removes backups with lost data, after a person has confirmed it.

use indicatif::HumanBytes;
use landfall_lifecycle::operations::{ForgottenBackups, LostBackup};

use super::repair::what_is_lost;
use crate::cli::BackupForgetArguments;
use crate::commands::confirmation::site_named;
use crate::commands::site::operations_of_root;
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

impl Document for ForgottenBackups {
    const KIND: &'static str = "backupForget";
}

pub(super) fn run(arguments: &BackupForgetArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let lost = if arguments.lost { operations.lost_backups()? } else { Vec::new() };
    if lost.is_empty() {
        let nothing = ForgottenBackups { forgotten: lost, freed_bytes: 0 };
        return printer.report(&nothing, text);
    }
    let confirmation = site_named(arguments.confirm.clone(), &operations, &loss(&lost), printer)?;
    logging::keep(&operations.paths.logs(), "backup-forget");
    let forgotten = operations.forget_lost(lost, &confirmation)?;
    printer.report(&forgotten, text)
}

/// Text about the data that is given up.
fn loss(lost: &[LostBackup]) -> String {
    let lines: Vec<String> = lost.iter().map(|lost| format!("lost: {}", what_is_lost(lost))).collect();
    format!("{}\n{} will be removed with everything else in them", lines.join("\n"), format_count(lost.len(), "backup"))
}

fn text(forgotten: &ForgottenBackups) -> String {
    let ForgottenBackups { forgotten, freed_bytes } = forgotten;
    if forgotten.is_empty() {
        return "no backup has lost data: nothing was removed".to_owned();
    }
    format!("{} removed, {} freed", format_count(forgotten.len(), "backup"), HumanBytes(*freed_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_names_backups() {
        let lost = LostBackup {
            backup: "01".repeat(32),
            time: Some("2026-11-20T02:00:00Z".to_owned()),
            streams: vec!["a/b".to_owned()],
        };
        assert_eq!(
            loss(std::slice::from_ref(&lost)),
            "lost: a/b of the backup of 2026-11-20T02:00:00Z\n1 backup will be removed with everything else in them"
        );
        let forgotten = ForgottenBackups { forgotten: vec![lost], freed_bytes: 3 << 20 };
        assert_eq!(text(&forgotten), "1 backup removed, 3.00 MiB freed");
    }
}
