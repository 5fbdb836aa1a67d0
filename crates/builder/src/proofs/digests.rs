//! Digests of files in proofs, so that they need not be copied by hand. `%{sha256:ARTIFACT/PATH}` in an argument or an
//! expected text is replaced with the 64 hexadecimal digits of the file's digest in the bundle.

use landfall_release_document::{ArtifactEntry, Proof, ProofTrial, TextExpectation};

use super::LocatedProof;
use crate::definition::Release;
use crate::error::{BuildError, Result};
use crate::name_hint;

const OPENING: &str = "%{sha256:";
const CLOSING: char = '}';

/// Texts of a proof that may contain placeholders of digests.
fn texts(proof: &mut Proof) -> Vec<&mut String> {
    let (mut texts, expected): (Vec<_>, _) = match &mut proof.trial {
        ProofTrial::Command(command) => (command.arguments.iter_mut().collect(), command.expect.stdout.as_mut()),
        ProofTrial::Request(request) => (Vec::new(), request.expect.body.as_mut()),
    };
    if let Some(TextExpectation::Equals(text) | TextExpectation::Contains(text)) = expected {
        texts.push(text);
    }
    texts
}

/// Replaces each `%{sha256:…}` in a text with the result of `digest` for the file.
fn replace(text: &str, mut digest: impl FnMut(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        let (file, after) = after.split_once(CLOSING).unwrap_or((after, ""));
        filled.push_str(before);
        filled.push_str(&digest(file)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn unknown<'a>(
    declared: &LocatedProof<'_>,
    file: &str,
    what: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> BuildError {
    let definition = declared.definition;
    let (field, at) = match &definition.command {
        Some(command) => ("command.arguments", command.arguments.referenced),
        None => ("request.expect", definition.name.referenced),
    };
    let error = BuildError::at(landfall_error_codes::codes::PROOF_TARGET, declared.place(at, field), what);
    name_hint::add_name_hint(error, file, known)
}

/// Returns an error for a digest of an artifact that the release lacks.
pub(super) fn check(declared: &LocatedProof<'_>, proof: &Proof, release: &Release) -> Result<()> {
    let known = release.artifacts.iter().map(|artifact| artifact.name.value.as_str());
    for text in texts(&mut proof.clone()) {
        replace(text, |file| {
            let artifact = file.split_once('/').map_or(file, |(artifact, _)| artifact);
            if known.clone().any(|known| known == artifact) {
                return Ok(String::new());
            }
            let what = format!("`{file}` names no artifact of this release");
            Err(unknown(declared, artifact, &what, known.clone()))
        })?;
    }
    Ok(())
}

/// Fills the digests of fetched files into a proof.
pub(super) fn fill(declared: &LocatedProof<'_>, mut proof: Proof, artifacts: &[ArtifactEntry]) -> Result<Proof> {
    for text in texts(&mut proof) {
        *text = replace(text, |file| {
            let (name, path) = file.split_once('/').unwrap_or((file, ""));
            let files = artifacts.iter().filter(|artifact| artifact.name == name).flat_map(|artifact| &artifact.files);
            if let Some(file) = files.clone().find(|file| file.path == path) {
                return Ok(file.blob.digest.to_hex());
            }
            let what = format!("the artifact `{name}` has no file `{path}`");
            Err(unknown(declared, path, &what, files.map(|file| file.path.as_str())))
        })?;
    }
    Ok(proof)
}
