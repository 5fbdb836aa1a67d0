//! Tests with behavior of dishonest directory servers, and of decisions before one is contacted. The part "pages" of
//! the tests uses an honest one, slapd.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use landfall_peer::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::{DirectoryError, State};
use super::provider::derive_directory;
use super::*;
use crate::configuration::{ServerFiles, server_config};
use crate::testing::{PASSWORD, TIMES, authority_on_loopback, words_of};

/// Server that records what it receives, and answers the first message with these bytes.
struct Listener {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Listener {
    async fn begin(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let noted = received.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (noted, mut buffer) = (noted.clone(), vec![0; 4096]);
                tokio::spawn(async move {
                    let mut is_first = true;
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        noted.lock().unwrap().extend_from_slice(&buffer[..length]);
                        if std::mem::take(&mut is_first) && stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, received }
    }

    fn has(&self, text: &str) -> bool {
        let received = self.received.lock().unwrap();
        received.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

fn state(url: &str, more: &str) -> State {
    let (authority, _) = authority_on_loopback("Directory");
    let settings = format!("ldap:\n  url: {url}\n{more}  roles: {{viewer: ['cn=staff,dc=x']}}\n");
    derive_directory(&[
        ("directory.yaml", &settings),
        ("ldap-authority.crt", &authority),
        ("ldap-bind-password", "own"),
    ])
}

const DIRECT: &str = "  bind: 'uid={name},dc=x'\n";

/// Starts a server over TLS that gives each client this answer; returns its address and authority.
async fn over_tls(answer: &'static [u8]) -> (SocketAddr, String) {
    let (authority, key) = authority_on_loopback("Directory");
    let issuer = Authority::of("Directory", &key).unwrap();
    let (certificate, key) = issuer.issue(&["127.0.0.1".to_owned()], (2020, 1, 1), (2040, 1, 1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let own = ServerFiles { certificate: folder.path().join("crt"), key: folder.path().join("key") };
    for (path, text) in [(&own.certificate, certificate), (&own.key, key)] {
        landfall_media::durable::write_file(path, text.as_bytes(), 0o600).unwrap();
    }
    let mut config = (*server_config(&own).unwrap()).clone();
    config.alpn_protocols.clear();
    let (tls, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = tls.accept(stream).await else { continue };
            let mut question = vec![0; 4096];
            if matches!(stream.read(&mut question).await, Ok(1..)) {
                let _gone = stream.write_all(answer).await;
            }
        }
    });
    (address, authority)
}

/// Answer of a server that is too busy to judge a password, RFC 4511.
const BUSY: &[u8] = &[0x30, 0x0c, 2, 1, 1, 0x61, 7, 0x0a, 1, 51, 4, 0, 4, 0];

/// The refusal of `StartTLS`, RFC 4511: unwilling to perform.
const UNWILLING: &[u8] = &[0x30, 0x0c, 2, 1, 1, 0x78, 7, 0x0a, 1, 53, 4, 0, 4, 0];

#[tokio::test]
async fn plain_server_receives_no_credentials() {
    for (scheme, answer) in [("ldap", UNWILLING), ("ldap", b"nonsense"), ("ldaps", UNWILLING), ("ldap", b"")] {
        let listener = Listener::begin(answer).await;
        let state = state(&format!("{scheme}://{}", listener.address), DIRECT);
        let error = state.ldap().unwrap().sign_in("vera-in-the-directory", PASSWORD).await.unwrap_err();
        assert!(matches!(error, DirectoryError::Unavailable(_)), "{scheme}: {error:?}");
        assert!(!listener.received.lock().unwrap().is_empty(), "{scheme}: it was not asked");
        assert!(!listener.has(PASSWORD) && !listener.has("vera-in-the-directory") && !listener.has("own"), "{scheme}");
    }
}

#[tokio::test]
async fn empty_password_opens_no_connection() {
    let listener = Listener::begin(b"").await;
    let state = state(&format!("ldap://{}", listener.address), DIRECT);
    for password in ["", "\0", &"a".repeat(2000)] {
        let error = state.ldap().unwrap().sign_in("vera", password).await.unwrap_err();
        assert_eq!(error, DirectoryError::Wrong);
    }
    assert!(listener.received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn local_password_never_leaves_console() {
    let (site, listener) = (Site::begin().await, Listener::begin(UNWILLING).await);
    site.context.directory.replace(state(&format!("ldap://{}", listener.address), DIRECT));
    let door = site.at_the_door("/sign-in").await;
    assert!(site.visitor().get("/sign-in").await.body.contains("name and password in the directory"));
    for (name, password, status) in [("vera", PASSWORD, 303), ("vera", "wrong", 401), ("a)(uid=*", "wrong", 401)] {
        let reply = door.post("/sign-in", &[("name", name), ("password", password)]).await;
        assert_eq!(reply.status.as_u16(), status, "{name}: {}", reply.body);
    }
    assert!(listener.received.lock().unwrap().is_empty());
    let reply = door.post("/sign-in", &[("name", "paula"), ("password", PASSWORD)]).await;
    assert_eq!(reply.refusal(), (502, "LF5033"));
    assert!(!reply.body.contains(&listener.address.to_string()), "the page shows the address");
    let page = site.sign_in("root").await.get("/users").await.body;
    insta::with_settings!({ filters => [LOOPBACK, TIMES] }, { insta::assert_snapshot!(words_of(&page)) });
}

/// Returns the statuses of a dozen sign-ins with one name from one address.
async fn dozen_sign_ins(site: &Site, name: &str, directory: State) -> Vec<u16> {
    site.context.directory.replace(directory);
    let door = site.at_the_door("/sign-in").await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let reply = door.post("/sign-in", &[("name", name), ("password", PASSWORD)]).await;
        statuses.push(reply.status.as_u16());
    }
    statuses
}

#[tokio::test]
async fn outage_is_no_wrong_password() {
    let (site, listener) = (Site::begin().await, Listener::begin(UNWILLING).await);
    assert_eq!(dozen_sign_ins(&site, "paula", state(&format!("ldap://{}", listener.address), DIRECT)).await, [502; 12]);
    // The server, which receives the password, might answer like this only for a wrong one.
    for (name, answer) in [("paul", BUSY), ("peter", b"nonsense")] {
        let (address, authority) = over_tls(answer).await;
        let settings = format!("ldap:\n  url: ldaps://{address}\n{DIRECT}  roles: {{viewer: ['cn=staff,dc=x']}}\n");
        let files = [("directory.yaml", settings.as_str()), ("ldap-authority.crt", &authority)];
        let directory = derive_directory(&files);
        let error = directory.ldap().unwrap().sign_in("vera", PASSWORD).await.unwrap_err();
        assert!(matches!(error, DirectoryError::Undecided(_)), "{error:?}");
        assert!(dozen_sign_ins(&site, name, directory).await.contains(&429), "guessing is not throttled");
    }
}

#[tokio::test]
async fn all_server_faults_are_named() {
    let faults = |text: &str, files: &[(&str, &str)]| {
        let files: Vec<_> = [("directory.yaml", text)].into_iter().chain(files.iter().copied()).collect();
        match derive_directory(&files) {
            State::Faulty(faults) => faults.join("\n"),
            other => panic!("{other:?}"),
        }
    };
    let text =
        "ldap:\n  url: http://x\n  address: nowhere\n  groups: {attribute: 'a b'}\n  roles: {viewer: [admins]}\n";
    let mut found = vec![faults(text, &[("ldap-authority.crt", "x")])];
    let search = |search: &str| format!("ldap:\n  url: ldaps://x\n{search}  roles: {{viewer: ['cn=a,dc=x']}}\n");
    for text in [
        "  bind: uid=x,dc=x\n",
        "  bind: '{name}@example.org'\n",
        "  search: {base: 'dc=x', filter: '(uid={name})'}\n",
        "  search: {user: 'cn=c,dc=x', base: nowhere, filter: '(uid={name})'}\n",
        "  search: {user: 'cn=c,dc=x', base: 'dc=x', filter: '(uid={name}'}\n",
        "  search: {user: 'cn=c,dc=x', base: 'dc=x', filter: (uid=vera)}\n",
        "  search: {user: 'cn=c,dc=x', base: 'dc=x', filter: '(uid={name})'}\n",
        "  bind: 'uid={name},dc=x'\n  groups: {attribute: a, base: 'dc=x'}\n",
        "  bind: 'uid={name},dc=x'\n  groups: {base: 'dc=x', filter: (member=x)}\n",
    ] {
        found.push(format!("With\n{text}{}", faults(&search(text), &[])));
    }
    insta::assert_snapshot!(found.join("\n\n"));
}
