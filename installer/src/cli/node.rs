//! Arguments of the commands that systemd and the host's API run.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{RestoreSelection, RollbackData};

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Renew certificates, and maintain names, routes and network configuration; run by systemd.
    Run,
    /// Finish or undo the change that is open; run by systemd.
    #[command(hide = true)]
    Operate,
    /// Answer the console's pods; run by systemd.
    #[command(hide = true)]
    Serve,
    /// Measure what the site uses of its license; run by the agent each hour.
    #[command(hide = true)]
    Measure,
    /// Answer a question of the host's API about a change, or begin one; run by that API.
    #[command(hide = true, subcommand)]
    Change(ChangeCommand),
    /// Write manual pages, completions and handbooks as they are below `/usr/local/share`; run by an install.
    #[command(hide = true)]
    WriteHelp {
        /// Folder that receives them.
        folder: PathBuf,
    },
    /// Prepare the host for a unit; run by systemd before the unit's program.
    #[command(hide = true)]
    Prepare {
        /// The unit's program.
        program: PreparedProgram,
    },
}

/// What the host's API lets a process of its own do.
#[derive(Debug, Subcommand)]
pub(crate) enum ChangeCommand {
    /// List the bundles in folders.
    Look {
        /// The folders.
        folders: Vec<PathBuf>,
    },
    /// Plan an upgrade.
    PlanUpgrade {
        /// One of the bundle's files.
        bundle: PathBuf,
    },
    /// Plan a rollback.
    PlanRollback {
        /// The version to return to.
        #[arg(long)]
        to: String,
        /// What to do with data that the installed release has changed.
        #[arg(long, value_enum)]
        data: Option<RollbackData>,
    },
    /// Plan a restore.
    PlanRestore {
        #[command(flatten)]
        selection: RestoreSelection,
    },
    /// Begin an upgrade, if it is what was approved.
    BeginUpgrade {
        /// One of the bundle's files.
        bundle: PathBuf,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Begin a rollback, if it is what was approved.
    BeginRollback {
        /// The version to return to.
        #[arg(long)]
        to: String,
        /// What to do with data that the installed release has changed.
        #[arg(long, value_enum)]
        data: Option<RollbackData>,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Begin a restore, if it is what was approved.
    BeginRestore {
        #[command(flatten)]
        selection: RestoreSelection,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Plan a change of settings: the values that change are read from standard input, as JSON.
    PlanConfigure,
    /// Begin a change of settings, if it is what was approved.
    BeginConfigure {
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Judge what has arrived of a bundle that a browser uploads.
    CheckUpload {
        /// Its file.
        bundle: PathBuf,
        /// Bytes that an earlier check has passed.
        #[arg(long)]
        checked: u64,
        /// Bytes of the whole bundle, as announced.
        #[arg(long)]
        size: u64,
    },
    /// Undo the open change.
    BeginAbort {
        /// Number of its journal.
        operation: u64,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PreparedProgram {
    Containerd,
    Kubelet,
}
