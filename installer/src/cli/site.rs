//! Arguments of the commands that change a site as a whole, and of those that plan it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use landfall_lifecycle::operations::Edits;

use super::{SecretArguments, TrustArguments};

#[derive(Debug, Args)]
pub(crate) struct InstallArguments {
    /// A bundle, one of its parts, or the folder that holds them; with `--dry-run` a head is enough.
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Configuration of the site.
    #[arg(long)]
    pub(crate) site: Option<PathBuf>,
    /// Use the data that an earlier installation left on this machine.
    #[arg(long, conflicts_with = "facts")]
    pub(crate) adopt_data: bool,
    /// The vendor's license, if components of the release need one; it is imported with the install.
    #[arg(long, value_name = "FILE")]
    pub(crate) license: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretArguments,
    #[command(flatten)]
    pub(crate) accept: AcceptArguments,
    /// First install the packages of this host pack, such as a driver's: a signed bundle of the same vendor.
    #[arg(long, value_name = "PACK", conflicts_with = "facts")]
    pub(crate) host_pack: Option<PathBuf>,
    /// Print the plan and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also write the plan as one self-contained page.
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub(crate) html: Option<PathBuf>,
    /// Plan for another host, whose facts are in this file, as printed there by `landfall facts`.
    #[arg(long, requires = "dry_run")]
    pub(crate) facts: Option<PathBuf>,
}

/// Accepted warnings.
#[derive(Debug, Args)]
pub(crate) struct AcceptArguments {
    /// Accept the warning with this name, as printed by `landfall preflight`; may be repeated. A blocker cannot be
    /// accepted.
    #[arg(long, value_name = "NAME")]
    pub(crate) accept: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Configuration of the site.
    #[arg(long, value_name = "FILE")]
    pub(crate) site: Option<PathBuf>,
    /// The vendor's license, if components of the release need one.
    #[arg(long, value_name = "FILE")]
    pub(crate) license: Option<PathBuf>,
    /// Plan for another host, whose facts are in this file, as printed there by `landfall facts`.
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretArguments,
    #[command(flatten)]
    pub(crate) accept: AcceptArguments,
    /// Also write the plan as one self-contained page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PreflightArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Configuration of the site.
    #[arg(long, value_name = "FILE")]
    pub(crate) site: Option<PathBuf>,
    /// The vendor's license, if components of the release need one.
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub(crate) license: Option<PathBuf>,
    /// Check another host, whose facts are in this file, as printed there by `landfall facts`.
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretArguments,
    #[command(flatten)]
    pub(crate) accept: AcceptArguments,
    /// Write the findings as one self-contained page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the commands of the fixes as a shell script to read and choose from; nothing in it runs automatically.
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_script: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigureArguments {
    /// Complete new configuration of the site; omitted values return to the release's defaults.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["abort", "secret"])]
    pub(crate) site: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretArguments,
    /// Overwrite edited fields that the release does not let the site change; those edits are lost.
    #[arg(long)]
    pub(crate) overwrite_edits: bool,
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Undo the open change.
    #[arg(long, conflicts_with_all = ["site", "secret", "dry_run", "overwrite_edits"])]
    pub(crate) abort: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpgradeArguments {
    /// A bundle, one of its parts, or the folder that holds them. It is verified with the root that the site trusts.
    #[arg(required_unless_present = "abort")]
    pub(crate) bundle: Option<PathBuf>,
    /// The vendor's license, which replaces that of the site; it is imported with the upgrade.
    #[arg(long, value_name = "FILE")]
    pub(crate) license: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretArguments,
    /// Overwrite edited fields that the release does not let the site change; those edits are lost.
    #[arg(long)]
    pub(crate) overwrite_edits: bool,
    #[command(flatten)]
    pub(crate) accept: AcceptArguments,
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Undo the open change, such as an upgrade or a rollback.
    #[arg(long, conflicts_with_all = ["bundle", "license", "secret", "dry_run", "overwrite_edits", "accept"])]
    pub(crate) abort: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// Version to return to; by default, that of the release before the installed one.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<String>,
    /// Treatment of data that the installed release has changed.
    #[arg(long, value_enum)]
    pub(crate) data: Option<RollbackData>,
    /// Overwrite edited fields that the release does not let the site change; those edits are lost.
    #[arg(long)]
    pub(crate) overwrite_edits: bool,
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Name of the site, for scripts that restore data without a terminal.
    #[arg(long, value_name = "NAME", conflicts_with = "dry_run")]
    pub(crate) confirm: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RollbackData {
    /// Keep the data as it is; if the earlier release's proofs fail, the rollback is undone.
    Keep,
    /// Restore the newest proven backup of the earlier release; data written since is lost.
    Restore,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// Present path of the bundle, if staging is unfinished and the path has changed.
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArguments {
    /// Also delete volumes and generated secrets; asks for the name of the site.
    #[arg(long)]
    pub(crate) delete_data: bool,
    /// Name of the site, for scripts that delete data without a terminal.
    #[arg(long, value_name = "NAME", requires = "delete_data")]
    pub(crate) confirm: Option<String>,
}

/// Returns a change's treatment of edited fields, by the option of this name.
pub(crate) fn edits(overwrite_edits: bool) -> Edits {
    if overwrite_edits { Edits::Overwrite } else { Edits::Refuse }
}
