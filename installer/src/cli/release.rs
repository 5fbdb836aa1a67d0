//! Arguments of the commands with which a vendor makes a bundle of a release.

use std::path::PathBuf;

use clap::Args;

/// Sources of a release's inputs.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// Lock to use instead of the one that the release names.
    #[arg(long)]
    pub(crate) lock: Option<PathBuf>,
    /// File with mirrors, proxies and private authorities, instead of upstream's registries and the environment.
    #[arg(long)]
    pub(crate) registries: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// A folder with a kustomization or with manifests, a chart's folder or archive, or a folder of such folders.
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,
    /// Folder of the release, which must be empty or not exist.
    #[arg(long, short)]
    pub(crate) output: PathBuf,
    /// Name of the release; by default, that of the folder.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Leave out Landfall's console, which customers open in a browser.
    #[arg(long)]
    pub(crate) no_console: bool,
    /// Lock whose entries are reused, as far as the release needs them.
    #[arg(long)]
    pub(crate) lock: Option<PathBuf>,
    /// The kubectl that renders manifests.
    #[arg(long, default_value = "kubectl")]
    pub(crate) kubectl: PathBuf,
    /// The Helm that renders charts.
    #[arg(long, default_value = "helm")]
    pub(crate) helm: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    /// Folder with `release.yaml`.
    pub(crate) release: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// File that receives the lock; by default, the file from which it was read.
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
    /// Print every address that would be contacted; contact none, and write nothing.
    #[arg(long, conflicts_with_all = ["output", "check"])]
    pub(crate) dry_run: bool,
    /// Report unresolved, stale, moved, withdrawn and missing entries; write nothing.
    #[arg(long, conflicts_with = "output")]
    pub(crate) check: bool,
    /// Pin the present upstream content of these entries, and print the changes; all other pins stay. A NAME is an
    /// entry's reference, or the end of it, with or without the tag. Without a NAME, update all entries, kubectl and
    /// Helm.
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with_all = ["dry_run", "check"])]
    pub(crate) update: Option<Vec<String>>,
    /// The vendor's content store, which keeps the files that are fetched for their digests.
    #[arg(long, env = "LANDFALL_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// The kubectl that renders: the lock records its version and digest.
    #[arg(long, default_value = "kubectl")]
    pub(crate) kubectl: PathBuf,
    /// The Helm that renders charts, if the release has any: the lock records its version and digest.
    #[arg(long, default_value = "helm")]
    pub(crate) helm: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// Folder with `release.yaml`, or with the `host-pack.yaml` of a host pack.
    pub(crate) release: PathBuf,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Cosign private key that signs; repeat it for as many keys as the root requires. The password comes from
    /// `LANDFALL_KEY_PASSWORD` or `COSIGN_PASSWORD`, one for all, or is typed for each.
    #[arg(long, required_unless_present = "sign_command")]
    pub(crate) key: Vec<PathBuf>,
    /// Command that also signs. It reads the file $DOCUMENT and writes its signature to the file $SIGNATURE, as a
    /// Sigstore bundle, bytes or base64.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) sign_command: Vec<String>,
    /// Folder with the root documents, `N.root.json`, and `revocation.json` if there is one; all of them are included.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// Folder that receives the bundle, its head, SHA256SUMS, the transfer sheet, the provenance and the handbook; `-`
    /// writes only the bundle, to standard output.
    #[arg(long, short)]
    pub(crate) output: PathBuf,
    /// Maximum file size: `fat32` (the default: 4,294,901,760 bytes), `none`, or a number with an optional KiB, MiB or
    /// GiB. A bundle that fits is one file.
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<String>,
    /// The vendor's content store; a rebuild fetches only what is new.
    #[arg(long, env = "LANDFALL_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// Static `landfall` to include in the bundle, instead of this one.
    #[arg(long)]
    pub(crate) installer: Option<PathBuf>,
    /// Static `landfall-appliance` for the console's image, instead of the one next to this program.
    #[arg(long)]
    pub(crate) appliance: Option<PathBuf>,
    /// Static `landfall-validator` for the image of license checks, instead of the one next to this program.
    #[arg(long)]
    pub(crate) validator: Option<PathBuf>,
    /// The `landfall-gpu` to include with a release that needs GPUs, instead of the one next to this program.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) gpu_program: Option<PathBuf>,
    /// The kubectl that renders, which must be the one that the lock records.
    #[arg(long, default_value = "kubectl")]
    pub(crate) kubectl: PathBuf,
    /// The Helm that renders charts, which must be the one that the lock records.
    #[arg(long, default_value = "helm")]
    pub(crate) helm: PathBuf,
}
