//! What `landfall key` is asked.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make one person's cosign key pair, and root document 1, which trusts it for every role.
    New(KeyNewArguments),
}

#[derive(Debug, Args)]
pub(crate) struct KeyNewArguments {
    /// Folder that receives `cosign.key`, `cosign.pub` and `1.root.json`; nothing there is overwritten.
    #[arg(long, short, default_value = ".")]
    pub(crate) output: PathBuf,
    /// Mark the root as for development: every command names it, and it may sign images assembled for tests.
    #[arg(long)]
    pub(crate) development: bool,
    /// Make only the key pair, for a root document that names several people's keys (`landfall trust init`).
    #[arg(long, conflicts_with = "development")]
    pub(crate) no_root: bool,
    /// Kind of key.
    #[arg(long, value_enum, default_value_t = KeyKind::EcdsaP256)]
    pub(crate) kind: KeyKind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyKind {
    /// ECDSA P-256, cosign's default.
    EcdsaP256,
    /// Ed25519.
    Ed25519,
}
