//! Every path that Landfall uses on a host, in one place; below a root, so that tests can use a temporary one.

use std::path::{Path, PathBuf};

use crate::pack::PackId;

/// The host's filesystem as seen from `root`, which is `/` except in tests.
#[derive(Debug, Clone)]
pub struct SitePaths {
    root: PathBuf,
}

impl Default for SitePaths {
    fn default() -> Self {
        Self::below("/")
    }
}

macro_rules! site_paths {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        $($(#[$doc])* pub fn $name(&self) -> PathBuf { self.host($path) })*
    };
}

impl SitePaths {
    /// Paths below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A path of the host, given as an absolute one.
    pub fn host(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    site_paths! {
        /// Everything large or persistent: the data folder.
        data = "/var/lib/landfall";
        /// The content store, which is the registry's storage too.
        registry = "/var/lib/landfall/registry";
        /// One folder per release of the rollback set.
        releases = "/var/lib/landfall/releases";
        /// Journals of operations.
        journal = "/var/lib/landfall/journal";
        /// Who asked for each operation, beside its journal.
        activity = "/var/lib/landfall/activity";
        /// Generated secrets, readable by root only.
        secrets = "/var/lib/landfall/secrets";
        /// Secrets that the site gave, readable by root only.
        site_secrets = "/var/lib/landfall/site-secrets";
        /// Artifacts' files, hard links into the content store.
        files = "/var/lib/landfall/files";
        /// Node packs and kubeadm's configuration.
        node = "/var/lib/landfall/node";
        /// containerd's images and snapshots.
        containerd = "/var/lib/landfall/containerd";
        /// The folder behind `/var/lib/kubelet`.
        kubelet = "/var/lib/landfall/kubelet";
        /// etcd's data.
        etcd = "/var/lib/landfall/etcd";
        /// etcd's data as it was before the node changed, while an upgrade may still go back.
        etcd_snapshot = "/var/lib/landfall/etcd-before-upgrade.db";
        /// etcd's data on its way into a backup, or out of one on trial.
        backup_scratch = "/var/lib/landfall/backup-scratch";
        /// A link to the programs of the node pack that runs: what outlives a change of it finds them here.
        node_link = "/var/lib/landfall/node/current";
        /// Volumes of the site.
        storage = "/var/lib/landfall/storage";
        /// Backups of the site, and the key to them.
        backups = "/var/lib/landfall/backups";
        /// The backup repository.
        backup_repository = "/var/lib/landfall/backups/repository";
        /// The key of the backup repository, readable by root only.
        backup_key = "/var/lib/landfall/backups/key";
        /// The key that takes the place of the backup repository's, while keys are exchanged.
        backup_key_next = "/var/lib/landfall/backups/key-next";
        /// Keys of the backup repository before, newest first: copies that were away when keys were exchanged open with one of them.
        backup_keys_former = "/var/lib/landfall/backups/keys-former";
        /// There since a person has seen the key of the backup repository.
        backup_key_printed = "/var/lib/landfall/backups/key-printed";
        /// What became of the latest copies on other disks.
        backup_copies = "/var/lib/landfall/backups/copies.json";
        /// Which log backup the next one follows.
        backup_logs = "/var/lib/landfall/backups/logs.json";
        /// There since the site first had a repository: one that is missing later is on a disk that is not mounted.
        backups_begun = "/var/lib/landfall/backups-begun";
        /// The latest try to make a backup. It is outside of the backups' folder, which may be a disk that is away.
        backup_try = "/var/lib/landfall/backup-try.json";
        /// The latest backup that did not begin because another operation ran.
        backup_refusal = "/var/lib/landfall/backup-refusal.json";
        /// The latest drill that a person asked for.
        drill_try = "/var/lib/landfall/drill-try.json";
        /// The backup that runs: one that is interrupted leaves it.
        backup_running = "/var/lib/landfall/backup-running.json";
        /// The drill that runs, which a person asked for: one that is interrupted leaves it.
        drill_running = "/var/lib/landfall/drill-running.json";
        /// The owners of the data that an uninstall kept.
        kept_record = "/var/lib/landfall/kept.json";
        /// The site's license, and what it needs to be judged; [`SitePaths::license_copy`] is the same.
        license = "/var/lib/landfall/license.json";
        /// The license on the operating system's disk.
        license_copy = "/etc/landfall/license.json";
        /// Trusted time, on a site with a license; [`SitePaths::trusted_time_copy`] is the same.
        trusted_time = "/var/lib/landfall/time.json";
        /// Trusted time on the operating system's disk.
        trusted_time_copy = "/etc/landfall/time.json";
        /// The file that is under `flock` while the license or trusted time changes; only root can open it.
        license_lock = "/var/lib/landfall/license.lock";
        /// What the site used of its license, on a site with one.
        usage = "/var/lib/landfall/usage.jsonl";
        /// How many users the console has, as it said last.
        known_users = "/var/lib/landfall/users.json";
        /// What the host keeps for the console: keys, certificates and one-use tokens, readable by root only.
        console = "/var/lib/landfall/console";
        /// The bundle that a browser uploads, and how far it is, readable by root only.
        uploads = "/var/lib/landfall/uploads";
        /// The support bundle that was collected for the console, readable by root only.
        console_support = "/var/lib/landfall/console-support";
        /// Logs of pods.
        pod_logs = "/var/lib/landfall/logs/pods";
        /// Which files of help were placed on the host.
        help_record = "/var/lib/landfall/help.json";
        /// The path of the command once the stick is gone.
        command = "/usr/local/bin/landfall";
        /// What Landfall keeps about a host pack; it outlives the release, whose data folder is another one.
        host_pack = "/var/lib/landfall-host-pack";
        /// The journal of a host pack.
        host_pack_journal = "/var/lib/landfall-host-pack/journal";
        /// A host pack on its way from the media.
        host_pack_store = "/var/lib/landfall-host-pack/store";
        /// Its packages under their names, until they are installed.
        host_pack_files = "/var/lib/landfall-host-pack/packages";
        /// Identity and settings of the site, on the operating system's disk.
        settings = "/etc/landfall";
        /// The site's UUID on the operating system's disk.
        settings_uuid = "/etc/landfall/site.uuid";
        /// The site's UUID in the data folder; it must equal [`SitePaths::settings_uuid`]'s.
        data_uuid = "/var/lib/landfall/site.uuid";
        /// What the agent needs to know at boot.
        agent_settings = "/etc/landfall/agent.json";
        /// containerd's configuration.
        runtime_configuration = "/etc/landfall/containerd.toml";
        /// containerd's mirrors, one folder per upstream host.
        runtime_hosts = "/etc/landfall/certs.d";
        /// The bridge network's configuration, which the agent writes.
        network_configuration = "/etc/landfall/cni";
        /// The configuration of the network that the pods of drills have.
        drill_network = "/etc/landfall/drill-network";
        /// Present where root approves on this host what the console asks for.
        host_approval = "/etc/landfall/host-approval";
        /// The registry's configuration.
        registry_configuration = "/etc/landfall/registry.yaml";
        /// Logs of operations, which uninstall leaves.
        logs = "/var/log/landfall";
        /// How long the steps of the last install took on this machine; it stays after an uninstall.
        step_times = "/var/log/landfall/step-times.json";
        /// Sockets and marks that do not outlive a boot.
        run = "/run/landfall";
        /// What the console asks for and root has not approved on this host yet; kept no longer than the machine runs.
        approvals = "/run/landfall/approvals";
        /// What was last found about GPUs, and when.
        probed_gpus = "/run/landfall/gpus.json";
        /// The file that is under `flock` while GPUs are queried for it; only root can open it.
        gpu_probe_lock = "/run/landfall/gpus.lock";
        /// Specifications by which containers get devices, for the site's containerd alone.
        gpu_specifications = "/run/landfall/cdi";
        /// The specification of NVIDIA's GPUs.
        gpu_specification = "/run/landfall/cdi/nvidia.json";
        /// containerd's socket.
        containerd_socket = "/run/landfall/containerd/containerd.sock";
        /// A folder for each container that containerd runs, named by its id.
        containers = "/run/landfall/containerd/io.containerd.runtime.v2.task/k8s.io";
        /// kubeadm's configuration, with the bootstrap token.
        kubeadm_configuration = "/var/lib/landfall/node/kubeadm.yaml";
        /// A copy of the certificates, while some of them are renewed in it.
        renewal = "/var/lib/landfall/node/renewal";
        /// The newest time that the site has seen: the file's modification time.
        clock = "/var/lib/landfall/node/clock";
        /// Manifests that the kubelet runs without an API server.
        static_pods = "/etc/kubernetes/manifests";
        /// Where the kubelet must find its data; bound to [`SitePaths::kubelet`].
        kubelet_mount = "/var/lib/kubelet";
        /// Where log collectors expect pods' logs; bound to [`SitePaths::pod_logs`].
        pod_logs_mount = "/var/log/pods";
        /// Upstream Kubernetes' own folder.
        kubernetes = "/etc/kubernetes";
        /// The administrator's kubeconfig.
        admin_kubeconfig = "/etc/kubernetes/admin.conf";
    }

    /// Folder of one release, named by the first 12 hexadecimal digits of its bundle's id.
    pub fn release(&self, bundle: &str) -> PathBuf {
        self.releases().join(bundle)
    }

    /// The file of a staged blob: CNCF distribution's layout, which the content store has.
    pub fn blob(&self, digest: &landfall_bundle_spec::Sha256) -> PathBuf {
        let hex = digest.to_hex();
        self.registry().join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(&hex).join("data")
    }

    /// The folder of a node pack.
    pub fn node_pack(&self, pack: &PackId) -> PathBuf {
        self.node().join(pack.as_ref())
    }

    /// The programs of a node pack.
    pub fn node_programs(&self, pack: &PackId) -> PathBuf {
        self.node_pack(pack).join("bin")
    }
}
