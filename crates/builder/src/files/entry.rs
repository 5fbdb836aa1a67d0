//! The files of an artifact, from the annotations of its layers.

use std::collections::HashSet;

use landfall_error_codes::codes;
use landfall_release_document::{ArtifactEntry, ArtifactFile, ArtifactKind};

use crate::compression::Compression;
use crate::definition::ArtifactDefinition;
use crate::error::{BuildError, Result};
use crate::fetched::FetchedArtifact;
use crate::files::TITLE;
use crate::manifest::OciDescriptor;
use crate::paths::is_relative;

/// Annotations with the name of a file: of CNCF `ModelPack`, and of OCI artifacts in general.
const PATHS: [&str; 2] = ["org.cncf.model.filepath", TITLE];

/// Annotation with names of links to the file, separated by commas.
const LINKS: &str = "dev.landfall.links";

/// The entry of an artifact in the release document. Its layers must be plain files with safe, distinct paths.
pub fn entry(definition: &ArtifactDefinition, fetched: &FetchedArtifact) -> Result<ArtifactEntry> {
    let reference = fetched.pin.reference.to_string();
    let invalid = |what: String| {
        let error = BuildError::new(codes::ARTIFACT_INVALID, format!("the artifact {reference} {what}"));
        error.refusing(&fetched.pin.reference)
    };
    let mut names = HashSet::new();
    let mut files = Vec::new();
    for layer in &fetched.manifest.layers {
        let file = file(definition.kind, layer).map_err(&invalid)?;
        let folder = file.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let links = file.links.iter().map(|link| format!("{folder}{link}"));
        for name in std::iter::once(file.path.clone()).chain(links) {
            if !names.insert(name.clone()) {
                return Err(invalid(format!("has two files named {name}")));
            }
        }
        files.push(file);
    }
    if files.is_empty() {
        return Err(invalid("holds no files".to_owned()));
    }
    Ok(ArtifactEntry {
        name: definition.name.value.clone(),
        kind: definition.kind,
        manifest: landfall_release_document::Descriptor {
            media_type: fetched.pin.media_type.clone(),
            digest: fetched.pin.digest,
            size: fetched.pin.size,
        },
        config: fetched.manifest.config.descriptor(),
        files,
        reference,
    })
}

fn file(kind: ArtifactKind, layer: &OciDescriptor) -> Result<ArtifactFile, String> {
    // `fetch` unpacks archives.
    if Compression::of_artifact_layer(&layer.media_type).is_some() {
        return Err(format!("has the archive {}, which was not unpacked", layer.media_type));
    }
    let path = PATHS
        .iter()
        .find_map(|annotation| layer.annotations.get(*annotation))
        .ok_or_else(|| format!("has a layer {} without a name ({})", layer.digest, PATHS.join(" or ")))?;
    if !is_relative(path) {
        return Err(format!("has a file whose path `{}` is not a relative one", path.escape_default()));
    }
    let links: Vec<String> = match layer.annotations.get(LINKS) {
        Some(links) => links.split(',').map(str::to_owned).collect(),
        None => Vec::new(),
    };
    if let Some(link) = links.iter().find(|link| link.contains('/') || !is_relative(link)) {
        return Err(format!("names a link `{}` that is not a file name", link.escape_default()));
    }
    if kind != ArtifactKind::Node && !links.is_empty() {
        return Err(format!("has links beside {path}, which only artifacts for the node have"));
    }
    Ok(ArtifactFile { path: path.clone(), blob: layer.descriptor(), links })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(path: Option<&str>, links: Option<&str>, media_type: &str) -> OciDescriptor {
        let annotations = [(PATHS[1], path), (LINKS, links)];
        OciDescriptor {
            media_type: media_type.to_owned(),
            digest: landfall_bundle_spec::Sha256([1; 32]),
            size: 1,
            annotations: annotations
                .iter()
                .filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.to_owned())))
                .collect(),
            platform: None,
        }
    }

    #[test]
    fn multi_call_program_has_links() {
        let file = file(ArtifactKind::Node, &layer(Some("kubernetes"), Some("kubelet,kubeadm"), "x")).expect("good");
        assert_eq!(file.links, ["kubelet", "kubeadm"]);
    }

    #[test]
    fn unsafe_layers_are_refused() {
        for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\0"] {
            let refused = file(ArtifactKind::Files, &layer(Some(path), None, "x")).expect_err(path);
            assert!(refused.ends_with(" is not a relative one"), "{refused}");
        }
        let archive = "application/vnd.cncf.model.weight.v1.tar";
        for (kind, layer, said) in [
            (ArtifactKind::Files, layer(None, None, "x"), " without a name "),
            (ArtifactKind::Node, layer(Some("a"), Some("../b"), "x"), "names a link `../b` that is not a file name"),
            (ArtifactKind::Model, layer(Some("a"), Some("b"), "x"), "has links beside a"),
            (ArtifactKind::Model, layer(Some("a"), None, archive), ", which was not unpacked"),
        ] {
            let refused = file(kind, &layer).expect_err(said);
            assert!(refused.contains(said), "{refused}");
        }
    }
}
