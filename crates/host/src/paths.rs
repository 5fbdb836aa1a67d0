//! Every path that Landfall uses on a host, relative to a root, so that tests can use a temporary one.

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
    /// Creates the paths below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns a path of the host, given as an absolute one.
    pub fn host(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    site_paths! {
        /// The data folder, with everything large or persistent.
        data = "/var/lib/landfall";
        /// The content store, which is also the registry's storage.
        registry = "/var/lib/landfall/registry";
        /// One folder per release of the rollback set.
        releases = "/var/lib/landfall/releases";
        /// Journals of operations.
        journal = "/var/lib/landfall/journal";
        /// The requester of each operation, next to its journal.
        activity = "/var/lib/landfall/activity";
        /// Generated secrets, readable by root only.
        secrets = "/var/lib/landfall/secrets";
        /// Secrets that the site provided, readable by root only.
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
        /// etcd's data from before the node changed, as long as an upgrade can still be undone.
        etcd_snapshot = "/var/lib/landfall/etcd-before-upgrade.db";
        /// etcd's data on its way into a backup, or out of one in a drill.
        backup_scratch = "/var/lib/landfall/backup-scratch";
        /// Link to the programs of the running node pack. Anything that outlives a change of packs finds them here.
        node_link = "/var/lib/landfall/node/current";
        /// Volumes of the site.
        storage = "/var/lib/landfall/storage";
        /// Backups of the site, and their key.
        backups = "/var/lib/landfall/backups";
        /// The backup repository.
        backup_repository = "/var/lib/landfall/backups/repository";
        /// The key of the backup repository, readable by root only.
        backup_key = "/var/lib/landfall/backups/key";
        /// The next key of the backup repository, during an exchange of keys.
        backup_key_next = "/var/lib/landfall/backups/key-next";
        /// Previous keys of the backup repository, newest first: copies that were absent during an exchange open with
        /// one of them.
        backup_keys_former = "/var/lib/landfall/backups/keys-former";
        /// Marker that exists once a user has seen the key of the backup repository.
        backup_key_printed = "/var/lib/landfall/backups/key-printed";
        /// Results of the latest copies to other disks.
        backup_copies = "/var/lib/landfall/backups/copies.json";
        /// The log backup that the next one follows.
        backup_logs = "/var/lib/landfall/backups/logs.json";
        /// Marker that exists once the site has had a repository: if it is missing later, its disk is not mounted.
        backups_begun = "/var/lib/landfall/backups-begun";
        /// The latest attempt at a backup. It is outside of the backups' folder, which may be on an absent disk.
        backup_try = "/var/lib/landfall/backup-try.json";
        /// The latest backup that did not start because another operation was running.
        backup_refusal = "/var/lib/landfall/backup-refusal.json";
        /// The latest drill that a user requested.
        drill_try = "/var/lib/landfall/drill-try.json";
        /// The running backup; an interrupted one leaves it behind.
        backup_running = "/var/lib/landfall/backup-running.json";
        /// The running drill that a user requested; an interrupted one leaves it behind.
        drill_running = "/var/lib/landfall/drill-running.json";
        /// The owners of the data that an uninstall kept.
        kept_record = "/var/lib/landfall/kept.json";
        /// The site's license, and the data needed to evaluate it; [`SitePaths::license_copy`] is identical.
        license = "/var/lib/landfall/license.json";
        /// The license on the operating system's disk.
        license_copy = "/etc/landfall/license.json";
        /// Trusted time, on a site with a license; [`SitePaths::trusted_time_copy`] is identical.
        trusted_time = "/var/lib/landfall/time.json";
        /// Trusted time on the operating system's disk.
        trusted_time_copy = "/etc/landfall/time.json";
        /// The file that is under `flock` while the license or trusted time changes; only root can open it.
        license_lock = "/var/lib/landfall/license.lock";
        /// Usage of the license, on a site with one.
        usage = "/var/lib/landfall/usage.jsonl";
        /// Number of the console's users, as last reported.
        known_users = "/var/lib/landfall/users.json";
        /// Keys, certificates and one-use tokens that the host keeps for the console, readable by root only.
        console = "/var/lib/landfall/console";
        /// The bundle that a browser uploads, and its progress, readable by root only.
        uploads = "/var/lib/landfall/uploads";
        /// The support bundle that was collected for the console, readable by root only.
        console_support = "/var/lib/landfall/console-support";
        /// Logs of pods.
        pod_logs = "/var/lib/landfall/logs/pods";
        /// List of the help files placed on the host.
        help_record = "/var/lib/landfall/help.json";
        /// Path of the command after the stick is removed.
        command = "/usr/local/bin/landfall";
        /// Landfall's data about a host pack. It outlives the release, whose data folder is separate.
        host_pack = "/var/lib/landfall-host-pack";
        /// The journal of a host pack.
        host_pack_journal = "/var/lib/landfall-host-pack/journal";
        /// A host pack on its way from the media.
        host_pack_store = "/var/lib/landfall-host-pack/store";
        /// Packages of a host pack under their names, until they are installed.
        host_pack_files = "/var/lib/landfall-host-pack/packages";
        /// Identity and settings of the site, on the operating system's disk.
        settings = "/etc/landfall";
        /// The site's UUID on the operating system's disk.
        settings_uuid = "/etc/landfall/site.uuid";
        /// The site's UUID in the data folder; it must equal [`SitePaths::settings_uuid`]'s.
        data_uuid = "/var/lib/landfall/site.uuid";
        /// Settings that the agent needs at boot.
        agent_settings = "/etc/landfall/agent.json";
        /// containerd's configuration.
        runtime_configuration = "/etc/landfall/containerd.toml";
        /// containerd's mirrors, one folder per upstream host.
        runtime_hosts = "/etc/landfall/certs.d";
        /// The bridge network's configuration, which the agent writes.
        network_configuration = "/etc/landfall/cni";
        /// Configuration of the network of drill pods.
        drill_network = "/etc/landfall/drill-network";
        /// Marker that exists if root approves the console's requests on this host.
        host_approval = "/etc/landfall/host-approval";
        /// The registry's configuration.
        registry_configuration = "/etc/landfall/registry.yaml";
        /// Logs of operations, which an uninstall leaves.
        logs = "/var/log/landfall";
        /// Durations of the last install's steps on this machine; kept after an uninstall.
        step_times = "/var/log/landfall/step-times.json";
        /// Sockets and marks that do not outlive a boot.
        run = "/run/landfall";
        /// Requests of the console that root has not approved on this host yet; kept only until the next boot.
        approvals = "/run/landfall/approvals";
        /// Latest GPU facts, with their time.
        probed_gpus = "/run/landfall/gpus.json";
        /// The file that is under `flock` while GPUs are queried for the site; only root can open it.
        gpu_probe_lock = "/run/landfall/gpus.lock";
        /// Specifications by which containers get devices, only for the site's containerd.
        gpu_specifications = "/run/landfall/cdi";
        /// The specification of NVIDIA's GPUs.
        gpu_specification = "/run/landfall/cdi/nvidia.json";
        /// containerd's socket.
        containerd_socket = "/run/landfall/containerd/containerd.sock";
        /// Folder with a folder for each container that containerd runs, named by its ID.
        containers = "/run/landfall/containerd/io.containerd.runtime.v2.task/k8s.io";
        /// kubeadm's configuration, with the bootstrap token.
        kubeadm_configuration = "/var/lib/landfall/node/kubeadm.yaml";
        /// Copy of the certificates, while some of them are renewed in it.
        renewal = "/var/lib/landfall/node/renewal";
        /// The newest time that the site has seen, as the file's modification time.
        clock = "/var/lib/landfall/node/clock";
        /// Manifests that the kubelet runs without an API server.
        static_pods = "/etc/kubernetes/manifests";
        /// The kubelet's fixed data path; bound to [`SitePaths::kubelet`].
        kubelet_mount = "/var/lib/kubelet";
        /// The path where log collectors expect pods' logs; bound to [`SitePaths::pod_logs`].
        pod_logs_mount = "/var/log/pods";
        /// Upstream Kubernetes' own folder.
        kubernetes = "/etc/kubernetes";
        /// The administrator's kubeconfig.
        admin_kubeconfig = "/etc/kubernetes/admin.conf";
    }

    /// Returns the folder of one release, named after the first 12 hexadecimal digits of its bundle's ID.
    pub fn release(&self, bundle: &str) -> PathBuf {
        self.releases().join(bundle)
    }

    /// Returns the file of a staged blob, in the layout of CNCF distribution, which the content store uses.
    pub fn blob(&self, digest: &landfall_bundle_spec::Sha256) -> PathBuf {
        let hex = digest.to_hex();
        self.registry().join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(&hex).join("data")
    }

    /// Returns the folder of a node pack.
    pub fn node_pack(&self, pack: &PackId) -> PathBuf {
        self.node().join(pack.as_ref())
    }

    /// Returns the folder of a node pack's programs.
    pub fn node_programs(&self, pack: &PackId) -> PathBuf {
        self.node_pack(pack).join("bin")
    }
}
