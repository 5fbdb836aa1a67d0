//! Arguments of the commands that write documents about the commands themselves.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ManualsArguments {
    /// Folder that receives `landfall.1` and a page for each command.
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SchemasArguments {
    /// Folder that receives `KIND.json` for each kind of document.
    pub(crate) output: PathBuf,
}
