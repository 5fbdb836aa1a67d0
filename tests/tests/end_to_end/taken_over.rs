//! A console taken over by an attacker. With its key, the host's API does only what it does for the console. Unsigned
//! content is refused, unplanned changes do not begin, and changes that need the host's approval wait for root.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::printer;
use landfall_xtask::proofs::admin_output;
use landfall_xtask::site::{Machine, wait_until};
use serde_json::{Value, json};

use super::console;

/// Time limit for the host to process a request.
const REQUEST_LIMIT: Duration = Duration::from_mins(3);

/// Requests that the console does not need, and that the API lacks.
const NOT_THERE: [(&str, &str); 9] = [
    ("GET", "/v1/approvals"),
    ("POST", "/v1/approvals"),
    ("DELETE", "/v1/approvals"),
    ("GET", "/v1/secrets"),
    ("GET", "/v1/secrets/postgres"),
    ("POST", "/v1/installs"),
    ("POST", "/v1/uninstalls"),
    ("GET", "/v1/../etc/shadow"),
    ("GET", "/v1/support/..%2f..%2f..%2fetc%2fshadow?offset=0"),
];

/// An attacker with the console's key.
struct Intruder<'a> {
    machine: &'a Machine,
    folder: tempfile::TempDir,
}

impl<'a> Intruder<'a> {
    /// Takes the key from the console's Secret.
    fn of(machine: &'a Machine) -> Result<Self> {
        let intruder = Self { machine, folder: tempfile::tempdir()? };
        for name in ["console.crt", "console.key"] {
            let key = name.replace('.', "\\.");
            let line = format!(
                "kubectl --namespace landfall-console get secret console-host --output 'jsonpath={{.data.{key}}}' | \
                 base64 --decode"
            );
            std::fs::write(intruder.path(name), admin_output(machine, &line)?).context("cannot keep the key")?;
        }
        Ok(intruder)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Sends a request. Returns the status code and the text.
    fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<(u16, String)> {
        let (certificate, key) = (self.path("console.crt"), self.path("console.key"));
        let mut arguments = vec!["--cert", &certificate, "--key", &key, "--path-as-is", "--request", method];
        let kind = if method == "PATCH" { "application/offset+octet-stream" } else { "application/json" };
        let (kind, file) = (format!("Content-Type: {kind}"), format!("@{}", self.path("body")));
        if let Some(body) = body {
            std::fs::write(self.path("body"), body).context("cannot keep a body")?;
            arguments.extend(["--header", &kind, "--data-binary", &file]);
        }
        console::of_the_host().ask(self.machine, path, &arguments)
    }

    /// Sends a request of the console with its requester. Returns the status code and the response.
    fn post(&self, path: &str, request: &str, content: &Value) -> Result<(u16, Value)> {
        let asking = json!({ "request": request, "by": "mallory", "correlation": request });
        let mut body = content.clone();
        let fields = body.as_object_mut().context("a request is not an object")?;
        fields.extend(asking.as_object().cloned().unwrap_or_default());
        let (code, text) = self.send("POST", path, Some(body.to_string().as_bytes()))?;
        Ok((code, serde_json::from_str(&text).with_context(|| format!("{path}: {code}: {text}"))?))
    }

    /// Waits until the host has finished an accepted request. Returns its outcome.
    fn wait_for_outcome(&self, request: &str) -> Result<Value> {
        wait_until(&format!("the host's answer to {request}"), REQUEST_LIMIT, || {
            let found = self.request(request)?;
            Ok((found["state"] != "running").then_some(found))
        })
    }

    fn request(&self, request: &str) -> Result<Value> {
        let (code, text) = self.send("GET", &format!("/v1/requests/{request}"), None)?;
        ensure!(code == 200, "request {request}: {code}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Plans a change. Returns the plan's digest.
    fn plan(&self, request: &str, change: &Value) -> Result<String> {
        let (code, taken) = self.post("/v1/plans", request, change)?;
        ensure!(code == 202, "a plan is answered with {code}: {taken:#}");
        let ended = self.wait_for_outcome(request)?;
        Ok(ended["plan"].as_str().with_context(|| format!("no plan: {ended:#}"))?.to_owned())
    }
}

/// Fails unless the console's key permits only the console's requests.
pub(crate) fn gains_no_more(machine: &Machine) -> Result<()> {
    let intruder = Intruder::of(machine)?;
    let (code, status) = intruder.send("GET", "/v1/status", None)?;
    ensure!(code == 200, "the key does not count, so that nothing is proved: {code}: {status}");
    for (method, path) in NOT_THERE {
        let (code, text) = intruder.send(method, path, Some(b"{}"))?;
        ensure!(matches!(code, 404 | 405 | 422), "{method} {path} is answered with {code}: {text}");
        ensure!(!text.contains("root:"), "{path} is a file of the host");
    }
    unsigned_bytes_do_not_arrive(&intruder)?;
    unplanned_changes_do_not_begin(&intruder)?;
    root_is_asked(&intruder)?;
    printer::note(
        "proved: the console's key asks for what the console may ask for, and root's approval is not in its reach",
    );
    Ok(())
}

/// Checks that an unsigned bundle is refused on arrival, and nothing of it is stored.
fn unsigned_bytes_do_not_arrive(intruder: &Intruder<'_>) -> Result<()> {
    let bytes = b"no bundle\n".repeat(200_000);
    let content = json!({ "name": "../../../etc/cron.d/evil", "size_bytes": bytes.len() });
    let (code, upload) = intruder.post("/v1/uploads", "aaaa0001", &content)?;
    ensure!(code == 200, "an upload is answered with {code}: {upload:#}");
    let id = upload["id"].as_str().context("an upload has no id")?;
    let (code, text) = intruder.send("PATCH", &format!("/v1/uploads/{id}?offset=0"), Some(&bytes))?;
    ensure!(code == 422, "an unsigned bundle is answered with {code}: {text}");
    // The files of the site's software change all the time, but none of them contains these bytes.
    let search =
        "grep --recursive --files-with-matches --max-count 1 '^no bundle$' /var/lib/landfall/upload* /etc/cron.d; true";
    let left = intruder.machine.run(search)?.stdout;
    ensure!(left.is_empty(), "a refused upload left {left}");
    Ok(())
}

/// Checks changes without a plan of the host, with a medium that the host did not find, and with values that the
/// vendor's schema lacks.
fn unplanned_changes_do_not_begin(intruder: &Intruder<'_>) -> Result<()> {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let site = intruder.machine.run("hostname")?.stdout.trim().to_owned();
    let approved = [
        ("/v1/upgrades", json!({ "change": "upgrade", "medium": "0123456789abcdef" })),
        ("/v1/rollbacks", json!({ "change": "rollback", "version": "0.9.0" })),
        ("/v1/restores", json!({ "change": "restore" })),
        ("/v1/configurations", json!({ "change": "configure", "values": { "valkey.maxmemory": "1mb" } })),
    ];
    for (number, (path, change)) in approved.iter().enumerate() {
        let mut content = change.clone();
        content["plan"] = digest.clone().into();
        content["confirm"] = site.clone().into();
        let request = format!("bbbb{number:04}");
        let (code, answer) = intruder.post(path, &request, &content)?;
        let code = if code == 202 { refusal(&intruder.wait_for_outcome(&request)?)? } else { problem(&answer)? };
        ensure!(code == "LF4805", "{path} without a plan is refused with {code}");
    }
    let unknown = [
        json!({ "change": "upgrade", "medium": "0123456789abcdef" }),
        json!({ "change": "upgrade", "medium": "/etc/shadow" }),
        json!({ "change": "rollback", "version": "0.9.0" }),
        json!({ "change": "restore", "backup": "../../etc/shadow" }),
        json!({ "change": "configure", "values": { "storage.folder": "/etc" } }),
        json!({ "change": "configure", "values": { "valkey.maxmemory": "$(reboot)" } }),
    ];
    for (number, change) in unknown.iter().enumerate() {
        let request = format!("cccc{number:04}");
        let (code, answer) = intruder.post("/v1/plans", &request, change)?;
        let code = if code == 202 { refusal(&intruder.wait_for_outcome(&request)?)? } else { problem(&answer)? };
        ensure!(code.starts_with("LF"), "{change} is refused with {code}");
    }
    Ok(())
}

fn problem(answer: &Value) -> Result<String> {
    let code = answer["code"].as_str();
    Ok(code.with_context(|| format!("a refusal has no code: {answer:#}"))?.to_owned())
}

fn refusal(request: &Value) -> Result<String> {
    ensure!(request["state"] == "failed", "it was not refused: {request:#}");
    problem(&request["problem"])
}

/// Checks that if root's approval is required, a change approved by the console waits, and does not begin after root's
/// refusal.
fn root_is_asked(intruder: &Intruder<'_>) -> Result<()> {
    let machine = intruder.machine;
    machine.run("landfall approvals require")?;
    let values = json!({ "valkey.maxmemory": "48mb" });
    let change = json!({ "change": "configure", "values": values });
    let digest = intruder.plan("dddd0001", &change)?;
    let mut content = change;
    content["plan"] = digest.clone().into();
    content["confirm"] = machine.run("hostname")?.stdout.trim().into();
    content["first"] = "an-administrator".into();
    let (code, taken) = intruder.post("/v1/configurations", "dddd0002", &content)?;
    ensure!(code == 202, "a change that waits for root is answered with {code}: {taken:#}");
    let asked = wait_until("the change to wait for root", REQUEST_LIMIT, || {
        let list: Value = serde_json::from_str(&machine.run("landfall --json approvals list")?.stdout)?;
        Ok(list.to_string().contains(&digest).then_some(list))
    })?;
    ensure!(asked.to_string().contains("mallory"), "root is not told who asks: {asked:#}");
    // The setting is neither a value of the release nor a file that an upload can reach.
    let (code, _) = intruder.send("POST", "/v1/approvals/waive", Some(b"{}"))?;
    ensure!(code == 404, "the API has a way around root: {code}");
    ensure!(intruder.request("dddd0002")?["state"] == "running", "the change did not wait");
    machine.run(&format!("landfall approvals refuse {digest}"))?;
    let refused = refusal(&intruder.wait_for_outcome("dddd0002")?)?;
    ensure!(refused == "LF4814", "root's refusal became {refused}");
    let kept = "kubectl --namespace valkey get configmap valkey-settings --output jsonpath='{.data.maxmemory}'";
    ensure!(admin_output(machine, kept)?.trim() != "48mb", "a change began that root had refused");
    machine.run("landfall approvals waive").map(drop)
}
