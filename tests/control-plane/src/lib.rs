//! A real API server with etcd and the controller manager, on loopback. It ends with the test.
#![expect(clippy::disallowed_methods, reason = "files of a test")]
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails if its control plane does not start")]

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use landfall_cluster::Cluster;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Environment variable with the folder of etcd and the Kubernetes programs.
pub const BINARIES_VARIABLE: &str = "LANDFALL_TEST_BINARIES";

/// An unused address (RFC 5737). The API server must advertise a non-loopback address, but nothing connects to it.
pub const ADVERTISED: &str = "192.0.2.1";

/// Time limit of a kubectl call on a busy machine.
const KUBECTL_LIMIT: Duration = Duration::from_mins(2);

/// Shell script that runs a program until the test's end of the pipe closes, which also happens if the test is killed.
const WATCHED: &str = r#""$@" & program=$!; read -r _; kill -9 $program; wait $program"#;

/// A control plane without nodes.
pub struct ControlPlane {
    folder: TempDir,
    binaries: PathBuf,
    ports: Ports,
    etcd: Option<ProcessGuard>,
    api_server: Option<ProcessGuard>,
    controllers: Option<ProcessGuard>,
}

struct Ports {
    etcd: u16,
    etcd_peer: u16,
    api_server: u16,
}

/// A process that ends when this value is dropped.
struct ProcessGuard(Child);

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl ControlPlane {
    /// Starts all programs and waits until the API server is ready.
    pub fn start() -> Self {
        Self::start_plane(Self::without_programs())
    }

    /// Like [`start`](Self::start), with the programs in this folder.
    pub fn start_with(binaries: PathBuf) -> Self {
        Self::start_plane(Self::of(binaries))
    }

    fn start_plane(mut plane: Self) -> Self {
        plane.make_certificates();
        plane.start_etcd();
        plane.start_api_server();
        plane.wait_until_ready();
        plane.start_controllers();
        plane
    }

    /// Prepares a folder and free ports for a control plane, without starting it.
    pub fn without_programs() -> Self {
        let binaries = std::env::var_os(BINARIES_VARIABLE).unwrap_or_else(|| panic!("{BINARIES_VARIABLE} is not set"));
        Self::of(PathBuf::from(binaries))
    }

    fn of(binaries: PathBuf) -> Self {
        for program in ["etcd", "kube-apiserver", "kube-controller-manager", "kubeadm", "kubectl"] {
            assert!(binaries.join(program).exists(), "{} lacks {program}", binaries.display());
        }
        let ports = Ports { etcd: free_port(), etcd_peer: free_port(), api_server: free_port() };
        let folder = tempfile::tempdir().unwrap();
        Self { folder, binaries, ports, etcd: None, api_server: None, controllers: None }
    }

    /// Returns the folder that stands for the host's root.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of its programs.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Returns the port of the API server.
    pub fn api_server_port(&self) -> u16 {
        self.ports.api_server
    }

    /// Connects to the cluster with kubeadm's kubeconfig.
    pub fn cluster(&self) -> Cluster {
        Cluster::connect(&SitePaths::below(self.root()).admin_kubeconfig()).unwrap()
    }

    /// Connects to the cluster as a user in this group, with only the rights that RBAC objects grant it.
    pub fn cluster_of(&self, group: &str) -> Cluster {
        let configuration = self.configuration().display().to_string();
        let organization = format!("--org={group}");
        let kubeconfig = self.output(
            "kubeadm",
            &["kubeconfig", "user", "--client-name=somebody", &organization, "--config", &configuration],
        );
        let path = self.root().join(format!("{group}.conf"));
        durable::write_file(&path, kubeconfig.as_bytes(), 0o600).unwrap();
        Cluster::connect(&path).unwrap()
    }

    /// Runs a phase of `kubeadm init` on this control plane.
    pub fn kubeadm_phase(&self, arguments: &[&str]) {
        let paths = [self.configuration(), SitePaths::below(self.root()).admin_kubeconfig()];
        let [configuration, kubeconfig] = paths.map(|path| path.display().to_string());
        let options = ["--config", configuration.as_str(), "--kubeconfig", kubeconfig.as_str()];
        self.output("kubeadm", &[["init", "phase"].as_slice(), arguments, &options].concat());
    }

    fn configuration(&self) -> PathBuf {
        self.root().join("kubeadm.yaml")
    }

    /// Runs kubectl as another client of the cluster, and returns its output. Without etcd, kubectl would wait a minute
    /// per kind of object, so it is ended after two minutes. A failure includes the ends of the programs' logs.
    pub fn kubectl(&self, arguments: &[&str], input: Option<&Value>) -> String {
        let answer = self.answer_of_kubectl(arguments, input);
        answer.unwrap_or_else(|refusal| panic!("kubectl {arguments:?}: {refusal}{}", self.last_words()))
    }

    /// Like [`kubectl`](Self::kubectl), for calls that may be refused. Returns the output, or kubectl's errors.
    pub fn answer_of_kubectl(&self, arguments: &[&str], input: Option<&Value>) -> Result<String, String> {
        let mut child = Command::new("timeout")
            .arg(KUBECTL_LIMIT.as_secs().to_string())
            .arg(self.binaries.join("kubectl"))
            .arg("--kubeconfig")
            .arg(SitePaths::below(self.root()).admin_kubeconfig())
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(input) = input {
            std::io::Write::write_all(child.stdin.as_mut().unwrap(), input.to_string().as_bytes()).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let (status, errors) = (output.status, String::from_utf8_lossy(&output.stderr));
        if status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(format!("{status}: {errors}"))
        }
    }

    /// Waits until the controller manager has created the namespace's default `ServiceAccount`. The API server refuses
    /// pods without it.
    pub fn wait_for_account(&self, namespace: &str) {
        let started = Instant::now();
        let account = ["--namespace", namespace, "get", "serviceaccount", "default"];
        while self.answer_of_kubectl(&account, None).is_err() {
            assert!(started.elapsed() < Duration::from_mins(1), "{namespace} has no service account");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns the ends of the programs' logs.
    fn last_words(&self) -> String {
        let of = |program: &str| {
            let log = std::fs::read_to_string(self.root().join(format!("{program}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            format!("\nthe end of {program}'s log:\n{}\n", lines[lines.len().saturating_sub(10)..].join("\n"))
        };
        ["etcd", "kube-apiserver"].map(of).concat()
    }

    /// Kills the API server.
    pub fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    /// Starts the API server again, without waiting for it.
    pub fn start_api_server(&mut self) {
        let pki = self.pki();
        let file = |name: &str| pki.join(name).display().to_string();
        self.api_server = Some(self.start_process(
            "kube-apiserver",
            &[
                format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={}", self.ports.api_server),
                format!("--advertise-address={ADVERTISED}"),
                "--authorization-mode=RBAC".to_owned(),
                "--allow-privileged=true".to_owned(),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--client-ca-file={}", file("ca.crt")),
                format!("--tls-cert-file={}", file("apiserver.crt")),
                format!("--tls-private-key-file={}", file("apiserver.key")),
                format!("--service-account-key-file={}", file("sa.pub")),
                format!("--service-account-signing-key-file={}", file("sa.key")),
            ],
        ));
    }

    fn start_etcd(&mut self) {
        let (client, peer) =
            (format!("http://127.0.0.1:{}", self.ports.etcd), format!("http://127.0.0.1:{}", self.ports.etcd_peer));
        self.etcd = Some(self.start_process(
            "etcd",
            &[
                format!("--data-dir={}", self.root().join("etcd").display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        ));
    }

    fn start_controllers(&mut self) {
        let kubeconfig = SitePaths::below(self.root()).admin_kubeconfig();
        self.controllers = Some(self.start_process(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--service-account-private-key-file={}", self.pki().join("sa.key").display()),
                format!("--root-ca-file={}", self.pki().join("ca.crt").display()),
                "--secure-port=0".to_owned(),
                "--leader-elect=false".to_owned(),
                "--pvclaimbinder-sync-period=2s".to_owned(),
            ],
        ));
    }

    fn pki(&self) -> PathBuf {
        self.root().join("pki")
    }

    fn make_certificates(&self) {
        let configuration = self.configuration();
        let init = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": ADVERTISED, "bindPort": self.ports.api_server},
            "nodeRegistration": {"name": "node"},
        });
        let version = self.output("kubeadm", &["version", "-o", "short"]);
        let cluster = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration",
            "kubernetesVersion": version.trim(), "certificatesDir": self.pki(),
            "controlPlaneEndpoint": format!("127.0.0.1:{}", self.ports.api_server),
        });
        durable::write_file(&configuration, format!("{init}\n---\n{cluster}\n").as_bytes(), 0o600).unwrap();
        let configuration = configuration.display().to_string();
        for phase in ["ca", "apiserver", "sa"] {
            self.output("kubeadm", &["init", "phase", "certs", phase, "--config", &configuration]);
        }
        let admin = SitePaths::below(self.root()).admin_kubeconfig();
        let folder = admin.parent().unwrap();
        let folder_text = folder.display().to_string();
        self.output(
            "kubeadm",
            &[
                "init",
                "phase",
                "kubeconfig",
                "super-admin",
                "--config",
                &configuration,
                "--kubeconfig-dir",
                &folder_text,
            ],
        );
        durable::rename(&folder.join("super-admin.conf"), &admin).unwrap();
    }

    fn output(&self, program: &str, arguments: &[&str]) -> String {
        let output =
            Command::new(self.binaries.join(program)).args(arguments).env("HOME", self.root()).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn start_process(&self, program: &str, arguments: &[String]) -> ProcessGuard {
        let log = File::create(self.root().join(format!("{program}.log"))).unwrap();
        let child = Command::new("/bin/sh")
            .args(["-c", WATCHED, "sh"])
            .arg(self.binaries.join(program))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        ProcessGuard(child)
    }

    /// Waits until the API server is ready.
    pub fn wait_until_ready(&self) {
        let started = Instant::now();
        while !self.is_ready() {
            let log = std::fs::read_to_string(self.root().join("kube-apiserver.log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(90), "the API server is not ready: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn is_ready(&self) -> bool {
        let output = Command::new(self.binaries.join("kubectl"))
            .arg("--kubeconfig")
            .arg(SitePaths::below(self.root()).admin_kubeconfig())
            .args(["get", "--raw", "/readyz"])
            .env("HOME", self.root())
            .output();
        output.is_ok_and(|output| output.stdout == b"ok")
    }
}

/// Ports below the ephemeral range, so that no connection takes one while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Returns a port without a listener. Control planes of one process get different ports. If another program takes a
/// port first, the program's log shows it.
fn free_port() -> u16 {
    static USED: AtomicU32 = AtomicU32::new(0);
    // Each process starts its search at a different port.
    let begin = std::process::id().wrapping_mul(101);
    loop {
        let offset = begin.wrapping_add(USED.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
