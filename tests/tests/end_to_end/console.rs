//! The console of an installed site. A browser reaches it with the announced certificate, one person enters it with the
//! token, and it shows the host's data. The host's API answers no other client.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use landfall_xtask::console::{Console, Program, form_word};
use landfall_xtask::proofs::admin_output;
use landfall_xtask::site::Machine;
use landfall_xtask::{printer, workspace};
use serde_json::{Value, json};

use super::secret_pages;

/// Port of the host's API.
const HOST_PORT: u16 = 10280;

/// Start of the handbook's object for an ingress.
const INGRESS: &str = "```yaml\n# console.yaml\n";

/// Name of the administrator, and a password that every rule accepts.
const NAME: &str = "ada";
pub(crate) const PASSWORD: &str = "ostrich-lantern-quarry-71";

/// Fails unless the console is reachable, can be entered exactly once, and shows correct data.
pub(crate) fn expect_to_be_found(machine: &Machine) -> Result<()> {
    let console = Console::with_token(machine)?;
    let (code, _) = console.ask(machine, "/health/live", &[])?;
    ensure!(code == 200, "the console's life is {code}");
    let shown = console.shown_fingerprint(machine)?;
    ensure!(shown == console.fingerprint, "a browser is shown {shown}, and announced was {}", console.fingerprint);
    let folder = tempfile::tempdir()?;
    let browser = folder.path().join("browser");
    let (code, body) = claim(machine, &console, &browser, PASSWORD)?;
    ensure!(code == 303, "the token created no administrator: {code}: {body}");
    let status = document(machine, &console, &browser, "status")?;
    ensure!(status["ready"] == true && status["release"]["name"] == "starter", "{status:#}");
    let (code, page) = console.ask(machine, "/", &["--cookie", &text(&browser)])?;
    ensure!(code == 200 && page.contains("starter"), "the overview is {code}: {page}");
    secret_pages::hold_no_secret(machine, &console, &text(&browser))?;
    let (code, _) = claim(machine, &console, &folder.path().join("other"), PASSWORD)?;
    ensure!(code == 403, "a used token is answered with {code}");
    expect_silence_for_unknown_clients(machine)?;
    is_where_an_ingress_leads(machine)?;
    printer::note(
        "proved: the console is found by its certificate, entered once with its token, and shows the host's status",
    );
    Ok(())
}

/// Creates an administrator with the token, and an API key for changes of the release, drills and support bundles.
pub(crate) fn program(machine: &Machine) -> Result<Program<'_>> {
    let console = Console::with_token(machine)?;
    let folder = tempfile::tempdir()?;
    let browser = folder.path().join("browser");
    let (code, body) = claim(machine, &console, &browser, PASSWORD)?;
    ensure!(code == 303, "the token created no administrator: {code}: {body}");
    let cookie = text(&browser);
    let (_, page) = console.ask(machine, "/keys", &["--cookie", &cookie])?;
    let word = format!("x-csrf-token: {}", form_word(&page)?);
    let origin = format!("Origin: https://{}:{}", machine.address(), console.port);
    let request = json!({ "label": "test", "scopes": ["read", "upgrade", "backup", "support"], "days": 1 }).to_string();
    let arguments = ["--cookie", &cookie, "--header", &word, "--header", &origin, "--data-binary", &request];
    let json = ["--header", "Content-Type: application/json"];
    let (code, body) = console.ask(machine, "/api/v1/keys", &[&arguments[..], &json].concat())?;
    ensure!(code == 201, "a key is answered with {code}: {body}");
    let made: Value = serde_json::from_str(&body)?;
    let key = made["key"].as_str().context("a new key has no text")?.to_owned();
    Ok(Program { console, machine, key })
}

/// Checks that this cluster accepts the handbook's object for an ingress, and that it leads to the console.
fn is_where_an_ingress_leads(machine: &Machine) -> Result<()> {
    let page = std::fs::read_to_string(workspace::root().join("docs/console/ingress.md"))?;
    let (_, object) = page.split_once(INGRESS).context("docs/console/ingress.md has no object for an ingress")?;
    let (object, _) = object.split_once("```").context("the object for an ingress does not end")?;
    admin_output(machine, &format!("kubectl create --dry-run=server --filename - <<'OBJECT'\n{object}OBJECT"))?;
    let ports = "kubectl --namespace landfall-console get service console --output jsonpath='{.spec.ports[*].port}'";
    let ports = admin_output(machine, ports)?;
    ensure!(ports.trim() == "443", "the service of the console has the ports {ports}");
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Submits the form for the first administrator like a browser, with this file as its cookie store.
pub(crate) fn claim(machine: &Machine, console: &Console, browser: &Path, password: &str) -> Result<(u16, String)> {
    let token = console.token.as_deref().context("there is no token")?;
    let fields = [("token", token), ("name", NAME), ("password", password), ("again", password)];
    send_form(machine, console, browser, "/first", &fields)
}

/// Submits the sign-in form for that administrator.
pub(crate) fn sign_in(machine: &Machine, console: &Console, browser: &Path, password: &str) -> Result<(u16, String)> {
    send_form(machine, console, browser, "/sign-in", &[("name", NAME), ("password", password)])
}

/// Submits a form of a page.
fn send_form(
    machine: &Machine,
    console: &Console,
    browser: &Path,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<(u16, String)> {
    let memory = text(browser);
    let (_, page) = console.ask(machine, path, &["--cookie-jar", &memory])?;
    let origin = format!("Origin: https://{}:{}", machine.address(), console.port);
    let fields: Vec<String> =
        [("csrf", form_word(&page)?)].iter().chain(fields).map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["--cookie", &memory, "--cookie-jar", &memory, "--header", &origin];
    for field in &fields {
        arguments.extend(["--data-urlencode", field.as_str()]);
    }
    console.ask(machine, path, &arguments)
}

/// Gets a document of the console's API as the signed-in user.
fn document(machine: &Machine, console: &Console, browser: &Path, kind: &str) -> Result<Value> {
    let (code, body) = console.ask(machine, &format!("/api/v1/{kind}"), &["--cookie", &text(browser)])?;
    ensure!(code == 200, "{kind} is answered with {code}: {body}");
    let document: Value = serde_json::from_str(&body).with_context(|| format!("{kind} is no JSON: {body}"))?;
    ensure!(document["kind"] == kind, "{document:#}");
    Ok(document)
}

/// Returns the host's API, for requests like those to the console.
pub(crate) fn of_the_host() -> Console {
    Console { port: HOST_PORT, fingerprint: String::new(), token: None }
}

/// Checks that the host's API listens, but gives no answer without the console's certificate.
fn expect_silence_for_unknown_clients(machine: &Machine) -> Result<()> {
    machine.run("systemctl is-active landfall-host-api")?;
    let refused =
        of_the_host().ask(machine, "/v1/status", &[]).err().context("the host's API answered someone else")?;
    ensure!(!refused.to_string().contains("Connection refused"), "the host's API does not listen: {refused}");
    Ok(())
}
