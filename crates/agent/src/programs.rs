//! Programs of the node pack, as commands.

use std::path::PathBuf;

use landfall_host::command::HostCommand;
use landfall_host::pack::PackId;
use landfall_host::paths::SitePaths;

/// Paths of a node pack's programs, and their invocation.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
    kubernetes: PathBuf,
    cache: PathBuf,
    socket: PathBuf,
}

impl Programs {
    /// Returns the programs of a node pack.
    pub fn of(paths: &SitePaths, pack: &PackId) -> Self {
        Self {
            folder: paths.node_programs(pack),
            kubernetes: paths.kubernetes(),
            cache: paths.run().join("kubectl"),
            socket: paths.containerd_socket(),
        }
    }

    /// Returns a command for any program.
    pub fn program(&self, name: &str) -> HostCommand {
        HostCommand::new(self.folder.join(name))
    }

    /// Returns `kubectl` with the credentials that need no object of the cluster: the administrator's own credentials
    /// work only after the phase that uploads the configuration. Its cache is in a folder that a boot empties.
    pub fn kubectl(&self, arguments: &[&str]) -> HostCommand {
        self.program("kubectl")
            .argument("--kubeconfig")
            .argument(self.kubernetes.join("super-admin.conf"))
            .argument("--cache-dir")
            .argument(&self.cache)
            .argument("--request-timeout=15s")
            .arguments(arguments.iter().copied())
    }

    /// Returns a program that finds the node pack's other programs through its `PATH`.
    pub fn with_path(&self, name: &str) -> HostCommand {
        let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.folder.display());
        self.program(name).variable("PATH", path)
    }

    /// Returns `kubeadm`, which looks for the kubelet.
    pub fn kubeadm(&self, arguments: &[&str]) -> HostCommand {
        self.with_path("kubeadm").arguments(arguments.iter().copied())
    }

    /// Returns a command that checks that containerd answers. A hung containerd must not hang the caller.
    pub fn runtime_version(&self) -> HostCommand {
        self.ctr(&["--connect-timeout", "1s", "--timeout", "10s", "version"])
    }

    /// Returns `ctr` in the namespace of the kubelet's images and containers.
    pub fn ctr(&self, arguments: &[&str]) -> HostCommand {
        self.program("ctr")
            .argument("--address")
            .argument(&self.socket)
            .arguments(["--namespace", "k8s.io"])
            .arguments(arguments.iter().copied())
    }
}
