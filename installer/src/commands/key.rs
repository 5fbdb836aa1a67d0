//! `landfall key new`: a cosign key pair, and root document 1, which trusts it for every role.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::trust::{KeyKind, Root, RootContents, SigningKey, UnsignedRoot};
use landfall_error_codes::codes;
use landfall_media::durable;
use serde::Serialize;

use crate::cli::{self, KeyCommand, KeyNewArguments};
use crate::failure::Failure;
use crate::password;
use crate::printer::Printer;

/// What was made.
#[derive(Serialize)]
struct NewKey {
    private_key: PathBuf,
    public_key: PathBuf,
    root: PathBuf,
    key_id: String,
    fingerprint: String,
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
    for path in [&private_key, &public_key, &root] {
        refuse_to_overwrite(path)?;
    }
    let password = password::new()?;
    let key = SigningKey::generate(match arguments.kind {
        cli::KeyKind::EcdsaP256 => KeyKind::EcdsaP256,
        cli::KeyKind::Ed25519 => KeyKind::Ed25519,
    })?;
    let document = root_document(&key, arguments.development)?;
    durable::create_folder(folder)?;
    durable::write_file(&private_key, key.to_encrypted_pem(password.as_bytes())?.as_bytes(), 0o600)?;
    durable::write_file(&public_key, key.public().to_pem().as_bytes(), 0o644)?;
    durable::write_file(&root, document.bytes(), 0o644)?;
    let made = NewKey {
        private_key,
        public_key,
        root,
        key_id: key.public().id().to_string(),
        fingerprint: document.fingerprint().to_string(),
        development: document.development(),
    };
    printer.report(&made, text);
    Ok(())
}

fn root_document(key: &SigningKey, development: bool) -> Result<Root, Failure> {
    let mut unsigned = UnsignedRoot::new(&RootContents::single(key.public(), development))?;
    unsigned.sign(key)?;
    Ok(unsigned.finish(None)?)
}

fn refuse_to_overwrite(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        let what = format!("{} is there already, and keys are never overwritten", path.display());
        // A key that is gone is gone for all sites that trust it: nothing here says "remove".
        return Err(Failure::new(codes::OUTPUT_EXISTS, what).next("Name another folder with --output."));
    }
    Ok(())
}

fn text(made: &NewKey) -> String {
    let mut lines = vec![
        format!("private key  {}", made.private_key.display()),
        format!("public key   {}", made.public_key.display()),
        format!("root         {}", made.root.display()),
        format!("fingerprint  {}", made.fingerprint),
    ];
    if made.development {
        lines.push(
            "This is a DEVELOPMENT root: it may sign images assembled for tests, and every command names it."
                .to_owned(),
        );
    }
    lines.push(
        "Give the fingerprint to the site by another way than the stick: it is what first trust rests on.".to_owned(),
    );
    lines.join("\n")
}
