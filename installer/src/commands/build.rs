//! `landfall build`: fetches, renders and packs a release into a signed bundle.

use std::io::Write;
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use landfall_builder::{BuildOptions, BuildOutput, BuildReport, Handbook, SiteRoom};
use landfall_bundle_spec::limits::FAT32_PART_BYTES;
use landfall_bundle_spec::parts::BundleName;
use landfall_error_codes::codes;
use schemars::JsonSchema;
use serde::Serialize;

use super::{key, lock, source_date};
use crate::cli::BuildArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::TerminalProgress;
use crate::usage::{self, ProcessUsage};

/// One byte more than the largest file on FAT32.
const FOUR_GIB: u64 = 4 << 30;

/// Result of a build, and its resource use.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuiltBundle {
    #[serde(flatten)]
    report: BuildReport,
    /// Figures from the kernel.
    process: ProcessUsage,
}

impl Document for BuiltBundle {
    const KIND: &'static str = "build";
}

/// Builds a bundle.
pub(crate) fn run(arguments: BuildArguments, printer: Printer) -> Result<(), Failure> {
    let keys = key::read(&arguments.key)?;
    let to_stdout = arguments.output == Path::new("-");
    let mut stream = printer.stream();
    let output = output(&arguments, &mut stream)?;
    let options = BuildOptions {
        store: arguments.store.map_or_else(lock::default_store, Ok)?,
        installer: arguments.installer.map_or_else(this_program, Ok)?,
        appliance: arguments.appliance.map_or_else(|| beside_this_program(landfall_builder::APPLIANCE_PROGRAM), Ok)?,
        validator: arguments.validator.map_or_else(|| beside_this_program(landfall_builder::VALIDATOR_PROGRAM), Ok)?,
        gpu_program: arguments.gpu_program.map_or_else(|| beside_this_program(landfall_builder::GPU_PROGRAM), Ok)?,
        source: lock::source(arguments.release, arguments.source),
        roots: arguments.roots,
        sign_commands: arguments.sign_command,
        kubectl: arguments.kubectl,
        helm: arguments.helm,
        built_at: source_date::now()?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    let report = landfall_builder::build(&options, &keys, output, &TerminalProgress::new(printer))?;
    drop(stream);
    let built = BuiltBundle { report, process: usage::of_this_process() };
    if to_stdout {
        printer.report_beside(&built, text);
    } else {
        printer.report(&built, text)?;
    }
    Ok(())
}

fn output<'a>(arguments: &BuildArguments, stream: &'a mut dyn Write) -> Result<BuildOutput<'a>, Failure> {
    if arguments.output == Path::new("-") {
        if arguments.part_size.is_some() {
            return Err(Failure::new(
                codes::BAD_ARGUMENT,
                "--part-size makes no sense with `--output -`, which is one stream",
            ));
        }
        return Ok(BuildOutput::Stream(stream));
    }
    let part_bytes = part_bytes(arguments.part_size.as_deref().unwrap_or("fat32"))?;
    let (length, unpack) = (landfall_handbook::SINGLE_PAGE_BYTES, landfall_handbook::single_page);
    let handbook = Handbook { length, unpack };
    Ok(BuildOutput::Folder { path: arguments.output.clone(), handbook, part_bytes })
}

/// Parses `fat32`, `none`, or bytes with an optional KiB, MiB or GiB.
pub(super) fn part_bytes(text: &str) -> Result<Option<u64>, Failure> {
    match text {
        "fat32" => return Ok(Some(FAT32_PART_BYTES)),
        "none" => return Ok(None),
        _ => {}
    }
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = text[digits.len()..].trim_start();
    let factor = match unit {
        "" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1_u64 << 30),
        _ => None,
    };
    let bytes = digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    let refused = |what: &str| Failure::new(codes::BAD_ARGUMENT, format!("--part-size {text} {what}"));
    match bytes {
        // In any notation, the vendor means the largest file that a stick can hold.
        Some(FOUR_GIB) => Err(refused("is one byte more than a file on FAT32 can have: write fat32")),
        None if digits == "4" && ["G", "GB"].contains(&unit.to_ascii_uppercase().as_str()) => {
            Err(refused("is not the largest file that FAT32 takes: write fat32"))
        }
        None | Some(0) => Err(refused("is neither fat32 nor none nor bytes such as 4000000, 512MiB or 2GiB")),
        Some(bytes) => Ok(Some(bytes)),
    }
}

fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::new(codes::BAD_ARGUMENT, "this program cannot find itself; name it with --installer").because(&error)
    })
}

/// Default path of a program for an image: next to `landfall`, as published.
fn beside_this_program(name: &str) -> Result<PathBuf, Failure> {
    Ok(this_program()?.with_file_name(name))
}

fn text(built: &BuiltBundle) -> String {
    let report = &built.report;
    let mut lines = vec![format!(
        "{} {}: {}, {} images, {} artifacts, id {}",
        report.name,
        report.version,
        HumanBytes(report.total_bytes),
        report.images,
        report.artifacts,
        report.id
    )];
    if let Some(built_at) = &report.kept {
        lines.push(format!("nothing has changed: the bundle of {built_at} is kept, and nothing was written"));
    }
    lines.extend(report.superseded.iter().map(|stem| format!("removed for it: {stem}, of the same version")));
    lines.extend(report.files.iter().map(|file| format!("  {}  {}", HumanBytes(file.size), file.name)));
    let mark = if report.development { " (DEVELOPMENT root)" } else { "" };
    lines.push(format!("fingerprint of root {}{mark}: {}", report.first_root, report.fingerprint));
    let bundle = BundleName::new(&report.name, &report.version, report.id);
    let SiteRoom { bundle_bytes, unpacked_bytes, unpacking_bytes, data_bytes, total_bytes } = report.site_room;
    lines.push(format!(
        "a site needs {} in its data folder, beside what Kubernetes keeps free: {} from the bundle, {} of unpacked \
         layers, {} for unpacking, {} of requirements.data",
        HumanBytes(total_bytes),
        HumanBytes(bundle_bytes),
        HumanBytes(unpacked_bytes),
        HumanBytes(unpacking_bytes),
        HumanBytes(data_bytes),
    ));
    lines.push(format!("landfall inside: {}", report.installer_sha256));
    lines.push(format!("  to take it out: {}", bundle.take_out_command()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::Parser;
    use landfall_builder::BuildOutput;
    use landfall_bundle_spec::limits::FAT32_PART_BYTES;

    use super::{output, part_bytes};
    use crate::cli::{Cli, Command};

    /// Output folder and maximum part size of a build with these arguments.
    fn parts(more: &[&str]) -> Option<(PathBuf, Option<u64>)> {
        let words = ["landfall", "build", "release", "--key", "k", "--roots", "r", "--output"];
        let cli = Cli::try_parse_from(words.iter().chain(more)).ok()?;
        let Command::Build(arguments) = cli.command else { return None };
        match output(&arguments, &mut std::io::sink()).ok()? {
            BuildOutput::Folder { path, part_bytes, .. } => Some((path, part_bytes)),
            BuildOutput::Stream(_) => None,
        }
    }

    #[test]
    fn fat32_parts_are_default() {
        assert_eq!(parts(&["stick"]), Some(("stick".into(), Some(FAT32_PART_BYTES))));
        assert_eq!(parts(&["stick", "--part-size", "none"]), Some(("stick".into(), None)));
        assert_eq!(parts(&["stick", "--part-size", "64MiB"]), Some(("stick".into(), Some(64 << 20))));
        assert_eq!(parts(&["-"]), None);
    }

    #[test]
    fn part_sizes_are_parsed() {
        for (text, bytes) in [
            ("fat32", 4_294_901_760),
            ("7", 7),
            ("64MiB", 64 << 20),
            ("2GiB", 2 << 30),
            ("4294967295", 4_294_967_295),
            ("8GiB", 8 << 30),
        ] {
            assert_eq!(part_bytes(text).ok(), Some(Some(bytes)), "{text}");
        }
        assert_eq!(part_bytes("none").ok(), Some(None));
        assert_eq!(part_bytes("2 GiB").ok(), Some(Some(2 << 30)));
        let refusal = |text: &str| part_bytes(text).map_err(|failure| failure.what().to_owned()).expect_err(text);
        for text in ["", "0", "MiB", "-1", "99999999999GiB", "1.5GiB", "2GB", "4 TB", "4 G iB"] {
            assert!(refusal(text).contains("is neither fat32 nor none nor bytes"), "{text}: {}", refusal(text));
        }
        for text in ["4GiB", "4 GiB", "4096MiB", "4294967296", "4GB", "4 GB", "4gb", "4G"] {
            assert!(refusal(text).ends_with("write fat32"), "{text}: {}", refusal(text));
        }
    }
}
