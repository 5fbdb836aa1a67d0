//! Arguments of `landfall trust`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Make root document 1 from several people's public keys; next, sign it with `trust sign`.
    Init(TrustInitArguments),
    /// Make the next root document, with other keys or thresholds; next, sign it with `trust sign`.
    Rotate(TrustRotateArguments),
    /// Revoke a release in the next revocation, which is then signed with `trust sign`.
    Revoke(TrustRevokeArguments),
    /// Sign a root document or revocation, or add a signature that was made elsewhere.
    Sign(TrustSignArguments),
    /// Show the content of a root document or revocation, its signers, and the required signers.
    Show(TrustShowArguments),
    /// Import a revocation at an installed site; running software is not affected.
    Import(TrustImportArguments),
}

/// Role of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Signs root documents.
    Root,
    /// Signs bundles.
    Release,
    /// Signs licenses.
    License,
    /// Signs revocations.
    Revocation,
    /// All four roles.
    All,
}

/// A role and its value, written `ROLE=WHAT`.
#[derive(Debug, Clone)]
pub(crate) struct ForRole {
    pub(crate) role: RoleName,
    pub(crate) what: String,
}

impl std::str::FromStr for ForRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (role, what) = text.split_once('=').ok_or("write ROLE=WHAT, such as release=alice.pub")?;
        Ok(Self { role: RoleName::from_str(role, true)?, what: what.to_owned() })
    }
}

#[derive(Debug, Args)]
pub(crate) struct TrustInitArguments {
    /// Public key and its role: root, release, license, revocation, or all; repeat it for each key.
    #[arg(long = "key", value_name = "ROLE=FILE", required = true)]
    pub(crate) keys: Vec<ForRole>,
    /// Number of keys of a role that must sign; by default, 1.
    #[arg(long = "threshold", value_name = "ROLE=NUMBER")]
    pub(crate) thresholds: Vec<ForRole>,
    /// Mark the root as for development: every command names it, and it may sign images assembled for tests.
    #[arg(long)]
    pub(crate) development: bool,
    /// Folder that receives `1.root.json`; nothing there is overwritten.
    #[arg(long, short, default_value = ".")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TrustRotateArguments {
    /// Folder with the root documents; it receives the next one.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// Public key that gets a role.
    #[arg(long = "add", value_name = "ROLE=FILE")]
    pub(crate) add: Vec<ForRole>,
    /// Key that loses a role: the file of its public key, or its ID.
    #[arg(long = "remove", value_name = "ROLE=FILE|ID")]
    pub(crate) remove: Vec<ForRole>,
    /// Number of keys of a role that must sign; by default, as before.
    #[arg(long = "threshold", value_name = "ROLE=NUMBER")]
    pub(crate) thresholds: Vec<ForRole>,
}

#[derive(Debug, Args)]
pub(crate) struct TrustRevokeArguments {
    /// Name of the release.
    pub(crate) name: String,
    /// Version of the release.
    // An id of its own: `version` is that of the flag that every command has.
    #[arg(id = "release-version", value_name = "VERSION")]
    pub(crate) version: String,
    /// Folder with the root documents and `revocation.json`, which is replaced by the next one.
    #[arg(long)]
    pub(crate) roots: PathBuf,
    /// Reason, in a sentence that every site shows.
    #[arg(long)]
    pub(crate) reason: String,
    /// Revoke only the bundle with this ID, not every bundle of the version.
    #[arg(long, value_name = "ID")]
    pub(crate) bundle: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TrustSignArguments {
    /// `N.root.json` or `revocation.json`, with the root documents before it in the same folder.
    pub(crate) document: PathBuf,
    /// Cosign private key; the password comes from `LANDFALL_KEY_PASSWORD` or `COSIGN_PASSWORD`, or is typed.
    #[arg(long)]
    pub(crate) key: Vec<PathBuf>,
    /// Command that reads the file $DOCUMENT and writes its signature to the file $SIGNATURE.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) sign_command: Vec<String>,
    /// Signature that was made elsewhere: a Sigstore bundle, or a signature as bytes or base64.
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Vec<PathBuf>,
    /// Write the signature to this file, for the person who collects them; the document does not change.
    #[arg(long, value_name = "FILE", conflicts_with = "signature")]
    pub(crate) detached: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TrustShowArguments {
    /// `N.root.json` or `revocation.json`, with the root documents before it in the same folder.
    pub(crate) document: PathBuf,
    /// File that receives the bytes to be signed, for a signer elsewhere.
    #[arg(long, value_name = "FILE")]
    pub(crate) message: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TrustImportArguments {
    /// The vendor's `revocation.json`.
    pub(crate) revocation: PathBuf,
}
