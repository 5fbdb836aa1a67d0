//! `landfall probe`: collects the facts of each node of an existing cluster. The facts of a node are synced to disk as
//! soon as they are known.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use indicatif::HumanBytes;
use landfall_engine::step::StepError;
use landfall_host::facts::Facts;
use landfall_lifecycle::operations::{Absence, ProbeOutcome, ProbeReport, ProbeRequest, ProbedNode};
use landfall_media::durable;
use landfall_models::Host;

use super::site::operations;
use crate::cli::ProbeArguments;
use crate::document::{self, Document};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

/// Mode of the files: facts contain no secrets.
const FILE_MODE: u32 = 0o644;

impl Document for ProbeReport {
    const KIND: &'static str = "probe";
}

/// Probes the nodes and reports each. The exit code shows if all of them have facts and nothing is left in the cluster.
pub(crate) fn run(arguments: &ProbeArguments, printer: Printer) -> Result<ExitCode, Failure> {
    if let Some(folder) = &arguments.output {
        durable::create_folder(folder)?;
    }
    let request = ProbeRequest {
        kubeconfig: arguments.kubeconfig.clone(),
        image: arguments.image.clone(),
        limit: arguments.timeout,
    };
    let report = operations(printer).probe(&request, &mut |node| keep(node, arguments.output.as_deref()))?;
    printer.report_verdict(&report, text, report.exit_code())
}

/// Writes the facts of a node in the format that `--facts` reads. Names of nodes are valid file names.
fn keep(node: &ProbedNode, folder: Option<&Path>) -> Result<(), StepError> {
    if let (Some(folder), ProbeOutcome::Facts(facts)) = (folder, &node.probed) {
        let text = document::pretty::<Facts>(facts) + "\n";
        durable::write_file(&folder.join(format!("{}.json", node.name)), text.as_bytes(), FILE_MODE)?;
    }
    Ok(())
}

fn text(report: &ProbeReport) -> String {
    let ProbeReport { server, nodes, leftover } = report;
    let mut text = format!("{} of {} nodes of {} have facts\n", report.with_facts(), nodes.len(), shown::line(server));
    for node in nodes {
        let found = match &node.probed {
            ProbeOutcome::Facts(facts) => describe_facts(facts),
            ProbeOutcome::Absent(absent) => missing("no facts", absent),
        };
        let _infallible = write!(text, "\n{}: {found}", shown::line(&node.name));
    }
    if let Some(leftover) = leftover {
        let _infallible = write!(text, "\n\n{}", missing("left in the cluster", leftover));
    }
    text
}

/// Summary of a node's facts for a person.
fn describe_facts(facts: &Facts) -> String {
    let Facts { operating_system, kernel, cores, memory_bytes, gpus, .. } = facts;
    let groups = Host::of(*cores, *memory_bytes, gpus.as_ref()).groups;
    let groups: Vec<String> = groups.iter().map(|group| format!("{} × {}", group.count, group.model)).collect();
    let gpus = if groups.is_empty() { "no GPU for models".to_owned() } else { groups.join(", ") };
    shown::line(&format!("{operating_system}, kernel {kernel}, {cores} cores, {}, {gpus}", HumanBytes(*memory_bytes)))
}

fn missing(what: &str, absent: &Absence) -> String {
    format!("{what} [{}]: {}\n  next: {}", absent.code, shown::paragraph(&absent.reason), absent.next)
}

#[cfg(test)]
mod tests {
    use landfall_host::facts::sample::sample;
    use serde_json::Value;

    use super::*;

    fn absence(reason: &str) -> Absence {
        Absence { code: "LF3077".into(), reason: reason.to_owned(), next: "Repair it.".to_owned() }
    }

    fn report(leftover: Option<Absence>) -> ProbeReport {
        let node = |name: &str, probed| ProbedNode { name: name.to_owned(), probed };
        let nodes = vec![
            node("node-1", ProbeOutcome::Facts(Box::new(sample()))),
            node("node-2", ProbeOutcome::Absent(absence("x\u{1b}[2J\nnode-3: fine"))),
        ];
        ProbeReport { server: "https://10.0.0.1:6443/".to_owned(), nodes, leftover }
    }

    #[test]
    fn node_results_forge_no_line() {
        let shown = text(&report(None));
        assert!(shown.starts_with("1 of 2 nodes of https://10.0.0.1:6443/ have facts\n"), "{shown}");
        assert!(shown.contains("\nnode-1: debian 12, kernel 6.1.0-18-amd64, 4 cores, 16.00 GiB, no GPU"), "{shown}");
        assert!(shown.contains("\nnode-2: no facts [LF3077]: x"), "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains("\nnode-3"), "{shown}");
        let left = text(&report(Some(absence("the namespace landfall-probe-1 is not deleted: it waits"))));
        assert!(left.contains("\n\nleft in the cluster [LF3077]: the namespace landfall-probe-1"), "{left}");
    }

    #[test]
    fn documents_and_node_files_are_readable() {
        let report = report(None);
        let validator = jsonschema::validator_for(&document::schema_of::<ProbeReport>().1).unwrap();
        let document: Value = serde_json::from_str(&document::pretty(&report)).unwrap();
        let problems: Vec<_> = validator.iter_errors(&document).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let folder = tempfile::tempdir().unwrap();
        for node in &report.nodes {
            keep(node, Some(folder.path())).unwrap();
            keep(node, None).unwrap();
        }
        assert_eq!(Facts::read(&folder.path().join("node-1.json")).unwrap(), sample());
        assert!(!folder.path().join("node-2.json").exists());
    }
}
