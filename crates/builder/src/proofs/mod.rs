//! Proofs of a release: read from `release.yaml`, checked against the rendered components, and written into the release
//! document.

mod declared;
mod digests;
mod targets;
#[cfg(test)]
pub(crate) mod tests;

use landfall_error_codes::codes;
use landfall_release_document::{ArtifactEntry, Proof};
use serde_saphyr::{Location, Spanned};

pub use targets::check as check_rendered;

use crate::definition::{Definition, ProofDefinition, Release, Sources};
use crate::error::{BuildError, Place, Result};
use crate::name_hint;

/// Default time limit of a proof, in seconds.
const LIMIT_SECONDS: u64 = 30;

/// A proof with the place of its declaration, for errors.
struct LocatedProof<'a> {
    sources: &'a Sources,
    index: usize,
    definition: &'a ProofDefinition,
}

impl<'a> LocatedProof<'a> {
    fn all(sources: &'a Sources, release: &'a Release) -> impl Iterator<Item = Self> {
        release.proofs.iter().enumerate().map(move |(index, definition)| Self { sources, index, definition })
    }

    fn place(&self, at: Location, field: &str) -> Place {
        self.sources.place(at, format!("proofs[{}].{field}", self.index))
    }

    fn invalid<T>(&self, at: &Spanned<T>, field: &str, what: impl Into<String>) -> BuildError {
        BuildError::at(codes::PROOF_INVALID, self.place(at.referenced, field), what)
    }

    fn missing<T>(&self, at: &Spanned<T>, field: &str, what: impl Into<String>) -> BuildError {
        BuildError::at(codes::PROOF_TARGET, self.place(at.referenced, field), what)
    }
}

/// Returns an error for proofs that are invalid in themselves: names, limits, a component or artifact that the release
/// lacks.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for declared in LocatedProof::all(sources, release) {
        let name = &declared.definition.name;
        if !seen.insert(name.value.as_str()) {
            return Err(declared.invalid(name, "name", format!("the name `{}` occurs twice", name.value)));
        }
        let component = &declared.definition.component;
        let known = release.components.iter().map(|component| component.name.value.as_str());
        if !known.clone().any(|known| known == component.value) {
            let what = format!("`{}` is not a component of this release", component.value);
            let place = declared.place(component.referenced, "component");
            let error = BuildError::at(codes::RELEASE_UNKNOWN_COMPONENT, place, what);
            return Err(name_hint::add_name_hint(error, &component.value, known));
        }
        let proof = declared.proof()?;
        digests::check(&declared, &proof, release)?;
    }
    Ok(())
}

/// The declared proofs, without digests of files.
pub(crate) fn declared_proofs(sources: &Sources, release: &Release) -> Result<Vec<Proof>> {
    LocatedProof::all(sources, release).map(|declared| declared.proof()).collect()
}

/// The proofs of the release document, with the digests of the files that they name.
pub fn proofs(definition: &Definition, artifacts: &[ArtifactEntry]) -> Result<Vec<Proof>> {
    let declared = LocatedProof::all(&definition.sources, &definition.release);
    declared.map(|declared| digests::fill(&declared, declared.proof()?, artifacts)).collect()
}
