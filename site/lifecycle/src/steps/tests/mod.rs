//! Node steps over a temporary root: every one can be repeated, completed from the middle, and undone.

mod silence;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_error_codes::{Coded, codes};
use landfall_media::counters::IoCounters;
use landfall_media::durable;
use landfall_media::mounted::in_own_network;
use landfall_media::progress::{Event, Progress, Silent};
use landfall_media::store::ContentStore;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::agent::Agent;
use super::artifact_files::ArtifactFiles;
use super::cluster_secrets;
use super::cluster_secrets::ClusterSecrets;
use super::control_plane_ready::ControlPlaneReady;
use super::host_tuning::HostTuning;
use super::identity::Identity;
use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_phase::{KubeadmPhase, Phase};
use super::node_files::{NodeFiles, PlacedFile};
use super::registry_links::{PlannedLink, RegistryLinks};
use super::runtime_configuration::RuntimeConfiguration;
use super::storage::Storage;
use crate::site::{Site, UndoScope};
use landfall_agent::settings;
use landfall_engine::step::{Observed, Step};
use landfall_host::command::{CommandOutput, CommandRunner, HostCommand, Input};
use landfall_host::facts::CgroupDriver;
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::node::NodeIdentity;
use landfall_host::pack;
use landfall_host::paths::SitePaths;

type Answer = dyn Fn(&HostCommand) -> bool + Send + Sync;

/// Keeps what is reported.
#[derive(Default)]
struct Collected(Mutex<Vec<Event>>);

impl Progress for Collected {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// Records commands instead of running them; the closure says whether they succeed.
struct Recorder {
    ran: Mutex<Vec<String>>,
    answer: Box<Answer>,
}

impl CommandRunner for Recorder {
    fn run(&self, command: &HostCommand, input: Option<Input<'_>>) -> io::Result<CommandOutput> {
        self.ran.lock().unwrap().push(command.to_string());
        if let Some(input) = input {
            input(&mut io::sink())?;
        }
        Ok(CommandOutput { success: (self.answer)(command), ..CommandOutput::default() })
    }
}

struct Fixture {
    root: TempDir,
    site: Site,
    recorder: Arc<Recorder>,
}

/// A site below a temporary folder, for the tests of single steps.
pub(super) fn site() -> (TempDir, Site) {
    let Fixture { root, site, .. } = Fixture::new();
    (root, site)
}

impl Fixture {
    fn new() -> Self {
        Self::answering(|_| true)
    }

    fn answering(answer: impl Fn(&HostCommand) -> bool + Send + Sync + 'static) -> Self {
        let root = tempfile::tempdir().unwrap();
        let recorder = Arc::new(Recorder { ran: Mutex::default(), answer: Box::new(answer) });
        let payload = Sample::tiny(&Vendor::new(KeyKind::Ed25519).unwrap()).unwrap().head.into_verified();
        let site = Site {
            paths: SitePaths::below(root.path()),
            bundle: "0123456789ab".to_owned(),
            release: Arc::new(crate::plan::install::tests::release()),
            documents: Arc::new(BTreeMap::new()),
            node: NodeIdentity { name: "node-1".to_owned(), address: address() },
            progress: Arc::new(Silent),
            commands: Arc::clone(&recorder) as Arc<dyn CommandRunner>,
            payload: payload.into(),
            media_path: PathBuf::new(),
            io: IoCounters::default(),
            undo: UndoScope::site(false),
            kept: Vec::new(),
        };
        let fixture = Self { root, site, recorder };
        fixture.folder("/var/lib/landfall");
        fixture.folder("/etc");
        fixture
    }

    fn folder(&self, path: &str) {
        fs_err::create_dir_all(self.site.paths.host(path)).unwrap();
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.site.paths.host(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
    }

    fn read(&self, path: &str) -> String {
        // Paths in files are those of the temporary root.
        fs_err::read_to_string(self.site.paths.host(path)).unwrap().replace(&*self.root.path().to_string_lossy(), "")
    }

    fn ingest(&self, bytes: &[u8]) -> Sha256 {
        ContentStore::at(self.site.paths.registry()).ingest_bytes(bytes).unwrap().sha256
    }

    /// All files with their content, links with their target, folders.
    fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        walk(self.root.path(), &mut found);
        found
    }

    fn ran(&self) -> Vec<String> {
        let prefix = self.root.path().to_string_lossy().into_owned();
        self.recorder.ran.lock().unwrap().drain(..).map(|line| line.replace(&prefix, "")).collect()
    }

    /// Does the step, does it again, undoes it, and undoes it again. `check` sees the site while the step is done.
    fn there_and_back(&mut self, step: &dyn Step<Site>, check: impl FnOnce(&Self)) {
        let born = self.tree();
        assert_eq!(step.observe(&mut self.site).unwrap(), Observed::Absent);
        let before = step.prepare(&mut self.site).unwrap();
        step.act(&mut self.site, &before).unwrap();
        assert_eq!(step.observe(&mut self.site).unwrap(), Observed::Done);
        let done = self.tree();
        assert_ne!(born, done);
        step.act(&mut self.site, &before).unwrap();
        assert_eq!(done, self.tree(), "repeating changes nothing");
        check(self);
        self.complete_from_each_middle(step, &before, &born, &done);
        for _ in 0..2 {
            step.undo(&mut self.site, &before).unwrap();
            assert_eq!(born, self.tree());
        }
        assert_eq!(step.observe(&mut self.site).unwrap(), Observed::Absent);
    }

    /// Removes one new file at a time, as if the power had been cut before it was written, and lets the step finish.
    fn complete_from_each_middle(
        &mut self,
        step: &dyn Step<Site>,
        before: &Value,
        born: &BTreeMap<PathBuf, String>,
        done: &BTreeMap<PathBuf, String>,
    ) {
        for (path, _) in done.iter().filter(|(path, _)| !born.contains_key(*path)) {
            if path.symlink_metadata().unwrap().is_dir() || path.ends_with("bootstrap-token") {
                continue;
            }
            if path.ends_with("encryption.yaml") {
                continue;
            }
            fs_err::remove_file(path).unwrap();
            let observed = step.observe(&mut self.site).unwrap();
            assert!(!matches!(observed, Observed::Done | Observed::Foreign(_)), "{}: {observed:?}", path.display());
            step.act(&mut self.site, before).unwrap();
            assert_eq!(*done, self.tree(), "completed without {}", path.display());
        }
    }
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap();
        let what = if kind.is_symlink() {
            format!("link to {}", fs_err::read_link(&path).unwrap().display())
        } else if kind.is_dir() {
            walk(&path, found);
            "folder".to_owned()
        } else {
            String::from_utf8_lossy(&fs_err::read(&path).unwrap()).into_owned()
        };
        found.insert(path, what);
    }
}

fn address() -> IpAddr {
    [10, 99, 0, 11].into()
}

fn placed(fixture: &Fixture, path: &str, links: &[&str]) -> PlacedFile {
    let content = format!("the content of {path}");
    PlacedFile {
        path: path.to_owned(),
        blob: fixture.ingest(content.as_bytes()),
        size: content.len() as u64,
        links: links.iter().map(|link| (*link).to_owned()).collect(),
    }
}

#[test]
fn identity() {
    let mut fixture = Fixture::new();
    fixture.there_and_back(&Identity {}, |fixture| {
        assert_eq!(fixture.read("/etc/landfall/site.uuid"), fixture.read("/var/lib/landfall/site.uuid"));
    });
    fixture.write("/etc/landfall/site.uuid", "one\n");
    fixture.write("/var/lib/landfall/site.uuid", "other\n");
    assert!(matches!(Identity {}.observe(&mut fixture.site).unwrap(), Observed::Foreign(_)));
}

#[test]
fn host_tuning_restores_the_earlier_state() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/modules-load.d");
    fixture.folder("/etc/sysctl.d");
    fixture.write("/proc/sys/net/ipv4/ip_forward", "0");
    fixture.write("/proc/sys/kernel/panic", "10");
    let step = HostTuning {
        modules: Vec::new(),
        settings: [("net.ipv4.ip_forward", "1"), ("kernel.panic", "10")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    fixture.there_and_back(&step, |fixture| {
        assert_eq!(fixture.read("/proc/sys/net/ipv4/ip_forward"), "1");
        assert!(fixture.read("/etc/sysctl.d/90-landfall.conf").contains("net.ipv4.ip_forward = 1\n"));
    });
    let modules = HostTuning { modules: vec!["br_netfilter".to_owned()], settings: BTreeMap::new() };
    let before = modules.prepare(&mut fixture.site).unwrap();
    modules.act(&mut fixture.site, &before).unwrap();
    fixture.folder("/sys/module/br_netfilter");
    assert_eq!(modules.observe(&mut fixture.site).unwrap(), Observed::Done);
    modules.undo(&mut fixture.site, &before).unwrap();
    assert_eq!(fixture.ran(), ["/sbin/modprobe br_netfilter", "/sbin/modprobe -r br_netfilter"]);
}

/// Settings that an administrator changed after the install are not undone; unchanged ones are.
#[test]
fn undo_restores_only_settings_that_are_still_as_they_were_set() {
    let mut fixture = Fixture::new();
    let names = ["net.ipv4.ip_forward", "kernel.panic", "vm.overcommit_memory"];
    for (path, value) in [("net/ipv4/ip_forward", "0"), ("kernel/panic", "0"), ("vm/overcommit_memory", "1")] {
        fixture.write(&format!("/proc/sys/{path}"), value);
    }
    let settings = names.map(|name| (name.to_owned(), "1".to_owned())).into();
    let step = HostTuning { modules: Vec::new(), settings };
    let before = step.prepare(&mut fixture.site).unwrap();
    step.act(&mut fixture.site, &before).unwrap();
    fixture.write("/proc/sys/kernel/panic", "60\n");
    step.undo(&mut fixture.site, &before).unwrap();
    let now = |path: &str| fixture.read(&format!("/proc/sys/{path}")).trim().to_owned();
    assert_eq!((now("net/ipv4/ip_forward"), now("kernel/panic")), ("0".to_owned(), "60".to_owned()));
    assert_eq!(now("vm/overcommit_memory"), "1");
}

/// Only root may enter the folder of volumes, even if it was open before.
#[test]
fn the_folder_of_volumes_is_closed() {
    use std::os::unix::fs::PermissionsExt;
    let mut fixture = Fixture::new();
    let storage = fixture.site.paths.storage();
    let mode = || std::fs::metadata(&storage).unwrap().permissions().mode() & 0o7777;
    fixture.there_and_back(&Storage {}, |_| assert_eq!(mode(), 0o700));
    fixture.folder("/var/lib/landfall/storage/pvc-1_a_b");
    assert!(matches!(Storage {}.observe(&mut fixture.site).unwrap(), Observed::Partial(_)));
    Storage {}.act(&mut fixture.site, &Value::Null).unwrap();
    assert_eq!((Storage {}.observe(&mut fixture.site).unwrap(), mode()), (Observed::Done, 0o700));
    Storage {}.undo(&mut fixture.site, &Value::Null).unwrap();
    assert!(storage.join("pvc-1_a_b").exists(), "volumes are data, which no step removes");
}

/// It is loaded now, but would not be after the next boot.
#[test]
fn a_loaded_module_is_loaded_at_every_boot_and_stays_afterwards() {
    let mut fixture = Fixture::new();
    fixture.folder("/sys/module/br_netfilter");
    let step = HostTuning { modules: vec!["br_netfilter".to_owned()], settings: BTreeMap::new() };
    let before = step.prepare(&mut fixture.site).unwrap();
    step.act(&mut fixture.site, &before).unwrap();
    assert!(fixture.read("/etc/modules-load.d/landfall.conf").ends_with("\nbr_netfilter\n"));
    step.undo(&mut fixture.site, &before).unwrap();
    assert!(!fixture.site.paths.host("/etc/modules-load.d/landfall.conf").exists());
    assert_eq!(fixture.ran(), Vec::<String>::new());
}

#[test]
fn hosts_entry_keeps_every_other_line() {
    let step = HostsEntry { name: "api.landfall.internal".to_owned(), address: address() };
    for text in ["127.0.0.1 localhost\n", "127.0.0.1 localhost", "# mine\n10.0.0.1 other # not landfall's\n"] {
        let mut fixture = Fixture::new();
        fixture.write("/etc/hosts", text);
        let before = step.prepare(&mut fixture.site).unwrap();
        step.act(&mut fixture.site, &before).unwrap();
        step.act(&mut fixture.site, &before).unwrap();
        let lines = format!("{}\n10.99.0.11 api.landfall.internal # landfall\n", text.trim_end());
        assert_eq!(fixture.read("/etc/hosts"), lines);
        // Leftovers of the agent's interrupted write.
        let leftover = format!("/etc/.hosts{}", durable::TEMPORARY_SUFFIX);
        fixture.write(&leftover, "half");
        step.undo(&mut fixture.site, &before).unwrap();
        assert_eq!(fixture.read("/etc/hosts"), text);
        assert!(!fixture.site.paths.host(&leftover).exists());
    }
    let mut fixture = Fixture::new();
    fixture.folder("/etc");
    fixture.there_and_back(&step, |fixture| assert!(fixture.read("/etc/hosts").starts_with("127.0.0.1 localhost\n")));
    fixture.write("/etc/hosts", "10.0.0.1 api.landfall.internal\n");
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), Observed::Foreign(_)));
}

/// Permission bits of a file.
fn mode(fixture: &Fixture, path: &str) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&fs_err::metadata(fixture.site.paths.host(path)).unwrap()) & 0o777
}

#[test]
fn node_files_and_artifact_files() {
    let mut fixture = Fixture::new();
    let files = vec![placed(&fixture, "kubernetes", &["kubelet", "kubectl"]), placed(&fixture, "runc", &[])];
    fixture.there_and_back(&NodeFiles { pack: pack::sample(), files }, |fixture| {
        assert_eq!(
            fixture.read("/var/lib/landfall/node/v1.36.3-0123456789ab/bin/kubectl"),
            "the content of kubernetes"
        );
    });
    let files = vec![placed(&fixture, "weights/part", &[])];
    let step = ArtifactFiles { artifact: "model".to_owned(), files, executable: false };
    fixture.there_and_back(&step, |fixture| {
        assert_eq!(fixture.read("/var/lib/landfall/files/model/weights/part"), "the content of weights/part");
        assert_eq!(mode(fixture, "/var/lib/landfall/files/model/weights/part"), 0o444);
    });
    let files = vec![placed(&fixture, "landfall-gpu", &[])];
    let step = ArtifactFiles { artifact: "gpu".to_owned(), files, executable: true };
    fixture.there_and_back(&step, |fixture| {
        assert_eq!(mode(fixture, "/var/lib/landfall/files/gpu/landfall-gpu"), 0o555);
    });
    let decayed = placed(&fixture, "decayed", &[]);
    let blob = fixture.site.paths.blob(&decayed.blob);
    durable::write_file(&blob, b"the content of DECAYED", 0o644).unwrap();
    let step = ArtifactFiles { artifact: "model".to_owned(), files: vec![decayed], executable: false };
    let error = step.act(&mut fixture.site, &Value::Null).unwrap_err();
    assert_eq!(error.code().id, "LF4105");
    assert!(error.to_string().contains("for decayed differs from what was staged"), "{error}");
    assert!(Coded::hint(&error).is_some_and(|hint| hint.contains("landfall stage")));
    let mut lost = placed(&fixture, "lost", &[]);
    lost.blob = Sha256([7; 32]);
    let step = ArtifactFiles { artifact: "model".to_owned(), files: vec![lost], executable: false };
    let error = step.act(&mut fixture.site, &Value::Null).unwrap_err().to_string();
    assert!(error.contains("for lost is not in the store"), "{error}");
}

#[test]
fn runtime_configuration() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/landfall");
    let step = RuntimeConfiguration {
        pack: pack::sample(),
        pause: "registry.k8s.io/pause:3.10.2".to_owned(),
        cgroup_driver: CgroupDriver::Systemd,
        lowers_oom_score: false,
        hosts: vec!["docker.io".to_owned()],
    };
    fixture.there_and_back(&step, |fixture| {
        let files = ["containerd.toml", "certs.d/_default/hosts.toml", "certs.d/docker.io/hosts.toml"];
        let text: Vec<String> =
            files.iter().map(|file| format!("== {file}\n{}", fixture.read(&format!("/etc/landfall/{file}")))).collect();
        insta::assert_snapshot!(text.join("\n"));
    });
}

#[test]
fn secrets_are_drawn_once() {
    let mut fixture = Fixture::new();
    let step = ClusterSecrets {};
    fixture.there_and_back(&step, |fixture| {
        let token = fixture.read("/var/lib/landfall/secrets/bootstrap-token");
        assert!(token.len() == 24 && token.as_bytes()[6] == b'.', "{token}");
    });
    step.act(&mut fixture.site, &Value::Null).unwrap();
    let (token, other) = (cluster_secrets::token_path(&fixture.site), cluster_secrets::encryption_path(&fixture.site));
    let drawn = fs_err::read(&token).unwrap();
    fs_err::remove_file(&other).unwrap();
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), Observed::Partial(_)));
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert_eq!((fs_err::read(&token).unwrap(), other.exists()), (drawn, true));
}

#[test]
fn kubeadm_configuration() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/landfall");
    fixture.folder("/var/lib/landfall/node/v1.36.3-0123456789ab");
    fixture.write("/var/lib/landfall/secrets/bootstrap-token", "abcdef.0123456789abcdef\n");
    let step = KubeadmConfiguration {
        kubernetes: "v1.36.3".to_owned(),
        image_repository: "registry.k8s.io".to_owned(),
        etcd_repository: "registry.k8s.io".to_owned(),
        etcd_tag: "3.7.3-0".to_owned(),
        node_name: "node-1".to_owned(),
        node_address: address(),
        pod_ranges: vec!["10.244.0.0/16".parse().unwrap()],
        service_ranges: vec!["10.96.0.0/16".parse().unwrap()],
        dns_address: [10, 96, 0, 10].into(),
        cgroup_driver: CgroupDriver::Cgroupfs,
        cgroup_version: 1,
        nameserver: false,
    };
    fixture.there_and_back(&step, |fixture| {
        insta::assert_snapshot!(fixture.read("/var/lib/landfall/node/kubeadm.yaml"));
    });
}

#[test]
fn a_phase_runs_again_over_leftovers_of_a_power_cut() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/kubernetes/manifests");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::ControlPlane };
    assert_eq!(step.observe(&mut fixture.site).unwrap(), Observed::Absent);
    // kubeadm would keep the empty file.
    fixture.write("/etc/kubernetes/manifests/kube-apiserver.yaml", "");
    fixture.write("/etc/kubernetes/manifests/kube-scheduler.yaml", "whole");
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), Observed::Partial(_)));
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert!(!fixture.site.paths.host("/etc/kubernetes/manifests/kube-apiserver.yaml").exists());
    let programs = "/var/lib/landfall/node/v1.36.3-0123456789ab/bin";
    let command =
        format!("{programs}/kubeadm init phase control-plane all --config /var/lib/landfall/node/kubeadm.yaml");
    assert_eq!(fixture.ran(), [command]);
    step.undo(&mut fixture.site, &Value::Null).unwrap();
    assert!(!fixture.site.paths.host("/etc/kubernetes/manifests/kube-scheduler.yaml").exists());
}

/// A kubelet that waited for its configuration starts at once.
#[test]
fn the_kubelet_is_started_once_it_is_configured() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/kubernetes");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::KubeletStart };
    step.act(&mut fixture.site, &Value::Null).unwrap();
    let ran = fixture.ran();
    assert!(ran[0].contains("kubeadm init phase kubelet-start"), "{ran:?}");
    assert_eq!(ran[1..], ["/bin/systemctl restart --no-block landfall-kubelet.service"]);
}

#[test]
fn half_a_pair_of_key_and_certificate_is_made_again() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/kubernetes/pki/etcd");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::Certificates };
    let whole = ["ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"];
    let left = |fixture: &Fixture, name: &str| fixture.site.paths.host(format!("/etc/kubernetes/pki/{name}")).exists();
    for name in whole.into_iter().chain(["apiserver.crt", "sa.key"]) {
        fixture.write(&format!("/etc/kubernetes/pki/{name}"), "whole");
    }
    fixture.write("/etc/kubernetes/pki/apiserver.key", "");
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert!(whole.into_iter().all(|name| left(&fixture, name)), "whole pairs stay");
    assert!(["apiserver.crt", "apiserver.key", "sa.key"].iter().all(|name| !left(&fixture, name)), "halves go");
}

#[test]
fn a_control_plane_that_does_not_start_names_its_own_logs() {
    let mut fixture = Fixture::answering(|_| false);
    let step = ControlPlaneReady { pack: pack::sample(), seconds: 0 };
    let error = step.act(&mut fixture.site, &Value::Null).unwrap_err();
    assert_eq!(error.code(), codes::NODE_TIMEOUT);
    let hint = Coded::hint(&error).unwrap().replace(&*fixture.root.path().to_string_lossy(), "");
    for folder in [
        "/var/log/pods/kube-system_etcd-",
        "/var/log/pods/kube-system_kube-apiserver-",
        "journalctl --unit landfall-kubelet",
    ] {
        assert!(hint.contains(folder), "{folder} in {hint}");
    }
}

/// After a power cut an API server may be ready, end once more and start again.
#[test]
fn a_question_that_finds_no_answer_is_asked_again() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let is_question = |command: &HostCommand| command.to_string().contains("--ignore-not-found");
    let mut fixture = Fixture::answering(move |command| {
        !is_question(command) || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0
    });
    fixture.write("/etc/kubernetes/admin.conf", "whole");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::Proxy };
    assert_eq!(step.observe(&mut fixture.site).unwrap(), Observed::Absent);
    assert_eq!(fixture.ran().iter().filter(|line| line.contains("--ignore-not-found")).count(), 2);
}

#[test]
fn a_kubelet_without_its_kubeconfig_gets_one_before_the_control_plane_is_asked() {
    let mut fixture = Fixture::new();
    fixture.write("/etc/kubernetes/admin.conf", "whole");
    fixture.write("/etc/kubernetes/kubelet.conf", "");
    let step = KubeadmPhase { pack: pack::sample(), phase: Phase::KubeletFinalize };
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), Observed::Partial(_)));
    assert_eq!(fixture.ran(), Vec::<String>::new(), "it would not answer");
    step.act(&mut fixture.site, &Value::Null).unwrap();
    let ran = fixture.ran();
    let place = |part: &str| ran.iter().position(|line| line.contains(part));
    let places = ["kubeadm init phase kubeconfig kubelet", "/readyz", "kubelet-finalize all"].map(place);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{ran:?}");

    fixture.write("/etc/kubernetes/kubelet.conf", "whole");
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert_eq!(fixture.ran().len(), 1, "nothing else");
}

#[test]
fn phases_have_names_of_their_own() {
    let names: std::collections::BTreeSet<String> = Phase::ALL.iter().map(|phase| phase.id()).collect();
    assert_eq!(names.len(), Phase::ALL.len());
}

#[test]
fn registry_links() {
    let mut fixture = Fixture::new();
    let (manifest, layer) = (fixture.ingest(b"a manifest"), fixture.ingest(b"a layer"));
    let link = |repository: &str| PlannedLink {
        repository: repository.to_owned(),
        tag: Some("1".to_owned()),
        manifest,
        blobs: vec![layer],
    };
    let step = RegistryLinks { links: vec![link("docker.io/library/one"), link("registry.k8s.io/two")] };
    fixture.there_and_back(&step, |fixture| {
        let tag = "docker.io/library/one/_manifests/tags/1/current/link";
        let text = fixture.read(&format!("/var/lib/landfall/registry/docker/registry/v2/repositories/{tag}"));
        assert_eq!(text, manifest.to_string());
    });
}

#[test]
fn units() {
    // The packet filter is read, which only root may.
    if !in_own_network("steps::tests::units", "") {
        return;
    }
    let mut fixture = Fixture::new();
    fixture.folder("/etc/systemd/system");
    fixture.folder("/usr/local/bin");
    let step = Agent { settings: settings::sample(address()) };
    assert_eq!(step.observe(&mut fixture.site).unwrap(), Observed::Absent);
    let before = step.prepare(&mut fixture.site).unwrap();
    assert_eq!(before["command"], json!(false));
    step.act(&mut fixture.site, &before).unwrap();
    let expected = [
        "daemon-reload",
        "enable landfall-containerd.service landfall-kubelet.service landfall-agent.service",
        "restart landfall-containerd.service landfall-agent.service",
        "restart --no-block landfall-kubelet.service",
    ];
    assert_eq!(fixture.ran(), expected.map(|arguments| format!("/bin/systemctl {arguments}")));
    assert_eq!(step.observe(&mut fixture.site).unwrap(), Observed::Done);
    let names = ["landfall.slice", "landfall-containerd.service", "landfall-kubelet.service", "landfall-agent.service"];
    let files = names.map(|name| format!("== {name}\n{}", fixture.read(&format!("/etc/systemd/system/{name}"))));
    insta::assert_snapshot!(format!(
        "{}\n== agent.json\n{}",
        files.join("\n"),
        fixture.read("/etc/landfall/agent.json")
    ));

    let fails = |what: &'static str| {
        let mut fixture = Fixture::answering(move |command| !command.to_string().contains(what));
        fixture.folder("/usr/local/bin");
        step.act(&mut fixture.site, &before).unwrap();
        step.observe(&mut fixture.site).unwrap()
    };
    let does_not = |what: &str| Observed::Partial(what.to_owned());
    assert_eq!(fails("is-active"), does_not("landfall-containerd.service does not run"));
    assert_eq!(
        fails("is-enabled --quiet landfall-kubelet"),
        does_not("landfall-kubelet.service does not start at boot")
    );
    // It cannot run before kubeadm.
    assert_eq!(fails("is-active --quiet landfall-kubelet"), Observed::Done);
}
