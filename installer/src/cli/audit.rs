//! Arguments of what checks the console's audit log.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that an exported log is complete and signed by the site; needs no network, and no site if the key is
    /// given. Fails if no key is known, except with `--chain-only`.
    Verify(AuditVerifyArguments),
    /// Print the public key that signs this site's audit log, the last checkpoint, and restarts; changes nothing.
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArguments {
    /// Exported log, as JSON lines.
    pub(crate) file: PathBuf,
    /// File with the site's public key, as printed by `landfall audit show`; repeat it for a site whose key has
    /// changed. By default, root on a host uses the host's own key and last checkpoint.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// Accept an export of an earlier time, which may end before the last entry that this host has signed.
    #[arg(long)]
    pub(crate) earlier: bool,
    /// Check only the chain of entries, without signatures: this finds an edit, but not a rewritten log.
    #[arg(long, conflicts_with_all = ["key", "earlier"])]
    pub(crate) chain_only: bool,
    /// Head of an earlier export, which the log must contain: the number and hash of an entry.
    #[arg(long, value_name = "NUMBER:HASH")]
    pub(crate) head: Option<String>,
}
