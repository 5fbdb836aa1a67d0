//! Traces that other programs leave in their own places. Only traces of this node are removed, because an uninstall may
//! find a later runtime, kernel or kubeconfig there.

use std::os::unix::net::UnixStream;
use std::path::Path;

use landfall_media::durable;

use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_host::{files, mounts};

/// Places in which only Kubernetes and flannel leave files, whatever their configuration says.
const OWN_PLACES: [&str; 6] = [
    "/run/flannel",
    "/run/xtables.lock",
    "/var/lib/kubelet",
    "/var/log/pods",
    "/var/log/containers",
    "/etc/kubernetes",
];
/// Places that other software may share, above all another runtime. Only [`PARTS`], sockets of shims and empty folders
/// belong to Landfall there.
const SHARED_PLACES: [&str; 13] = [
    "/run/containerd",
    "/run/runc",
    "/run/nri",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/etc/cni",
    // kube-proxy mounts it, and containerd creates it for the mount. A kernel that is installed later fills it.
    "/lib/modules",
    "/opt/cni",
    "/opt/containerd",
    "/usr/libexec/kubernetes",
    "/root/.kube",
];
/// Landfall's parts of shared places: a folder, and the prefix of names in it.
const PARTS: [(&str, &str); 4] = [
    // State of runc's containers, by containerd's namespace.
    ("/run/containerd/runc", "k8s.io"),
    // State of CNI's pods, by network.
    ("/var/lib/cni/results", "landfall-"),
    ("/var/lib/cni/results", "cni-loopback-"),
    // kubectl recreates its cache; the configuration beside it may belong to another cluster.
    ("/root/.kube", "cache"),
];
/// Folder with the sockets of every containerd's shims.
const SHIM_SOCKETS: &str = "/run/containerd/s";

/// Returns the places that exist.
pub(crate) fn present(paths: &SitePaths) -> Vec<String> {
    let all = OWN_PLACES.iter().chain(&SHARED_PLACES).map(|place| (*place).to_owned());
    all.filter(|place| paths.host(place).symlink_metadata().is_ok()).collect()
}

/// Removes the traces in every place that did not exist before.
pub(crate) fn remove(paths: &SitePaths, before: &[String]) -> Result<(), StepError> {
    let is_new = |place: &&&str| !before.iter().any(|known| known == **place);
    for place in OWN_PLACES.iter().filter(is_new) {
        let path = paths.host(place);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => mounts::remove_tree(&path)?,
            Ok(_) => durable::remove_file(&path)?,
            Err(_) => {}
        }
    }
    for place in SHARED_PLACES.iter().filter(is_new) {
        for (folder, beginning) in PARTS.iter().filter(|(folder, _)| Path::new(folder).starts_with(place)) {
            remove_part(&paths.host(folder), beginning)?;
        }
        if Path::new(SHIM_SOCKETS).starts_with(place) {
            remove_dead_sockets(&paths.host(SHIM_SOCKETS))?;
        }
        remove_empty(&paths.host(place))?;
    }
    Ok(())
}

fn remove_part(folder: &Path, beginning: &str) -> Result<(), StepError> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning)) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => mounts::remove_tree(&entry.path())?,
            _ => durable::remove_file(&entry.path())?,
        }
    }
    Ok(())
}

/// Removes sockets without a listener, which killed shims leave.
fn remove_dead_sockets(folder: &Path) -> Result<(), StepError> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Ok(()) };
    for socket in entries.flatten().map(|entry| entry.path()) {
        let connected = UnixStream::connect(&socket);
        if connected.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            durable::remove_file(&socket)?;
        }
    }
    Ok(())
}

/// Removes a folder and its subfolders if they contain nothing else.
fn remove_empty(folder: &Path) -> Result<(), StepError> {
    if !folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    let entries = fs_err::read_dir(folder).map_err(|error| files::file_error("list", folder, error))?;
    entries.flatten().try_for_each(|entry| remove_empty(&entry.path()))?;
    files::remove_folder_if_empty(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    struct Host {
        _root: tempfile::TempDir,
        paths: SitePaths,
    }

    impl Host {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let paths = SitePaths::below(root.path());
            Self { _root: root, paths }
        }

        fn write(&self, path: &str) {
            let path = self.paths.host(path);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, b"x", 0o644).unwrap();
        }

        fn folder(&self, path: &str) {
            durable::create_folder(&self.paths.host(path)).unwrap();
        }

        fn has(&self, path: &str) -> bool {
            self.paths.host(path).symlink_metadata().is_ok()
        }
    }

    /// Creates traces of a node and returns their files.
    fn fill(host: &Host) -> Vec<&'static str> {
        let folders = ["/etc/cni/net.d", "/opt/cni/bin", "/lib/modules", "/run/netns", SHIM_SOCKETS];
        for folder in folders {
            host.folder(folder);
        }
        let files = [
            "/run/containerd/runc/k8s.io/0123/state.json",
            "/run/flannel/subnet.env",
            "/run/xtables.lock",
            "/var/lib/cni/results/cni-loopback-0123-lo",
            "/var/lib/cni/results/landfall-0123-eth0",
            "/var/lib/kubelet/config.yaml",
            "/root/.kube/cache/discovery/x",
        ];
        for file in files {
            host.write(file);
        }
        // Dropped at once, so the socket has no listener.
        let dead = host.paths.host(SHIM_SOCKETS).join("dead");
        drop(UnixListener::bind(dead).unwrap());
        files.into_iter().chain(["/run/containerd/s/dead"]).collect()
    }

    #[test]
    fn only_own_traces_are_removed() {
        let host = Host::new();
        fill(&host);
        remove(&host.paths, &[]).unwrap();
        for place in OWN_PLACES.iter().chain(&SHARED_PLACES) {
            assert!(!host.has(place), "{place}");
        }

        let own = fill(&host);
        let theirs = [
            "/etc/cni/net.d/10-other.conflist",
            "/lib/modules/6.12.0/modules.dep",
            "/opt/cni/bin/other",
            "/opt/containerd/bin/other",
            "/root/.kube/config",
            "/run/containerd/containerd.sock",
            "/run/containerd/runc/moby/0123/state.json",
            "/run/netns/other",
            "/var/lib/cni/results/other-0123-eth0",
            "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
            "/var/lib/etcd/member/snap/db",
        ];
        for file in theirs {
            host.write(file);
        }
        let alive = UnixListener::bind(host.paths.host(SHIM_SOCKETS).join("alive")).unwrap();
        host.folder("/lib/modules/6.18.0");
        remove(&host.paths, &[]).unwrap();
        for file in theirs.iter().chain(&["/run/containerd/s/alive"]) {
            assert!(host.has(file), "{file}");
        }
        for file in own.iter().chain(&["/root/.kube/cache", "/lib/modules/6.18.0"]) {
            assert!(!host.has(file), "{file}");
        }
        drop(alive);
    }

    #[test]
    fn existing_traces_stay_unchanged() {
        let host = Host::new();
        host.folder("/lib/modules");
        host.write("/root/.kube/cache/x");
        host.write("/var/lib/cni/results/landfall-0123-eth0");
        let before = present(&host.paths);
        assert_eq!(before, ["/var/lib/cni", "/lib/modules", "/root/.kube"]);
        remove(&host.paths, &before).unwrap();
        for there in ["/lib/modules", "/root/.kube/cache/x", "/var/lib/cni/results/landfall-0123-eth0"] {
            assert!(host.has(there), "{there}");
        }
    }
}
