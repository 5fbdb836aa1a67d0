//! Hosts with their own proxy and authority: real TLS, with a certificate of an authority that no machine trusts,
//! behind a real CONNECT proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A host in the registries file, and one that is not.
const NAMED: &str = "registry.corp.example";
const OTHER: &str = "other.corp.example";

/// An authority with its own key, and TLS with its certificate for both hosts; returns the PEM of the authority.
fn create_authority() -> (String, TlsAcceptor) {
    let mut parameters = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("key");
    let authority = parameters.self_signed(&key).expect("authority").pem();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().expect("key");
    let names = [NAMED, OTHER].map(str::to_owned).to_vec();
    let certificate = CertificateParams::new(names).and_then(|parameters| parameters.signed_by(&key, &issuer));
    let chain = vec![certificate.expect("certificate").der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let configuration = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let configuration = configuration.expect("versions").with_no_client_auth().with_single_cert(chain, key);
    (authority, TlsAcceptor::from(Arc::new(configuration.expect("configuration"))))
}

/// A server with TLS in front of one without.
async fn before(plain: SocketAddr, acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate closes the connection.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(plain).await.expect("server");
                let _ = copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    address
}

/// A proxy that connects all requests to one server, and the requested hosts.
async fn proxy(server: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
                let Some(target) = target else {
                    let _ = stream.write_all(b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n").await;
                    return;
                };
                seen.lock().expect("seen").push(target.to_owned());
                let mut behind = TcpStream::connect(server).await.expect("server");
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("answer");
                let _ = copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    (address, asked)
}

/// A registry and file server, behind TLS and a proxy.
struct World {
    registry: Registry,
    proxy: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    authority: String,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(plan: impl FnOnce(&mut landfall_test_registry::Faults)) -> Self {
        let registry = Registry::start(plan).await;
        let (authority, acceptor) = create_authority();
        let (proxy, asked) = proxy(before(registry.address(), acceptor).await).await;
        Self { registry, proxy, asked, authority, folder: tempfile::tempdir().expect("folder") }
    }

    /// A client with this registries file, in which `PROXY` stands for the proxy; `corp.pem` is the authority.
    fn client(&self, text: &str) -> Client {
        let write = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            landfall_media::durable::write_file(&path, text.as_bytes(), 0o600).expect("file");
            path
        };
        write("corp.pem", &self.authority);
        let path = write("registries.yaml", &text.replace("PROXY", &format!("http://{}", self.proxy)));
        Client::new(Registries::read(&path).expect("read"), DockerConfiguration::default(), QUICK)
    }

    fn store(&self) -> ContentStore {
        ContentStore::at(self.folder.path().join("store"))
    }

    async fn measure(&self, client: &Client, host: &str) -> crate::error::Result<MeasuredFile> {
        let url = format!("https://{host}/files/kubelet").parse().expect("address");
        client.measure(&url, &self.store(), &Notes::default()).await
    }

    /// Unique hosts that were requested from the proxy since the last call.
    fn requested_hosts(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("asked"));
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}

#[tokio::test]
async fn host_uses_own_proxy_and_authority() {
    let world = World::new(|_| ()).await;
    world.registry.add_file("kubelet", &bytes(1000));
    let layer = bytes(2000);
    let pin = image(&world.registry, "library/thing", &[&layer]);
    let pin = Pin { reference: format!("{NAMED}/library/thing:1").parse().expect("reference"), ..pin };
    // Requests for any other host would go to a port without a listener.
    let client = world.client(&format!(
        "proxies: {{https: 'http://127.0.0.1:9'}}\nhosts: [{{host: {NAMED}, proxy: PROXY, authorities: [corp.pem]}}]\n"
    ));
    let fetched = fetch_all(&client, &world.store(), "linux/amd64", &[pin], &[], &Notes::default()).await;
    fetched.expect("manifest, configuration and layer");
    assert!(world.store().contains(digest(&layer)));
    assert_eq!(world.requested_hosts(), [format!("{NAMED}:443")]);
    world.measure(&client, NAMED).await.expect("file");
    assert_eq!(world.requested_hosts(), [format!("{NAMED}:443")]);
    assert_eq!(world.measure(&client, OTHER).await.expect_err("no proxy").code(), codes::HOST_UNREACHABLE);
    assert!(world.requested_hosts().is_empty());
}

#[tokio::test]
async fn authority_is_limited_to_its_host() {
    let world = World::new(|faults| faults.on_files([Fault::Redirect(format!("https://{OTHER}/files/kubelet"))])).await;
    world.registry.add_file("kubelet", &bytes(1000));
    let text = format!("proxies: {{https: PROXY}}\nhosts: [{{host: {NAMED}, authorities: [corp.pem]}}]\n");
    let client = world.client(&text);
    let led = world.measure(&client, NAMED).await.expect_err("the other host is not trusted");
    assert_eq!(led.code(), codes::CERTIFICATE_UNKNOWN);
    assert_eq!(world.requested_hosts(), [OTHER, NAMED].map(|host| format!("{host}:443")));
    world.measure(&client, NAMED).await.expect("it leads nowhere now");
    let reference = format!("{OTHER}/library/thing:1").parse().expect("reference");
    let refused = client.manifest(&reference, &Notes::default()).await.expect_err("not trusted");
    assert_eq!(refused.code(), codes::CERTIFICATE_UNKNOWN);
    // In the settings for all hosts, both hosts trust the same authority.
    let client = world.client("proxies: {https: PROXY}\nauthorities: [corp.pem]\n");
    for host in [NAMED, OTHER] {
        world.measure(&client, host).await.expect(host);
    }
}
