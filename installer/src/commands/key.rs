//! `landfall key new`: makes a cosign key pair for one person and, for a vendor with one person, root document 1, which
//! trusts it for every role.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Error as FormatError;
use landfall_bundle_spec::trust::{KeyKind, Root, RootContents, SigningKey, UnsignedRoot};
use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{self, KeyCommand, KeyNewArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::password;
use crate::printer::Printer;

/// Created key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewKey {
    /// File of the private key.
    private_key: PathBuf,
    /// File of the public key.
    public_key: PathBuf,
    /// ID of the key.
    key_id: String,
    #[serde(flatten)]
    root: Option<NewRoot>,
}

impl Document for NewKey {
    const KIND: &'static str = "key";
}

/// Root document that trusts the key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NewRoot {
    /// File of root document 1.
    root: PathBuf,
    /// Fingerprint that a person compares.
    fingerprint: String,
    /// True if the root document is for development only.
    development: bool,
}

/// Runs a `key` command.
pub(crate) fn run(command: KeyCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        KeyCommand::New(arguments) => new(&arguments, printer),
    }
}

fn new(arguments: &KeyNewArguments, printer: Printer) -> Result<(), Failure> {
    let folder = &arguments.output;
    let [private_key, public_key, root] = ["cosign.key", "cosign.pub", "1.root.json"].map(|name| folder.join(name));
    let root = Some(root).filter(|_| !arguments.no_root);
    for path in [&private_key, &public_key].into_iter().chain(&root) {
        refuse_to_overwrite(path)?;
    }
    let password = password::new()?;
    let key = SigningKey::generate(match arguments.kind {
        cli::KeyKind::EcdsaP256 => KeyKind::EcdsaP256,
        cli::KeyKind::Ed25519 => KeyKind::Ed25519,
    })?;
    durable::create_folder(folder)?;
    // From here on, only the first of several processes continues in the folder.
    write_new(&private_key, key.to_encrypted_pem(password.as_bytes())?.as_bytes(), 0o600)?;
    write_new(&public_key, key.public().to_pem().as_bytes(), 0o644)?;
    let root = root.map(|path| write_root(path, &key, arguments.development)).transpose()?;
    let made = NewKey { private_key, public_key, key_id: key.public().id().to_string(), root };
    printer.report(&made, text)?;
    Ok(())
}

fn write_root(path: PathBuf, key: &SigningKey, development: bool) -> Result<NewRoot, Failure> {
    let document = root_document(key, development)?;
    write_new(&path, document.bytes(), 0o644)?;
    Ok(NewRoot { root: path, fingerprint: document.fingerprint().to_string(), development: document.development() })
}

/// Reads private keys from their files, each with its password.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<SigningKey>, Failure> {
    let read = |path: &PathBuf| {
        let pem = fs_err::read(path)
            .map_err(|error| Failure::new(codes::PRIVATE_KEY, "the private key cannot be read").because(&error))?;
        let password = password::existing(path)?;
        SigningKey::from_encrypted_pem(&pem, password.as_bytes()).map_err(|error| match error {
            FormatError::WrongPassword => {
                let what = format!("the password does not match the private key {}", path.display());
                Failure::new(codes::PASSWORD, what)
            }
            error => error.into(),
        })
    };
    paths.iter().map(read).collect()
}

fn root_document(key: &SigningKey, development: bool) -> Result<Root, Failure> {
    let mut unsigned = UnsignedRoot::new(&RootContents::single(key.public(), development))?;
    unsigned.sign(key)?;
    Ok(unsigned.finish(None)?)
}

/// Returns an error for an existing file before a password is requested; [`write_new`] refuses it in any case.
pub(super) fn refuse_to_overwrite(path: &Path) -> Result<(), Failure> {
    if path.exists() { Err(exists(path)) } else { Ok(()) }
}

/// Writes a new file durably; never overwrites a file, even one created in the meantime.
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    match durable::write_new_file(path, bytes, mode) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(path)),
        written => Ok(written?),
    }
}

fn exists(path: &Path) -> Failure {
    let what = format!("{} exists already, and Landfall never overwrites what trust rests on", path.display());
    // A deleted key is lost for all sites that trust it, so no text here suggests removal.
    Failure::new(codes::OUTPUT_EXISTS, what).next("Name another folder with --output.")
}

fn text(made: &NewKey) -> String {
    let mut lines = vec![
        format!("private key  {}", made.private_key.display()),
        format!("public key   {}", made.public_key.display()),
        format!("key id       {}", made.key_id),
    ];
    let Some(root) = &made.root else {
        lines.push("Give the public key to the person who runs `landfall trust init`.".to_owned());
        return lines.join("\n");
    };
    lines.push(format!("root         {}", root.root.display()));
    lines.push(format!("fingerprint  {}", root.fingerprint));
    if root.development {
        lines.push(
            "This is a DEVELOPMENT root: it may sign images assembled for tests, and every command names it."
                .to_owned(),
        );
    }
    lines.push(
        "Give the fingerprint to the site over a separate channel, never on the stick: first trust rests on it."
            .to_owned(),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_key_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("folder");
        let key = folder.path().join("cosign.key");
        refuse_to_overwrite(&key).expect("none exists yet");
        durable::write_file(&key, b"a key", 0o600).expect("key");
        let refused = refuse_to_overwrite(&key).expect_err("refused");
        assert_eq!(refused.code(), codes::OUTPUT_EXISTS);
        assert_eq!(refused.next_step(), "Name another folder with --output.");
    }
}
