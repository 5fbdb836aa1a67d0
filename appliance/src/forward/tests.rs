//! Tests with a real server on loopback: down, up again, slow, broken, and over TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use landfall_peer::{Authority, Identity};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::position::position;
use super::settings::{NAMES, State, read};
use super::watch::{Times, watch_in};
use crate::configuration::{ServerFiles, server_config};
use crate::database::query_scalar;
use crate::settings_files::Files;
use crate::testing::{Site, authority_on_loopback, note, until};

const QUICK: Times = Times {
    poll: Duration::from_millis(20),
    retry: Duration::from_millis(50),
    settings: Duration::from_millis(200),
    unanswered: Duration::from_secs(2),
    settled: Duration::from_secs(3),
};

/// Times under which a slow server does not count as broken, however busy the machine is.
const PATIENT: Times = Times { unanswered: Duration::from_secs(50), settled: Duration::from_secs(55), ..QUICK };

/// Messages that a server has received, in order.
#[derive(Clone, Default)]
struct ReceivedMessages {
    messages: Arc<Mutex<Vec<String>>>,
    /// Milliseconds between two messages that it reads.
    pause: Arc<AtomicU64>,
    /// True if it accepts connections but reads nothing.
    is_deaf: Arc<AtomicBool>,
}

impl ReceivedMessages {
    fn all(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }

    /// Returns the numbers of the entries, in the order of arrival.
    fn numbers(&self) -> Vec<i64> {
        let number = |message: &String| message.split("number=\"").nth(1)?.split('"').next()?.parse().ok();
        self.all().iter().map(|message| number(message).expect("a message with its number")).collect()
    }

    fn has(&self, text: &str) -> bool {
        self.messages.lock().unwrap().iter().any(|message| message.contains(text))
    }

    /// Reads counted messages until the connection ends. A wrong count fails the test.
    async fn read(&self, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::new(stream);
        loop {
            while self.is_deaf.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let mut length = 0;
            loop {
                match stream.read_u8().await {
                    Ok(digit @ b'0'..=b'9') => length = length * 10 + usize::from(digit - b'0'),
                    Ok(b' ') => break,
                    Ok(other) => panic!("{other} is no digit of a length"),
                    Err(_) => return,
                }
            }
            let mut message = vec![0; length];
            if stream.read_exact(&mut message).await.is_err() {
                return;
            }
            let message = String::from_utf8(message).unwrap();
            assert!(message.starts_with('<') && message.contains(">1 "), "{message}");
            self.messages.lock().unwrap().push(message);
            tokio::time::sleep(Duration::from_millis(self.pause.load(Ordering::SeqCst))).await;
        }
    }
}

/// Server that accepts connections until it is dropped, with all of them.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn begin(address: SocketAddr, received: ReceivedMessages, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        // The connections are in the task's own set: they end with it.
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (received, tls) = (received.clone(), tls.clone());
                connections.spawn(async move { serve(stream, &received, tls).await });
            }
        });
        Self { address, task }
    }

    /// Ends the server. Its port is free on return.
    async fn stop(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err_and(|error| error.is_cancelled()));
    }

    async fn plain(received: &ReceivedMessages) -> Self {
        Self::begin("127.0.0.1:0".parse().unwrap(), received.clone(), None).await
    }
}

async fn serve(stream: TcpStream, received: &ReceivedMessages, tls: Option<TlsAcceptor>) {
    let Some(tls) = tls else { return received.read(stream).await };
    if let Ok(stream) = tls.accept(stream).await {
        received.read(stream).await;
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    landfall_media::durable::write_file(&folder.join(name), text.as_bytes(), 0o600).unwrap();
}

/// Returns the task that forwards a site's log by the settings of a folder.
fn watching(site: &Site, folder: &Path, times: Times) -> impl Future<Output = ()> + use<> {
    watch_in(site.context.database.clone(), site.context.forward.clone(), folder.to_owned(), times)
}

/// A console that forwards to a server by its settings.
struct ForwardingConsole {
    site: Site,
    folder: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Drop for ForwardingConsole {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ForwardingConsole {
    async fn begin(settings: &str) -> Self {
        Self::begin_in(settings, QUICK).await
    }

    async fn begin_in(settings: &str, times: Times) -> Self {
        let (site, folder) = (Site::begin().await, tempfile::tempdir().unwrap());
        write(folder.path(), "syslog.yaml", settings);
        let task = tokio::spawn(watching(&site, folder.path(), times));
        let console = Self { site, folder, task };
        // Entries from here on are forwarded.
        until(async || console.position().await.is_some() || console.is_faulty()).await;
        console
    }

    fn is_faulty(&self) -> bool {
        !self.site.context.forward.standing().faults.is_empty()
    }

    async fn position(&self) -> Option<i64> {
        let number = query_scalar("SELECT number FROM audit_forwarded");
        number.fetch_optional(self.site.context.database.read()).await.unwrap()
    }

    async fn note(&self, text: &str) {
        note(&self.site.context.database, text).await;
    }

    fn restart(&mut self) {
        self.task.abort();
        self.task = tokio::spawn(watching(&self.site, self.folder.path(), QUICK));
    }

    /// Returns true if every entry since the beginning of forwarding has arrived.
    fn has_all(received: &ReceivedMessages, begin: i64, end: i64) -> bool {
        let numbers = received.numbers();
        (begin + 1..=end).all(|number| numbers.contains(&number))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_arrive_once_in_order() {
    let received = ReceivedMessages::default();
    let server = Server::plain(&received).await;
    let settings = format!("server: tcp://{}\nname: plant-7\n", server.address);
    let mut console = ForwardingConsole::begin(&settings).await;
    let begin = console.position().await.unwrap();
    for number in 0..250 {
        console.note(&format!("entry {number} \"]\n<13>1 forged")).await;
    }
    let end = begin + 250;
    until(async || received.numbers().len() == 250).await;
    assert_eq!(
        received.numbers(),
        (begin + 1..=end).collect::<Vec<_>>(),
        "entries are missing, repeated or out of order"
    );
    let rows = super::position::behind(console.site.context.database.read(), begin, 250).await.unwrap();
    for (row, message) in rows.iter().zip(received.all()) {
        assert!(message.contains(&row.hash) && message.contains(" plant-7 landfall-console "), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
    until(async || console.position().await == Some(end)).await;
    // Another process continues from there.
    console.restart();
    console.note("after a restart").await;
    until(async || received.has("after a restart")).await;
    assert_eq!(received.numbers().len(), 251, "an entry was sent again");
    let page = console.site.sign_in("root").await.get("/audit").await.body;
    assert!(page.contains(&format!("tcp://{}", server.address)), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_loses_no_entries() {
    let received = ReceivedMessages::default();
    let server = Server::plain(&received).await;
    let address = server.address;
    let console = ForwardingConsole::begin(&format!("server: tcp://{address}\n")).await;
    let begin = console.position().await.unwrap();
    console.note("before").await;
    until(async || received.has("before")).await;
    server.stop().await;
    let root = console.site.sign_in("root").await;
    let before = Instant::now();
    for number in 0..300 {
        console.note(&format!("away {number}")).await;
    }
    assert!(
        root.get("/audit").await.is_success() && before.elapsed() < Duration::from_secs(8),
        "{:?}",
        before.elapsed()
    );
    until(async || console.site.context.forward.standing().failing.is_some()).await;
    let page = root.get("/audit").await.body;
    assert!(page.contains("Not forwarded"), "{page}");
    let metrics = console.site.program("root", &[crate::people::Scope::Metrics]).await.get("/metrics").await.body;
    assert!(metrics.lines().any(|line| line == "landfall_console_audit_forwarding_fails 1"), "{metrics}");
    let _back = Server::begin(address, received.clone(), None).await;
    // One before, 300 while it was down, and those of the session and the key.
    let mut connection = console.site.context.database.read().acquire().await.unwrap();
    let end = crate::audit::head(&mut connection).await.unwrap();
    let end = end.number;
    assert!(end > begin + 301);
    until(async || ForwardingConsole::has_all(&received, begin, end)).await;
    until(async || console.site.context.forward.standing().failing.is_none()).await;
    until(async || console.position().await >= Some(end)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_entries_are_sent_again() {
    let received = ReceivedMessages::default();
    received.is_deaf.store(true, Ordering::SeqCst);
    let server = Server::plain(&received).await;
    let address = server.address;
    // Even in a slow test, the connection breaks before any sent data has settled.
    let times = Times { settled: Duration::from_mins(10), ..QUICK };
    let console = ForwardingConsole::begin_in(&format!("server: tcp://{address}\n"), times).await;
    let begin = console.position().await.unwrap();
    for number in 0..120 {
        console.note(&format!("unread {number}")).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop().await;
    assert_eq!(console.position().await, Some(begin));
    received.is_deaf.store(false, Ordering::SeqCst);
    let _back = Server::begin(address, received.clone(), None).await;
    until(async || ForwardingConsole::has_all(&received, begin, begin + 120)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_server_slows_no_requests() {
    let received = ReceivedMessages::default();
    received.pause.store(1, Ordering::SeqCst);
    let server = Server::plain(&received).await;
    let settings = format!("server: tcp://{}\n", server.address);
    let console = ForwardingConsole::begin_in(&settings, PATIENT).await;
    let begin = console.position().await.unwrap();
    let root = console.site.sign_in("root").await;
    let mut slowest = Duration::ZERO;
    for number in 0..1000 {
        console.note(&format!("{number} {}", "x".repeat(150))).await;
        if number % 100 == 0 {
            let before = Instant::now();
            assert!(root.get("/account").await.is_success());
            slowest = slowest.max(before.elapsed());
        }
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    until(async || ForwardingConsole::has_all(&received, begin, begin + 1000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_show_despite_silent_host() {
    let console = ForwardingConsole::begin("server: gopher://127.0.0.1\n").await;
    assert!(console.is_faulty());
    let root = console.site.sign_in("root").await;
    console.site.host.is_silent.store(true, Ordering::SeqCst);
    until(async || console.site.context.site.silent_since().is_some()).await;
    let page = root.get("/").await;
    assert!(page.notices()[0].starts_with("The host has not answered since"), "{}", page.body);
    assert!(page.section("matters").contains("syslog server cannot be used"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trusted_server_receives_entries() {
    let (authority, key) = authority_on_loopback("Syslog");
    let issuer = Authority::of("Syslog", &key).unwrap();
    let (certificate, key) = issuer.issue(&["127.0.0.1".to_owned()], (2020, 1, 1), (2040, 1, 1)).unwrap();
    let keys = tempfile::tempdir().unwrap();
    write(keys.path(), "crt", &certificate);
    write(keys.path(), "key", &key);
    let own = ServerFiles { certificate: keys.path().join("crt"), key: keys.path().join("key") };
    let received = ReceivedMessages::default();
    let mut config = (*server_config(&own).unwrap()).clone();
    config.alpn_protocols.clear();
    let tls = TlsAcceptor::from(Arc::new(config));
    let server = Server::begin("127.0.0.1:0".parse().unwrap(), received.clone(), Some(tls)).await;
    let (other, _) = authority_on_loopback("Other");
    let console = ForwardingConsole::begin(&format!("server: tls://{}\n", server.address)).await;
    assert!(console.is_faulty(), "a missing authority was accepted");
    let page = console.site.sign_in("root").await.get("/audit").await;
    insta::assert_snapshot!("missing_authority", page.notices().join("\n"));

    write(console.folder.path(), "syslog-authority.crt", &other);
    until(async || console.site.context.forward.standing().failing.is_some()).await;
    console.note("secret").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(received.all().is_empty(), "a server of another authority received something");
    write(console.folder.path(), "syslog-authority.crt", &authority);
    until(async || received.has("secret")).await;
    // Without settings, nothing is sent, and missed entries follow later.
    let settings = fs_err::read_to_string(console.folder.path().join("syslog.yaml")).unwrap();
    for name in ["syslog.yaml", "syslog-authority.crt"] {
        landfall_media::durable::remove_file(&console.folder.path().join(name)).unwrap();
    }
    until(async || console.site.context.forward.standing().server.is_none()).await;
    console.note("meanwhile").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!received.has("meanwhile"));
    write(console.folder.path(), "syslog-authority.crt", &authority);
    write(console.folder.path(), "syslog.yaml", &settings);
    until(async || received.has("meanwhile")).await;
    assert!(position(&console.site.context.database).await.is_ok());
}

/// Starts a server with a new authority, which accepts clients with this certificate. Also returns the authority's
/// certificate.
async fn asking_server(received: &ReceivedMessages, accepted: &str) -> (Server, String) {
    let (authority, key) = authority_on_loopback("Syslog");
    let issuer = Authority::of("Syslog", &key).unwrap();
    let (certificate, key) = issuer.issue(&["127.0.0.1".to_owned()], (2020, 1, 1), (2040, 1, 1)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(accepted.as_bytes()).unwrap()).unwrap();
    let asking = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(asking)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let address = "127.0.0.1:0".parse().unwrap();
    (Server::begin(address, received.clone(), Some(tls)).await, authority)
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificate_is_presented() {
    let (own, key) = Identity::generate("console").unwrap();
    let received = ReceivedMessages::default();
    let (server, authority) = asking_server(&received, &own).await;
    let console = ForwardingConsole::begin(&format!("server: tls://{}\n", server.address)).await;
    let folder = console.folder.path();
    write(folder, "syslog-authority.crt", &authority);
    until(async || console.site.context.forward.standing().failing.is_some()).await;
    console.note("unseen").await;
    let (other, key_of_other) = Identity::generate("console").unwrap();
    write(folder, "syslog.crt", &other);
    write(folder, "syslog.key", &key_of_other);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(received.all().is_empty(), "an unknown client was accepted");
    write(folder, "syslog.crt", &own);
    until(async || console.is_faulty()).await;
    insta::assert_snapshot!(console.site.sign_in("root").await.get("/audit").await.notices().join("\n"));
    write(folder, "syslog.key", &key);
    until(async || received.has("unseen")).await;
}

#[test]
fn all_settings_faults_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = |text: &str| {
        write(folder.path(), "syslog.yaml", text);
        read(&Files::read(folder.path(), &NAMES))
    };
    assert!(matches!(read(&Files::read(folder.path(), &NAMES)), State::Off));
    let faults = |text: &str| match state(text) {
        State::Faulty(faults) => faults.join("\n"),
        other => panic!("{text}: {other:?}"),
    };
    let text = "server: tls://log.example.org\nname: two words\n";
    let mut lines = vec![faults(text)];
    for present in ["syslog.crt", "syslog.key"] {
        write(folder.path(), present, "no PEM");
        lines.push(format!("With {present} alone:\n{}", faults(text)));
        landfall_media::durable::remove_file(&folder.path().join(present)).unwrap();
    }
    for odd in
        ["udp://192.0.2.1", "tcp://", "tcp://u:p@192.0.2.1", "tcp://192.0.2.1/path", "192.0.2.1:601", "tcp://h?x"]
    {
        lines.push(format!("With {odd}:\n{}", faults(&format!("server: '{odd}'\n"))));
    }
    insta::assert_snapshot!(lines.join("\n\n"));
    assert!(faults("server: tcp://192.0.2.1\nprotocol: x\n").contains("cannot be read"));
    let State::On(settings) = state("server: tcp://[2001:db8::1]\n") else { panic!("not on") };
    assert_eq!((settings.host.as_str(), settings.port, settings.name.as_str()), ("2001:db8::1", 601, "-"));
}

#[tokio::test]
async fn export_has_message_per_entry() {
    let site = Site::begin().await;
    note(&site.context.database, "line\nbreak").await;
    let root = site.sign_in("root").await;
    let text = root.get("/api/v1/audit/syslog").await;
    assert!(text.header("content-disposition").ends_with(".log\""), "{:?}", text.headers);
    let entries: i64 =
        query_scalar("SELECT count(*) FROM audit").fetch_one(site.context.database.read()).await.unwrap();
    assert_eq!(text.body.lines().count(), usize::try_from(entries).unwrap());
    assert!(text.body.contains("line#012break") && text.body.contains("audit as syslog"), "{}", text.body);
    let lines = root.get("/api/v1/audit").await.body;
    let hash = lines.lines().next().unwrap().split("\"hash\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(text.body.lines().next().unwrap().contains(&hash));
}
