//! Signs of another Kubernetes or container runtime, next to which Landfall's own cannot run.

use super::system::System;
use crate::paths::SitePaths;

/// Files and folders that a Kubernetes leaves behind; folders count only if they are not empty.
const SIGNS: [&str; 8] = [
    "/etc/kubernetes",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/etc/cni/net.d",
    "/var/lib/cni",
    "/var/lib/rancher",
    "/var/lib/k0s",
    "/var/snap/microk8s",
];

/// Interfaces that its network leaves until the next boot. Some have the names of Landfall's own, others its port or
/// the addresses of services.
const INTERFACES: [&str; 8] =
    ["cni0", "flannel.1", "cilium_host", "cilium_vxlan", "kube-ipvs0", "vxlan.calico", "antrea-gw0", "weave"];

/// Names that kube-proxy uses in the packet filter: its own table, or a prefix of chains in other software's tables.
const TABLE: &str = "kube-proxy";
const CHAINS: &str = "KUBE-";

/// Programs that conflict with Landfall's.
const PROGRAMS: [&str; 8] = ["kubelet", "kube-apiserver", "etcd", "k3s", "k0s", "containerd", "dockerd", "crio"];

/// Returns the signs found. `filter` reads the names of tables and chains of the packet filter; it is not called on a
/// site, which has many.
pub(super) fn leftovers(paths: &SitePaths, system: &System, filter: impl FnOnce() -> Vec<String>) -> Vec<String> {
    // A Landfall site has all of these signs; its identity shows that it is one.
    if paths.settings_uuid().exists() {
        return Vec::new();
    }
    let mut found: Vec<String> =
        SIGNS.iter().filter(|path| holds_something(paths, path)).map(|path| format!("files in {path}")).collect();
    found.extend(system.running(&PROGRAMS).into_iter().map(|program| format!("the running program {program}")));
    let exists = |name: &&&str| paths.host("/sys/class/net").join(name).symlink_metadata().is_ok();
    found.extend(INTERFACES.iter().filter(exists).map(|name| format!("the interface {name}")));
    if filter().iter().any(|name| name == TABLE || name.starts_with(CHAINS)) {
        found.push("rules of kube-proxy in the packet filter".to_owned());
    }
    found
}

fn holds_something(paths: &SitePaths, path: &str) -> bool {
    fs_err::read_dir(paths.host(path)).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_another_kubernetes_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let system = System { programs: ["k3s", "bash"].map(str::to_owned).into(), ..System::default() };
        fs_err::create_dir_all(paths.host("/etc/kubernetes")).unwrap();
        landfall_media::durable::write_file(&paths.host("/etc/kubernetes/admin.conf"), b"", 0o644).unwrap();
        fs_err::create_dir_all(paths.host("/var/lib/kubelet")).unwrap();
        let filter = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let own = filter(&["filter", "ufw-kube", "INPUT"]);
        assert_eq!(leftovers(&paths, &system, || own), ["files in /etc/kubernetes", "the running program k3s"]);
        fs_err::create_dir_all(paths.host("/sys/class/net/cni0")).unwrap();
        let rules = "rules of kube-proxy in the packet filter";
        for names in [filter(&["nat", "KUBE-SERVICES"]), filter(&["kube-proxy"])] {
            assert_eq!(leftovers(&paths, &system, || names)[2..], ["the interface cni0", rules]);
        }

        fs_err::create_dir_all(paths.settings()).unwrap();
        landfall_media::durable::write_file(&paths.settings_uuid(), b"x", 0o644).unwrap();
        assert_eq!(leftovers(&paths, &system, || panic!("a site is not asked")), Vec::<String>::new());
    }
}
