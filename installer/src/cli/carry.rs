//! Arguments of the stick's round trip between a site and its vendor.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::TrustArguments;
use super::look::time;

#[derive(Debug, Subcommand)]
pub(crate) enum CarryCommand {
    /// Write what the vendor needs onto a stick: inventory, usage, audit log and a support bundle, signed and without secrets.
    Out(CarryOutArguments),
    /// Take what the vendor sent back: a license, a revocation, a bundle; all of it or, if anything is refused, nothing.
    In(CarryInArguments),
    /// Verify what a site has carried out, and show it; works on any machine, and needs no site.
    Read(CarryReadArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CarryOutArguments {
    /// A folder on the stick, which must exist; it receives a new folder.
    pub(crate) directory: PathBuf,
    /// How far back logs of the support bundle reach, such as `15m`, `2h` or `72h`.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "24h")]
    pub(crate) since: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct CarryInArguments {
    /// A license, a `revocation.json` or a bundle, or the folder that holds them.
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CarryReadArguments {
    /// The folder that `landfall carry out` made.
    pub(crate) folder: PathBuf,
    /// The license that the site has; it may name the site's key. `--trust` verifies it.
    #[arg(long, value_name = "FILE", requires = "trust", required_unless_present = "site_key")]
    pub(crate) license: Option<PathBuf>,
    /// Id of the site's key, as `landfall license show` prints it there; several for a site whose key has changed. Without
    /// one, the key that the license names counts.
    #[arg(long, value_name = "ID")]
    pub(crate) site_key: Vec<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}
