//! A browser with one person in front of it.
#![expect(clippy::disallowed_methods, reason = "pictures of a test, which are taken again")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::check::{PATIENCE, until, until_within};
use super::driver::Driver;
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
pub const PASSWORD: &str = "gravel tuba cinnamon orbit";

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// Whether it is laid out for paper.
    pub is_printed: bool,
    /// Whether its person prefers dark colors.
    pub is_dark: bool,
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Height of the window in CSS pixels.
    pub height: u32,
}

impl Looks {
    /// A window on a desk, by day.
    pub const LIGHT: Self = Self { is_printed: false, is_dark: false, width: 1280, height: 800 };
    /// The same by night.
    pub const DARK: Self = Self { is_dark: true, ..Self::LIGHT };
    /// The narrowest width that WCAG asks for is 320 CSS pixels.
    pub const PHONE: Self = Self { width: 320, height: 720, ..Self::LIGHT };
    /// A4, with its margins, in CSS pixels. Whoever prints may prefer dark pages on the screen.
    pub const PRINTED: Self = Self { is_printed: true, is_dark: true, width: 718, height: 1047 };
}

/// A browser of its own: no cookie of another one.
pub struct Browser {
    /// What no method here does.
    pub driver: WebDriver,
    origin: String,
    /// Where pictures are stored.
    pictures: PathBuf,
    _profile: TempDir,
    _process: Driver,
}

impl Browser {
    /// A browser for the pages of one origin, such as `https://127.0.0.1:8443`. It has opened nothing yet, and stores its pictures in this
    /// folder.
    pub async fn at(origin: String, pictures: PathBuf) -> Result<Self> {
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
        let browser = Self { driver, origin, pictures, _profile: profile, _process: process };
        browser.look(Looks::LIGHT).await?;
        // What Chromium shows first is no page of the console.
        browser.driver.goto("about:blank").await?;
        browser.driver.log("performance").await?;
        browser.driver.log("browser").await?;
        Ok(browser)
    }

    /// Fills in the form of the first administrator, and sends it.
    pub async fn set_up(&self, token: &str, name: &str, [password, again]: [&str; 2]) -> Result<()> {
        for (field, text) in [("#token", token), ("#name", name), ("#password", password), ("#again", again)] {
            self.fill(field, text).await?;
        }
        self.click("button.main").await
    }

    /// Fills in the form of the sign-in, and sends it.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<()> {
        self.fill("#name", name).await?;
        self.fill("#password", password).await?;
        self.click("button.main").await
    }

    /// Whether an address is on the console, or leads nowhere.
    pub fn is_own(&self, url: &str) -> bool {
        url == self.origin || url.starts_with(&format!("{}/", self.origin)) || url.starts_with("data:")
    }

    /// Opens a page by its path.
    pub async fn open(&self, path: &str) -> Result<()> {
        self.driver.goto(format!("{}{path}", self.origin)).await
    }

    /// The path of the page, without the question behind it.
    pub async fn path(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.path().to_owned())
    }

    /// Waits for a page.
    pub async fn expect_path(&self, path: &str) -> Result<()> {
        let seen = until(&format!("the page is {path}"), async || Ok(self.path().await? == path)).await;
        match seen {
            Ok(()) => Ok(()),
            Err(error) => {
                Err(error.context(format!("the page is {}: {}", self.path().await?, self.text("body").await?)))
            }
        }
    }

    /// The element, which must exist.
    pub async fn find(&self, selector: &str) -> Result<WebElement<'_>> {
        // A click may have led to another page, which is on its way.
        until(&format!("the page has {selector}"), async || Ok(self.driver.count(selector).await? > 0)).await?;
        let found = self.driver.find(selector).await;
        found.with_context(|| format!("the page has no {selector}"))
    }

    /// How many elements there are.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        self.driver.count(selector).await
    }

    /// What a person reads in an element.
    pub async fn text(&self, selector: &str) -> Result<String> {
        self.find(selector).await?.text().await
    }

    /// Waits until an element has these words.
    pub async fn expect(&self, selector: &str, words: &str) -> Result<()> {
        self.expect_within(PATIENCE, selector, words).await
    }

    /// The same for what may take longer.
    pub async fn expect_within(&self, patience: Duration, selector: &str, words: &str) -> Result<()> {
        let what = format!("{selector} says {words:?}");
        match until_within(patience, &what, async || Ok(self.text(selector).await?.contains(words))).await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("the page: {}", self.text("body").await?))),
        }
    }

    /// Replaces what a field has.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let field = self.find(selector).await?;
        field.clear().await?;
        field.send_keys(text).await
    }

    /// Chooses an entry of a list.
    pub async fn choose(&self, selector: &str, value: &str) -> Result<()> {
        self.click(&format!("{selector} option[value={value:?}]")).await
    }

    /// Clicks.
    pub async fn click(&self, selector: &str) -> Result<()> {
        self.find(selector).await?.click().await.with_context(|| format!("{selector} cannot be clicked"))
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) -> Result<()> {
        self.driver.press("", keys).await
    }

    /// Changes the window, and which colors its person prefers.
    pub async fn look(&self, looks: Looks) -> Result<()> {
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
    pub async fn picture(&self, name: &str) -> Result<()> {
        let folder = &self.pictures;
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let picture = self.driver.picture().await?;
        ensure!(picture.starts_with(b"\x89PNG"), "{name} is no picture");
        let path = folder.join(name).with_extension("png");
        std::fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Ends the browser.
    pub async fn close(self) -> Result<()> {
        self.driver.quit().await
    }
}
