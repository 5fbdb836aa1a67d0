//! The fit as text: a table with aligned columns, then every reason and every setting.

use std::fmt::Write as _;

use super::report::{FitReport, ModelFit, PlaceFit, Profile};
use super::text::{gib, group_digits};

/// Columns of the table, and whether they are aligned to the right, as numbers are.
const COLUMNS: [(&str, bool); 10] = [
    ("model", false),
    ("weights", false),
    ("place", false),
    ("engine", false),
    ("GPUs", true),
    ("copies", true),
    ("context", true),
    ("at once", true),
    ("KV tokens", true),
    ("memory", true),
];

/// Formats the report for people.
pub fn table(report: &FitReport) -> String {
    let mut text = host(report);
    let rows: Vec<_> =
        report.models.iter().flat_map(|model| model.places.iter().filter_map(|place| row(model, place))).collect();
    if rows.is_empty() {
        text += "\nNo model fits.\n";
    } else {
        text.push('\n');
        text += &align_columns(&rows);
        text += "\nAt once: sequences of the whole context. Memory: of each GPU, or of the host.\n";
    }
    text += &section("Settings", report, |place| place.profile.as_ref().map(settings).filter(|text| !text.is_empty()));
    text += &section("On a part of one GPU (MIG)", report, mig);
    text += &section("Does not fit", report, |place| Some(place.refusal.as_ref()?.text.clone()));
    text + &images(report)
}

fn host(report: &FitReport) -> String {
    let host = &report.host;
    let mut text = format!("{} cores, {} of memory", host.cores, gib(host.memory_bytes));
    if let Some(driver) = &host.driver {
        let _infallible = write!(text, ", driver {driver}");
    }
    if let Some(cuda) = &host.cuda {
        let _infallible = write!(text, ", CUDA {cuda}");
    }
    text.push('\n');
    for gpu in &host.gpus {
        let capability = gpu.compute_capability.as_deref().unwrap_or("unknown");
        let each = gib(gpu.memory_bytes);
        let _infallible = writeln!(text, "{}, {each} each, compute capability {capability}", gpu.place);
    }
    if host.gpus.is_empty() {
        text += "no GPU that models can use\n";
    }
    for note in &host.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    text
}

fn row(model: &ModelFit, place: &PlaceFit) -> Option<[String; 10]> {
    let profile = place.profile.as_ref()?;
    let gpus = if profile.tensor_parallel == 0 { "-".to_owned() } else { profile.tensor_parallel.to_string() };
    Some([
        model.name.clone(),
        model.quantization.clone(),
        place.place.clone(),
        profile.engine.name().to_owned(),
        gpus,
        profile.copies.to_string(),
        group_digits(profile.context),
        group_digits(profile.sequences),
        profile.kv_cache_tokens.map_or_else(|| "-".to_owned(), group_digits),
        gib(profile.memory_bytes),
    ])
}

fn align_columns(rows: &[[String; 10]]) -> String {
    let heads = COLUMNS.map(|(head, _)| head.to_owned());
    let width =
        |column: usize| rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let (width, is_number) = (widths[column], COLUMNS[column].1);
            let _infallible =
                if is_number { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn settings(profile: &Profile) -> String {
    profile.settings.join(" ")
}

fn mig(place: &PlaceFit) -> Option<String> {
    let mig = place.mig.as_ref()?;
    Some(format!(
        "{}, up to {} on each GPU; context {}, {} at once",
        mig.name,
        mig.instances,
        group_digits(mig.context),
        group_digits(mig.sequences)
    ))
}

/// Returns a heading, and a line for each place of each model for which `say` returns a text.
fn section(heading: &str, report: &FitReport, say: impl Fn(&PlaceFit) -> Option<String>) -> String {
    let lines: Vec<_> = report
        .models
        .iter()
        .flat_map(|model| model.places.iter().map(move |place| (model, place)))
        .filter_map(|(model, place)| Some(format!("  {} on {}: {}\n", model.name, place.place, say(place)?)))
        .collect();
    if lines.is_empty() { String::new() } else { format!("\n{heading}:\n{}", lines.concat()) }
}

fn images(report: &FitReport) -> String {
    let mut text = String::new();
    for image in &report.images {
        let _infallible = writeln!(text, "\n{} (CUDA {}):", image.reference, image.cuda);
        for place in &image.places {
            let verdict = place.refusal.as_ref().map_or("runs", |refusal| refusal.text.as_str());
            let _infallible = writeln!(text, "  on {}: {verdict}", place.place);
        }
    }
    text
}
