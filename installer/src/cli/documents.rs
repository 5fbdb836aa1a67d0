//! Arguments of the commands that write documents about the commands themselves.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct ManualsArguments {
    /// Folder that receives `landfall.1` and a page for each command.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SchemasArguments {
    /// Folder that receives `KIND.json` for each kind of document.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ErrorsArguments {
    /// Print docs/ERRORS.md, with the next step for each code.
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// Error code, such as `LF4408`; case does not matter, and `LF` may be omitted.
    pub(crate) code: String,
}

#[derive(Debug, Args)]
pub(crate) struct HandbookArguments {
    /// Page to print as Markdown, such as `operate/backup`; without one, the command lists all pages.
    pub(crate) page: Option<String>,
    /// Folder that receives the handbook as files for a browser, which open without a network.
    #[arg(long, short, value_name = "FOLDER", conflicts_with = "page")]
    pub(crate) output: Option<PathBuf>,
}

/// Kinds of names that a shell completes.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ValueKind {
    /// Components of the installed release.
    Components,
    /// Versions to which the site can return.
    Releases,
}
