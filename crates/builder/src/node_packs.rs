//! Node packs of a release: their images in the lock, and the version of Kubernetes.

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use landfall_release_document::NodeImage;

use crate::definition::{Definition, role_name};
use crate::error::{BuildError, Place, Result};
use crate::lock::{Lock, LockEntry};
use crate::reference::Reference;

/// Pins of a node pack.
#[derive(Debug, Clone)]
pub struct NodePackInputs {
    /// Kubernetes version, such as `v1.36.3`: the tag of the pinned API server.
    pub kubernetes: String,
    /// Pinned reference of each role.
    pub images: BTreeMap<NodeImage, String>,
}

/// Kubernetes version of the last node pack, the one that runs after an install. Returns an error if the lock lacks it.
pub fn kubernetes(definition: &Definition, lock: &Lock) -> Result<String> {
    let packs = roles(definition, lock)?;
    let last = packs.iter().enumerate().next_back();
    last.map_or_else(|| Ok(String::new()), |(index, roles)| Ok(node_pack(definition, index, roles)?.kubernetes))
}

/// Entries of the lock for the images of a node pack, by role.
pub type Roles<'a> = BTreeMap<NodeImage, &'a LockEntry>;

/// Looks up the images of each node pack.
pub fn roles<'a>(definition: &Definition, lock: &'a Lock) -> Result<Vec<Roles<'a>>> {
    let packs = definition.release.node_packs.iter().enumerate();
    packs
        .map(|(index, pack)| {
            let roles = pack.images.iter().map(|(role, written)| {
                let place = definition.place(written, format!("nodePacks[{index}].images.{}", role_name(*role)));
                let wanted = parse(&written.value, &place)?;
                Ok((*role, lock.find_of_node_pack(&wanted, &pack.kubernetes.value, place)?))
            });
            roles.collect()
        })
        .collect()
}

/// Pins of a node pack. The four programs of Kubernetes must have the same version, a patch version of the one in the
/// definition.
pub fn node_pack(definition: &Definition, index: usize, roles: &Roles<'_>) -> Result<NodePackInputs> {
    let pack = &definition.release.node_packs[index];
    let wanted = &pack.kubernetes.value;
    let kubernetes = [NodeImage::ApiServer, NodeImage::ControllerManager, NodeImage::Scheduler, NodeImage::Proxy];
    let tags: Vec<_> =
        kubernetes.iter().filter_map(|role| roles.get(role)?.reference.value.parse::<Reference>().ok()?.tag).collect();
    let version = tags.first().cloned().unwrap_or_default();
    let fits = version.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('.'));
    if !fits || tags.iter().any(|tag| *tag != version) {
        let place = definition.place(&pack.kubernetes, format!("nodePacks[{index}].kubernetes"));
        let what = format!("the lock has images of {} where all must be of one version of {wanted}", tags.join(", "));
        return Err(BuildError::at(codes::RELEASE_INVALID, place, what));
    }
    let images = roles.iter().map(|(role, entry)| (*role, entry.reference.value.clone())).collect();
    Ok(NodePackInputs { kubernetes: version, images })
}

fn parse(text: &str, place: &Place) -> Result<Reference> {
    text.parse().map_err(|error| BuildError::at(codes::RELEASE_INVALID, place.clone(), format!("{error}")))
}
