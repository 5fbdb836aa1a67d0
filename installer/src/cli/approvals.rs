//! Arguments of the host's word on changes of the console.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// Print whether this host is asked, and which changes wait for its word.
    List,
    /// From now on, changes that the console asks for wait until root approves them on this host.
    Require,
    /// From now on, changes begin as soon as the console's users have approved them.
    Waive,
    /// Let a change that waits begin.
    Approve {
        /// The digest of its plan, or its first eight digits.
        #[arg(value_name = "DIGEST")]
        plan: String,
    },
    /// End a change that waits.
    Refuse {
        /// The digest of its plan, or its first eight digits.
        #[arg(value_name = "DIGEST")]
        plan: String,
    },
}
