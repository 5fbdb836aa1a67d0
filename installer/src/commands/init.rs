//! `landfall init`: creates a release folder from manifests and charts.

use landfall_builder::{InitOptions, InitReport};

use crate::cli::InitArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for InitReport {
    const KIND: &'static str = "init";
}

/// Creates a release folder.
pub(crate) fn run(arguments: InitArguments, printer: Printer) -> Result<(), Failure> {
    let InitArguments { sources, output, name, no_console, lock, kubectl, helm } = arguments;
    let options = InitOptions { sources, output, name, console: !no_console, lock, kubectl, helm };
    let report = landfall_builder::init(&options)?;
    printer.report(&report, text)?;
    Ok(())
}

fn text(report: &InitReport) -> String {
    let InitReport { folder, name, components, unresolved, fill_in } = report;
    let folder = folder.display();
    let mut lines = vec![format!("{folder}: the release {name}")];
    for component in components {
        let images = component.images.len();
        lines.push(format!("  {} in the namespace {}: {images} images", component.name, component.namespace));
        lines.extend(component.problem.iter().map(|problem| format!("    not rendered yet: {problem}")));
    }
    lines.push("next:".to_owned());
    let mut steps = Vec::new();
    if !fill_in.is_empty() {
        let fields: Vec<String> = fill_in.iter().map(|field| format!("\n       {field}")).collect();
        steps.push(format!("fill in {} fields in {folder}:{}", fill_in.len(), fields.concat()));
    }
    steps.push(format!("check tags and licenses in {folder}/images.lock: {unresolved} entries are unresolved"));
    steps.push(format!("landfall lock {folder}"));
    steps.push(format!("landfall build {folder} --key keys/cosign.key --roots keys --output STICK"));
    lines.extend(steps.into_iter().enumerate().map(|(index, step)| format!("  {}. {step}", index + 1)));
    lines.join("\n")
}
