//! Package indexes: components that serve wheels to pip and uv, and npm packages to npm, pnpm and Yarn. From one line
//! of the release definition, `build` writes their objects and lists ([ADR
//! 54](../../../docs/adr/0054-a-package-index-serves-what-was-signed.md), [ADR
//! 61](../../../docs/adr/0061-a-package-index-speaks-npm.md)).
//!
//! ```text
//! packageIndex: [wheels, web] ─ expand ─▶ mounts ─ objects ─▶ rendered ─ (fetched) ─ fill ─▶
//!     lists of files, with digests
//! ```

mod fill;
mod objects;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use landfall_error_codes::codes;
use landfall_release_document::ArtifactKind;
use serde_saphyr::{Location, Spanned};

use crate::definition::{
    Audience, MountDefinition, ObjectSource, OfferDefinition, Release, Sources, TransportProtocol,
};
use crate::error::{BuildError, Result};

pub use fill::{check_mounted, fill};
pub use objects::objects;

/// Maximum length of the name: that of a Service is limited, and derived names are a few characters longer.
const NAME_BYTES: usize = 52;

/// Port at which the pods of an index serve.
const PORT: u16 = 8080;

/// Checks the declarations, and adds mounts of the artifacts and the offered port, as if the vendor had declared them.
pub fn expand(sources: &Sources, release: &mut Release) -> Result<()> {
    for index in 0..release.components.len() {
        let Some(ObjectSource::PackageIndex(served)) = release.components[index].source() else { continue };
        let served = served.to_vec();
        check(sources, release, index, &served)?;
        let component = &mut release.components[index];
        let at = component.name.referenced;
        if component.offers.is_empty() {
            component.offers.push(offer(at));
        }
        component.mounts =
            served.into_iter().map(|artifact| MountDefinition { claim: artifact.clone(), artifact }).collect();
    }
    Ok(())
}

/// The port of the index, which every pod of the cluster may ask.
fn offer(at: Location) -> OfferDefinition {
    let protocol = TransportProtocol::Tcp;
    OfferDefinition { port: Spanned::new(PORT, at, at), protocol, to: Audience::Cluster }
}

fn check(sources: &Sources, release: &Release, index: usize, served: &[Spanned<String>]) -> Result<()> {
    let component = &release.components[index];
    let field = format!("components[{index}].packageIndex");
    let refused = |at: Location, field: &str, what: String| {
        Err(BuildError::at(codes::RELEASE_INVALID, sources.place(at, field), what))
    };
    let name = &component.name;
    if name.value.len() > NAME_BYTES || !name.value.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        let what =
            format!("`{}` is not the name of a Service: a letter first, and at most {NAME_BYTES} in all", name.value);
        return refused(name.referenced, &format!("components[{index}].name"), what);
    }
    if let Some(mount) = component.mounts.first() {
        let what = "a package index mounts what it serves, and nothing else".to_owned();
        return refused(mount.claim.referenced, &format!("components[{index}].mounts"), what);
    }
    if served.is_empty() {
        let what = format!("`{}` serves no artifact", name.value);
        return Err(BuildError::at(codes::WHEELS_MISSING, sources.place(name.referenced, field), what));
    }
    check_artifacts(release, index, served).map_err(|(number, what)| {
        let place = sources.place(served[number].referenced, format!("{field}[{number}]"));
        BuildError::at(codes::RELEASE_INVALID, place, what)
    })
}

/// Checks the artifacts that a component serves. The error is the number of an artifact, and the reason.
fn check_artifacts(release: &Release, index: usize, served: &[Spanned<String>]) -> Result<(), (usize, String)> {
    let component = &release.components[index];
    let mut seen = HashSet::new();
    for (number, artifact) in served.iter().enumerate() {
        let Some(found) = release.artifacts.iter().find(|other| other.name.value == artifact.value) else {
            return Err((number, format!("`{}` is not an artifact of this release", artifact.value)));
        };
        if !matches!(found.kind, ArtifactKind::Wheels | ArtifactKind::Npm) {
            return Err((number, format!("artifact `{}` is neither of kind wheels nor of kind npm", artifact.value)));
        }
        if !seen.insert(artifact.value.as_str()) {
            return Err((number, format!("artifact `{}` is named twice", artifact.value)));
        }
        // Earlier package indexes already have their mounts.
        let others = release.components.iter().enumerate().filter(|(other, _)| *other != index);
        let mut sharing = others.map(|(_, it)| it).filter(|it| it.namespace.value == component.namespace.value);
        let clash = sharing.find(|it| it.mounts.iter().any(|mount| mount.claim.value == artifact.value));
        if let Some(other) = clash {
            let what = format!(
                "`{}` has a claim `{}` in the namespace `{}` already: give the package index a namespace of its own",
                other.name.value, artifact.value, component.namespace.value
            );
            return Err((number, what));
        }
    }
    Ok(())
}
