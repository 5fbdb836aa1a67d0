//! `landfall trust sign`: adds one person's signature, or several that were collected.

use std::path::PathBuf;

use landfall_builder::signing;
use landfall_bundle_spec::Error as FormatError;
use landfall_bundle_spec::trust::{KeyId, SignatureFile, find_detached_signature};
use landfall_error_codes::codes;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use super::document::{Document, Progress};
use crate::cli::TrustSignArguments;
use crate::commands::key;
use crate::document::Document as Printed;
use crate::failure::Failure;
use crate::printer::Printer;

/// Result of signing, and signatures that are still required.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// File that holds the signatures.
    document: PathBuf,
    /// IDs of the keys that signed now.
    signed_by: Vec<String>,
    /// True if enough keys have signed.
    complete: bool,
    /// Present and required signatures, for each root document whose keys must sign.
    progress: Vec<Progress>,
}

impl Printed for Report {
    const KIND: &'static str = "signing";
}

/// Signs a document, or adds signatures that were made elsewhere.
pub(super) fn run(arguments: &TrustSignArguments, printer: Printer) -> Result<(), Failure> {
    let mut document = Document::read(&arguments.document)?;
    let made = signatures(arguments, &document)?;
    if made.is_empty() {
        let what = "no signer is named: give --key, --sign-command or --signature";
        return Err(Failure::new(codes::BAD_ARGUMENT, what));
    }
    for (key, signature) in &made {
        document.add(*key, signature)?;
    }
    let progress = document.progress()?;
    match &arguments.detached {
        Some(path) => write_detached(path, &document, &made)?,
        None => document.write()?,
    }
    let signed = Report {
        document: arguments.detached.clone().unwrap_or_else(|| document.path.clone()),
        signed_by: made.iter().map(|(key, _)| key.to_string()).collect(),
        complete: Document::is_complete(&progress),
        progress,
    };
    printer.report(&signed, text)?;
    Ok(())
}

/// Signatures that the arguments request or provide; each is by a key that may sign.
fn signatures(arguments: &TrustSignArguments, document: &Document) -> Result<Vec<(KeyId, Vec<u8>)>, Failure> {
    let (name, message, may_sign) = (document.name(), document.message(), document.may_sign());
    let foreign =
        |source: String| Failure::from(FormatError::ForeignSignature { name: source, document: name.clone() });
    let mut made = Vec::new();
    for key in key::read(&arguments.key)? {
        let id = key.public().id();
        if !may_sign.contains(key.public()) {
            let what = format!("the key {id} may not sign {name}: no root document that must sign names it");
            return Err(Failure::new(codes::FOREIGN_SIGNATURE, what));
        }
        made.push((id, key.sign(message)?));
    }
    for command in &arguments.sign_command {
        made.push(signing::sign_by_command(command, &name, message, may_sign.clone())?);
    }
    for path in &arguments.signature {
        let unreadable = |error| {
            let what = format!("the signature {} cannot be read", path.display());
            Failure::new(codes::FOREIGN_SIGNATURE, what).because(&error)
        };
        let bytes = fs_err::read(path).map_err(unreadable)?;
        made.push(
            find_detached_signature(&bytes, message, may_sign.clone())
                .ok_or_else(|| foreign(path.display().to_string()))?,
        );
    }
    Ok(made)
}

/// Writes one signature to a separate file, as a Sigstore bundle that cosign also accepts.
fn write_detached(path: &std::path::Path, document: &Document, made: &[(KeyId, Vec<u8>)]) -> Result<(), Failure> {
    let [(key, signature)] = made else {
        return Err(Failure::new(codes::BAD_ARGUMENT, "--detached writes one signature: give one key or command"));
    };
    let file = SignatureFile::new(*key, document.message(), signature.clone());
    Ok(durable::write_file(path, &file.to_bytes()?, 0o644)?)
}

fn text(signed: &Report) -> String {
    let mut lines = vec![format!("{}: signed by {}", signed.document.display(), signed.signed_by.join(", "))];
    lines.extend(signed.progress.iter().map(Progress::line));
    lines.push(if signed.complete { "complete" } else { "not complete: more keys must sign" }.to_owned());
    lines.join("\n")
}
