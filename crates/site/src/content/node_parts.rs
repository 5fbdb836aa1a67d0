//! The parts of a release's node pack: its programs, the images of the control plane, and the versions of both.

use std::collections::BTreeMap;

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::pack::PackId;
use landfall_release_document::{ArtifactEntry, ArtifactKind, GPU_TOOLS, ImageEntry, NodeImage, ReleaseDocument};

use super::placed_file::PlacedFile;
use super::reference::Reference;

/// The last node pack of a release, which the node runs after the operation.
pub struct NodeParts<'a> {
    /// Programs of the pack.
    pub files: Vec<PlacedFile>,
    images: BTreeMap<NodeImage, &'a ImageEntry>,
    /// Version of Kubernetes, such as `v1.36.3`.
    pub kubernetes: String,
    /// ID of the pack.
    pub id: PackId,
}

/// Image sources for kubeadm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesSources {
    /// Version of Kubernetes, such as `v1.36.3`.
    pub kubernetes: String,
    /// Repository prefix of the control plane's images, such as `registry.k8s.io`.
    pub image_repository: String,
    /// Repository prefix of etcd's image.
    pub etcd_repository: String,
    /// Tag of etcd's image.
    pub etcd_tag: String,
}

impl<'a> NodeParts<'a> {
    /// Finds the parts in a release. Fails if it lacks one.
    pub fn of(release: &'a ReleaseDocument) -> Result<Self, StepError> {
        let lacks = |what: String| unfit(format!("the release lacks {what}"));
        let pack = release.node_packs.last().ok_or_else(|| lacks("a node pack".to_owned()))?;
        let artifacts: Vec<&ArtifactEntry> = pack
            .artifacts
            .iter()
            .map(|name| {
                let found = release.artifacts.iter().find(|artifact| artifact.name == *name);
                found
                    .filter(|artifact| artifact.kind == ArtifactKind::Node)
                    .ok_or_else(|| lacks(format!("the node artifact {name}")))
            })
            .collect::<Result<_, _>>()?;
        let mut images = BTreeMap::new();
        for role in NodeImage::ALL {
            let wanted = pack.images.get(&role).ok_or_else(|| lacks(format!("an image that is {role:?}")))?;
            let image = release.images.iter().find(|image| image.reference == *wanted);
            images.insert(role, image.ok_or_else(|| lacks(format!("the image {wanted}")))?);
        }
        let kubernetes = Reference::of(&images[&NodeImage::ApiServer].reference)
            .tag
            .ok_or_else(|| lacks("a tag of the API server's image".to_owned()))?
            .to_owned();
        if !kubernetes.starts_with(&pack.kubernetes) {
            return Err(unfit(format!("the node pack of {} has an API server of {kubernetes}", pack.kubernetes)));
        }
        let files: Vec<PlacedFile> = artifacts.into_iter().flat_map(placed_files).collect();
        let identified = files.iter().map(|file| (file.path.as_str(), &file.blob, file.links.as_slice()));
        let id = PackId::of(&kubernetes, identified)
            .map_err(|error| unfit("the node pack has no id".to_owned()).because(error))?;
        Ok(Self { files, images, kubernetes, id })
    }

    fn image(&self, role: NodeImage) -> Reference<'a> {
        Reference::of(&self.images[&role].reference)
    }

    /// Returns the reference of an image.
    pub fn reference(&self, role: NodeImage) -> &'a str {
        &self.images[&role].reference
    }

    /// Returns the images in the order of their roles.
    pub fn images(&self) -> Vec<ImageEntry> {
        NodeImage::ALL.iter().map(|role| self.images[role].clone()).collect()
    }

    /// Returns true if the pack has a program of this name.
    pub fn has_program(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.path == name || file.links.iter().any(|link| link == name))
    }

    /// Returns true if the pack has the programs that give containers GPUs.
    pub fn has_gpu_tools(&self) -> bool {
        GPU_TOOLS.iter().all(|program| self.has_program(program))
    }

    /// Returns the references that name a different image in the other pack.
    pub fn changed_references(&self, other: &NodeParts<'_>) -> Vec<&'a str> {
        let same_name =
            |one: &&&ImageEntry| other.images.values().any(|known| known.reference == one.reference && known != *one);
        self.images.values().filter(same_name).map(|image| image.reference.as_str()).collect()
    }

    /// Returns the image sources for kubeadm. Fails if the images do not have the names that kubeadm composes.
    pub fn sources(&self) -> Result<KubernetesSources, StepError> {
        let (api_server, etcd) = (self.image(NodeImage::ApiServer), self.image(NodeImage::Etcd));
        let repository = api_server.repository.strip_suffix("/kube-apiserver").ok_or_else(|| {
            unfit(format!("the API server's image {} is not named kube-apiserver", api_server.repository))
        })?;
        for (role, name) in [
            (NodeImage::ControllerManager, "kube-controller-manager"),
            (NodeImage::Scheduler, "kube-scheduler"),
            (NodeImage::Proxy, "kube-proxy"),
        ] {
            let (wanted, found) = (format!("{repository}/{name}:{}", self.kubernetes), self.reference(role));
            if found != wanted {
                return Err(unfit(format!("the image {found} should be {wanted}")));
            }
        }
        let etcd_repository = etcd
            .repository
            .strip_suffix("/etcd")
            .ok_or_else(|| unfit(format!("the image {} is not named etcd", etcd.repository)))?;
        Ok(KubernetesSources {
            kubernetes: self.kubernetes.clone(),
            image_repository: repository.to_owned(),
            etcd_repository: etcd_repository.to_owned(),
            etcd_tag: etcd.tag.ok_or_else(|| unfit("etcd's image has no tag".to_owned()))?.to_owned(),
        })
    }
}

fn unfit(what: String) -> StepError {
    StepError::new(codes::NODE_RELEASE, what)
}

/// Returns an artifact's files as they are placed.
pub fn placed_files(artifact: &ArtifactEntry) -> impl Iterator<Item = PlacedFile> + '_ {
    artifact.files.iter().map(|file| PlacedFile {
        path: file.path.clone(),
        blob: file.blob.digest,
        size: file.blob.size,
        links: file.links.clone(),
    })
}

/// Returns the Kubernetes minor version that the release ends with, such as `v1.36`.
pub fn minor_version(release: &ReleaseDocument) -> Result<String, StepError> {
    let pack = release.node_packs.last();
    let minor = pack.and_then(|pack| Some(pack.kubernetes.rsplit_once('.')?.0.to_owned()));
    minor.ok_or_else(|| StepError::new(codes::CLUSTER_BAD_OBJECT, "the release names no version of Kubernetes"))
}
