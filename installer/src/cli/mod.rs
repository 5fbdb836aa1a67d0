//! Arguments, and nothing else: commands receive resolved values.

mod backup;
mod license;
mod support;
mod trust;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use landfall_lifecycle::operations::Edits;

pub(crate) use backup::{
    BackupAdoptArguments, BackupCheckArguments, BackupCommand, BackupCopyArguments, BackupRunArguments, DrillArguments,
    ReplacedDataCommand, ReplacedDataRemoveArguments, RestoreArguments,
};
pub(crate) use license::{
    LicenseCommand, LicenseImportArguments, LicenseInspectArguments, LicenseIssueArguments, LicenseRevokeArguments,
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
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no progress and no notes: only the result, and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make and look at keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Say who may sign what: root documents, their signatures, and revocations.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Issue licenses, and see what this site's license allows; what runs never depends on it.
    #[command(subcommand)]
    License(LicenseCommand),
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
    /// Check every byte of a bundle against a root from a source other than the stick.
    Verify(VerifyArguments),
    /// Copy the blobs of a bundle into a content store, verified, in one pass; installs nothing.
    Stage(StageArguments),
    /// Report everything that would block an installation, each with its fix; changes nothing on this machine.
    Preflight(PreflightArguments),
    /// Install a bundle on this machine.
    Install(InstallArguments),
    /// Change the settings of the installed release; a change that fails is undone by itself.
    Configure(ConfigureArguments),
    /// Replace the installed release by that of a bundle; whatever fails before the end is undone by itself.
    Upgrade(UpgradeArguments),
    /// Return to the release that was installed before; the site keeps it, so no media are needed.
    Rollback(RollbackArguments),
    /// Save the data of the installed release, and look after what was saved.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Restore a backup on trial, apart from everything that runs; one that passes all checks is proven.
    Drill(DrillArguments),
    /// Replace data of the installed release by that of a backup; a restore that fails is undone by itself.
    Restore(RestoreArguments),
    /// Look at data that an undone change kept beside the volume that it was in, and remove it.
    #[command(subcommand)]
    ReplacedData(ReplacedDataCommand),
    /// Print the releases that the site keeps: the installed one, and the one to which it can return.
    Releases,
    /// Print what an install depends on here, for planning it elsewhere; changes nothing.
    Facts,
    /// Look at the models of a release.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Continue the operation that was interrupted.
    Resume(ResumeArguments),
    /// Report what runs here, and why anything does not; exits with 0 only if everything is ready.
    Status,
    /// Run the proofs that the release declares, and report what each of them showed.
    Prove(ProveArguments),
    /// Run the site's own kubectl as the cluster's administrator; all arguments are kubectl's.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Kubectl(KubectlArguments),
    /// Print the logs of a component's pods.
    Logs(LogsArguments),
    /// Collect what explains a site's state into one file without secrets, and find out what such a file shows.
    #[command(subcommand)]
    Support(SupportCommand),
    /// Print where the console is, how a browser recognizes it, and a one-use token that makes an administrator.
    Console(ConsoleArguments),
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
    /// Write manual pages of all commands.
    Manuals(ManualsArguments),
    /// Write the JSON Schemas of everything that commands print with `--json`.
    Schemas(SchemasArguments),
    /// Print docs/ERRORS.md from the registry of codes.
    #[command(hide = true)]
    Errors,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make one person's cosign key pair, and root document 1, which trusts it for every role.
    New(KeyNewArguments),
}

#[derive(Debug, Args)]
pub(crate) struct KeyNewArguments {
    /// Folder that receives `cosign.key`, `cosign.pub` and `1.root.json`; nothing there is overwritten.
    #[arg(long, default_value = ".")]
    pub(crate) output: PathBuf,
    /// Mark the root as for development: every command names it, and it may sign images assembled for tests.
    #[arg(long)]
    pub(crate) development: bool,
    /// Make the key pair alone: the root document names several people's keys (`landfall trust init`).
    #[arg(long, conflicts_with = "development")]
    pub(crate) no_root: bool,
    /// Kind of key.
    #[arg(long, value_enum, default_value_t = KeyKind::EcdsaP256)]
    pub(crate) kind: KeyKind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyKind {
    /// What cosign makes by default.
    EcdsaP256,
    /// Ed25519.
    Ed25519,
}

/// Where a release's inputs come from.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// The lock, instead of the one that the release names.
    #[arg(long)]
    pub(crate) lock: Option<PathBuf>,
    /// Mirrors, proxies and private authorities, instead of upstream's registries and the environment.
    #[arg(long)]
    pub(crate) registries: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    /// Folder with `release.yaml`.
    pub(crate) release: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// File that receives the lock, instead of the one it was read from.
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
    /// The vendor's content store, which keeps the files that are fetched for their digests.
    #[arg(long, env = "LANDFALL_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// The kubectl that renders: the lock records its version and digest.
    #[arg(long, default_value = "kubectl")]
    pub(crate) kubectl: PathBuf,
    /// The Helm that renders charts, where the release has some: the lock records its version and digest.
    #[arg(long, default_value = "helm")]
    pub(crate) helm: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// Folder with `release.yaml`.
    pub(crate) release: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// The cosign private key that signs, as often as the root asks for keys; the password comes from
    /// `LANDFALL_KEY_PASSWORD` or `COSIGN_PASSWORD`, one for all, or is typed for each.
    #[arg(long, required_unless_present = "sign_command")]
    pub(crate) key: Vec<PathBuf>,
    /// A command that signs, too: it reads the file $DOCUMENT and writes its signature to the file $SIGNATURE, as a
    /// Sigstore bundle, or as bytes or base64.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) sign_command: Vec<String>,
    /// Folder with the root documents, `N.root.json`, and `revocation.json` where there is one: all of them travel.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// Folder that receives the bundle, its head, SHA256SUMS and the transfer sheet; `-` writes the bundle alone to
    /// standard output.
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// Maximum file size: `fat32` (the default: 4,294,901,760 bytes), `none`, or a number with an optional KiB, MiB or
    /// GiB. A bundle that fits is one file.
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<String>,
    /// The vendor's content store; a rebuild fetches only what is new.
    #[arg(long, env = "LANDFALL_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// The static `landfall` that travels in the bundle, instead of this one.
    #[arg(long)]
    pub(crate) installer: Option<PathBuf>,
    /// The static `landfall-appliance` of which the console's image is made, instead of the one beside this program.
    #[arg(long)]
    pub(crate) appliance: Option<PathBuf>,
    /// The kubectl that renders, which must be the one that the lock records.
    #[arg(long, default_value = "kubectl")]
    pub(crate) kubectl: PathBuf,
    /// The Helm that renders charts, which must be the one that the lock records.
    #[arg(long, default_value = "helm")]
    pub(crate) helm: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SbomArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
    /// The bill of this image alone: its reference, or the end of it, with or without the tag.
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    /// The format of the bill.
    #[arg(long, value_enum)]
    pub(crate) format: SbomFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SbomFormat {
    /// SPDX 2.3, as JSON.
    Spdx,
    /// CycloneDX 1.6, as JSON.
    Cyclonedx,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The first bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) from: PathBuf,
    /// The second one.
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ManualsArguments {
    /// Folder that receives `landfall.1` and a page for each command.
    pub(crate) output: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Print which models run how on this machine, and why others do not; changes nothing and verifies nothing.
    Fit(ModelsFitArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ModelsFitArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    pub(crate) bundle: Option<PathBuf>,
    /// A GGUF file, or a folder with safetensors files and `config.json`, instead of a release's models.
    #[arg(long, value_name = "FILE|FOLDER")]
    pub(crate) model: Vec<PathBuf>,
    /// Compute for the host that this file describes, instead of this one: what `landfall facts` printed there.
    #[arg(long)]
    pub(crate) facts: Option<PathBuf>,
}

/// Where trust comes from: never from the stick.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// A root document, or the fingerprint of root document 1 as `sha256:…`, from a source other than the stick.
    #[arg(long, value_name = "ROOT|FINGERPRINT")]
    pub(crate) trust: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// A bundle, one of its parts, or the folder that holds them.
    #[arg(required_unless_present = "site")]
    pub(crate) bundle: Option<PathBuf>,
    /// Check everything that is staged on this machine instead.
    #[arg(long, conflicts_with_all = ["bundle", "trust"])]
    pub(crate) site: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StageArguments {
    /// A bundle, one of its parts, or the folder that holds them.
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Folder that receives the blobs, in the storage layout of CNCF distribution.
    #[arg(long)]
    pub(crate) store: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArguments {
    /// A bundle, one of its parts, or the folder that holds them; with `--dry-run` a head is enough.
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// The site's configuration.
    #[arg(long)]
    pub(crate) site: Option<PathBuf>,
    /// Use the data that an earlier installation left on this machine.
    #[arg(long, conflicts_with = "facts")]
    pub(crate) adopt_data: bool,
    /// The vendor's license, where components of the release need one; it is imported with the install.
    #[arg(long, value_name = "FILE")]
    pub(crate) license: Option<PathBuf>,
    /// Print the plan and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Plan for the host that this file describes, instead of this one: what `landfall facts` printed there.
    #[arg(long, requires = "dry_run")]
    pub(crate) facts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PreflightArguments {
    /// A bundle, one of its parts, the folder that holds them, or a head.
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// The site's configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) site: Option<PathBuf>,
    /// The vendor's license, where components of the release need one.
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub(crate) license: Option<PathBuf>,
    /// Judge the host that this file describes, instead of this one: what `landfall facts` printed there.
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
    /// Write the findings as one self-contained page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the commands of the fixes as a shell script to read and choose from; it runs nothing by itself.
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_script: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigureArguments {
    /// The whole site configuration as it is to be: values that it leaves out become the release's own.
    #[arg(long, value_name = "FILE", required_unless_present = "abort")]
    pub(crate) site: Option<PathBuf>,
    /// Take over fields that were edited and that the release does not let the site change: those edits are lost.
    #[arg(long)]
    pub(crate) overwrite_edits: bool,
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Undo a change that is open.
    #[arg(long, conflicts_with_all = ["site", "dry_run", "overwrite_edits"])]
    pub(crate) abort: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpgradeArguments {
    /// The bundle, one of its parts, or the folder that holds them. It is trusted by the root that the site trusts.
    #[arg(required_unless_present = "abort")]
    pub(crate) bundle: Option<PathBuf>,
    /// The vendor's license, in place of the one that the site has; it is imported with the upgrade.
    #[arg(long, value_name = "FILE")]
    pub(crate) license: Option<PathBuf>,
    /// Take over fields that were edited and that the release does not let the site change: those edits are lost.
    #[arg(long)]
    pub(crate) overwrite_edits: bool,
    /// Print what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Undo an upgrade or a rollback that is open.
    #[arg(long, conflicts_with_all = ["bundle", "license", "dry_run", "overwrite_edits"])]
    pub(crate) abort: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The version to return to; by default, that of the release before the installed one.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<String>,
    /// What becomes of data that the installed release has changed.
    #[arg(long, value_enum)]
    pub(crate) data: Option<RollbackData>,
    /// Take over fields that were edited and that the release does not let the site change: those edits are lost.
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
    /// It stays as it is; if the proofs of the earlier release fail with it, everything is as it is now.
    Keep,
    /// It is that of the newest proven backup of the earlier release; what was written since is lost.
    Restore,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// Where the bundle is now, when staging is unfinished and the stick moved.
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ProveArguments {
    /// Names of proofs; without one, all proofs of the release.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct KubectlArguments {
    /// Arguments of kubectl, such as `get pods --all-namespaces`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Name of the component, as `landfall status` lists it.
    pub(crate) component: String,
    /// Continue to print new lines as they are logged, those of pods that start meanwhile among them.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only what was logged within this time before now, such as `15m`, `2h` or `90s`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<Duration>,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.ok_or_else(|| "not a time such as `15m`, `2h` or `90s`".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct SchemasArguments {
    /// Folder that receives `KIND.json` for each kind of document.
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArguments {
    /// Delete volumes and generated secrets, too; asks for the name of the site.
    #[arg(long)]
    pub(crate) delete_data: bool,
    /// Name of the site, for scripts that delete data without a terminal.
    #[arg(long, value_name = "NAME", requires = "delete_data")]
    pub(crate) confirm: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Renew certificates, and maintain names, routes and network configuration; run by systemd.
    Run,
    /// Finish or undo the change that is open; run by systemd.
    #[command(hide = true)]
    Operate,
    /// Answer the console's pods; run by systemd.
    #[command(hide = true)]
    Serve,
    /// Answer a question of the host's API about a change, or begin one; run by that API.
    #[command(hide = true, subcommand)]
    Change(ChangeCommand),
    /// Prepare the host for a unit; run by systemd before the unit's program.
    #[command(hide = true)]
    Prepare {
        /// The unit's program.
        program: PreparedProgram,
    },
}

/// What the host's API lets a process of its own do.
#[derive(Debug, Subcommand)]
pub(crate) enum ChangeCommand {
    /// List the bundles in folders.
    Look {
        /// The folders.
        folders: Vec<PathBuf>,
    },
    /// Plan an upgrade.
    PlanUpgrade {
        /// One of the bundle's files.
        bundle: PathBuf,
    },
    /// Plan a rollback.
    PlanRollback {
        /// The version to return to.
        #[arg(long)]
        to: String,
        /// What becomes of data that the installed release has changed.
        #[arg(long, value_enum)]
        data: Option<RollbackData>,
    },
    /// Begin an upgrade, if it is what was approved.
    BeginUpgrade {
        /// One of the bundle's files.
        bundle: PathBuf,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Begin a rollback, if it is what was approved.
    BeginRollback {
        /// The version to return to.
        #[arg(long)]
        to: String,
        /// What becomes of data that the installed release has changed.
        #[arg(long, value_enum)]
        data: Option<RollbackData>,
        /// Digest of the approved plan.
        #[arg(long)]
        approved: String,
    },
    /// Make the open change go back.
    BeginAbort {
        /// Number of its journal.
        operation: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ConsoleArguments {
    /// Make no token: earlier ones count on.
    #[arg(long)]
    pub(crate) no_token: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum PreparedProgram {
    Containerd,
    Kubelet,
}

/// The arguments of this process, with those that follow `kubectl` set apart by `--`: all of them are kubectl's, whatever
/// they are called.
pub(crate) fn with_kubectl_apart(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = arguments.collect();
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let command = arguments.iter().skip(1).position(|argument| !is_option(argument)).map(|index| index + 1);
    if let Some(index) = command.filter(|index| arguments[*index] == "kubectl") {
        arguments.insert(index + 1, "--".into());
    }
    arguments
}

/// What a change does with edited fields, by the option of this name.
pub(crate) fn edits(overwrite_edits: bool) -> Edits {
    if overwrite_edits { Edits::Overwrite } else { Edits::Refuse }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }

    /// Collects the help of a command and of those below it, hidden ones too, by their words.
    fn helps(command: &clap::Command, words: &str, found: &mut Vec<(String, String)>) {
        let help = command.clone().term_width(100).render_long_help().to_string();
        found.push((words.to_owned(), help));
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            helps(below, &format!("{words} {}", below.get_name()), found);
        }
    }

    #[test]
    fn every_help() {
        let mut command = super::Cli::command();
        command.build();
        let mut found = Vec::new();
        helps(&command, "landfall", &mut found);
        for (words, help) in found {
            insta::assert_snapshot!(format!("help of {words}").replace(' ', "_"), help);
        }
    }

    #[test]
    fn whatever_follows_kubectl_is_kubectls() {
        let passed = |words: &[&str]| {
            let arguments = super::with_kubectl_apart(words.iter().map(Into::into));
            let cli = super::Cli::try_parse_from(arguments).unwrap();
            let super::Command::Kubectl(kubectl) = cli.command else { panic!("{words:?}") };
            let passed: Vec<_> = kubectl.arguments.iter().map(|one| one.to_str().unwrap().to_owned()).collect();
            (cli.json, cli.verbose, passed.join(" "))
        };
        for rest in
            ["", "--help", "--version", "-h", "get pods -v 6 --json", "exec db-0 -- psql -c x -- y", "-- get", "-q"]
        {
            let words: Vec<_> = ["landfall", "kubectl"].into_iter().chain(rest.split_whitespace()).collect();
            assert_eq!(passed(&words), (false, 0, rest.to_owned()), "{rest}");
        }
        assert_eq!(passed(&["landfall", "-v", "--json", "kubectl", "top", "-v"]), (true, 1, "top -v".to_owned()));
        let untouched = super::with_kubectl_apart(["landfall", "logs", "kubectl"].iter().map(Into::into));
        assert_eq!(untouched, ["landfall", "logs", "kubectl"]);
    }
}
