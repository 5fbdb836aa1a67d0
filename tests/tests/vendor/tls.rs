//! A TLS registry that redirects to a server without TLS: no manifest is accepted from there, and no credentials are
//! sent there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

/// Script with a TLS server and a plain server on loopback. It prints the two ports, and then a line for each request.
const SERVERS: &str = r#"
import http.server, json, ssl, sys, threading

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = json.dumps({
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [{
        "mediaType": MANIFEST, "digest": "sha256:" + 64 * "0", "size": 2,
        "platform": {"architecture": "amd64", "os": "linux"},
    }],
}).encode()

class Plain(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("plain", self.path, self.headers.get("Authorization"), flush=True)
        self.send_error(404)
    def log_message(self, *arguments):
        pass

class Tls(Plain):
    def do_GET(self):
        print("tls", self.path, flush=True)
        elsewhere = "http://localhost:%d" % plain.server_port
        body = b""
        if self.path == "/v2/" and sys.argv[3] != "closed":
            self.send_response(200)
        elif self.path == "/v2/index-only/image/manifests/1":
            body = INDEX
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.oci.image.index.v1+json")
        elif sys.argv[3] != "closed":
            self.send_response(302)
            self.send_header("Location", elsewhere + self.path)
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Bearer realm="%s/token",service="it"' % elsewhere)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain)
tls = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tls)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
tls.socket = context.wrap_socket(tls.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print(tls.server_port, plain.server_port, flush=True)
tls.serve_forever()
"#;

/// Line of the registries file that makes a build trust the TLS server.
const AUTHORITIES: &str = "authorities: [certificate.pem]";

/// The servers, which run as long as the test.
struct Servers(Child);

impl Servers {
    /// Kills them and returns the requests that they received.
    fn into_requests(mut self, mut said: impl BufRead) -> Result<String> {
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

/// Locks one image of this repository on the servers, with these lines of a registries file. Returns the outcome and
/// the received requests.
fn lock(starter: &Starter, repository: &str, authorities: &str) -> Result<(Outcome, String)> {
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
    python.arg(repository.split('/').next().unwrap_or_default());
    let mut servers = Servers(python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let mut said = BufReader::new(servers.0.stdout.take().context("no pipe")?);
    let mut ports = String::new();
    said.read_line(&mut ports)?;
    let tls = ports.split_whitespace().next().context("no port")?;

    let mirrors =
        format!("mirrors:\n  - host: registry.example\n    endpoint: https://localhost:{tls}\n{authorities}\n");
    write(&path("registries.yaml"), &mirrors)?;
    let entry = format!(
        "  - \
         {{reference: 'registry.example/{repository}:1', digest: unresolved, mediaType: unresolved, \
         size: unresolved}}\n"
    );
    write(&path("images.lock"), &format!("assembled: true\nplatform: linux/amd64\nimages:\n{entry}artifacts: []\n"))?;
    let mut landfall = starter.landfall_lock();
    landfall.arg(release()).arg("--lock").arg(path("images.lock")).arg("--registries").arg(path("registries.yaml"));
    let auth = format!(r#"{{"auths": {{"localhost:{tls}": {{"username": "user", "password": "word"}}}}}}"#);
    write(&path("config.json"), &auth)?;
    landfall.arg("--output").arg(path("new.lock")).env("DOCKER_CONFIG", folder.path());
    let outcome = Outcome::of(&mut landfall)?;
    Ok((outcome, servers.into_requests(said)?))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn redirects_without_tls_are_refused() -> Result<()> {
    let starter = starter()?;
    // It redirects requests for a tag's manifest, for a manifest whose digest an index names, and for a token. For the
    // token, the password would be sent.
    for repository in ["led-away/image", "index-only/image", "closed/image"] {
        let (refused, asked) = lock(starter, repository, AUTHORITIES)?;
        assert_eq!((refused.code, refused.error()), (2, Some("LF2106")), "{repository}: {}", refused.stderr);
        assert!(refused.stderr.contains("it redirects to http://localhost:"), "{repository}: {}", refused.stderr);
        assert!(asked.contains("tls /v2/") && !asked.contains("plain"), "{repository}: {asked}");
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn private_authority_must_be_named() -> Result<()> {
    let (refused, asked) = lock(starter()?, "led-away/image", "")?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2132")), "{}", refused.stderr);
    assert!(refused.stderr.contains("`authorities` of the registries file"), "{}", refused.stderr);
    assert_eq!(asked, "", "no request was made");
    Ok(())
}
