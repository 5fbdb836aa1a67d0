//! `landfall support`: collects a support bundle for the vendor, and analyzes one.

use std::fmt::Write;
use std::io::BufReader;

use indicatif::HumanBytes;
use landfall_error_codes::codes;
use landfall_lifecycle::operations::CollectedSupport;
use landfall_support::analyze::{Analysis, Observation, Severity, analyze};
use landfall_support::{Index, archive};

use super::site::operations_of_root;
use crate::cli::{SupportAnalyzeArguments, SupportCollectArguments, SupportCommand};
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for CollectedSupport {
    const KIND: &'static str = "supportBundle";
}

impl Document for Index {
    const KIND: &'static str = landfall_support::KIND;
    const SCHEMA: u32 = landfall_support::SCHEMA;
}

impl Document for Analysis {
    const KIND: &'static str = "supportAnalysis";
}

/// Runs the subcommand.
pub(crate) fn run(command: &SupportCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        SupportCommand::Collect(arguments) => collect(arguments, printer),
        SupportCommand::Analyze(arguments) => show(arguments, printer),
    }
}

fn collect(arguments: &SupportCollectArguments, printer: Printer) -> Result<(), Failure> {
    let collected = operations_of_root(printer)?.collect_support(&arguments.output, arguments.since)?;
    printer.report(&collected, collected_text)?;
    Ok(())
}

fn collected_text(collected: &CollectedSupport) -> String {
    let CollectedSupport { file, size_bytes, files, truncated, known_values, unknown, collectors } = collected;
    let mut text = format!("{} has {}, {}", file.display(), format_count(*files, "file"), HumanBytes(*size_bytes));
    if *truncated > 0 {
        let _infallible = write!(text, "; {truncated} of them have only the newest lines");
    }
    let _infallible =
        write!(text, "\n{known_values} known secret values were looked for, and what looks like a secret");
    for why in unknown {
        let _infallible = write!(text, "\nnot known: {why}");
    }
    for collector in collectors {
        for failure in &collector.failures {
            let _infallible = write!(text, "\nnot collected: {}: {failure}", collector.name);
        }
    }
    text + "\nLook into it before you hand it over: `tar --extract --gzip --file FILE --directory FOLDER`"
}

fn show(arguments: &SupportAnalyzeArguments, printer: Printer) -> Result<(), Failure> {
    let file = fs_err::File::open(&arguments.file).map_err(|error| {
        let what = format!("the support bundle {} cannot be opened", arguments.file.display());
        Failure::new(codes::SUPPORT_UNREADABLE, what).because(&error)
    })?;
    let analysis = analyze(&archive::read(BufReader::new(file))?);
    printer.report(&analysis, analysis_text)?;
    Ok(())
}

pub(super) fn analysis_text(analysis: &Analysis) -> String {
    let Analysis { collected_at, landfall, files, observations, gaps } = analysis;
    let mut text = format!(
        "collected at {collected_at} by landfall {landfall}: {}, {}",
        format_count(*files, "file"),
        format_count(observations.len(), "observation")
    );
    for observation in observations {
        observation_text(&mut text, observation);
    }
    for gap in gaps {
        let _infallible = write!(text, "\nnot collected: {gap}");
    }
    text
}

fn observation_text(text: &mut String, observation: &Observation) {
    let Observation { rule, severity, what, evidence, more, page } = observation;
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let _infallible = write!(text, "\n\n{severity}[{rule}]: {what}");
    for one in evidence {
        // A line break in a quotation must not create a line of its own.
        let quoted = one.text.replace(['\n', '\r'], " ");
        let _infallible = write!(text, "\n  {}:{}: {quoted}", one.file, one.line);
    }
    if *more > 0 {
        let _infallible = write!(text, "\n  and {more} more");
    }
    let _infallible = write!(text, "\n  read `landfall handbook {page}`");
}

#[cfg(test)]
mod tests {
    use landfall_support::CollectorRecord;
    use landfall_support::analyze::Evidence;

    use super::*;

    #[test]
    fn collection_names_gaps() {
        let collected = CollectedSupport {
            file: "/root/support.tar.gz".into(),
            size_bytes: 3 << 20,
            files: 80,
            truncated: 2,
            known_values: 41,
            unknown: vec!["the cluster's Secrets cannot be read, but for those on this host: no answer".to_owned()],
            collectors: vec![
                CollectorRecord { name: "status".to_owned(), milliseconds: 5, failures: Vec::new() },
                CollectorRecord {
                    name: "cluster".to_owned(),
                    milliseconds: 5000,
                    failures: vec!["no answer".to_owned()],
                },
            ],
        };
        insta::assert_snapshot!(collected_text(&collected));
    }

    #[test]
    fn analysis_escapes_quotations() {
        let observation = Observation {
            rule: "image",
            severity: Severity::Error,
            what: "An image cannot be pulled",
            evidence: vec![Evidence {
                file: "cluster/pods.jsonl".to_owned(),
                line: 3,
                text: "shop/web: ImagePullBackOff\nerror[LF0000]: \u{1b}[2Jgone".to_owned(),
            }],
            more: 2,
            page: "field/events",
        };
        let analysis = Analysis {
            collected_at: "2026-11-20T08:00:00Z".to_owned(),
            landfall: "0.1.0".to_owned(),
            files: 80,
            observations: vec![observation],
            gaps: vec!["cluster: no answer".to_owned()],
        };
        insta::assert_snapshot!(crate::shown::block(&analysis_text(&analysis)));
    }
}
