//! Arguments of the commands that systemd and the host's API run.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Renew certificates, and maintain names, routes and network configuration; run by systemd.
    Run,
    /// Finish or undo the open change; run by systemd.
    #[command(hide = true)]
    Operate,
    /// Serve the host API for the console's pods; run by systemd.
    #[command(hide = true)]
    Serve,
    /// Measure the site's use of its license; run by the agent each hour.
    #[command(hide = true)]
    Measure,
    /// Answer a question of the host API about a change, or begin one; run by that API.
    #[command(hide = true, subcommand)]
    Change(ChangeCommand),
    /// Write manual pages, completions and the handbook, in the layout of `/usr/local/share`; run by an install.
    #[command(hide = true)]
    WriteHelp {
        /// Folder that receives the files.
        folder: PathBuf,
    },
    /// Prepare the host for a unit; run by systemd before the unit's program.
    #[command(hide = true)]
    Prepare {
        /// Program of the unit.
        program: PreparedProgram,
    },
}

/// Tasks that the host API gives to a child process.
#[derive(Debug, Subcommand)]
pub(crate) enum ChangeCommand {
    /// List the bundles in folders.
    Look {
        /// Folders to search.
        folders: Vec<PathBuf>,
    },
    /// Plan a change; it is read from standard input, as JSON.
    Plan,
    /// Begin a change, if it matches the approved plan; both are read from standard input, as JSON.
    Begin,
    /// Check the received part of a bundle that a browser uploads.
    CheckUpload {
        /// File with the received part.
        bundle: PathBuf,
        /// Number of bytes that an earlier check has passed.
        #[arg(long)]
        checked: u64,
        /// Announced size of the whole bundle, in bytes.
        #[arg(long)]
        size: u64,
    },
    /// Undo the open change.
    BeginAbort {
        /// Number of the change's journal.
        operation: u64,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PreparedProgram {
    Containerd,
    Kubelet,
}
