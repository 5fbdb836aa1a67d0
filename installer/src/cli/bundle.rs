//! Arguments of the commands that look at a bundle, or copy what it holds.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SbomArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
    /// Print only the bill of this image: its reference, or the end of it, with or without the tag.
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    /// Format of the bill.
    #[arg(long, value_enum)]
    pub(crate) format: SbomFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SbomFormat {
    /// SPDX 2.3, as JSON.
    Spdx,
    /// CycloneDX 1.6, as JSON.
    Cyclonedx,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// First bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) from: PathBuf,
    /// Second bundle, in any of the same forms.
    pub(crate) to: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Print how each model runs on this machine, or why it does not; changes nothing and verifies nothing.
    Fit(ModelsFitArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ModelsFitArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    pub(crate) bundle: Option<PathBuf>,
    /// A GGUF file, or a folder with safetensors files and `config.json`, instead of a release's models.
    #[arg(long, value_name = "FILE|FOLDER")]
    pub(crate) model: Vec<PathBuf>,
    /// Compute for another host, whose facts are in this file, as printed there by `landfall facts`.
    #[arg(long)]
    pub(crate) facts: Option<PathBuf>,
}

/// Source of trust, which is never the stick.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// A root document, or the fingerprint of root document 1 as `sha256:…`, from a source other than the stick.
    #[arg(long, env = "LANDFALL_TRUST", hide_env_values = true, value_name = "ROOT|FINGERPRINT")]
    pub(crate) trust: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// A bundle, one of its parts, or the folder that holds them.
    #[arg(required_unless_present = "installed")]
    pub(crate) bundle: Option<PathBuf>,
    /// Check everything that is staged on this machine, instead of a bundle.
    #[arg(long, conflicts_with = "bundle")]
    pub(crate) installed: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ProvenanceArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
    /// File with the provenance; by default, the one that `landfall build` wrote next to the bundle.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StageArguments {
    /// A bundle, one of its parts, or the folder that holds them.
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Folder that receives the blobs, in the storage layout of CNCF distribution.
    #[arg(long)]
    pub(crate) store: PathBuf,
}
