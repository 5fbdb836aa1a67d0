//! `landfall backup repair`: restores damaged backups, or names the data that they have lost.

use std::fmt::Write;

use landfall_lifecycle::operations::{LostBackup, RepairedBackups};

use crate::cli::BackupRepairArguments;
use crate::commands::site::operations_of_root;
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;
use crate::shown;

impl Document for RepairedBackups {
    const KIND: &'static str = "backupRepair";
}

pub(super) fn run(arguments: &BackupRepairArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "backup-repair");
    let repaired = operations.repair_backups(arguments.copy.as_deref())?;
    printer.report_verdict(&repaired, text, repaired.refusal().map(Failure::from)).map(drop)
}

fn text(repaired: &RepairedBackups) -> String {
    let RepairedBackups { damages, healed, lost } = repaired;
    if damages.is_empty() && lost.is_empty() {
        return "nothing is damaged: every byte was read".to_owned();
    }
    let (files, backups) = (format_count(damages.len(), "damaged file"), format_count(healed.len(), "backup"));
    let mut text = format!("{files} found; {backups} whole again");
    for damage in damages {
        let _infallible = write!(text, "\n  {}", shown::paragraph(damage));
    }
    for backup in lost {
        let _infallible = write!(text, "\n  still lost: {}", what_is_lost(backup));
    }
    text
}

/// Text with the lost streams of a backup.
pub(super) fn what_is_lost(lost: &LostBackup) -> String {
    let of = lost.time.as_ref().unwrap_or(&lost.backup);
    let streams = if lost.streams.is_empty() { "everything".to_owned() } else { lost.streams.join(", ") };
    format!("{streams} of the backup of {of}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repair_lists_healed_and_lost() {
        let mut repaired = RepairedBackups {
            damages: vec!["data/0f/0f is missing: takes a/b of the backup of 2026-11-20T02:00:00Z".to_owned()],
            healed: Vec::new(),
            lost: vec![LostBackup {
                backup: "01".repeat(32),
                time: Some("2026-11-20T02:00:00Z".to_owned()),
                streams: vec!["a/b".to_owned()],
            }],
        };
        assert_eq!(
            text(&repaired),
            "1 damaged file found; 0 backups whole again\n  data/0f/0f is missing: takes a/b of the backup of \
             2026-11-20T02:00:00Z\n  still lost: a/b of the backup of 2026-11-20T02:00:00Z"
        );
        repaired.lost.clear();
        repaired.damages.clear();
        assert_eq!(text(&repaired), "nothing is damaged: every byte was read");
    }
}
