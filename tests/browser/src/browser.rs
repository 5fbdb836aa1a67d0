//! A browser, with the actions of the user who uses it.
#![expect(clippy::disallowed_methods, reason = "pictures of a test, which are taken again")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::driver::Driver;
use super::wait::{PATIENCE, until, until_within};
use super::webdriver::{WebDriver, WebElement};

/// Chromium's options: headless, without background activity, and with access to no host but loopback.
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

/// A password that every password rule accepts.
pub const PASSWORD: &str = "gravel tuba cinnamon orbit";

/// Presentation of a page.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// True if the page is laid out for print.
    pub is_printed: bool,
    /// True if the user prefers dark colors.
    pub is_dark: bool,
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Height of the window in CSS pixels.
    pub height: u32,
}

impl Looks {
    /// A desktop window with light colors.
    pub const LIGHT: Self = Self { is_printed: false, is_dark: false, width: 1280, height: 800 };
    /// A desktop window with dark colors.
    pub const DARK: Self = Self { is_dark: true, ..Self::LIGHT };
    /// A narrow window: 320 CSS pixels is the smallest width that WCAG requires.
    pub const PHONE: Self = Self { width: 320, height: 720, ..Self::LIGHT };
    /// An A4 page less its margins, in CSS pixels. A user who prefers dark colors on the screen may also print.
    pub const PRINTED: Self = Self { is_printed: true, is_dark: true, width: 718, height: 1047 };
}

/// A browser with its own profile, which shares no cookies with others.
pub struct Browser {
    /// Driver, for actions that have no method here.
    pub driver: WebDriver,
    origin: String,
    /// Folder for screenshots.
    pictures: PathBuf,
    _profile: TempDir,
    _process: Driver,
}

impl Browser {
    /// Starts a browser for the pages of one origin, such as `https://127.0.0.1:8443`. It opens no page yet, and stores
    /// its screenshots in this folder.
    pub async fn at(origin: String, pictures: PathBuf) -> Result<Self> {
        let (process, profile) = (Driver::start()?, tempfile::tempdir()?);
        let own = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([own.as_str()]).collect();
        let wanted = json!({
            "browserName": "chrome",
            // Stands for a user who compares the fingerprint and continues.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let driver = WebDriver::begin(&process.address, wanted).await.context("Chromium does not start")?;
        let browser = Self { driver, origin, pictures, _profile: profile, _process: process };
        browser.look(Looks::LIGHT).await?;
        // Chromium's start page does not belong to the console.
        browser.driver.goto("about:blank").await?;
        browser.driver.log("performance").await?;
        browser.driver.log("browser").await?;
        Ok(browser)
    }

    /// Fills in and submits the form for the first administrator.
    pub async fn set_up(&self, token: &str, name: &str, [password, again]: [&str; 2]) -> Result<()> {
        for (field, text) in [("#token", token), ("#name", name), ("#password", password), ("#again", again)] {
            self.fill(field, text).await?;
        }
        self.click("button.main").await
    }

    /// Fills in and submits the sign-in form.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<()> {
        self.fill("#name", name).await?;
        self.fill("#password", password).await?;
        self.click("button.main").await
    }

    /// Returns true if a URL belongs to the console or is a `data:` URL.
    pub fn is_own(&self, url: &str) -> bool {
        url == self.origin || url.starts_with(&format!("{}/", self.origin)) || url.starts_with("data:")
    }

    /// Opens a page by its path.
    pub async fn open(&self, path: &str) -> Result<()> {
        self.driver.goto(format!("{}{path}", self.origin)).await
    }

    /// Returns the page's path, without its query.
    pub async fn path(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.path().to_owned())
    }

    /// Waits until the browser shows the page with this path.
    pub async fn expect_path(&self, path: &str) -> Result<()> {
        let seen = until(&format!("the page is {path}"), async || Ok(self.path().await? == path)).await;
        match seen {
            Ok(()) => Ok(()),
            Err(error) => {
                Err(error.context(format!("the page is {}: {}", self.path().await?, self.text("body").await?)))
            }
        }
    }

    /// Waits for an element and returns it.
    pub async fn find(&self, selector: &str) -> Result<WebElement<'_>> {
        // After a click, the next page may still be loading.
        until(&format!("the page has {selector}"), async || Ok(self.driver.count(selector).await? > 0)).await?;
        let found = self.driver.find(selector).await;
        found.with_context(|| format!("the page has no {selector}"))
    }

    /// Returns the number of elements that match a selector.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        self.driver.count(selector).await
    }

    /// Returns an element's visible text.
    pub async fn text(&self, selector: &str) -> Result<String> {
        self.find(selector).await?.text().await
    }

    /// Waits until an element's text contains these words.
    pub async fn expect(&self, selector: &str, words: &str) -> Result<()> {
        self.expect_within(PATIENCE, selector, words).await
    }

    /// Like [`expect`](Self::expect), with an explicit time limit.
    pub async fn expect_within(&self, patience: Duration, selector: &str, words: &str) -> Result<()> {
        let what = format!("{selector} says {words:?}");
        match until_within(patience, &what, async || Ok(self.text(selector).await?.contains(words))).await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("the page: {}", self.text("body").await?))),
        }
    }

    /// Replaces the content of a field.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let field = self.find(selector).await?;
        field.clear().await?;
        field.send_keys(text).await
    }

    /// Selects an option of a list by its value.
    pub async fn choose(&self, selector: &str, value: &str) -> Result<()> {
        self.click(&format!("{selector} option[value={value:?}]")).await
    }

    /// Clicks an element.
    pub async fn click(&self, selector: &str) -> Result<()> {
        self.find(selector).await?.click().await.with_context(|| format!("{selector} cannot be clicked"))
    }

    /// Presses keys in the element that has the focus.
    pub async fn press(&self, keys: &str) -> Result<()> {
        self.driver.press("", keys).await
    }

    /// Sets the window's size, the media type and the preferred colors.
    pub async fn look(&self, looks: Looks) -> Result<()> {
        let scheme = if looks.is_dark { "dark" } else { "light" };
        // Animation is off: colors in mid-fade would be judged.
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

    /// Saves a screenshot.
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
