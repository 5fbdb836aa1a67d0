//! WebDriver requests (W3C Recommendation) for a user's actions, and Chromium's own for logs and appearance.
//!
//! The existing libraries do not fit. `thirtyfour` makes every JSON object of the workspace keep its order, which
//! changes documents that Landfall signs. `fantoccini` needs a crate under MPL-2.0.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The Tab key, by its WebDriver code.
pub const TAB: &str = "\u{E004}";
/// The Enter key.
pub const ENTER: &str = "\u{E007}";
/// The Escape key.
pub const ESCAPE: &str = "\u{E00C}";
/// The left Control key.
pub const CONTROL: &str = "\u{E009}";
/// The down arrow key.
pub const DOWN: &str = "\u{E015}";
/// The up arrow key.
pub const UP: &str = "\u{E013}";
/// The left Shift key.
pub const SHIFT: &str = "\u{E008}";

/// Key of an element's ID in responses.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Time limit of a request. Requests wait for a page to load.
const PATIENCE: Duration = Duration::from_mins(1);

/// A session with a browser.
#[derive(Clone)]
pub struct WebDriver {
    client: reqwest::Client,
    session: String,
}

/// An element of the current page.
pub struct WebElement<'a> {
    driver: &'a WebDriver,
    id: String,
}

/// The return value of a script.
pub struct ScriptValue(Value);

/// A line of one of the browser's logs.
pub struct Entry {
    /// Severity: `SEVERE`, `WARNING` or lower.
    pub level: String,
    /// Text of the entry.
    pub message: String,
}

impl WebDriver {
    /// Starts a session in a new browser.
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

    /// Opens a URL, and waits until the page is loaded.
    pub async fn goto(&self, url: impl Into<String>) -> Result<()> {
        self.post("url", json!({ "url": url.into() })).await.map(drop)
    }

    /// Returns the URL of the page.
    pub async fn current_url(&self) -> Result<reqwest::Url> {
        Ok(self.get("url").await?.as_str().context("the page has no address")?.parse()?)
    }

    /// Goes back to the previous page.
    pub async fn back(&self) -> Result<()> {
        self.post("back", json!({})).await.map(drop)
    }

    /// Returns the current source of the document.
    pub async fn source(&self) -> Result<String> {
        text(self.get("source").await?)
    }

    /// Returns the names of the cookies that apply to the page.
    pub async fn cookies(&self) -> Result<Vec<String>> {
        let all = self.get("cookie").await?;
        let names = all.as_array().context("cookies are no list")?.iter().map(|cookie| text(cookie["name"].clone()));
        names.collect()
    }

    /// Returns the first element that matches a CSS selector.
    pub async fn find(&self, selector: &str) -> Result<WebElement<'_>> {
        let found = self.post("element", json!({ "using": "css selector", "value": selector })).await?;
        Ok(WebElement { driver: self, id: text(found[ELEMENT].clone())? })
    }

    /// Returns the number of elements that match a CSS selector.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        let found = self.post("elements", json!({ "using": "css selector", "value": selector })).await?;
        Ok(found.as_array().context("elements are no list")?.len())
    }

    /// Runs a script with these arguments, and returns its value.
    pub async fn execute(&self, script: &str, arguments: Vec<Value>) -> Result<ScriptValue> {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await.map(ScriptValue)
    }

    /// Like [`execute`](Self::execute), for a script that calls its last argument when it finishes.
    pub async fn execute_async(&self, script: &str, arguments: Vec<Value>) -> Result<ScriptValue> {
        self.post("execute/async", json!({ "script": script, "args": arguments })).await.map(ScriptValue)
    }

    /// Presses the second keys while holding the first ones, in the element that has the focus.
    pub async fn press(&self, held: &str, pressed: &str) -> Result<()> {
        let down = |key: char| json!({ "type": "keyDown", "value": key });
        let up = |key: char| json!({ "type": "keyUp", "value": key });
        let strokes = pressed.chars().flat_map(|key| [down(key), up(key)]);
        let keys: Vec<Value> = held.chars().map(down).chain(strokes).chain(held.chars().map(up)).collect();
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] })).await.map(drop)
    }

    /// Returns the entries of a log (`browser` or `performance`) since the last call.
    pub async fn log(&self, kind: &str) -> Result<Vec<Entry>> {
        let all = self.post("se/log", json!({ "type": kind })).await?;
        let entry =
            |line: &Value| Ok(Entry { level: text(line["level"].clone())?, message: text(line["message"].clone())? });
        all.as_array().context("a log is no list")?.iter().map(entry).collect()
    }

    /// Sends a command of the Chrome `DevTools` Protocol.
    pub async fn command(&self, name: &str, parameters: Value) -> Result<()> {
        self.post("goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await.map(drop)
    }

    /// Takes a screenshot, as PNG.
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

    /// Returns the visible text.
    pub async fn text(&self) -> Result<String> {
        text(self.get("text").await?)
    }

    /// Returns an attribute of the element, or None if it is not set.
    pub async fn attribute(&self, name: &str) -> Result<Option<String>> {
        Ok(self.get(&format!("attribute/{name}")).await?.as_str().map(str::to_owned))
    }

    /// Returns a property of the element.
    pub async fn property(&self, name: &str) -> Result<Value> {
        self.get(&format!("property/{name}")).await
    }

    /// Returns true if the element is visible.
    pub async fn is_displayed(&self) -> Result<bool> {
        Ok(self.get("displayed").await? == true)
    }

    /// Moves the focus to the element.
    pub async fn focus(&self) -> Result<()> {
        let itself = json!({ ELEMENT: self.id });
        self.driver.execute("arguments[0].focus()", vec![itself]).await.map(drop)
    }

    /// Clears a field.
    pub async fn clear(&self) -> Result<()> {
        self.post("clear", json!({})).await
    }

    /// Types into a field, or sets the file of a file input.
    pub async fn send_keys(&self, keys: &str) -> Result<()> {
        self.post("value", json!({ "text": keys })).await
    }

    /// Clicks the element.
    pub async fn click(&self) -> Result<()> {
        self.post("click", json!({})).await
    }
}

impl ScriptValue {
    /// Returns the value as JSON.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// Returns the value, deserialized.
    pub fn convert<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_value(self.0.clone())?)
    }
}

/// Sends a request and returns the value of its response. Fails with the browser's message on an error status.
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
