//! `landfall carry in`: imports what the vendor sent back, either all of it or nothing.

use std::fmt::Write;

use landfall_documents::failure::Blocker;
use landfall_error_codes::{CodedError as _, codes};
use landfall_lifecycle::operations::{IncomingFiles, IncomingVerdict, RefusedFile, TakenIn};
use landfall_site::findings::quote;

use crate::cli::CarryInArguments;
use crate::commands::license::site;
use crate::commands::site::operations_of_root;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for TakenIn {
    const KIND: &'static str = "carryIn";
}

/// Checks and imports the files.
pub(super) fn run(arguments: &CarryInArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let incoming = IncomingFiles::find(&arguments.path)?;
    match operations.check_incoming(&incoming)? {
        IncomingVerdict::Fit(checked) => {
            printer.report(&operations.take_in(*checked)?, text)?;
            Ok(())
        }
        IncomingVerdict::Refused(refused) => {
            let what = format!("{} is not taken", arguments.path.display());
            let blockers = refused.into_iter().map(blocking).collect();
            Err(Failure::new(codes::CARRY_REFUSED, what).blocked_by(blockers))
        }
    }
}

fn blocking(RefusedFile { path, error }: RefusedFile) -> Blocker {
    let code = error.code().into();
    let failure = Failure::from(error);
    let mut why = failure.what().to_owned();
    for cause in failure.causes() {
        why.push_str(": ");
        why.push_str(cause);
    }
    Blocker { code, what: path.display().to_string(), why, next: failure.next_step().to_owned() }
}

fn text(taken: &TakenIn) -> String {
    let mut text = String::new();
    if let Some(number) = taken.revocation {
        let _infallible = writeln!(text, "revocation {number} counts here");
    }
    if let Some(license) = &taken.license {
        let _infallible = writeln!(text, "license     {}", site::line(license));
    }
    if let Some(bundle) = &taken.bundle {
        let (name, version, path) = (&bundle.name, &bundle.version, quote(&bundle.path.display().to_string()));
        let _infallible = writeln!(text, "{name} {version} can be installed: landfall upgrade {path}");
    }
    text
}

#[cfg(test)]
mod tests {
    use landfall_engine::step::StepError;
    use landfall_lifecycle::operations::TakenBundle;
    use landfall_lifecycle::operations::status::sample;

    use super::*;

    #[test]
    fn taken_items_have_lines() {
        let bundle = TakenBundle {
            path: "/media/stick".into(),
            name: "starter".to_owned(),
            version: "1.1.0".to_owned(),
            newer: false,
        };
        let of_desktop = TakenBundle { path: "/media/ada/MY STICK".into(), ..bundle.clone() };
        let taken = TakenIn { license: None, revocation: None, bundle: Some(of_desktop) };
        assert_eq!(text(&taken), "starter 1.1.0 can be installed: landfall upgrade '/media/ada/MY STICK'\n");
        let taken = TakenIn { license: Some(sample::license()), revocation: Some(4), bundle: Some(bundle) };
        insta::assert_snapshot!(text(&taken), @r"
        revocation 4 counts here
        license     acme-1 for Acme: valid; it ends in 11 days, on 2026-12-01T00:00:00Z
        starter 1.1.0 can be installed: landfall upgrade /media/stick
        ");
        assert_eq!(text(&TakenIn { license: None, revocation: None, bundle: None }), "");
    }

    #[test]
    fn refused_file_keeps_code_and_hint() {
        let error = StepError::new(codes::LICENSE_REVOKED, "the license acme-1 is revoked").into();
        let refused = blocking(RefusedFile { path: "/media/stick/acme-1.license".into(), error });
        assert_eq!((&*refused.code, refused.why.as_str()), ("LF4705", "the license acme-1 is revoked"));
        assert_eq!(
            (refused.what.as_str(), refused.next.as_str()),
            ("/media/stick/acme-1.license", codes::LICENSE_REVOKED.fix)
        );
    }
}
