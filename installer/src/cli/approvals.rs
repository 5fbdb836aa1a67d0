//! Arguments of the host's word on changes of the console.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// Print if changes from the console need this host's approval, and list the waiting ones.
    List,
    /// Make changes from the console wait, from now on, until root approves them on this host.
    Require,
    /// Let changes begin, from now on, as soon as the console's users have approved them.
    Waive,
    /// Approve a waiting change, which then begins.
    Approve {
        /// Digest of the change's plan, or at least its first eight digits.
        #[arg(value_name = "DIGEST")]
        plan: String,
    },
    /// Refuse a waiting change, which then ends.
    Refuse {
        /// Digest of the change's plan, or at least its first eight digits.
        #[arg(value_name = "DIGEST")]
        plan: String,
    },
}
