//! `cargo xtask gpu`: compares the report of `landfall-gpu` about this machine's GPUs with NVIDIA's own program.

use std::path::PathBuf;

use anyhow::Result;

use crate::gpu::{Field, ProgramOutputs};
use crate::printer;

/// Compare `landfall-gpu` with `nvidia-smi` on a machine with a GPU, field by field.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Keep the output of both programs in this folder, including serial numbers.
    #[arg(long, value_name = "FOLDER", conflicts_with = "from_folder")]
    keep: Option<PathBuf>,
    /// Compare output from another machine, kept in this folder.
    #[arg(long, value_name = "FOLDER")]
    kept: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let printed = match &arguments.kept {
        Some(folder) => ProgramOutputs::from_folder(folder)?,
        None => ProgramOutputs::here()?,
    };
    if let Some(folder) = &arguments.keep {
        printed.keep(folder)?;
    }
    let fields = printed.compare_fields()?;
    fields.iter().for_each(show);
    let differ = fields.iter().filter(|field| !field.agrees).count();
    printer::note(format_args!("{} fields compared, {differ} differ", fields.len()));
    Ok(u8::from(differ > 0))
}

fn show(field: &Field) {
    let Field { subject, name, landfall, nvidia_smi, agrees } = field;
    let mark = if *agrees { "same   " } else { "DIFFERS" };
    printer::data(format_args!("{mark} {subject} {name}: {landfall} | {nvidia_smi}"));
}
