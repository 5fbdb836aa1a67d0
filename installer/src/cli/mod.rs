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
pub(crate) use documents::{ErrorsArguments, ExplainArguments, ManualsArguments, SchemasArguments, ValueKind};
pub(crate) use examples::of as examples_of;
pub(crate) use groups::grouped;
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
pub(crate) use site::{
    ConfigureArguments, InstallArguments, PlanArguments, PreflightArguments, ResumeArguments, RollbackArguments,
    RollbackData, SecretArguments, UninstallArguments, UpgradeArguments, edits,
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
    /// Say more on standard error; twice for everything.
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
    /// Manage who may sign what: root documents, their signatures, and revocations.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Issue licenses, and see what this site's license allows; what runs never depends on it.
    #[command(subcommand)]
    License(LicenseCommand),
    /// Begin a release: write its folder from manifests and charts, with what a person has to fill in marked.
    Init(InitArguments),
    /// Resolve what a release names against its registries, and pin it in the lock.
    Lock(LockArguments),
    /// Fetch, render and pack a release into one signed bundle.
    Build(BuildArguments),
    /// Show what a bundle or its head says about itself; verifies nothing and needs no trust.
    Inspect(InspectArguments),
    /// Print the bill of materials of a bundle or of one of its images: packages, models, files, licenses; verifies nothing.
    Sbom(SbomArguments),
    /// Compare two bundles or their heads: images, packages and their versions, models, files, objects; verifies nothing.
    Diff(DiffArguments),
    /// Verify and print what a bundle was built of, as its vendor signed it; reads only the head.
    Provenance(ProvenanceArguments),
    /// Check every byte of a bundle against a root from a source other than the stick.
    Verify(VerifyArguments),
    /// Copy the blobs of a bundle into a content store, verified, in one pass; installs nothing.
    Stage(StageArguments),
    /// Report everything that would block an installation, and how to fix it; changes nothing on this machine.
    Preflight(PreflightArguments),
    /// Plan an install, here or for a host whose facts are in a file: steps, time, space over time; changes nothing.
    Plan(PlanArguments),
    /// Install a bundle on this machine.
    Install(InstallArguments),
    /// Change the settings of the installed release; a change that fails is undone automatically.
    Configure(ConfigureArguments),
    /// Replace the installed release with that of a bundle; an upgrade that fails is undone automatically.
    Upgrade(UpgradeArguments),
    /// Return to the release that was installed before; the site keeps it, so no media are needed.
    Rollback(RollbackArguments),
    /// Save the data of the installed release, and manage its backups.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Restore a backup on trial, beside everything that runs; a backup that passes all checks is proven.
    Drill(DrillArguments),
    /// Replace data of the installed release with that of a backup; a restore that fails is undone automatically.
    Restore(RestoreArguments),
    /// List or remove data that an undone change kept beside its volume.
    #[command(subcommand)]
    ReplacedData(ReplacedDataCommand),
    /// Print the releases that the site keeps: the installed one, and the one to which it can return.
    Releases(ReleasesArguments),
    /// Print what operations did to this site, newest first: from which release to which, when, for whom, and how each ended.
    History(HistoryArguments),
    /// Print the settings of the installed release: what each is now, and the release's default.
    Settings,
    /// Print the facts of this machine on which an install depends, for planning it elsewhere; changes nothing.
    Facts(FactsArguments),
    /// Collect the facts of each node of a cluster that exists already, by pods in a namespace that is deleted afterwards.
    Probe(ProbeArguments),
    /// Look at the models of a release.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Continue the operation that was interrupted.
    Resume(ResumeArguments),
    /// Report what runs here, and why anything does not; exits with 0 only if everything is ready.
    Status(StatusArguments),
    /// Examine an installed site and its host: everything that is wrong, the worst first, each with what to do next; changes nothing.
    Doctor,
    /// Run the proofs that the release declares, and report what each of them showed.
    Prove(ProveArguments),
    /// Run the site's own kubectl as the cluster's administrator; all arguments are kubectl's.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Kubectl(KubectlArguments),
    /// Print the logs of a component's pods.
    Logs(LogsArguments),
    /// Print what Kubernetes reported of the site's objects lately, newest last.
    Events(EventsArguments),
    /// Print what nodes, components and their pods use of CPU and memory now, as the kubelets measure it.
    Top(TopArguments),
    /// Collect what explains a site's state into one file without secrets, and analyze such a file.
    #[command(subcommand)]
    Support(SupportCommand),
    /// Carry a stick between this site and its vendor: write what the vendor needs, take what comes back, read what a site sent.
    #[command(subcommand)]
    Carry(CarryCommand),
    /// Print where the console is, how a browser recognizes it, and a one-use token that makes an administrator.
    Console(ConsoleArguments),
    /// Let root on this host approve what the console asks for, and list, approve or refuse what waits.
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Verify exported audit logs of the console, and show the key that signs them.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Remove everything that Landfall brought to this machine; keeps data unless asked otherwise.
    Uninstall(UninstallArguments),
    /// The host agent.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print names of this site, for completions.
    #[command(hide = true)]
    Values {
        /// Which names.
        kind: ValueKind,
    },
    /// Write manual pages of all commands.
    Manuals(ManualsArguments),
    /// Write the JSON Schemas of everything that commands print with `--json`.
    Schemas(SchemasArguments),
    /// Print every code that an error can have, with what it means; `explain` says more about one.
    Errors(ErrorsArguments),
    /// Print what the code of an error means, in which cases it occurs, and what to do; needs no site.
    Explain(ExplainArguments),
    /// Print this program's version, its commit, the format of bundles and the version of Kubernetes that it knows.
    Version,
}
