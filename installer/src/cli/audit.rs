//! Arguments of what checks the console's audit log.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that an exported log is whole, and the one that the site signed; needs no network, and no site if the key is given.
    /// Fails where no key is known, unless only the chain is to be checked.
    Verify(AuditVerifyArguments),
    /// Print the public key that signs this site's audit log, its last checkpoint, and restarts; changes nothing.
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArguments {
    /// The exported log, as JSON lines.
    pub(crate) file: PathBuf,
    /// A file with the site's public key, as `landfall audit show` prints it; several for a site whose key has changed.
    /// Without one, root on a host uses the host's own key and last checkpoint.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// The log is an export of an earlier time: it may end before what this host signed last.
    #[arg(long)]
    pub(crate) earlier: bool,
    /// Check the chain of entries alone, and no signature: that finds an edit, and not a log that was written anew.
    #[arg(long, conflicts_with_all = ["key", "earlier"])]
    pub(crate) chain_only: bool,
    /// The head of an earlier export, which the log must contain: an entry's number and hash.
    #[arg(long, value_name = "NUMBER:HASH")]
    pub(crate) head: Option<String>,
}
