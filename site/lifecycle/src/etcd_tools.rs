//! etcd's own tools, which a node pack may have: they save etcd's data as a snapshot, look at one, and restore it into a folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use landfall_host::command::HostCommand;
use landfall_host::pack::PackId;
use landfall_host::paths::SitePaths;

/// etcd answers at this address on its own node, whatever the node's address is.
const ENDPOINT: &str = "--endpoints=https://127.0.0.1:2379";

/// What etcd's tool says of a snapshot, as far as it stays the same wherever the snapshot is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotStatus {
    /// A checksum of everything in it.
    pub(crate) hash: u32,
    /// etcd's revision: how many changes there had been.
    pub(crate) revision: u64,
    /// How many keys it has.
    #[serde(rename = "totalKey")]
    pub(crate) keys: u64,
}

/// The tools of one node pack.
#[derive(Debug, Clone)]
pub(crate) struct EtcdTools {
    folder: PathBuf,
    certificates: PathBuf,
}

impl EtcdTools {
    /// Those of a node pack.
    pub(crate) fn of_pack(paths: &SitePaths, pack: &PackId) -> Self {
        Self::within(paths, paths.node_programs(pack))
    }

    /// Those of the node pack that runs, if it has them.
    pub(crate) fn running(paths: &SitePaths) -> Option<Self> {
        let tools = Self::within(paths, paths.node_link());
        ["etcdctl", "etcdutl"].iter().all(|name| tools.folder.join(name).exists()).then_some(tools)
    }

    fn within(paths: &SitePaths, folder: PathBuf) -> Self {
        Self { folder, certificates: paths.kubernetes().join("pki/etcd") }
    }

    /// Saves the data of the running etcd. The tool first writes into the file with `.part` after its name.
    pub(crate) fn save(&self, file: &Path) -> HostCommand {
        let option = |name: &str, file: &str| format!("--{name}={}", self.certificates.join(file).display());
        let files = [
            option("cacert", "ca.crt"),
            option("cert", "healthcheck-client.crt"),
            option("key", "healthcheck-client.key"),
        ];
        let etcdctl = HostCommand::new(self.folder.join("etcdctl")).argument(ENDPOINT).arguments(files);
        etcdctl.arguments(["snapshot", "save"]).argument(file)
    }

    /// Reads a whole snapshot, checks its structure, and prints a [`SnapshotStatus`].
    pub(crate) fn status(&self, file: &Path) -> HostCommand {
        self.snapshot("status").argument(file).argument("--write-out=json")
    }

    /// Restores a snapshot, whose checksum must be right, into a folder that is not there.
    pub(crate) fn restore(&self, file: &Path, into: &Path) -> HostCommand {
        self.snapshot("restore").argument(file).argument("--data-dir").argument(into)
    }

    fn snapshot(&self, verb: &str) -> HostCommand {
        HostCommand::new(self.folder.join("etcdutl")).arguments(["snapshot", verb])
    }
}
