//! The requests of WebDriver (W3C Recommendation) that a person's doings need, and those of Chromium for logs and looks.
//!
//! The libraries for this do not fit: `thirtyfour` makes every JSON object of the workspace keep its order, which changes documents that
//! Landfall signs, and `fantoccini` needs a crate under MPL-2.0.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The tabulator, as WebDriver names keys.
pub const TAB: &str = "\u{E004}";
/// Enter.
pub const ENTER: &str = "\u{E007}";
/// Escape.
pub const ESCAPE: &str = "\u{E00C}";
/// The left control key.
pub const CONTROL: &str = "\u{E009}";
/// The arrow that points down.
pub const DOWN: &str = "\u{E015}";
/// The arrow that points up.
pub const UP: &str = "\u{E013}";
/// The left shift.
pub const SHIFT: &str = "\u{E008}";

/// How an element is named in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a request may take; a page that loads is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// A session with a browser.
#[derive(Clone)]
pub struct WebDriver {
    client: reqwest::Client,
    session: String,
}

/// An element of the page that is shown.
pub struct WebElement<'a> {
    driver: &'a WebDriver,
    id: String,
}

/// What a script returned.
pub struct Returned(Value);

/// A line of one of the browser's logs.
pub struct Entry {
    /// `SEVERE`, `WARNING` or less.
    pub level: String,
    /// What happened.
    pub message: String,
}

impl WebDriver {
    /// Begins a session of a new browser.
    pub async fn begin(address: &str, capabilities: Value) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let begun = answer(client.post(format!("{address}/session")).body(wanted.to_string())).await?;
        let id = begun["sessionId"].as_str().context("the session has no id")?;
        Ok(Self { session: format!("{address}/session/{id}"), client })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        answer(self.client.get(format!("{}/{path}", self.session))).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        answer(self.client.post(format!("{}/{path}", self.session)).body(body.to_string())).await
    }

    /// Opens an address, and waits until its page is loaded.
    pub async fn goto(&self, url: impl Into<String>) -> Result<()> {
        self.post("url", json!({ "url": url.into() })).await.map(drop)
    }

    /// The address of the page.
    pub async fn current_url(&self) -> Result<reqwest::Url> {
        Ok(self.get("url").await?.as_str().context("the page has no address")?.parse()?)
    }

    /// Goes to the page before.
    pub async fn back(&self) -> Result<()> {
        self.post("back", json!({})).await.map(drop)
    }

    /// The document as it is now.
    pub async fn source(&self) -> Result<String> {
        text(self.get("source").await?)
    }

    /// Names of the cookies that count for the page.
    pub async fn cookies(&self) -> Result<Vec<String>> {
        let all = self.get("cookie").await?;
        let names = all.as_array().context("cookies are no list")?.iter().map(|cookie| text(cookie["name"].clone()));
        names.collect()
    }

    /// The first element that a CSS selector finds.
    pub async fn find(&self, selector: &str) -> Result<WebElement<'_>> {
        let found = self.post("element", json!({ "using": "css selector", "value": selector })).await?;
        Ok(WebElement { driver: self, id: text(found[ELEMENT].clone())? })
    }

    /// How many elements there are.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        let found = self.post("elements", json!({ "using": "css selector", "value": selector })).await?;
        Ok(found.as_array().context("elements are no list")?.len())
    }

    /// What a script returns that gets these arguments.
    pub async fn execute(&self, script: &str, arguments: Vec<Value>) -> Result<Returned> {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await.map(Returned)
    }

    /// The same for a script that calls its last argument once it is done.
    pub async fn execute_async(&self, script: &str, arguments: Vec<Value>) -> Result<Returned> {
        self.post("execute/async", json!({ "script": script, "args": arguments })).await.map(Returned)
    }

    /// Holds these keys and presses those, wherever the focus is.
    pub async fn press(&self, held: &str, pressed: &str) -> Result<()> {
        let down = |key: char| json!({ "type": "keyDown", "value": key });
        let up = |key: char| json!({ "type": "keyUp", "value": key });
        let strokes = pressed.chars().flat_map(|key| [down(key), up(key)]);
        let keys: Vec<Value> = held.chars().map(down).chain(strokes).chain(held.chars().map(up)).collect();
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] })).await.map(drop)
    }

    /// The lines of a log since the last question: `browser` or `performance`.
    pub async fn log(&self, kind: &str) -> Result<Vec<Entry>> {
        let all = self.post("se/log", json!({ "type": kind })).await?;
        let entry =
            |line: &Value| Ok(Entry { level: text(line["level"].clone())?, message: text(line["message"].clone())? });
        all.as_array().context("a log is no list")?.iter().map(entry).collect()
    }

    /// A command of Chromium's own protocol.
    pub async fn command(&self, name: &str, parameters: Value) -> Result<()> {
        self.post("goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await.map(drop)
    }

    /// What is seen, as PNG.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        let encoded = text(self.get("screenshot").await?)?;
        base64::engine::general_purpose::STANDARD.decode(encoded).context("a picture is no base64")
    }

    /// Ends the browser.
    pub async fn quit(self) -> Result<()> {
        answer(self.client.delete(&self.session)).await.map(drop)
    }
}

impl WebElement<'_> {
    async fn get(&self, what: &str) -> Result<Value> {
        self.driver.get(&format!("element/{}/{what}", self.id)).await
    }

    async fn post(&self, what: &str, body: Value) -> Result<()> {
        self.driver.post(&format!("element/{}/{what}", self.id), body).await.map(drop)
    }

    /// What a person reads.
    pub async fn text(&self) -> Result<String> {
        text(self.get("text").await?)
    }

    /// An attribute of the element; none where it has none.
    pub async fn attribute(&self, name: &str) -> Result<Option<String>> {
        Ok(self.get(&format!("attribute/{name}")).await?.as_str().map(str::to_owned))
    }

    /// A property of the element.
    pub async fn property(&self, name: &str) -> Result<Value> {
        self.get(&format!("property/{name}")).await
    }

    /// Whether a person sees it.
    pub async fn is_displayed(&self) -> Result<bool> {
        Ok(self.get("displayed").await? == true)
    }

    /// Moves the focus here.
    pub async fn focus(&self) -> Result<()> {
        let itself = json!({ ELEMENT: self.id });
        self.driver.execute("arguments[0].focus()", vec![itself]).await.map(drop)
    }

    /// Empties a field.
    pub async fn clear(&self) -> Result<()> {
        self.post("clear", json!({})).await
    }

    /// Types into a field, or names the file that it sends.
    pub async fn send_keys(&self, keys: &str) -> Result<()> {
        self.post("value", json!({ "text": keys })).await
    }

    /// Clicks.
    pub async fn click(&self) -> Result<()> {
        self.post("click", json!({})).await
    }
}

impl Returned {
    /// What it returned.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// The same as a type.
    pub fn convert<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_value(self.0.clone())?)
    }
}

/// The value of an answer, or what the browser says went wrong.
async fn answer(request: reqwest::RequestBuilder) -> Result<Value> {
    let response = request.send().await.context("the driver does not answer")?;
    let is_success = response.status().is_success();
    let body: Value = serde_json::from_str(&response.text().await?).context("the driver answers without JSON")?;
    let value = body["value"].clone();
    if is_success {
        return Ok(value);
    }
    bail!("{}: {}", value["error"].as_str().unwrap_or("failed"), value["message"].as_str().unwrap_or_default())
}

fn text(value: Value) -> Result<String> {
    if let Value::String(text) = value { Ok(text) } else { bail!("{value} is no text") }
}
