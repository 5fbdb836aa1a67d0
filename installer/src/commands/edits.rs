//! Edits of administrators, as plans of changes list them.

use std::fmt::Write as _;

use landfall_lifecycle::operations::ObjectEdit;

/// The edited fields, and the result for each edit.
pub(super) fn text(edits: &[ObjectEdit]) -> String {
    let mut text = String::new();
    for found in edits {
        let fate = match found {
            ObjectEdit { is_removed: true, .. } => "goes with its object, which the release no longer has",
            _ if found.is_lost() => "would be lost: revert it, or use --overwrite-edits",
            _ => "stays",
        };
        let _infallible = write!(text, "\n  edited: {found}; it {fate}");
    }
    text
}
