//! `landfall prove`: runs the proofs of the release.

use std::fmt::Write;

use landfall_error_codes::codes;
use landfall_lifecycle::operations::ProofReport;

use super::site::operations_of_root;
use crate::cli::ProveArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

impl Document for ProofReport {
    const KIND: &'static str = "proofs";
}

/// Runs proofs and reports each; fails if one of them fails.
pub(crate) fn run(arguments: &ProveArguments, printer: Printer) -> Result<(), Failure> {
    let report = operations_of_root(printer)?.prove(&arguments.names)?;
    printer.report_verdict(&report, text, refusal(&report)).map(drop)
}

/// Failure for a report with failed proofs.
fn refusal(report: &ProofReport) -> Option<Failure> {
    let failed: Vec<_> = report.failed_proofs().collect();
    if failed.is_empty() {
        return None;
    }
    let count = report.proofs.len();
    let what = format!(
        "{} of {count} proofs of release {} {} failed: {}",
        failed.len(),
        report.release,
        report.version,
        failed.join(", ")
    );
    Some(Failure::new(codes::PROOF_FAILED, what))
}

fn text(report: &ProofReport) -> String {
    let ProofReport { release, version, proofs, .. } = report;
    if proofs.is_empty() {
        return format!("release {release} {version} declares no proofs");
    }
    let passed = proofs.iter().filter(|proof| proof.passed).count();
    let mut text = format!("{passed} of {} proofs of release {release} {version} passed\n", proofs.len());
    for proof in proofs {
        let state = if proof.passed { "passed" } else { "FAILED" };
        let _infallible = writeln!(text, "\n{state}  {} ({:.1} s): {}", proof.name, proof.seconds, proof.shows);
        let Some(failure) = &proof.failure else { continue };
        for (label, what) in
            [("asked", proof.asked.as_deref()), ("expected", Some(&failure.expected)), ("found", Some(&failure.found))]
        {
            let _infallible = what.map(|what| writeln!(text, "    {label}: {}", shown::paragraph(what)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use landfall_lifecycle::operations::{Mismatch, ProofResult};

    use super::*;

    fn result(name: &str, failure: Option<Mismatch>) -> ProofResult {
        ProofResult {
            name: name.to_owned(),
            component: "db".to_owned(),
            shows: "A row is read again".to_owned(),
            passed: failure.is_none(),
            seconds: 0.25,
            asked: Some("container db of pod db/db-0".to_owned()),
            failure,
        }
    }

    fn report(proofs: Vec<ProofResult>) -> ProofReport {
        let passed = proofs.iter().all(|proof| proof.passed);
        ProofReport { release: "shop".to_owned(), version: "1.0.0".to_owned(), passed, proofs }
    }

    #[test]
    fn failed_proof_shows_mismatch() {
        let failure =
            Mismatch { expected: "exit code 0".to_owned(), found: "exit code 1; standard error `no\nrole`".to_owned() };
        let report = report(vec![result("rows", None), result("keys", Some(failure))]);
        assert_eq!(report.failed_proofs().collect::<Vec<_>>(), ["keys"]);
        insta::assert_snapshot!(text(&report));
    }

    #[test]
    fn program_output_forges_no_line() {
        let hostile = "\u{1b}[32m`\npassed  keys (0.0 s): all is well\n";
        let failure = Mismatch { expected: "exit code 0".to_owned(), found: hostile.to_owned() };
        let text = text(&report(vec![result("keys", Some(failure))]));
        assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("passed")), "{text}");
    }

    #[test]
    fn missing_proofs_are_stated() {
        assert_eq!(text(&report(Vec::new())), "release shop 1.0.0 declares no proofs");
    }
}
