//! A browser with one person in front of it.
#![expect(clippy::disallowed_methods, reason = "pictures of a test, which are taken again")]

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use landfall_tests::workspace;
use serde_json::json;
use tempfile::TempDir;

use super::check::until;
use super::console::Console;
use super::driver::Driver;
use super::host::TOKEN;
use super::webdriver::{WebDriver, WebElement};

/// Chromium without a window and without anything that it does by itself; it knows no host but the loopback.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A password that no rule refuses.
pub(crate) const PASSWORD: &str = "gravel tuba cinnamon orbit";

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    /// Whether it is laid out for paper.
    pub(crate) is_printed: bool,
    pub(crate) is_dark: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Looks {
    pub(crate) const LIGHT: Self = Self { is_printed: false, is_dark: false, width: 1280, height: 800 };
    pub(crate) const DARK: Self = Self { is_dark: true, ..Self::LIGHT };
    /// The narrowest width that WCAG asks for is 320 CSS pixels.
    pub(crate) const PHONE: Self = Self { width: 320, height: 720, ..Self::LIGHT };
    /// A4, with its margins, in CSS pixels. Whoever prints may prefer dark pages on the screen.
    pub(crate) const PRINTED: Self = Self { is_printed: true, is_dark: true, width: 718, height: 1047 };
}

/// A browser of its own: no cookie of another one.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    origin: String,
    _profile: TempDir,
    _process: Driver,
}

impl Browser {
    /// A browser that has opened nothing yet.
    pub(crate) async fn begin(console: &Console) -> Result<Self> {
        Self::at(console.origin()).await
    }

    /// The same for files of this machine.
    pub(crate) async fn of_files() -> Result<Self> {
        Self::at("file://".to_owned()).await
    }

    async fn at(origin: String) -> Result<Self> {
        let (process, profile) = (Driver::start()?, tempfile::tempdir()?);
        let own = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([own.as_str()]).collect();
        let wanted = json!({
            "browserName": "chrome",
            // A person compares the fingerprint and continues.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let driver = WebDriver::begin(&process.address, wanted).await.context("Chromium does not start")?;
        let browser = Self { driver, origin, _profile: profile, _process: process };
        browser.look(Looks::LIGHT).await?;
        // What Chromium shows first is no page of the console.
        browser.driver.goto("about:blank").await?;
        browser.driver.log("performance").await?;
        browser.driver.log("browser").await?;
        Ok(browser)
    }

    /// A browser whose person has become the first administrator.
    pub(crate) async fn of_administrator(console: &Console) -> Result<Self> {
        let browser = Self::begin(console).await?;
        browser.open("/first").await?;
        browser.set_up(TOKEN, "ada", [PASSWORD, PASSWORD]).await?;
        browser.expect_path("/").await?;
        Ok(browser)
    }

    /// Fills in the form of the first administrator, and sends it.
    pub(crate) async fn set_up(&self, token: &str, name: &str, [password, again]: [&str; 2]) -> Result<()> {
        for (field, text) in [("#token", token), ("#name", name), ("#password", password), ("#again", again)] {
            self.fill(field, text).await?;
        }
        self.click("button.main").await
    }

    /// Fills in the form of the sign-in, and sends it.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Result<()> {
        self.fill("#name", name).await?;
        self.fill("#password", password).await?;
        self.click("button.main").await
    }

    /// Whether an address is on the console, or leads nowhere.
    pub(crate) fn is_own(&self, url: &str) -> bool {
        url == self.origin || url.starts_with(&format!("{}/", self.origin)) || url.starts_with("data:")
    }

    /// Opens a page by its path.
    pub(crate) async fn open(&self, path: &str) -> Result<()> {
        self.driver.goto(format!("{}{path}", self.origin)).await
    }

    /// The path of the page, without the question behind it.
    pub(crate) async fn path(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.path().to_owned())
    }

    /// Waits for a page.
    pub(crate) async fn expect_path(&self, path: &str) -> Result<()> {
        let seen = until(&format!("the page is {path}"), async || Ok(self.path().await? == path)).await;
        match seen {
            Ok(()) => Ok(()),
            Err(error) => {
                Err(error.context(format!("the page is {}: {}", self.path().await?, self.text("body").await?)))
            }
        }
    }

    /// The element, which must exist.
    pub(crate) async fn find(&self, selector: &str) -> Result<WebElement<'_>> {
        // A click may have led to another page, which is on its way.
        until(&format!("the page has {selector}"), async || Ok(self.driver.count(selector).await? > 0)).await?;
        let found = self.driver.find(selector).await;
        found.with_context(|| format!("the page has no {selector}"))
    }

    /// How many elements there are.
    pub(crate) async fn count(&self, selector: &str) -> Result<usize> {
        self.driver.count(selector).await
    }

    /// What a person reads in an element.
    pub(crate) async fn text(&self, selector: &str) -> Result<String> {
        self.find(selector).await?.text().await
    }

    /// Waits until an element has these words.
    pub(crate) async fn expect(&self, selector: &str, words: &str) -> Result<()> {
        let what = format!("{selector} says {words:?}");
        match until(&what, async || Ok(self.text(selector).await?.contains(words))).await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("the page: {}", self.text("body").await?))),
        }
    }

    /// Replaces what a field has.
    pub(crate) async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let field = self.find(selector).await?;
        field.clear().await?;
        field.send_keys(text).await
    }

    /// Chooses an entry of a list.
    pub(crate) async fn choose(&self, selector: &str, value: &str) -> Result<()> {
        self.click(&format!("{selector} option[value={value:?}]")).await
    }

    /// Clicks.
    pub(crate) async fn click(&self, selector: &str) -> Result<()> {
        self.find(selector).await?.click().await.with_context(|| format!("{selector} cannot be clicked"))
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) -> Result<()> {
        self.driver.press("", keys).await
    }

    /// Changes the window, and which colors its person prefers.
    pub(crate) async fn look(&self, looks: Looks) -> Result<()> {
        let scheme = if looks.is_dark { "dark" } else { "light" };
        // Colors that change in steps would be judged halfway.
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        let media = if looks.is_printed { "print" } else { "" };
        let emulated = json!({ "media": media, "features": features });
        self.driver.command("Emulation.setEmulatedMedia", emulated).await?;
        let size = json!({
            "width": looks.width, "height": looks.height, "deviceScaleFactor": 1, "mobile": looks.width < 600,
        });
        self.driver.command("Emulation.setDeviceMetricsOverride", size).await
    }

    /// Takes a picture of what is seen.
    pub(crate) async fn picture(&self, name: &str) -> Result<()> {
        let folder = pictures();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let picture = self.driver.picture().await?;
        ensure!(picture.starts_with(b"\x89PNG"), "{name} is no picture");
        let path = folder.join(name).with_extension("png");
        std::fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Ends the browser.
    pub(crate) async fn close(self) -> Result<()> {
        self.driver.quit().await
    }
}

/// Where pictures are stored.
fn pictures() -> PathBuf {
    workspace::target_folder().join("pages")
}
