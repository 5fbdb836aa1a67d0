//! A registry with TLS that leads to a place without: nothing is asked for there, neither a manifest nor a token.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

/// A server with TLS and one without, on loopback. Each request is a line on standard output, after the two ports.
const SERVERS: &str = r#"
import http.server, ssl, sys, threading

class Plain(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("plain", self.path, flush=True)
        self.send_error(404)
    def log_message(self, *arguments):
        pass

class Tls(Plain):
    def do_GET(self):
        print("tls", self.path, flush=True)
        elsewhere = "http://localhost:%d" % plain.server_port
        if "led-away" in self.path:
            self.send_response(302)
            self.send_header("Location", elsewhere + self.path)
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Bearer realm="%s/token",service="it"' % elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()

plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain)
tls = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tls)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
tls.socket = context.wrap_socket(tls.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print(tls.server_port, plain.server_port, flush=True)
tls.serve_forever()
"#;

/// The servers, for as long as the test runs.
struct Servers(Child);

impl Servers {
    /// Kills them and returns what they were asked.
    fn asked(mut self, mut said: impl BufRead) -> Result<String> {
        self.0.kill()?;
        let mut asked = String::new();
        said.read_to_string(&mut asked)?;
        Ok(asked)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a throw-away file of a test")]
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Locks one image of this repository, which the servers have; returns the outcome and what they were asked.
fn lock(starter: &Starter, repository: &str) -> Result<(Outcome, String)> {
    let folder = starter.scratch()?;
    let path = |name: &str| folder.path().join(name);
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let mut request = Command::new("openssl");
    request.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    request.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    request.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    Outcome::success(request.arg("-keyout").arg(&key).arg("-out").arg(&certificate))?;
    let mut python = Command::new("setpriv");
    python.args(["--pdeathsig", "KILL", "python3", "-c", SERVERS]).arg(&certificate).arg(&key);
    let mut servers = Servers(python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let mut said = BufReader::new(servers.0.stdout.take().context("no pipe")?);
    let mut ports = String::new();
    said.read_line(&mut ports)?;
    let tls = ports.split_whitespace().next().context("no port")?;

    let mirrors = format!("mirrors:\n  - host: registry.example\n    endpoint: https://localhost:{tls}\n");
    write(&path("registries.yaml"), &mirrors)?;
    let entry = format!(
        "  - {{reference: 'registry.example/{repository}:1', digest: unresolved, mediaType: unresolved, size: unresolved}}\n"
    );
    write(&path("images.lock"), &format!("assembled: true\nplatform: linux/amd64\nimages:\n{entry}artifacts: []\n"))?;
    let mut landfall = starter.landfall(&["lock"]);
    landfall.arg(release()).arg("--lock").arg(path("images.lock")).arg("--registries").arg(path("registries.yaml"));
    // Where the program looks for those whom this machine trusts.
    landfall.arg("--output").arg(path("new.lock")).env("SSL_CERT_FILE", &certificate);
    let outcome = Outcome::of(&mut landfall)?;
    Ok((outcome, servers.asked(said)?))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_registry_with_tls_leads_nowhere_without() -> Result<()> {
    let starter = starter()?;
    for (repository, led_to) in [("led-away/image", "/v2/led-away/image/manifests/1"), ("closed/image", "/token")] {
        let (refused, asked) = lock(starter, repository)?;
        assert_eq!((refused.code, refused.error()), (2, Some("LF2106")), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("it leads to http://localhost:") && refused.stderr.contains(led_to),
            "{}",
            refused.stderr
        );
        assert_eq!(asked, format!("tls /v2/{repository}/manifests/1\n"), "{}", refused.stderr);
    }
    Ok(())
}
