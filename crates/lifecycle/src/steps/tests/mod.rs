//! Tests of node steps below a temporary root: each can be repeated, completed from a partial state, and undone.

mod failing_copies;
mod help;
mod host;
mod kubeadm;
mod silence;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_error_codes::{CodedError, codes};
use landfall_media::counters::IoCounters;
use landfall_media::durable;
use landfall_media::mounted::in_own_network;
use landfall_media::progress::{Event, Progress, SilentProgress};
use landfall_media::store::ContentStore;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::agent::Agent;
use super::artifact_files::ArtifactFiles;
use super::cluster_secrets;
use super::cluster_secrets::ClusterSecrets;
use super::host_tuning::HostTuning;
use super::identity::Identity;
use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_phase::control_plane_ready::ControlPlaneReady;
use super::kubeadm_phase::{KubeadmPhase, Phase};
use super::node_files::NodeFiles;
use super::registry_links::RegistryLinks;
use super::runtime_configuration::RuntimeConfiguration;
use super::storage::Storage;
use crate::context::{Site, UndoScope};
use landfall_agent::settings;
use landfall_engine::step::{ObservedState, Step};
use landfall_host::command::{CommandOutput, CommandRunner, HostCommand, Input};
use landfall_host::facts::CgroupDriver;
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::node::NodeIdentity;
use landfall_host::pack;
use landfall_host::paths::SitePaths;
use landfall_site::content::{PlacedFile, PlannedLink};
use landfall_site::place::{HostAccess, Medium, Releases, SiteRelease};

type Answer = dyn Fn(&HostCommand) -> bool + Send + Sync;

/// Progress that keeps the reported events.
#[derive(Default)]
struct EventCollector(Mutex<Vec<Event>>);

impl Progress for EventCollector {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// Records commands instead of running them; the closure decides whether they succeed.
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

/// Returns a site below a temporary folder, for tests of single steps.
pub(crate) fn site() -> (TempDir, Site) {
    let Fixture { root, site, .. } = Fixture::new();
    (root, site)
}

/// Returns the same operation on a host with other paths and commands.
pub(crate) fn on_host(site: &Site, paths: SitePaths, commands: Arc<dyn CommandRunner>) -> Site {
    let host = HostAccess { paths, commands, ..site.hosts.only().unwrap().clone() };
    let Site { releases, medium, progress, undo, .. } = site.clone();
    Site::on_host(host, releases, medium, progress, undo)
}

impl Fixture {
    fn new() -> Self {
        Self::answering(|_| true)
    }

    fn answering(answer: impl Fn(&HostCommand) -> bool + Send + Sync + 'static) -> Self {
        let root = tempfile::tempdir().unwrap();
        let recorder = Arc::new(Recorder { ran: Mutex::default(), answer: Box::new(answer) });
        let payload = Sample::tiny(&Vendor::new(KeyKind::Ed25519).unwrap()).unwrap().head.into_verified();
        let host = HostAccess {
            paths: SitePaths::below(root.path()),
            node: NodeIdentity { name: "node-1".to_owned(), address: address() },
            commands: Arc::clone(&recorder) as Arc<dyn CommandRunner>,
        };
        let own = SiteRelease {
            bundle: "0123456789ab".to_owned(),
            release: Arc::new(crate::plan::install::tests::release()),
            documents: Arc::new(BTreeMap::new()),
            payload: payload.into(),
        };
        let medium = Medium { path: PathBuf::new(), io: IoCounters::default() };
        let releases = Releases { own, kept: Vec::new() };
        let site = Site::on_host(host, releases, medium, Arc::new(SilentProgress), UndoScope::site(false));
        let fixture = Self { root, site, recorder };
        fixture.folder("/var/lib/landfall");
        fixture.folder("/etc");
        fixture
    }

    fn folder(&self, path: &str) {
        fs_err::create_dir_all(self.site.data.paths.host(path)).unwrap();
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.site.data.paths.host(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
    }

    fn read(&self, path: &str) -> String {
        // Paths in files are those of the temporary root.
        fs_err::read_to_string(self.site.data.paths.host(path))
            .unwrap()
            .replace(&*self.root.path().to_string_lossy(), "")
    }

    fn ingest(&self, bytes: &[u8]) -> Sha256 {
        ContentStore::at(self.site.data.paths.registry()).ingest_bytes(bytes).unwrap().sha256
    }

    /// Returns all files with their content, links with their target, and folders.
    fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        walk(self.root.path(), &mut found);
        found
    }

    fn ran(&self) -> Vec<String> {
        let prefix = self.root.path().to_string_lossy().into_owned();
        self.recorder.ran.lock().unwrap().drain(..).map(|line| line.replace(&prefix, "")).collect()
    }

    /// Does the step twice, then undoes it twice. `check` sees the site while the step is done.
    fn there_and_back(&mut self, step: &dyn Step<Site>, check: impl FnOnce(&Self)) {
        let born = self.tree();
        assert_eq!(step.observe(&mut self.site).unwrap(), ObservedState::Absent);
        let before = step.prepare(&mut self.site).unwrap();
        step.act(&mut self.site, &before).unwrap();
        assert_eq!(step.observe(&mut self.site).unwrap(), ObservedState::Done);
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
        assert_eq!(step.observe(&mut self.site).unwrap(), ObservedState::Absent);
    }

    /// Removes one new file at a time, as if a power cut had prevented its write, and completes the step.
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
            assert!(
                !matches!(observed, ObservedState::Done | ObservedState::Foreign(_)),
                "{}: {observed:?}",
                path.display()
            );
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

fn placed_file(fixture: &Fixture, path: &str, links: &[&str]) -> PlacedFile {
    let content = format!("the content of {path}");
    PlacedFile {
        path: path.to_owned(),
        blob: fixture.ingest(content.as_bytes()),
        size: content.len() as u64,
        links: links.iter().map(|link| (*link).to_owned()).collect(),
    }
}

/// Returns the permission bits of a file.
fn mode(fixture: &Fixture, path: &str) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&fs_err::metadata(fixture.site.data.paths.host(path)).unwrap()) & 0o777
}

#[test]
fn node_and_artifact_files_are_placed() {
    let mut fixture = Fixture::new();
    let files = vec![placed_file(&fixture, "kubernetes", &["kubelet", "kubectl"]), placed_file(&fixture, "runc", &[])];
    fixture.there_and_back(&NodeFiles { pack: pack::sample(), files }, |fixture| {
        assert_eq!(
            fixture.read("/var/lib/landfall/node/v1.36.3-0123456789ab/bin/kubectl"),
            "the content of kubernetes"
        );
    });
    let files = vec![placed_file(&fixture, "weights/part", &[])];
    let step = ArtifactFiles { artifact: "model".to_owned(), files, executable: false };
    fixture.there_and_back(&step, |fixture| {
        assert_eq!(fixture.read("/var/lib/landfall/files/model/weights/part"), "the content of weights/part");
        assert_eq!(mode(fixture, "/var/lib/landfall/files/model/weights/part"), 0o444);
    });
    let files = vec![placed_file(&fixture, "landfall-gpu", &[])];
    let step = ArtifactFiles { artifact: "gpu".to_owned(), files, executable: true };
    fixture.there_and_back(&step, |fixture| {
        assert_eq!(mode(fixture, "/var/lib/landfall/files/gpu/landfall-gpu"), 0o555);
    });
    let decayed = placed_file(&fixture, "decayed", &[]);
    let blob = fixture.site.content.blob(&decayed.blob);
    durable::write_file(&blob, b"the content of DECAYED", 0o644).unwrap();
    let step = ArtifactFiles { artifact: "model".to_owned(), files: vec![decayed], executable: false };
    let error = step.act(&mut fixture.site, &Value::Null).unwrap_err();
    assert_eq!(error.code().id, "LF4105");
    assert!(error.to_string().contains("for decayed differs from what was staged"), "{error}");
    assert!(CodedError::hint(&error).is_some_and(|hint| hint.contains("landfall stage")));
    let mut lost = placed_file(&fixture, "lost", &[]);
    lost.blob = Sha256([7; 32]);
    let step = ArtifactFiles { artifact: "model".to_owned(), files: vec![lost], executable: false };
    let error = step.act(&mut fixture.site, &Value::Null).unwrap_err().to_string();
    assert!(error.contains("for lost is not in the store"), "{error}");
}

#[test]
fn runtime_configuration_is_written_and_undone() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/landfall");
    let step = RuntimeConfiguration {
        pack: pack::sample(),
        pause: "registry.k8s.io/pause:3.10.2".to_owned(),
        cgroup_driver: CgroupDriver::Systemd,
        lowers_oom_score: false,
        gpus: false,
        drill_network: false,
        hosts: vec!["docker.io".to_owned()],
    };
    fixture.there_and_back(&step, |fixture| {
        let files = ["containerd.toml", "certs.d/_default/hosts.toml", "certs.d/docker.io/hosts.toml"];
        let text: Vec<String> =
            files.iter().map(|file| format!("== {file}\n{}", fixture.read(&format!("/etc/landfall/{file}")))).collect();
        insta::assert_snapshot!(text.join("\n"));
    });
    let with_drills = RuntimeConfiguration { drill_network: true, ..step.clone() };
    fixture.there_and_back(&with_drills, |fixture| {
        let files = ["containerd.toml", "drill-network/10-landfall-drill.conflist"];
        let text: Vec<String> = files.iter().map(|file| fixture.read(&format!("/etc/landfall/{file}"))).collect();
        insta::assert_snapshot!("network_of_drills", text.join("\n"));
    });
    let with_gpus = RuntimeConfiguration { gpus: true, ..step };
    fixture.there_and_back(&with_gpus, |fixture| {
        let text = fixture.read("/etc/landfall/containerd.toml");
        let lines = "restrict_oom_score_adj = true\ncdi_spec_dirs = ['/run/landfall/cdi']\n[plugins.";
        assert!(text.contains(lines), "{text}");
    });
}

#[test]
fn cluster_secrets_are_drawn_once() {
    let mut fixture = Fixture::new();
    let step = ClusterSecrets {};
    fixture.there_and_back(&step, |fixture| {
        let token = fixture.read("/var/lib/landfall/secrets/bootstrap-token");
        assert!(token.len() == 24 && token.as_bytes()[6] == b'.', "{token}");
    });
    step.act(&mut fixture.site, &Value::Null).unwrap();
    let (token, other) =
        (cluster_secrets::token_path(&fixture.site.secrets), cluster_secrets::encryption_path(&fixture.site.secrets));
    let drawn = fs_err::read(&token).unwrap();
    fs_err::remove_file(&other).unwrap();
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), ObservedState::Partial(_)));
    step.act(&mut fixture.site, &Value::Null).unwrap();
    assert_eq!((fs_err::read(&token).unwrap(), other.exists()), (drawn, true));
}

#[test]
fn registry_links_are_written_and_undone() {
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
fn units_are_installed_and_undone() {
    // Only root may read the packet filter.
    if !in_own_network("steps::tests::units_are_installed_and_undone", "") {
        return;
    }
    let mut fixture = Fixture::new();
    fixture.folder("/etc/systemd/system");
    fixture.folder("/usr/local/bin");
    let step = Agent { settings: settings::sample(address()) };
    assert_eq!(step.observe(&mut fixture.site).unwrap(), ObservedState::Absent);
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
    assert_eq!(step.observe(&mut fixture.site).unwrap(), ObservedState::Done);
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
    let does_not = |what: &str| ObservedState::Partial(what.to_owned());
    assert_eq!(fails("is-active"), does_not("landfall-containerd.service does not run"));
    assert_eq!(
        fails("is-enabled --quiet landfall-kubelet"),
        does_not("landfall-kubelet.service does not start at boot")
    );
    // The kubelet cannot run before kubeadm.
    assert_eq!(fails("is-active --quiet landfall-kubelet"), ObservedState::Done);
}
