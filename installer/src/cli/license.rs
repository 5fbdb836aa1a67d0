//! Arguments of `landfall license`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::TrustArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum LicenseCommand {
    /// Make a license from its description, signed by the vendor's license keys.
    Issue(LicenseIssueArguments),
    /// Revoke a license in the next revocation, which is then signed with `trust sign`.
    Revoke(LicenseRevokeArguments),
    /// Show the content of a license file; verifies it only with `--trust`.
    Inspect(LicenseInspectArguments),
    /// Import a license at an installed site; running software is not affected.
    Import(LicenseImportArguments),
    /// Show this site's license, the entitlements that the installed release needs, and the identifiers for the site's
    /// vendor.
    Show,
    /// Show this site's use of its license: the present, the peak, and the number of days above a limit.
    Usage,
    /// Write the usage report for the vendor, readable by a person and signed with this site's key.
    Report(LicenseReportArguments),
    /// Check a usage report: the site's signature, the record of its days, and its sums.
    CheckReport(LicenseCheckReportArguments),
    /// Confirm that the machine's clock is right again after an error; from now on, licenses are judged by this date.
    ConfirmDate,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseIssueArguments {
    /// Description of the license, in YAML.
    pub(crate) description: PathBuf,
    /// Cosign private key with the role license; repeat it for as many keys as the root requires. The password comes
    /// from `LANDFALL_KEY_PASSWORD` or `COSIGN_PASSWORD`, one for all, or is typed for each.
    #[arg(long, required_unless_present = "sign_command")]
    pub(crate) key: Vec<PathBuf>,
    /// Command that also signs. It reads the file $DOCUMENT and writes its signature to the file $SIGNATURE, as a
    /// Sigstore bundle, bytes or base64.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) sign_command: Vec<String>,
    /// Folder with the root documents, `N.root.json`, and `revocation.json` if there is one; all of them are included.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// Folder that receives `ID.license`; nothing there is overwritten.
    #[arg(long, short, default_value = ".")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseRevokeArguments {
    /// ID of the license.
    pub(crate) id: String,
    /// Folder with the root documents and `revocation.json`, which is replaced by the next one.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// Reason, in a sentence that the site shows.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseInspectArguments {
    /// License file.
    pub(crate) license: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseImportArguments {
    /// License file.
    pub(crate) license: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseReportArguments {
    /// File to write; an existing file is not overwritten.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LicenseCheckReportArguments {
    /// Usage report.
    pub(crate) report: PathBuf,
    /// License that the report must be about, with the key and the site that it names; `--trust` verifies it.
    #[arg(long, value_name = "FILE", requires = "trust", required_unless_present = "site_key")]
    pub(crate) license: Option<PathBuf>,
    /// ID of the site's key, as printed there by `landfall license show`; repeat it for a site whose key has changed.
    /// By default, the key that the license names.
    #[arg(long, value_name = "ID")]
    pub(crate) site_key: Vec<String>,
    /// Earlier report of the site, whose days this one must contain.
    #[arg(long, value_name = "FILE")]
    pub(crate) earlier: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}
