//! Arguments of the commands that show what a site does now, and what is wrong with it.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Refresh the status every few seconds until Ctrl-C; in a pipe, print a line when it changes.
    #[arg(short, long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Component whose events to print, as listed by `landfall status`; by default, all.
    pub(crate) component: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// Component to print, as listed by `landfall status`; by default, all.
    pub(crate) component: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Show the steps of one operation, with the time and result of each, and every failure.
    Show(HistoryShowArguments),
}

#[derive(Debug, Args)]
pub(crate) struct HistoryShowArguments {
    /// Number of the operation, at the beginning of its line in `landfall history`.
    pub(crate) operation: u64,
}
