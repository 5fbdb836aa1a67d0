//! A program that requests pages and documents from the console without a browser, for many or frequent requests.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use landfall_peer::{Certificate, Identity, client};
use landfall_test_browser::PASSWORD;
use landfall_xtask::console::form_word;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::console::Console;
use super::host::TOKEN;

/// Name of the first administrator.
pub(crate) const ADMINISTRATOR: &str = "ada";
/// Time limit of a response.
const PATIENCE: Duration = Duration::from_secs(10);
/// Header with the ID of the event that a listener received last.
const LAST_HEARD: &str = "last-event-id";
/// Name of the cookie before the sign-in.
const FORM: &str = "__Host-form";
/// Name of the cookie after the sign-in.
const SESSION: &str = "__Host-session";

/// A program with an administrator's session and a key with read scope.
#[derive(Clone)]
pub(crate) struct Program {
    client: Client,
    origin: String,
    session: String,
    key: String,
}

impl Program {
    /// Creates the first administrator of the console, and a key.
    pub(crate) async fn begin(console: &Console) -> Result<Self> {
        let (session, key) = (String::new(), String::new());
        let mut program = Self { client: new_client(console)?.build()?, origin: console.origin(), session, key };
        program.session = program.first_administrator().await?;
        program.key = program.new_key().await?;
        Ok(program)
    }

    /// Returns the same program with its own connections, none of which is open yet.
    pub(crate) fn with_new_connections(&self, console: &Console) -> Result<Self> {
        Ok(Self { client: new_client(console)?.build()?, ..self.clone() })
    }

    /// Returns the same program on another machine, with connections from this address.
    pub(crate) fn elsewhere(&self, console: &Console, address: IpAddr) -> Result<Self> {
        Ok(Self { client: new_client(console)?.local_address(address).build()?, ..self.clone() })
    }

    async fn first_administrator(&self) -> Result<String> {
        let page = self.client.get(self.at("/first")).send().await?;
        let form = cookie(&page, FORM)?;
        let page = page.text().await?;
        let word = form_word(&page)?;
        let fields =
            [("csrf", word), ("token", TOKEN), ("name", ADMINISTRATOR), ("password", PASSWORD), ("again", PASSWORD)];
        let fields = Url::parse_with_params("https://console/", fields)?;
        let sent = self.client.post(self.at("/first")).header(COOKIE, format!("{FORM}={form}"));
        let sent = sent.header(ORIGIN, &self.origin).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = sent.body(fields.query().unwrap_or_default().to_owned()).send().await?;
        ensure!(answer.status() == StatusCode::SEE_OTHER, "the token created no administrator: {}", answer.status());
        Ok(format!("{SESSION}={}", cookie(&answer, SESSION)?))
    }

    async fn new_key(&self) -> Result<String> {
        let page = self.read("/keys").await?;
        let word = form_word(&page)?;
        let body = json!({ "label": "load", "scopes": ["read"], "days": 1 }).to_string();
        let sent = self.client.post(self.at("/api/v1/keys")).header(COOKIE, &self.session).header(ORIGIN, &self.origin);
        let sent = sent.header("x-csrf-token", word).header(CONTENT_TYPE, "application/json").body(body);
        let answer = sent.send().await?.error_for_status()?;
        let made: Value = serde_json::from_str(&answer.text().await?)?;
        Ok(made["key"].as_str().context("a new key has no text")?.to_owned())
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Creates a request: for a document with the key, for a page with the session.
    fn question(&self, path: &str) -> RequestBuilder {
        let question = self.client.get(self.at(path));
        if path.starts_with("/api/") {
            return question.header(AUTHORIZATION, format!("Bearer {}", self.key));
        }
        question.header(COOKIE, &self.session)
    }

    /// Returns a page, a document or a file. Fails unless it arrives in time.
    pub(crate) async fn read(&self, path: &str) -> Result<String> {
        let answer = self.question(path).timeout(PATIENCE).send().await.with_context(|| format!("no {path}"))?;
        ensure!(answer.status() == StatusCode::OK, "{path} is answered with {}", answer.status());
        answer.text().await.with_context(|| format!("{path} broke off"))
    }

    /// Returns a long-lived response, after the event with this ID if one is given; None if there is no operation.
    pub(crate) async fn listen(&self, path: &str, last: Option<&str>) -> Result<Option<Response>> {
        let question = self.question(path);
        let question = match last {
            Some(id) => question.header(LAST_HEARD, id),
            None => question,
        };
        let answer = question.send().await?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NO_CONTENT => Ok(None),
            status => bail!("{path} is answered with {status}"),
        }
    }
}

/// Creates a client that accepts only the console's certificate.
fn new_client(console: &Console) -> Result<ClientBuilder> {
    let (certificate, key) = Identity::generate("program")?;
    let own = Identity::from_pem(certificate.as_bytes(), key.as_bytes())?;
    let tls = client(&own, Certificate::from_pem(&std::fs::read(console.certificate())?)?)?;
    Ok(Client::builder().tls_backend_preconfigured(tls).no_proxy().redirect(Policy::none()))
}

/// Returns the value of a cookie that a response sets.
fn cookie(answer: &Response, name: &str) -> Result<String> {
    let lines = answer.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.split(';').next());
    Ok(values.next().with_context(|| format!("no cookie {name} is set"))?.to_owned())
}
