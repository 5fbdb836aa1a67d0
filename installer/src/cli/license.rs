//! Arguments of `landfall license`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::TrustArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum LicenseCommand {
    /// Make a license from its description, signed by the vendor's license keys.
    Issue(LicenseIssueArguments),
    /// Revoke a license in the next revocation; it is then signed with `trust sign`.
    Revoke(LicenseRevokeArguments),
    /// Show what a license file says; verifies it only with `--trust`.
    Inspect(LicenseInspectArguments),
    /// Import a license at an installed site; running software is not touched.
    Import(LicenseImportArguments),
    /// Show the license of this site, what the installed release needs, and what identifies this site to its vendor.
    Show,
    /// Show what this site uses of its license: now, at its peak, and on how many days above a limit.
    Usage,
    /// Write the report of usage for the vendor, signed by this site's key; a person can read it.
    Report(LicenseReportArguments),
    /// Check a report of usage: the site's signature, the record of its days, and its sums.
    CheckReport(LicenseCheckReportArguments),
    /// Confirm that the machine's clock is right, after it was wrong: licenses are judged by this date from now on.
    ConfirmDate,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseIssueArguments {
    /// The description of the license, in YAML.
    pub(crate) description: PathBuf,
    /// A cosign private key of the role license; repeat it for as many keys as the root requires. The password comes from
    /// `LANDFALL_KEY_PASSWORD` or `COSIGN_PASSWORD`, one for all, or is typed for each.
    #[arg(long, required_unless_present = "sign_command")]
    pub(crate) key: Vec<PathBuf>,
    /// A command that also signs. It reads the file $DOCUMENT and writes its signature to the file $SIGNATURE, as a Sigstore
    /// bundle, bytes or base64.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) sign_command: Vec<String>,
    /// Folder with the root documents, `N.root.json`, and `revocation.json` where there is one: all of them travel.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// Folder that receives `ID.license`; nothing there is overwritten.
    #[arg(long, short, default_value = ".")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseRevokeArguments {
    /// Id of the license.
    pub(crate) id: String,
    /// Folder with the root documents and `revocation.json`, which is replaced by the next one.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// The reason, in a sentence that the site shows.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseInspectArguments {
    /// The license file.
    pub(crate) license: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseImportArguments {
    /// The license file.
    pub(crate) license: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseReportArguments {
    /// The file to write; nothing that exists is overwritten.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseCheckReportArguments {
    /// The report.
    pub(crate) report: PathBuf,
    /// The license that the report must be about, with the key and the site that it names; `--trust` verifies it.
    #[arg(long, value_name = "FILE", requires = "trust", required_unless_present = "site_key")]
    pub(crate) license: Option<PathBuf>,
    /// Id of the site's key, as `landfall license show` prints it there; several for a site whose key has changed. Without
    /// one, the key that the license names counts.
    #[arg(long, value_name = "ID")]
    pub(crate) site_key: Vec<String>,
    /// An earlier report of the site, whose days this one must contain.
    #[arg(long, value_name = "FILE")]
    pub(crate) earlier: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}
