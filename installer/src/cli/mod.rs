//! Arguments, and nothing else: commands receive resolved values.

mod approvals;
mod audit;
mod backup;
mod bundle;
mod carry;
mod documents;
mod examples;
mod groups;
mod help;
mod key;
mod license;
mod look;
mod node;
mod observe;
mod release;
mod secrets;
mod site;
mod suggestion;
mod support;
#[cfg(test)]
mod tests;
mod trust;

use clap::{Parser, Subcommand};

pub(crate) use approvals::ApprovalsCommand;
pub(crate) use audit::{AuditCommand, AuditVerifyArguments};
pub(crate) use backup::{
    BackupAdoptArguments, BackupCheckArguments, BackupCommand, BackupCopyArguments, BackupExportArguments,
    BackupForgetArguments, BackupKeyArguments, BackupKeyCommand, BackupObjectsArguments, BackupRepairArguments,
    BackupRunArguments, BackupScheduleArguments, DrillArguments, ReplacedDataCommand, ReplacedDataRemoveArguments,
    RestoreArguments, RestoreSelection,
};
pub(crate) use bundle::{
    DiffArguments, InspectArguments, ModelsCommand, ModelsFitArguments, ProvenanceArguments, SbomArguments, SbomFormat,
    StageArguments, TrustArguments, VerifyArguments,
};
pub(crate) use carry::{CarryCommand, CarryDeltaArguments, CarryInArguments, CarryOutArguments, CarryReadArguments};
pub(crate) use documents::{
    ErrorsArguments, ExplainArguments, HandbookArguments, ManualsArguments, SchemasArguments, ValueKind,
};
pub(crate) use examples::examples_of;
pub(crate) use groups::command_groups;
pub(crate) use help::{command, exit_codes, meaning, parse};
pub(crate) use key::{KeyCommand, KeyKind, KeyNewArguments};
pub(crate) use license::{
    LicenseCheckReportArguments, LicenseCommand, LicenseImportArguments, LicenseInspectArguments,
    LicenseIssueArguments, LicenseReportArguments, LicenseRevokeArguments,
};
pub(crate) use look::{
    ConsoleArguments, FactsArguments, HistoryArguments, KubectlArguments, LogsArguments, ProbeArguments,
    ProveArguments, ReleasesArguments, with_kubectl_apart,
};
pub(crate) use node::{ChangeCommand, NodeCommand, PreparedProgram};
pub(crate) use observe::{EventsArguments, HistoryCommand, HistoryShowArguments, StatusArguments, TopArguments};
pub(crate) use release::{BuildArguments, InitArguments, LockArguments, SourceArguments};
pub(crate) use secrets::SecretArguments;
pub(crate) use site::{
    ConfigureArguments, InstallArguments, PlanArguments, PreflightArguments, ResumeArguments, RollbackArguments,
    RollbackData, UninstallArguments, UpgradeArguments, edits,
};
pub(crate) use support::{SupportAnalyzeArguments, SupportCollectArguments, SupportCommand};
pub(crate) use trust::{
    ForRole, RoleName, TrustCommand, TrustImportArguments, TrustInitArguments, TrustRevokeArguments,
    TrustRotateArguments, TrustShowArguments, TrustSignArguments,
};

/// One signed bundle, one command, a real cluster at a site without a network.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Report as JSON on standard output; progress and errors are lines of JSON on standard error.
    #[arg(long, global = true, help_heading = help::GLOBAL)]
    pub(crate) json: bool,
    /// Print no progress and no notes: only the result, and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = help::GLOBAL)]
    pub(crate) quiet: bool,
    /// Print more on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = help::GLOBAL)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Manage the right to sign: root documents, their signatures, and revocations.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Issue licenses, and show what this site's license allows; running software never depends on it.
    #[command(subcommand)]
    License(LicenseCommand),
    /// Begin a release: write its folder from manifests and charts, and mark the fields that a person must fill in.
    Init(InitArguments),
    /// Resolve the references of a release in their registries, and pin them in the lock.
    Lock(LockArguments),
    /// Fetch, render and pack a release into one signed bundle.
    Build(BuildArguments),
    /// Show a bundle, or only its head, as it describes itself; verifies nothing and needs no trust.
    Inspect(InspectArguments),
    /// Print the bill of materials of a bundle or of one of its images: packages, models, files, licenses; verifies
    /// nothing.
    Sbom(SbomArguments),
    /// Compare two bundles or their heads: images, packages and their versions, models, files, objects; verifies
    /// nothing.
    Diff(DiffArguments),
    /// Verify and print the inputs of a bundle's build, as signed by its vendor; reads only the head.
    Provenance(ProvenanceArguments),
    /// Check every byte of a bundle against a root from a source other than the stick.
    Verify(VerifyArguments),
    /// Copy the blobs of a bundle into a content store, verified, in one pass; installs nothing.
    Stage(StageArguments),
    /// Report everything that would block an installation, and how to fix it; changes nothing on this machine.
    Preflight(PreflightArguments),
    /// Plan an install on this host, or on one whose facts are in a file: steps, time, space over time; changes
    /// nothing.
    Plan(PlanArguments),
    /// Install a bundle on this machine.
    Install(InstallArguments),
    /// Change the settings of the installed release; a failed change is undone automatically.
    Configure(ConfigureArguments),
    /// Replace the installed release with that of a bundle; a failed upgrade is undone automatically.
    Upgrade(UpgradeArguments),
    /// Return to the previously installed release; the site keeps it, so no media are needed.
    Rollback(RollbackArguments),
    /// Save the data of the installed release, and manage its backups.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Restore a backup on trial, next to the running software; a backup that passes all checks is proven.
    Drill(DrillArguments),
    /// Replace data of the installed release with that of a backup; a failed restore is undone automatically.
    Restore(RestoreArguments),
    /// List or remove data that an undone change kept next to its volume.
    #[command(subcommand)]
    ReplacedData(ReplacedDataCommand),
    /// Print the releases that the site keeps: the installed one, and the one to which it can return.
    Releases(ReleasesArguments),
    /// Print the operations of this site, newest first: releases before and after, time, requester, and result of each.
    History(HistoryArguments),
    /// Print the settings of the installed release, each with its present value and the release's default.
    Settings,
    /// Print the facts of this machine on which an install depends, for planning it elsewhere; changes nothing.
    Facts(FactsArguments),
    /// Collect the facts of each node of an existing cluster, with pods in a namespace that is deleted afterwards.
    Probe(ProbeArguments),
    /// Examine the models of a release.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Continue the interrupted operation.
    Resume(ResumeArguments),
    /// Report the state of this site, with the reasons for problems; exits with 0 only if everything is ready.
    Status(StatusArguments),
    /// Examine an installed site and its host, and list all problems, the worst first, with the next steps; changes
    /// nothing.
    Doctor,
    /// Run the proofs that the release declares, and report the result of each.
    Prove(ProveArguments),
    /// Run the site's own kubectl as the cluster's administrator; all arguments are kubectl's.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Kubectl(KubectlArguments),
    /// Print the logs of a component's pods.
    Logs(LogsArguments),
    /// Print recent Kubernetes events about the site's objects, newest last.
    Events(EventsArguments),
    /// Print the present CPU and memory use of nodes, components and their pods, as measured by the kubelets.
    Top(TopArguments),
    /// Collect data that explains a site's state into one file without secrets, and analyze such a file.
    #[command(subcommand)]
    Support(SupportCommand),
    /// Carry a stick between this site and its vendor: write data for the vendor, import the reply, read a site's data.
    #[command(subcommand)]
    Carry(CarryCommand),
    /// Print the console's address, the fingerprints that a browser shows, and a one-use token that makes an
    /// administrator.
    Console(ConsoleArguments),
    /// Require root's approval on this host for changes from the console, and list, approve or refuse waiting ones.
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Verify exported audit logs of the console, and show the key that signs them.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Remove everything that Landfall added to this machine; keeps data by default.
    Uninstall(UninstallArguments),
    /// Run the host agent.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Print shell completions.
    Completions {
        /// Shell that runs the completions.
        shell: clap_complete::Shell,
    },
    /// Print names of this site, for completions.
    #[command(hide = true)]
    Values {
        /// Kind of the names.
        kind: ValueKind,
    },
    /// Write manual pages of all commands.
    Manuals(ManualsArguments),
    /// Write the JSON Schemas of everything that commands print with `--json`.
    Schemas(SchemasArguments),
    /// Print every error code with its meaning; `explain` says more about one.
    Errors(ErrorsArguments),
    /// Print the meaning of an error code, its cases, and the next steps; needs no site.
    Explain(ExplainArguments),
    /// List the pages of the handbook, print one of them, or write the handbook for a browser; needs no site.
    Handbook(HandbookArguments),
    /// Print this program's version, commit, architecture and bundle format, and the version of Kubernetes that it
    /// knows.
    Version,
}
