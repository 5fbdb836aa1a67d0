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
    /// Take what the vendor sent back: a license, a revocation, a bundle or a delta of one; all of it or, if anything is refused, nothing.
    In(CarryInArguments),
    /// Verify what a site has carried out, and show it; works on any machine, and needs no site.
    Read(CarryReadArguments),
    /// Write of a bundle only what a site lacks that keeps an earlier release; at the vendor's desk.
    Delta(CarryDeltaArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CarryDeltaArguments {
    /// The bundle of the release that the site is to become, whole.
    pub(crate) bundle: PathBuf,
    /// A release that the site keeps, as a bundle or its head; several for a site that keeps several.
    #[arg(long, value_name = "BUNDLE", required = true)]
    pub(crate) from: Vec<PathBuf>,
    /// The `inventory.json` that the site has carried out: a release that it does not name is refused.
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<PathBuf>,
    /// The folder that receives the delta: on the stick, as a rule.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Maximum file size: `fat32` (the default: 4,294,901,760 bytes), `none`, or a number with an optional KiB, MiB or GiB.
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CarryOutArguments {
    /// A folder on the stick, which must exist; it receives a new folder.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// How far back logs of the support bundle reach, such as `15m`, `2h` or `72h`.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "24h")]
    pub(crate) since: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct CarryInArguments {
    /// A license, a `revocation.json`, a bundle or a delta, or the folder that holds them.
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
