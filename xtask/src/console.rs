//! The console of a machine's site, as seen by a browser on another machine.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::site::{Machine, tool, wait_until};

/// Time limit for the host to process a request. A plan queries the API server about each object.
const REQUEST_LIMIT: Duration = Duration::from_mins(6);
/// Time between two polls of a request.
const POLL: Duration = Duration::from_secs(1);

/// Access to the console, as printed by `landfall console`.
pub struct Console {
    /// Port on the node.
    pub port: u16,
    /// SHA-256 of the console's certificate.
    pub fingerprint: String,
    /// One-use token of the first administrator; None if it was not requested.
    pub token: Option<String>,
}

impl Console {
    /// Requests access with a new token.
    pub fn with_token(machine: &Machine) -> Result<Self> {
        Self::by(machine, "landfall console --json")
    }

    /// Requests access without a new token; earlier tokens stay valid.
    pub fn without_token(machine: &Machine) -> Result<Self> {
        Self::by(machine, "landfall console --no-token --json")
    }

    fn by(machine: &Machine, line: &str) -> Result<Self> {
        let said: Value = serde_json::from_str(&machine.run(line)?.stdout)?;
        let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let address = text("/addresses/0").context("the console has no address")?;
        let port = address.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
        Ok(Self {
            port: port.with_context(|| format!("{address} has no port"))?,
            fingerprint: text("/fingerprint").context("the console has no fingerprint")?,
            token: text("/token/text"),
        })
    }

    /// Sends a request with the host's curl and these additional arguments, in the machine's own network. Returns the
    /// status code and the body.
    pub fn ask(&self, machine: &Machine, path: &str, arguments: &[&str]) -> Result<(u16, String)> {
        self.ask_from(machine, machine, path, arguments)
    }

    /// Like [`ask`](Self::ask), from the network of another machine of the site.
    pub fn ask_from(&self, from: &Machine, node: &Machine, path: &str, arguments: &[&str]) -> Result<(u16, String)> {
        let url = format!("https://{}:{}{path}", node.address(), self.port);
        let mut command = in_network(from, "curl")?;
        command.args(["--silent", "--show-error", "--insecure", "--max-time", "30", "--write-out", "\n%{http_code}"]);
        let output = command.args(arguments).arg(&url).output().context("cannot run curl")?;
        ensure!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).with_context(|| format!("{url} answered no text"))?;
        let (body, code) = said.rsplit_once('\n').context("curl prints no code")?;
        Ok((code.parse()?, body.to_owned()))
    }

    /// Returns the fingerprint of the certificate that a browser receives.
    pub fn shown_fingerprint(&self, machine: &Machine) -> Result<String> {
        let place = format!("{}:{}", machine.address(), self.port);
        let line = format!(
            "openssl s_client -connect {place} < /dev/null 2> /dev/null | openssl x509 -noout -sha256 -fingerprint"
        );
        let output = in_network(machine, "sh")?.args(["-c", &line]).output().context("cannot run openssl")?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(said.rsplit('=').next().unwrap_or_default().to_owned())
    }
}

/// Returns the CSRF token in a page's form.
pub fn form_word(page: &str) -> Result<&str> {
    let (_, rest) =
        page.split_once("name=\"csrf\" value=\"").with_context(|| format!("the form has no word: {page}"))?;
    Ok(rest.split('"').next().unwrap_or_default())
}

/// A program that uses the console's API with a key.
pub struct Program<'a> {
    /// Access to the console.
    pub console: Console,
    /// Machine of the console.
    pub machine: &'a Machine,
    /// API key.
    pub key: String,
}

impl Program<'_> {
    /// Gets a document. Returns the status code and the JSON body.
    pub fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.ask(path, &[])
    }

    /// Posts JSON. Returns the status code and the JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let body = body.to_string();
        self.ask(path, &["--header", "Content-Type: application/json", "--data-binary", &body])
    }

    fn ask(&self, path: &str, arguments: &[&str]) -> Result<(u16, Value)> {
        let bearer = format!("Authorization: Bearer {}", self.key);
        let (code, body) = self.console.ask(self.machine, path, &[&["--header", &bearer], arguments].concat())?;
        let said = serde_json::from_str(&body).with_context(|| format!("{path} is answered with {code}: {body}"))?;
        Ok((code, said))
    }

    /// Sends a request, and waits until the host has finished it. Returns its outcome.
    pub fn outcome(&self, path: &str, body: &Value) -> Result<Value> {
        let (code, request) = self.post(path, body)?;
        ensure!(code == 202, "{path} is answered with {code}: {request:#}");
        let id = request["request"].as_str().context("a request has no id")?.to_owned();
        wait_until(&format!("the answer to {path}"), REQUEST_LIMIT, || {
            std::thread::sleep(POLL);
            let (code, request) = self.get(&format!("/api/v1/requests/{id}"))?;
            ensure!(code == 200, "request {id} is answered with {code}: {request:#}");
            Ok((request["state"] != "running").then_some(request))
        })
    }
}

/// Returns a command that runs a program of the host in the machine's network.
pub fn in_network(machine: &Machine, program: &str) -> Result<Command> {
    let mut command = Command::new("nsenter");
    command.arg(format!("--target={}", machine.first()?.number)).args(["--net", "--", program]);
    command.env_clear().env("PATH", tool::PATH);
    Ok(command)
}
