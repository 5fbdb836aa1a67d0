//! `landfall node change`: runs in a child process of the host API. Each subcommand prints one JSON value for the API;
//! errors are printed as by every command.

use std::path::{Path, PathBuf};

use landfall_error_codes::{CodedError as _, codes};
use landfall_lifecycle::operations::{
    ArrivedBundle, CheckedBundle, FoundRelease, OperationError, Operations, correlation_of_environment,
};
use landfall_peer::{MediumRelease, Problem};
use landfall_site::removable::{FoundFile, bundles_below};
use landfall_site::uploads::UploadVerdict;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::prepared_change::prepare;
use super::resolved_change::{ApprovedChange, ResolvedChange, read_input};
use super::site::operations_of_root;
use crate::cli::ChangeCommand;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;
use crate::shown;

/// Maximum length of a name that is passed on, in characters.
const NAME_CHARACTERS: usize = 120;

/// Hint for an upload that differs from what the vendor signed.
const ANEW: &str = "Nothing of the upload is kept. Get a good copy, compare it with SHA256SUMS, and upload that one.";
/// Hint for an upload that is only a part of a bundle.
const WHOLE: &str =
    "Nothing of the upload is kept. Upload the whole bundle; of one in parts, choose all parts together.";

/// A bundle that was found in one of the folders.
#[derive(Serialize, Deserialize)]
pub(crate) struct LookedBundle {
    /// Index of the folder among the arguments.
    pub(crate) folder: usize,
    /// Path of one of its files.
    pub(crate) path: PathBuf,
    /// Base name of its files on the stick.
    pub(crate) name: String,
    /// Total size of its files in bytes.
    pub(crate) size_bytes: u64,
    /// The release, if verified.
    pub(crate) release: Option<MediumRelease>,
    /// Reason why it cannot be used.
    pub(crate) problem: Option<Problem>,
}

/// Runs the subcommand.
pub(super) fn run(command: &ChangeCommand, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::correlate(correlation_of_environment());
    match command {
        ChangeCommand::Look { folders } => {
            let found = folders.iter().enumerate().flat_map(|(index, folder)| look(&operations, index, folder));
            print(printer, &found.collect::<Vec<_>>())?;
        }
        ChangeCommand::Plan => plan(&operations, read_input()?, printer)?,
        ChangeCommand::Begin => begin(&operations, read_input()?, printer)?,
        ChangeCommand::CheckUpload { bundle, checked, size } => {
            let arrived = ArrivedBundle { path: bundle, checked_bytes: *checked, size_bytes: *size };
            print(printer, &verdict(operations.check_upload(&arrived)?))?;
        }
        ChangeCommand::BeginAbort { operation } => {
            logging::keep(&operations.paths.logs(), "abort");
            operations.begin_abort(*operation)?;
            print(printer, &json!({}))?;
        }
    }
    Ok(())
}

fn print(printer: Printer, value: &impl Serialize) -> Result<(), Failure> {
    // Trees of values without NaN always convert to JSON.
    printer.data(&shown::json(&serde_json::to_string(value).unwrap_or_default()))
}

/// Plans a change.
fn plan(operations: &Operations, change: ResolvedChange, printer: Printer) -> Result<(), Failure> {
    let (document, digest) = prepare(operations, change)?.plan_document()?;
    let document: Value = serde_json::from_str(&document)
        .map_err(|error| Failure::new(codes::BUG, "the plan's document is not JSON").because(&error))?;
    let (digest, site) = (digest.to_string(), operations.site_name()?);
    print(printer, &json!({ "digest": digest, "site": site, "document": document }))
}

/// Begins a change, if its plan is the approved one.
fn begin(operations: &Operations, approved: ApprovedChange, printer: Printer) -> Result<(), Failure> {
    let ApprovedChange { change, approved } = approved;
    logging::keep(&operations.paths.logs(), change.verb());
    print(printer, &prepare(operations, change)?.begin_planned(approved)?)
}

fn look(operations: &Operations, folder: usize, root: &Path) -> Vec<LookedBundle> {
    let describe = |FoundFile { path, name, size_bytes }: FoundFile| {
        let (release, problem) = match operations.look_at(&path) {
            Ok(found) => {
                let (release, refusal) = split_refusal(found);
                (Some(release), refusal.map(to_problem))
            }
            Err(error) => (None, Some(to_problem(error))),
        };
        LookedBundle { folder, path, name, size_bytes, release, problem }
    };
    let found = bundles_below(root).into_iter().filter(|found| found.path.to_str().is_some());
    found.map(describe).collect()
}

/// A release with verified signatures, and the reason why it cannot be used nonetheless.
fn split_refusal(found: FoundRelease) -> (MediumRelease, Option<OperationError>) {
    let FoundRelease { name, version, built_at, development, newer, counter, refusal } = found;
    (MediumRelease { name, version, built_at, development, newer, counter }, refusal)
}

/// Converts the result of an upload's check for the API.
fn verdict(checked: CheckedBundle) -> UploadVerdict {
    let CheckedBundle { checked_bytes, bundle, release, refusal } = checked;
    let release = release.map(|found| split_refusal(found).0);
    UploadVerdict { checked_bytes, bundle, release, problem: refusal.map(refused_upload) }
}

/// Problem of a refused upload. None of its files remain to be copied again.
fn refused_upload(error: OperationError) -> Problem {
    let (code, problem) = (error.code(), to_problem(error));
    let hint = match code {
        codes::BUNDLE_SHORT => Some(WHOLE.to_owned()),
        codes::PAYLOAD_DAMAGED | codes::SURPLUS_DATA => Some(ANEW.to_owned()),
        _ => problem.hint,
    };
    Problem { hint, ..problem }
}

/// Problem of an unusable bundle, with names from the stick escaped.
fn to_problem(error: impl Into<Failure>) -> Problem {
    let failure = error.into();
    let detail = (!failure.causes().is_empty()).then(|| shown::line(&failure.causes().join(": ")));
    Problem {
        status: 422,
        title: shown::line(failure.what()),
        detail,
        code: Some(failure.code().into()),
        hint: Some(shown::line(failure.next_step())),
    }
}

/// A name from a stick for display: truncated, and without invisible characters.
pub(crate) fn shown_name(name: &str) -> String {
    let mut short: String = name.chars().take(NAME_CHARACTERS).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    shown::line(&short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_escaped_and_shortened() {
        assert_eq!(shown_name("starter-1.1.0-ab12"), "starter-1.1.0-ab12");
        assert_eq!(shown_name("a\u{1b}[2Jb\u{202e}c"), r"a\u{1b}[2Jb\u{202e}c");
        assert_eq!(shown_name("<script>alert(1)</script>"), "<script>alert(1)</script>", "pages escape what is seen");
        assert!(shown_name(&"x".repeat(5000)).chars().count() <= NAME_CHARACTERS + 1);
    }
}
