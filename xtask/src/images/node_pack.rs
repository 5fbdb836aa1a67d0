//! The parts of a Kubernetes node: programs for the host, and the images of the control plane and the network.

use std::path::PathBuf;

use anyhow::Result;

use super::Workshop;
use super::chosen;
use super::debian::{self, BASE, Root};
use super::go::{Build, GoModule, Program};
use super::layer::{FileTree, Kind, Layer, ensure_layer};
use super::oci::{Blob, PublishedContent, Settings, artifact, image};
use crate::cache::Key;

/// Media type of a file for the host.
pub const FILE: &str = "application/vnd.landfall.file.v1";

/// Type of an artifact that carries files for the host.
pub const FILES: &str = "application/vnd.landfall.files.v1";

/// Annotation of a file: additional names under which it is installed, separated by commas.
pub const LINKS: &str = "dev.landfall.links";

/// Annotation of a layer that consists of one file: the file's name.
pub const TITLE: &str = "org.opencontainers.image.title";

/// All Kubernetes commands in one program, which selects the command by the name it is started with.
pub const KUBERNETES: GoModule = GoModule {
    name: "kubernetes",
    upstream: "k8s.io/kubernetes",
    stamp: None,
    programs: &[Program { package: ".", file: "kubernetes" }],
    build: Build::Go,
    variables: &[
        ("k8s.io/component-base/version.gitVersion", "{version}"),
        ("k8s.io/component-base/version.gitMajor", "{major}"),
        ("k8s.io/component-base/version.gitMinor", "{minor}"),
        ("k8s.io/component-base/version.gitTreeState", "clean"),
    ],
};

/// The container runtime.
pub const CONTAINERD: GoModule = GoModule {
    name: "containerd",
    upstream: "github.com/containerd/containerd/v2",
    stamp: None,
    programs: &[
        Program { package: "github.com/containerd/containerd/v2/cmd/containerd", file: "containerd" },
        Program {
            package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            file: "containerd-shim-runc-v2",
        },
        Program { package: "github.com/containerd/containerd/v2/cmd/ctr", file: "ctr" },
    ],
    build: Build::Go,
    variables: &[("github.com/containerd/containerd/v2/version.Version", "{version}")],
};

/// The program that starts a container's process.
pub const RUNC: GoModule = GoModule {
    name: "runc",
    upstream: "github.com/opencontainers/runc",
    stamp: None,
    programs: &[Program { package: "github.com/opencontainers/runc", file: "runc" }],
    build: Build::StaticC { tags: "seccomp,netgo,osusergo" },
    variables: &[],
};

/// The network plugins for the kubelet's containers.
pub const CNI: GoModule = GoModule {
    name: "cni",
    upstream: "github.com/containernetworking/plugins",
    stamp: None,
    programs: &[
        Program { package: "github.com/containernetworking/plugins/plugins/main/bridge", file: "bridge" },
        Program { package: "github.com/containernetworking/plugins/plugins/ipam/host-local", file: "host-local" },
        Program { package: "github.com/containernetworking/plugins/plugins/main/loopback", file: "loopback" },
        Program { package: "github.com/containernetworking/plugins/plugins/meta/portmap", file: "portmap" },
    ],
    build: Build::Go,
    variables: &[("github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion", "{version}")],
};

/// The cluster's database and its tools.
pub const ETCD: GoModule = GoModule {
    name: "etcd",
    upstream: "go.etcd.io/etcd/server/v3",
    stamp: None,
    programs: &[
        Program { package: "go.etcd.io/etcd/server/v3", file: "etcd" },
        Program { package: "go.etcd.io/etcd/etcdctl/v3", file: "etcdctl" },
        Program { package: "go.etcd.io/etcd/etcdutl/v3", file: "etcdutl" },
    ],
    build: Build::Go,
    variables: &[],
};

/// The cluster's DNS server.
pub const COREDNS: GoModule = GoModule {
    name: "coredns",
    upstream: "github.com/coredns/coredns",
    stamp: None,
    programs: &[Program { package: "github.com/coredns/coredns", file: "coredns" }],
    build: Build::Go,
    variables: &[],
};

/// The registry, both of the cluster and of these tests.
pub const DISTRIBUTION: GoModule = GoModule {
    name: "distribution",
    upstream: "github.com/distribution/distribution/v3",
    stamp: None,
    programs: &[Program { package: "github.com/distribution/distribution/v3/cmd/registry", file: "registry" }],
    build: Build::Go,
    variables: &[("github.com/distribution/distribution/v3/version.version", "{version}")],
};

/// The daemon of the pod network.
pub const FLANNEL: GoModule = GoModule {
    name: "flannel",
    upstream: "github.com/flannel-io/flannel",
    stamp: None,
    programs: &[Program { package: "github.com/flannel-io/flannel", file: "flanneld" }],
    build: Build::StaticC { tags: "netgo,osusergo" },
    variables: &[("github.com/flannel-io/flannel/pkg/version.Version", "{version}")],
};

/// The provisioner that creates volumes in a folder of the node.
pub const LOCAL_PATH: GoModule = GoModule {
    name: "local-path-provisioner",
    upstream: "github.com/rancher/local-path-provisioner",
    stamp: None,
    programs: &[Program { package: "github.com/rancher/local-path-provisioner", file: "local-path-provisioner" }],
    build: Build::Go,
    variables: &[("main.VERSION", "{version}")],
};

/// Version under which kubeadm and containerd request [`PAUSE`].
const PAUSE_VERSION: &str = "3.10.2";

/// Landfall's own process that holds a pod's namespaces open.
pub const PAUSE: GoModule = GoModule {
    name: "pause",
    upstream: "",
    stamp: None,
    programs: &[Program { package: ".", file: "pause" }],
    build: Build::Go,
    variables: &[("main.version", PAUSE_VERSION)],
};

/// Modules of the node pack, in build order.
pub const MODULES: &[&GoModule] =
    &[&PAUSE, &KUBERNETES, &CONTAINERD, &RUNC, &CNI, &ETCD, &COREDNS, &DISTRIBUTION, &FLANNEL, &LOCAL_PATH];

/// Widely used program for signing and verification, with which tests check Landfall's signatures.
pub const COSIGN: GoModule = GoModule {
    name: "cosign",
    upstream: "github.com/sigstore/cosign/v3",
    stamp: None,
    programs: &[Program { package: "github.com/sigstore/cosign/v3/cmd/cosign", file: "cosign" }],
    build: Build::Go,
    variables: &[("sigs.k8s.io/release-utils/version.gitVersion", "{version}")],
};

/// The program that renders charts, in the version made for the node pack's Kubernetes. Its module uses shared
/// dependencies in the versions of [`KUBERNETES`], so that they are compiled once.
pub const HELM: GoModule = GoModule {
    name: "helm",
    upstream: "helm.sh/helm/v3",
    stamp: None,
    programs: &[Program { package: "helm.sh/helm/v3/cmd/helm", file: "helm" }],
    build: Build::Go,
    variables: &[("helm.sh/helm/v3/internal/version.version", "{version}")],
};

/// An S3 server over a folder, to which tests copy backups. It is not part of a node pack.
pub const VERSITYGW: GoModule = GoModule {
    name: "versitygw",
    upstream: "github.com/versity/versitygw",
    stamp: None,
    programs: &[Program { package: "github.com/versity/versitygw/cmd/versitygw", file: "versitygw" }],
    build: Build::Go,
    variables: &[("main.Version", "{version}")],
};

/// An inference engine whose model store a vendor may provide; tests write and read such a store. A Go module cannot
/// contain upstream's folder `vendor` with third-party headers. Debian has all of these headers except one.
pub const OLLAMA: GoModule = GoModule {
    name: "ollama",
    upstream: "github.com/ollama/ollama",
    stamp: None,
    programs: &[Program { package: "github.com/ollama/ollama", file: "ollama" }],
    build: Build::StaticCpp { tags: "netgo,osusergo" },
    variables: &[("github.com/ollama/ollama/version.Version", "{version}")],
};

/// An identity provider, at which console users sign in. Its tags are not versions of a Go module, so the recipe names
/// a commit. It cannot be built without SQLite.
pub const DEX: GoModule = GoModule {
    name: "dex",
    upstream: "github.com/dexidp/dex",
    stamp: Some("2.41.1"),
    programs: &[Program { package: "github.com/dexidp/dex/cmd/dex", file: "dex" }],
    build: Build::StaticC { tags: "netgo osusergo sqlite_omit_load_extension" },
    variables: &[("main.version", "{version}")],
};

/// The base with Debian's nft and its nft-based iptables, for programs that write packet-filter rules.
pub const PACKET_FILTER: Root = Root {
    name: "packet-filter",
    packages: &["iptables", "nftables"],
    accounts: &[],
    removed: &[],
    chosen: chosen::none,
};

/// The properties that differ between two node packs.
pub struct NodePack {
    kubernetes: GoModule,
    containerd: GoModule,
    distribution: GoModule,
    /// Revision of the etcd image, which upstream appends to etcd's version.
    etcd_image_revision: u32,
}

/// The node pack of the starter release.
pub const STARTER: NodePack =
    NodePack { kubernetes: KUBERNETES, containerd: CONTAINERD, distribution: DISTRIBUTION, etcd_image_revision: 0 };

/// A later node pack, for upgrades of the node. Its sources are the same, but its programs report the next versions,
/// because compiling other sources would take half an hour.
pub const LATER: NodePack = NodePack {
    kubernetes: GoModule { stamp: Some("v1.36.4"), ..KUBERNETES },
    containerd: GoModule { stamp: Some("v2.4.3"), ..CONTAINERD },
    distribution: GoModule { stamp: Some("v3.1.3"), ..DISTRIBUTION },
    etcd_image_revision: 1,
};

/// Additional names of the Kubernetes program on the host.
const KUBERNETES_LINKS: &[&str] = &["kubeadm", "kubectl", "kubelet"];

/// Kubernetes commands that run in containers.
const KUBERNETES_CONTAINERS: &[&str] = &["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"];

/// Returns one folder with every program of the node pack, for tests that run one on the developer's machine.
pub fn ensure_binaries(workshop: &Workshop) -> Result<PathBuf> {
    let mut key = Key::new().with("links", "1");
    for module in MODULES {
        key = key.with(module.name, module.key(workshop)?.digest());
    }
    workshop.entry("binaries", "of the node pack", &key, |folder| {
        for module in MODULES {
            let programs = module.ensure(workshop)?;
            for program in module.programs {
                std::fs::hard_link(programs.join(program.file), folder.join(program.file))?;
            }
        }
        for name in KUBERNETES_LINKS.iter().chain(KUBERNETES_CONTAINERS) {
            std::os::unix::fs::symlink("kubernetes", folder.join(name))?;
        }
        Ok(())
    })
}

/// Returns images and host files of the starter's node pack.
pub fn ensure(workshop: &Workshop) -> Result<Vec<PublishedContent>> {
    let mut published = STARTER.changing(workshop)?;
    published.extend(other_images(workshop)?);
    published.extend(other_host_files(workshop)?);
    Ok(published)
}

impl NodePack {
    /// Returns the images and host files in which node packs differ, in the same order for each pack.
    pub fn changing(&self, workshop: &Workshop) -> Result<Vec<PublishedContent>> {
        let mut published = self.kubernetes_images(workshop)?;
        published.push(self.etcd_image(workshop)?);
        published.push(self.registry_image(workshop)?);
        published.extend(self.host_files(workshop)?);
        Ok(published)
    }

    fn kube_proxy(&self, workshop: &Workshop) -> Result<PublishedContent> {
        let packet_filter = PACKET_FILTER.ensure_difference(workshop)?;
        let layers = [debian::ensure_base(workshop)?, packet_filter, self.kubernetes_layer(workshop)?];
        let reference = format!("registry.k8s.io/kube-proxy:{}", self.kubernetes.version(workshop)?);
        let settings = Settings { entrypoint: &["/usr/local/bin/kube-proxy"], ..Settings::default() };
        Ok(image("kubernetes", reference, &layers, &settings))
    }

    fn kubernetes_images(&self, workshop: &Workshop) -> Result<Vec<PublishedContent>> {
        let version = self.kubernetes.version(workshop)?;
        let layers = [static_base(workshop)?, self.kubernetes_layer(workshop)?];
        let control_plane = [
            ("kube-apiserver", Settings { entrypoint: &["/usr/local/bin/kube-apiserver"], ..Settings::default() }),
            (
                "kube-controller-manager",
                Settings { entrypoint: &["/usr/local/bin/kube-controller-manager"], ..Settings::default() },
            ),
            ("kube-scheduler", Settings { entrypoint: &["/usr/local/bin/kube-scheduler"], ..Settings::default() }),
        ];
        let mut published: Vec<PublishedContent> = control_plane
            .iter()
            .map(|(name, settings)| image("kubernetes", format!("registry.k8s.io/{name}:{version}"), &layers, settings))
            .collect();
        published.push(self.kube_proxy(workshop)?);
        Ok(published)
    }

    /// Returns one layer for four images: the program once, and a link for each command that runs in a container.
    fn kubernetes_layer(&self, workshop: &Workshop) -> Result<Layer> {
        let key = workshop.key().with("program", self.kubernetes.key(workshop)?.digest()).with("links", "1");
        ensure_layer(workshop, "kubernetes", &key, || {
            let mut tree = FileTree::default();
            let program = self.kubernetes.ensure(workshop)?.join("kubernetes");
            tree.add_file("usr/local/bin/kubernetes", 0o755, &program)?;
            for name in KUBERNETES_CONTAINERS {
                tree.add_link(&format!("usr/local/bin/{name}"), "kubernetes");
            }
            Ok(tree)
        })
    }

    fn etcd_image(&self, workshop: &Workshop) -> Result<PublishedContent> {
        let programs = ["usr/local/bin/etcd", "usr/local/bin/etcdctl", "usr/local/bin/etcdutl"];
        let layers = [static_base(workshop)?, program_layer(workshop, &ETCD, &programs)?];
        let version = ETCD.version(workshop)?;
        let reference =
            format!("registry.k8s.io/etcd:{}-{}", version.trim_start_matches('v'), self.etcd_image_revision);
        let settings = Settings { command: &["/usr/local/bin/etcd"], ..Settings::default() };
        Ok(image("etcd", reference, &layers, &settings))
    }

    fn registry_image(&self, workshop: &Workshop) -> Result<PublishedContent> {
        let layers =
            [static_base(workshop)?, program_layer(workshop, &self.distribution, &["usr/local/bin/registry"])?];
        let version = self.distribution.version(workshop)?;
        let reference = format!("docker.io/library/registry:{}", version.trim_start_matches('v'));
        let settings = Settings {
            entrypoint: &["/usr/local/bin/registry"],
            command: &["serve", "/etc/distribution/config.yml"],
            environment: &["OTEL_TRACES_EXPORTER=none"],
            ..Settings::default()
        };
        Ok(image("distribution", reference, &layers, &settings))
    }

    /// Returns programs of the host as artifacts, with one layer per file.
    fn host_files(&self, workshop: &Workshop) -> Result<Vec<PublishedContent>> {
        let kubernetes = files(workshop, &self.kubernetes, &["kubernetes"])?;
        let kubernetes =
            kubernetes.into_iter().map(|blob| blob.with_annotation(LINKS, &KUBERNETES_LINKS.join(","))).collect();
        let containerd = files(workshop, &self.containerd, &["containerd", "containerd-shim-runc-v2", "ctr"])?;
        Ok(vec![
            host_artifact(workshop, &self.kubernetes, "dl.k8s.io/kubernetes/node", kubernetes)?,
            host_artifact(workshop, &self.containerd, "github.com/containerd/containerd", containerd)?,
        ])
    }
}

/// Returns the image of the pod network's daemon.
pub fn flannel(workshop: &Workshop) -> Result<PublishedContent> {
    let layers = [
        debian::ensure_base(workshop)?,
        PACKET_FILTER.ensure_difference(workshop)?,
        program_layer(workshop, &FLANNEL, &["opt/bin/flanneld"])?,
    ];
    let reference = format!("ghcr.io/flannel-io/flannel:{}", FLANNEL.version(workshop)?);
    let settings = Settings { entrypoint: &["/opt/bin/flanneld"], ..Settings::default() };
    Ok(image("flannel", reference, &layers, &settings))
}

/// Returns a layer with the files that a static program expects: certificates, accounts, a folder for temporary files.
fn static_base(workshop: &Workshop) -> Result<Layer> {
    const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
    let key = workshop.key().with("base", BASE.key(workshop)?.digest()).with("static", "1");
    ensure_layer(workshop, "static-base", &key, || {
        let certificates = BASE.ensure_tree(workshop)?.read(CERTIFICATES)?;
        let text = |text: &str| Kind::Text(text.as_bytes().to_vec());
        let mut tree = FileTree::default();
        tree.add(CERTIFICATES, 0o644, Kind::Text(certificates));
        tree.add("etc/group", 0o644, text("root:x:0:\nnonroot:x:65532:\nnogroup:x:65534:\n"));
        tree.add("etc/nsswitch.conf", 0o644, text("hosts: files dns\n"));
        let accounts = "root:x:0:0:root:/root:/sbin/nologin\n\
            nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n\
            nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n";
        tree.add("etc/passwd", 0o644, text(accounts));
        tree.add_owned("home/nonroot", 0o700, (65532, 65532), Kind::Folder);
        tree.add("root", 0o700, Kind::Folder);
        tree.add("tmp", 0o1777, Kind::Folder);
        tree.add("var/tmp", 0o1777, Kind::Folder);
        Ok(tree)
    })
}

/// Returns a layer with programs of a module at the given paths.
pub(super) fn program_layer(workshop: &Workshop, module: &GoModule, paths: &[&str]) -> Result<Layer> {
    let mut key = workshop.key().with("program", module.key(workshop)?.digest());
    for path in paths {
        key = key.with("path", path);
    }
    ensure_layer(workshop, module.name, &key, || {
        let programs = module.ensure(workshop)?;
        let mut tree = FileTree::default();
        for path in paths {
            let name = path.rsplit('/').next().unwrap_or(path);
            tree.add_file(path, 0o755, &programs.join(name))?;
        }
        Ok(tree)
    })
}

fn other_images(workshop: &Workshop) -> Result<Vec<PublishedContent>> {
    let base = static_base(workshop)?;
    let on_base = |layer: Layer| [base.clone(), layer];
    let local_path = program_layer(workshop, &LOCAL_PATH, &["usr/bin/local-path-provisioner"])?;
    Ok(vec![
        image(
            "pause",
            format!("registry.k8s.io/pause:{PAUSE_VERSION}"),
            &[program_layer(workshop, &PAUSE, &["pause"])?],
            &Settings { user: "65535:65535", entrypoint: &["/pause"], ..Settings::default() },
        ),
        image(
            "coredns",
            format!("registry.k8s.io/coredns/coredns:{}", COREDNS.version(workshop)?),
            &on_base(program_layer(workshop, &COREDNS, &["coredns"])?),
            &Settings { user: "65532:65532", entrypoint: &["/coredns"], ..Settings::default() },
        ),
        flannel(workshop)?,
        image(
            "local-path-provisioner",
            format!("docker.io/rancher/local-path-provisioner:{}", LOCAL_PATH.version(workshop)?),
            &on_base(local_path),
            &Settings { command: &["local-path-provisioner"], ..Settings::default() },
        ),
    ])
}

/// Returns programs of a module, as one blob per file.
pub(super) fn files(workshop: &Workshop, module: &GoModule, names: &[&str]) -> Result<Vec<Blob>> {
    let folder = module.ensure(workshop)?;
    names.iter().map(|name| Ok(Blob::file(workshop, FILE, &folder.join(name))?.with_annotation(TITLE, name))).collect()
}

fn host_artifact(
    workshop: &Workshop,
    module: &GoModule,
    repository: &str,
    layers: Vec<Blob>,
) -> Result<PublishedContent> {
    let reference = format!("{repository}:{}", module.version(workshop)?);
    Ok(artifact(module.name, reference, FILES, None, layers))
}

/// Returns the host programs that are the same in every node pack.
fn other_host_files(workshop: &Workshop) -> Result<Vec<PublishedContent>> {
    let modules: [(&GoModule, &str, &[&str]); 3] = [
        (&RUNC, "github.com/opencontainers/runc", &["runc"]),
        (&CNI, "github.com/containernetworking/plugins", &["bridge", "host-local", "loopback", "portmap"]),
        (&ETCD, "github.com/etcd-io/etcd", &["etcdctl", "etcdutl"]),
    ];
    let artifact = |(module, repository, names): (&GoModule, &str, &[&str])| {
        host_artifact(workshop, module, repository, files(workshop, module, names)?)
    };
    modules.into_iter().map(artifact).collect()
}
