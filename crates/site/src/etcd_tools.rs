//! etcd's own tools, which a node pack may include: they save a snapshot of etcd's data, inspect it, and restore it
//! into a folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use landfall_host::command::HostCommand;
use landfall_host::pack::PackId;
use landfall_host::paths::SitePaths;

/// Argument with the address at which etcd answers its own node, whatever the node's address is.
const ENDPOINT: &str = "--endpoints=https://127.0.0.1:2379";

/// Status of a snapshot from etcd's tool, without the parts that depend on its location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotStatus {
    /// Checksum of the snapshot's content.
    pub(crate) hash: u32,
    /// etcd's revision: the number of changes so far.
    pub(crate) revision: u64,
    /// Number of keys.
    #[serde(rename = "totalKey")]
    pub(crate) keys: u64,
}

/// Tools of one node pack.
#[derive(Debug, Clone)]
pub struct EtcdTools {
    folder: PathBuf,
    certificates: PathBuf,
}

impl EtcdTools {
    /// Returns the tools of a node pack.
    pub fn of_pack(paths: &SitePaths, pack: &PackId) -> Self {
        Self::within(paths, paths.node_programs(pack))
    }

    /// Returns the tools of the running node pack, if it has them.
    pub(crate) fn running(paths: &SitePaths) -> Option<Self> {
        let tools = Self::within(paths, paths.node_link());
        ["etcdctl", "etcdutl"].iter().all(|name| tools.folder.join(name).exists()).then_some(tools)
    }

    fn within(paths: &SitePaths, folder: PathBuf) -> Self {
        Self { folder, certificates: paths.kubernetes().join("pki/etcd") }
    }

    /// Returns the command that saves the running etcd's data. The tool first writes to the file's name with `.part`
    /// appended.
    pub fn save(&self, file: &Path) -> HostCommand {
        let option = |name: &str, file: &str| format!("--{name}={}", self.certificates.join(file).display());
        let files = [
            option("cacert", "ca.crt"),
            option("cert", "healthcheck-client.crt"),
            option("key", "healthcheck-client.key"),
        ];
        let etcdctl = HostCommand::new(self.folder.join("etcdctl")).argument(ENDPOINT).arguments(files);
        etcdctl.arguments(["snapshot", "save"]).argument(file)
    }

    /// Returns the command that reads a whole snapshot, checks its structure, and prints its status.
    pub fn status(&self, file: &Path) -> HostCommand {
        self.snapshot("status").argument(file).argument("--write-out=json")
    }

    /// Returns the command that restores a snapshot with a correct checksum into a new folder.
    pub(crate) fn restore(&self, file: &Path, into: &Path) -> HostCommand {
        self.snapshot("restore").argument(file).argument("--data-dir").argument(into)
    }

    fn snapshot(&self, verb: &str) -> HostCommand {
        HostCommand::new(self.folder.join("etcdutl")).arguments(["snapshot", verb])
    }
}
