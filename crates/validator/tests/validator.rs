//! The program itself, against a site that answers, lies, falls silent and comes back.
#![expect(clippy::disallowed_methods, reason = "files of a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use landfall_audit::SiteKey;
use landfall_license::answer::{Answer, Question, Report, ReportState, Subject};

/// Behavior of the site.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Answers without a license.
    Answers,
    Grants,
    /// Answers with another key.
    Lies,
    /// Closes each connection.
    Silent,
}

/// A site on the loopback interface.
struct Site {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    key: Arc<SiteKey>,
    folder: tempfile::TempDir,
}

impl Site {
    fn begin(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(manner));
        let (key, other) = (Arc::new(SiteKey::generate().unwrap()), SiteKey::generate().unwrap());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.pem"), key.public().to_pem()).unwrap();
        std::fs::create_dir(folder.path().join("answers")).unwrap();
        let (serving, own) = (manner.clone(), key.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let manner = *serving.lock().unwrap();
                match manner {
                    Manner::Answers => answer(stream, &own, false),
                    Manner::Grants => answer(stream, &own, true),
                    Manner::Lies => answer(stream, &other, false),
                    Manner::Silent => {}
                }
            }
        });
        Self { address, manner, key, folder }
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn answers(&self) -> PathBuf {
        self.folder.path().join("answers")
    }

    fn command(&self, command: &str, listen: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_landfall-validator"));
        program.arg(command).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
        program.env("LANDFALL_LICENSE_CONSOLE", self.address.to_string());
        program.env("LANDFALL_LICENSE_KEY", self.folder.path().join("key.pem"));
        program.env("LANDFALL_LICENSE_FOLDER", self.answers());
        program.env("LANDFALL_LICENSE_ENTITLEMENT", "analytics");
        program.env("LANDFALL_LICENSE_LISTEN", listen);
        program
    }

    /// Runs `wait`; returns its duration.
    fn wait(&self) -> Duration {
        let begun = Instant::now();
        let status = self.command("wait", "127.0.0.1:1").status().unwrap();
        assert!(status.success(), "{status}");
        begun.elapsed()
    }

    /// Makes kept answers look like those of an earlier boot.
    fn reboot(&self) {
        let path = self.answers().join("entitlement-analytics.kept");
        let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        kept["received"]["boot"] = "another".into();
        std::fs::write(path, kept.to_string()).unwrap();
    }

    fn report(&self) -> Report {
        read(&self.answers().join("entitlement-analytics.json"))
    }
}

fn read(path: &Path) -> Report {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Answers one request, like a site without a license, or like one that grants everything.
fn answer(mut stream: TcpStream, key: &SiteKey, granted: bool) {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    reader.read_line(&mut line).unwrap();
    let mut header = String::new();
    while reader.read_line(&mut header).unwrap_or(0) > 2 {
        header.clear();
    }
    let query = line.split(' ').nth(1).and_then(|path| path.split_once('?')).map(|(_, query)| query).unwrap();
    let (asked, nonce) = query.split_once("&nonce=").unwrap();
    let (kind, name) = asked.split_once('=').unwrap();
    let question = Question { subject: Subject::new(kind, name).unwrap(), nonce: nonce.parse().unwrap() };
    let mut answer = Answer::new(&question, None, "site", Timestamp::now());
    answer.granted = granted;
    let unsigned = answer.to_unsigned().unwrap();
    let signature = key.sign(unsigned.message()).unwrap();
    let sealed = unsigned.seal(key.public().id(), signature).unwrap();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", sealed.bytes().len());
    let _closed = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sealed.bytes()));
}

/// A sidecar that ends with the test.
struct Sidecar {
    child: Child,
    address: SocketAddr,
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Sidecar {
    fn begin(site: &Site) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = site.command("serve", &address.to_string()).spawn().unwrap();
        let sidecar = Self { child, address };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "the sidecar does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        sidecar
    }

    fn ask(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn report(&self, path: &str) -> Report {
        let (status, body) = self.ask(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn init_container_writes_site_answer() {
    let site = Site::begin(Manner::Answers);
    site.wait();
    let report = site.report();
    assert_eq!((report.state, report.granted), (ReportState::Current, Some(false)));
    assert_eq!(report.answer.unwrap().standing, "none");
    site.set(Manner::Grants);
    site.wait();
    // The site is silent at the next start: the earlier grant is still valid, and nothing waits.
    site.set(Manner::Silent);
    site.reboot();
    assert!(site.wait() < Duration::from_secs(10));
    assert_eq!((site.report().state, site.report().granted), (ReportState::Kept, Some(true)));
}

/// The license was renewed, or a wrong date corrected, while an init container slept. An earlier refusal must not
/// persist only because the pod starts before the console.
#[test]
fn earlier_refusal_is_rechecked() {
    let site = Site::begin(Manner::Answers);
    site.wait();
    site.set(Manner::Silent);
    site.reboot();
    let manner = site.manner.clone();
    let started = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(3));
        *manner.lock().unwrap() = Manner::Grants;
    });
    let took = site.wait();
    started.join().unwrap();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!((site.report().state, site.report().granted), (ReportState::Current, Some(true)));
    // If the site stays silent, its earlier refusal is still valid.
    site.set(Manner::Answers);
    site.wait();
    site.set(Manner::Silent);
    site.reboot();
    let took = site.wait();
    assert!((Duration::from_secs(20)..Duration::from_secs(30)).contains(&took), "{took:?}");
    assert_eq!((site.report().state, site.report().granted), (ReportState::Kept, Some(false)));
}

#[test]
fn software_starts_without_answer() {
    let site = Site::begin(Manner::Lies);
    let took = site.wait();
    assert!(took < Duration::from_secs(30), "{took:?}");
    let report = site.report();
    assert_eq!((report.state, report.granted), (ReportState::Unknown, None));
    assert!(report.reason.unwrap().contains("not signed by this site's key"));
    // It also does not wait if it cannot ask at all.
    let mut command = site.command("wait", "127.0.0.1:1");
    assert!(command.env_remove("LANDFALL_LICENSE_CONSOLE").status().unwrap().success());
}

#[test]
fn sidecar_answers_during_outage() {
    let site = Site::begin(Manner::Answers);
    let sidecar = Sidecar::begin(&site);
    assert_eq!(sidecar.report("/v1/entitlements/analytics").state, ReportState::Current);
    assert_eq!(sidecar.report("/v1/features/export").subject, Subject::Feature("export".to_owned()));
    assert!(site.answers().join("feature-export.json").is_file());
    for path in ["/", "/v1/features/A", "/v1/license?entitlement=analytics"] {
        assert_eq!(sidecar.ask(path).0, 404, "{path}");
    }
    site.set(Manner::Silent);
    assert_eq!(sidecar.report("/v1/features/export").granted, Some(false), "it is kept");
    let unknown = sidecar.report("/v1/features/import");
    assert_eq!((unknown.state, unknown.granted), (ReportState::Unknown, None));
    let begun = Instant::now();
    sidecar.report("/v1/features/import");
    assert!(begun.elapsed() < Duration::from_secs(2), "software does not wait twice for a silent site");
}

#[test]
fn answers_of_other_key_are_forgotten() {
    let site = Site::begin(Manner::Answers);
    site.wait();
    assert_eq!(site.report().state, ReportState::Current);
    let other = SiteKey::generate().unwrap();
    assert_ne!(other.public().id(), site.key.public().id());
    std::fs::write(site.folder.path().join("key.pem"), other.public().to_pem()).unwrap();
    site.set(Manner::Silent);
    let sidecar = Sidecar::begin(&site);
    assert_eq!(sidecar.report("/v1/entitlements/analytics").state, ReportState::Unknown);
}
