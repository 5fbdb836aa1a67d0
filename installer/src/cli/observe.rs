//! Arguments of the commands that show what a site does now, and what is wrong with it.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Show the status again every few seconds until Ctrl-C; in a pipe, print a line when it changes.
    #[arg(short, long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// Only events about this component's objects; its name as `landfall status` lists it.
    pub(crate) component: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// Only this component; its name as `landfall status` lists it.
    pub(crate) component: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Show the steps of one operation: when each acted, how it ended, and every failure.
    Show(HistoryShowArguments),
}

#[derive(Debug, Args)]
pub(crate) struct HistoryShowArguments {
    /// The operation's number, with which `landfall history` begins its line.
    pub(crate) operation: u64,
}
