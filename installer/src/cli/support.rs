//! Arguments of commands for a site that has a problem.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::look::time;

#[derive(Debug, Subcommand)]
pub(crate) enum SupportCommand {
    /// Collect status, logs, journals and objects of this site into one file, without secrets; runs its proofs.
    Collect(SupportCollectArguments),
    /// Report the observations in a support bundle, and the page to read for each; works on any machine, and needs no
    /// site.
    Analyze(SupportAnalyzeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SupportCollectArguments {
    /// File that receives the support bundle, a `.tar.gz`; it must not exist.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Maximum age of logs, such as `15m`, `2h` or `72h`.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "24h")]
    pub(crate) since: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct SupportAnalyzeArguments {
    /// Support bundle.
    pub(crate) file: PathBuf,
}
