//! Arguments of the commands that systemd and the host's API run.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{RestoreSelection, RollbackData};

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
    /// Write manual pages, completions and handbooks, in the layout of `/usr/local/share`; run by an install.
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
    /// Plan an upgrade.
    PlanUpgrade {
        /// One of the bundle's files.
        bundle: PathBuf,
    },
    /// Plan a rollback.
    PlanRollback {
        /// Version to return to.
        #[arg(long)]
        to: String,
        /// Treatment of data that the installed release has changed.
        #[arg(long, value_enum)]
        data: Option<RollbackData>,
    },
    /// Plan a restore.
    PlanRestore {
        #[command(flatten)]
        selection: RestoreSelection,
    },
    /// Begin an upgrade, if it matches the approved plan.
    BeginUpgrade {
        /// One of the bundle's files.
        bundle: PathBuf,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Begin a rollback, if it matches the approved plan.
    BeginRollback {
        /// Version to return to.
        #[arg(long)]
        to: String,
        /// Treatment of data that the installed release has changed.
        #[arg(long, value_enum)]
        data: Option<RollbackData>,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Begin a restore, if it matches the approved plan.
    BeginRestore {
        #[command(flatten)]
        selection: RestoreSelection,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Plan a change of settings; the changed values are read from standard input, as JSON.
    PlanConfigure,
    /// Begin a change of settings, if it matches the approved plan.
    BeginConfigure {
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
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
