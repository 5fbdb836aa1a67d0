//! Arguments of the stick's round trip between a site and its vendor.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::TrustArguments;
use super::look::time;

#[derive(Debug, Subcommand)]
pub(crate) enum CarryCommand {
    /// Write data for the vendor to a stick: inventory, usage, audit log and a support bundle, signed and without
    /// secrets.
    Out(CarryOutArguments),
    /// Import the vendor's reply: a license, a revocation, a bundle or a delta; all of it or, if anything is refused,
    /// nothing.
    In(CarryInArguments),
    /// Verify and show the data that a site has carried out; works on any machine, and needs no site.
    Read(CarryReadArguments),
    /// Write only those blobs of a bundle that a site with an earlier release lacks; for a vendor's desk.
    Delta(CarryDeltaArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CarryDeltaArguments {
    /// Complete bundle of the site's next release.
    pub(crate) bundle: PathBuf,
    /// Release that the site keeps, as a bundle or its head; repeat it for a site that keeps several.
    #[arg(long, value_name = "BUNDLE", required = true)]
    pub(crate) from: Vec<PathBuf>,
    /// The `inventory.json` that the site has carried out; a kept release that it does not name is refused.
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<PathBuf>,
    /// Folder that receives the delta, usually on the stick.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Maximum file size: `fat32` (the default: 4,294,901,760 bytes), `none`, or a number with an optional KiB, MiB or
    /// GiB.
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CarryOutArguments {
    /// Folder on the stick, which must exist; it receives a new folder.
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Maximum age of logs in the support bundle, such as `15m`, `2h` or `72h`.
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
    /// Folder that `landfall carry out` created.
    pub(crate) folder: PathBuf,
    /// License of the site, which may name the site's key; `--trust` verifies it.
    #[arg(long, value_name = "FILE", requires = "trust", required_unless_present = "site_key")]
    pub(crate) license: Option<PathBuf>,
    /// ID of the site's key, as printed there by `landfall license show`; repeat it for a site whose key has changed.
    /// By default, the key that the license names.
    #[arg(long, value_name = "ID")]
    pub(crate) site_key: Vec<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}
