//! A small release.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_release_document::{
    ArtifactEntry, ArtifactFile, ArtifactKind, ComponentData, ComponentEntry, Descriptor, ImageEntry, NodeImage,
    NodePack, PodSecurity, RELEASE_DOCUMENT_TYPE, ReleaseDocument, Requirements, SiteValue, ValueTarget,
};
use serde_json::json;

/// Descriptor of a blob whose digest repeats a byte.
pub fn blob(byte: u8, size: u64) -> Descriptor {
    Descriptor { media_type: "application/octet-stream".to_owned(), digest: Sha256([byte; 32]), size }
}

fn image(reference: &str, byte: u8) -> ImageEntry {
    ImageEntry {
        reference: reference.to_owned(),
        manifest: blob(byte, 700),
        config: blob(byte + 1, 900),
        layers: vec![blob(1, 30_000_000), blob(byte + 2, 4_000_000)],
    }
}

/// An artifact with blobs from this byte on; each file has links.
pub fn artifact(name: &str, kind: ArtifactKind, byte: u8, files: &[(&str, &[&str])]) -> ArtifactEntry {
    let file = |(index, (path, links)): (usize, &(&str, &[&str]))| ArtifactFile {
        path: (*path).to_owned(),
        blob: blob(byte + 2 + u8::try_from(index).unwrap_or_default(), 5_000_000),
        links: links.iter().map(|link| (*link).to_owned()).collect(),
    };
    ArtifactEntry {
        name: name.to_owned(),
        kind,
        reference: format!("example.org/{name}:1"),
        manifest: blob(byte, 700),
        config: blob(byte + 1, 2),
        files: files.iter().enumerate().map(file).collect(),
    }
}

/// Returns a small release with one component, whose `ConfigMap` takes computed values.
pub fn release() -> ReleaseDocument {
    let references = [
        (NodeImage::ApiServer, "registry.k8s.io/kube-apiserver:v1.36.3"),
        (NodeImage::ControllerManager, "registry.k8s.io/kube-controller-manager:v1.36.3"),
        (NodeImage::Scheduler, "registry.k8s.io/kube-scheduler:v1.36.3"),
        (NodeImage::Proxy, "registry.k8s.io/kube-proxy:v1.36.3"),
        (NodeImage::Etcd, "registry.k8s.io/etcd:3.7.3-0"),
        (NodeImage::Pause, "registry.k8s.io/pause:3.10.2"),
        (NodeImage::Registry, "docker.io/library/registry:3.1.2"),
    ];
    ReleaseDocument {
        document_type: RELEASE_DOCUMENT_TYPE.to_owned(),
        name: "sample".to_owned(),
        version: "1.0.0".to_owned(),
        counter: 1,
        assembled: false,
        platform: "linux/amd64".to_owned(),
        node_packs: vec![NodePack {
            kubernetes: "v1.36".to_owned(),
            artifacts: vec!["kubernetes".to_owned(), "containerd".to_owned()],
            images: references.iter().map(|(role, reference)| (*role, (*reference).to_owned())).collect(),
            glibc: None,
        }],
        images: references.iter().zip(1u8..).map(|((_, reference), index)| image(reference, 10 * index)).collect(),
        artifacts: vec![
            artifact("kubernetes", ArtifactKind::Node, 100, &[("kubernetes", &["kubelet", "kubeadm", "kubectl"])]),
            artifact(
                "containerd",
                ArtifactKind::Node,
                110,
                &[("containerd", &[]), ("ctr", &[]), ("etcdctl", &[]), ("etcdutl", &[])],
            ),
            artifact("model", ArtifactKind::Model, 120, &[("weights.bin", &[])]),
        ],
        components: vec![ComponentEntry {
            name: "dns".to_owned(),
            namespace: "kube-system".to_owned(),
            needs: Vec::new(),
            objects: "documents/objects/dns.json".to_owned(),
            pod_security: PodSecurity::Privileged,
            quota: BTreeMap::new(),
            secrets: Vec::new(),
            site_secrets: Vec::new(),
            mounts: Vec::new(),
            ready_seconds: 60,
            data: ComponentData::None,
            backup: Vec::new(),
            editable: Vec::new(),
            entitlement: None,
            console: false,
            canary: None,
            license_check: false,
        }],
        values: ["corefile", "flannel"].map(computed_value).to_vec(),
        requirements: Requirements { cores: 2, memory_bytes: 4 << 30, data_bytes: 10 << 30, gpus: None },
        rules: Vec::new(),
        upgrades: None,
        soak_seconds: None,
        proofs: Vec::new(),
        signatures: Vec::new(),
    }
}

fn computed_value(key: &str) -> SiteValue {
    let name = if key == "corefile" { "cluster.dns.corefile" } else { "cluster.network.flannel" };
    let target = ValueTarget {
        component: "dns".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: "computed".to_owned(),
        path: format!("/data/{key}"),
    };
    SiteValue { name: name.to_owned(), schema: json!({"type": "string"}), default: None, targets: vec![target] }
}
