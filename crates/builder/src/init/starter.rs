//! Parts that every release has, taken from the starter release as of the build of this program. They are the node
//! pack, and the components for network, DNS and storage with their values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_release_document::{ArtifactKind, NodeImage};

use super::donors::Donors;
use super::sources::Source;
use crate::definition::{COMPONENT_FILE, Release};
use crate::documents::yaml_text;
use crate::error::{BuildError, Result};
use crate::lock::List;
use crate::reference::Reference;

const RELEASE: &str = include_str!("../../../../releases/starter/release.yaml");

/// Components that are taken, in order. A source with one of these names replaces its manifests.
pub const NAMES: [&str; 3] = ["network", "dns", "storage"];

/// Name of the console's component, which a source may have as well.
pub const CONSOLE: &str = "console";

/// Manifests of [`NAMES`] and of the console, with the own file of each component.
const MANIFESTS: [(&str, &str); 25] = [
    ("network/access.yaml", include_str!("../../../../manifests/network/access.yaml")),
    ("network/component.yaml", include_str!("../../../../manifests/network/component.yaml")),
    ("network/daemon-set.yaml", include_str!("../../../../manifests/network/daemon-set.yaml")),
    ("network/kustomization.yaml", include_str!("../../../../manifests/network/kustomization.yaml")),
    ("network/settings.yaml", include_str!("../../../../manifests/network/settings.yaml")),
    ("dns/access.yaml", include_str!("../../../../manifests/dns/access.yaml")),
    ("dns/component.yaml", include_str!("../../../../manifests/dns/component.yaml")),
    ("dns/deployment.yaml", include_str!("../../../../manifests/dns/deployment.yaml")),
    ("dns/kustomization.yaml", include_str!("../../../../manifests/dns/kustomization.yaml")),
    ("dns/service.yaml", include_str!("../../../../manifests/dns/service.yaml")),
    ("dns/settings.yaml", include_str!("../../../../manifests/dns/settings.yaml")),
    ("storage/access.yaml", include_str!("../../../../manifests/storage/access.yaml")),
    ("storage/component.yaml", include_str!("../../../../manifests/storage/component.yaml")),
    ("storage/admission.yaml", include_str!("../../../../manifests/storage/admission.yaml")),
    ("storage/deployment.yaml", include_str!("../../../../manifests/storage/deployment.yaml")),
    ("storage/kustomization.yaml", include_str!("../../../../manifests/storage/kustomization.yaml")),
    ("storage/network-policy.yaml", include_str!("../../../../manifests/storage/network-policy.yaml")),
    ("storage/settings.yaml", include_str!("../../../../manifests/storage/settings.yaml")),
    ("storage/storage-class.yaml", include_str!("../../../../manifests/storage/storage-class.yaml")),
    ("console/component.yaml", include_str!("../../../../manifests/console/component.yaml")),
    ("console/kustomization.yaml", include_str!("../../../../manifests/console/kustomization.yaml")),
    ("console/network-policy.yaml", include_str!("../../../../manifests/console/network-policy.yaml")),
    ("console/service-account.yaml", include_str!("../../../../manifests/console/service-account.yaml")),
    ("console/service.yaml", include_str!("../../../../manifests/console/service.yaml")),
    ("console/stateful-set.yaml", include_str!("../../../../manifests/console/stateful-set.yaml")),
];

/// Images in the manifests of [`NAMES`].
const IMAGES: [&str; 4] = [
    "ghcr.io/flannel-io/flannel",
    "registry.k8s.io/coredns/coredns",
    "docker.io/rancher/local-path-provisioner",
    "docker.io/library/busybox",
];

/// Writes the manifests of the components that no source replaces, and those of the console if requested. `tags`
/// completes images that would match several entries of the lock.
pub fn write_manifests(
    folder: &Path,
    sources: &[Source],
    has_console: bool,
    tags: &BTreeMap<String, String>,
) -> Result<()> {
    // A text that `references` replace stays unchanged.
    let is_of_field = |named: &str| !MANIFESTS.iter().any(|(_, text)| text.contains(&format!(" text: {named}\n")));
    let tags = tags.iter().filter(|(named, _)| is_of_field(named));
    let tags = tags.map(|(named, full)| (named.clone(), full.clone())).collect();
    for (path, text) in MANIFESTS {
        let name = path.split('/').next().unwrap_or_default();
        if sources.iter().all(|source| source.name != name) && (has_console || name != CONSOLE) {
            let path = folder.join("manifests").join(path);
            durable::create_folder(path.parent().unwrap_or(folder))?;
            durable::write_file(&path, add_tags(text, &tags).as_bytes(), 0o644)?;
        }
    }
    Ok(())
}

/// Replaces references without a tag in a text of the platform. The field `text` stays unchanged.
pub fn add_tags(text: &str, tags: &BTreeMap<String, String>) -> String {
    let with_tag = |line: &str| {
        let (field, named) = line.trim_end().rsplit_once(": ")?;
        let full = tags.get(named).filter(|_| field.trim_start() != "text")?;
        Some(format!("{field}: {full}\n"))
    };
    text.split_inclusive('\n').map(|line| with_tag(line).unwrap_or_else(|| line.to_owned())).collect()
}

/// References of the images of node pack and components, and those of the node pack's artifacts.
pub fn references() -> Result<(Vec<Reference>, Vec<Reference>)> {
    let release = release()?;
    let parse = |text: &str| text.parse::<Reference>().map_err(|error| bug(&error.to_string()));
    let of_node: BTreeSet<_> =
        release.node_packs.iter().flat_map(|pack| pack.images.values()).map(|image| image.value.as_str()).collect();
    let images = of_node.into_iter().chain(IMAGES).map(parse).collect::<Result<_>>()?;
    let of_kind = release.artifacts.iter().filter(|artifact| artifact.kind == ArtifactKind::Node);
    let artifacts = of_kind.map(|artifact| parse(&artifact.reference.value)).collect::<Result<_>>()?;
    Ok((images, artifacts))
}

/// Kubernetes version of the node pack's images.
pub fn kubernetes(donors: &Donors) -> Result<String> {
    let release = release()?;
    let image = release.node_packs.first().and_then(|pack| pack.images.get(&NodeImage::ApiServer));
    let reference = image.and_then(|image| image.value.parse::<Reference>().ok());
    let entry = reference.and_then(|reference| donors.entry(List::Images, &reference));
    let full = entry.and_then(|(full, _)| full.parse::<Reference>().ok()?.tag);
    full.ok_or_else(|| bug("there is no API server"))
}

fn release() -> Result<Release> {
    yaml_text(Path::new("releases/starter/release.yaml"), RELEASE, codes::BUG)
}

fn bug(what: &str) -> BuildError {
    BuildError::new(codes::BUG, format!("the starter release that init has: {what}"))
}

/// The list of node packs, with its key.
pub fn node_packs() -> String {
    lines_of("nodePacks:", |_| true)
}

/// Entries of the artifacts that the node pack needs.
pub fn artifacts() -> String {
    let lines = lines_of("artifacts:", |line| line.contains("kind: node"));
    lines.lines().filter(|line| !line.starts_with("artifacts:")).flat_map(|line| [line, "\n"]).collect()
}

/// Wanted lines below a key of the definition, including the key.
fn lines_of(key: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    let lines = RELEASE.lines().skip_while(|line| *line != key);
    let below = lines.enumerate().take_while(|(index, line)| *index == 0 || line.starts_with(' '));
    below.filter(|(index, line)| *index == 0 || is_wanted(line)).flat_map(|(_, line)| [line, "\n"]).collect()
}

/// Namespace of a component of the starter.
pub fn namespace(name: &str) -> String {
    let entry = RELEASE.lines().find_map(|line| line.strip_prefix(&format!("  - {{name: {name}, from: ")));
    let namespace = entry.and_then(|entry| entry.split_once("namespace: "));
    namespace.map(|(_, namespace)| namespace.trim_end_matches('}').to_owned()).unwrap_or_default()
}

/// The own file of a component of the starter.
pub fn component_file(name: &str) -> &'static str {
    let path = format!("{name}/{COMPONENT_FILE}");
    MANIFESTS.iter().find_map(|(of, text)| (*of == path).then_some(*text)).unwrap_or_default()
}
