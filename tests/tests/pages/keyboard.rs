//! Operation without a mouse: the focus is visible, and moves where a reader expects it.

use anyhow::{Context, Result, bail, ensure};
use landfall_test_browser::{Browser, ENTER, PASSWORD, SHIFT, TAB, expect_no_faults, until};
use serde::Deserialize;

use super::browser;
use super::console::Console;
use super::host::SITE;

/// The element that has the focus.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Focus {
    name: String,
    /// True if it has an outline of at least two pixels.
    is_marked: bool,
    /// True if it lies completely in the window.
    is_seen: bool,
}

const FOCUS: &str =
    "const part = document.activeElement, style = getComputedStyle(part), box = part.getBoundingClientRect();
    return {
        name: (part.getAttribute('aria-label') || part.innerText || part.id || part.tagName).trim(),
        isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        isSeen: box.width > 0 && box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight,
    };";

async fn focus(browser: &Browser) -> Result<Focus> {
    let found = browser.driver.execute(FOCUS, Vec::new()).await?;
    found.convert().context("the focus cannot be read")
}

/// Presses the Tab key, and returns the focused element. Fails unless the focus is visible.
async fn tab(browser: &Browser) -> Result<String> {
    browser.press(TAB).await?;
    let found = focus(browser).await?;
    ensure!(found.is_marked && found.is_seen, "the focus cannot be seen: {found:?}");
    Ok(found.name)
}

async fn expect_order(browser: &Browser, names: &[&str]) -> Result<()> {
    for name in names {
        let found = tab(browser).await?;
        ensure!(found == *name, "the focus is on {found:?}, not on {name:?}");
    }
    Ok(())
}

/// Script that returns the focused element's name, and the target of its form.
const FORM: &str = "const part = document.activeElement;
    return part.form ? part.tagName + ' ' + part.form.getAttribute('action') : part.tagName;";

/// Maximum number of focusable elements before the wanted one.
const MOST_TABS: usize = 200;

/// Presses the Tab key until the focus is on a part of a form, where it must be visible. Every element on the way must
/// be marked.
async fn tab_to(browser: &Browser, wanted: &str) -> Result<()> {
    for _ in 0..MOST_TABS {
        browser.press(TAB).await?;
        let (found, part) = (focus(browser).await?, browser.driver.execute(FORM, Vec::new()).await?);
        ensure!(found.is_marked, "the focus cannot be seen: {found:?}");
        if part.json() == wanted {
            ensure!(found.is_seen, "the focus is outside the window: {found:?}");
            return Ok(());
        }
    }
    bail!("the Tab key does not lead to {wanted}")
}

/// Entries in the order of the page.
const NAVIGATION: [&str; 19] = [
    "Skip to the content",
    "Landfall",
    "Go to a page\nCtrl K",
    "Overview",
    "Components",
    "Releases",
    "Upgrade",
    "Backups",
    "Settings",
    "License",
    "Node",
    "Activity",
    "Dashboard",
    "Support",
    "Users",
    "API keys",
    "Audit",
    "Approval",
    "Handbook",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn sign_in_needs_no_mouse() -> Result<()> {
    let console = Console::begin().await?;
    let first = browser::begin_as_administrator(&console).await?;
    first.close().await?;
    let browser = browser::begin(&console).await?;
    browser.open("/sign-in").await?;
    ensure!(focus(&browser).await?.name == "name", "the sign-in does not begin with the name field");
    browser.press("ada").await?;
    expect_order(&browser, &["password"]).await?;
    browser.press(PASSWORD).await?;
    expect_order(&browser, &["Sign in", "Use a token from the host"]).await?;
    browser.driver.press(SHIFT, TAB).await?;
    ensure!(focus(&browser).await?.name == "Sign in", "Shift+Tab leads elsewhere");
    browser.press(ENTER).await?;
    browser.expect_path("/").await?;

    browser.open("/node").await?;
    expect_order(&browser, &NAVIGATION).await?;
    expect_order(&browser, &["ada", "Sign out"]).await?;
    // The skip link leads to the content.
    browser.open("/backups").await?;
    expect_order(&browser, &NAVIGATION[..1]).await?;
    browser.press(ENTER).await?;
    expect_order(&browser, &["Back up now", "Start a drill", "Restore data"]).await?;
    // A page is opened through its entry.
    browser.open("/backups").await?;
    expect_order(&browser, &NAVIGATION[..6]).await?;
    browser.press(ENTER).await?;
    browser.expect_path("/releases").await?;
    let here = browser.find("nav [aria-current=page]").await?.text().await?;
    ensure!(here == "Releases", "the navigation says that the page is {here}");
    expect_no_faults(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn upgrade_needs_no_mouse() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/upgrade").await?;
    tab_to(&browser, "BUTTON /upgrade/look").await?;
    browser.press(ENTER).await?;
    browser.expect("#media + p, #live", "starter 1.2.0").await?;
    tab_to(&browser, "BUTTON /upgrade/plan").await?;
    browser.press(ENTER).await?;
    browser.expect("h1", "1.2.0").await?;
    tab_to(&browser, "INPUT /upgrade/approve").await?;
    browser.press(SITE).await?;
    tab_to(&browser, "BUTTON /upgrade/approve").await?;
    browser.press(ENTER).await?;
    browser.expect_path("/upgrade").await?;
    browser.expect("#live", "back up the data").await?;
    ensure!(console.host.site.facts().begun.len() == 1, "the host did not begin one upgrade");
    expect_no_faults(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn refresh_keeps_focus() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/components").await?;
    let link = "#live tbody a";
    browser.find(link).await?.focus().await?;
    let before = focus(&browser).await?.name;
    browser.driver.execute("document.querySelector('#live').seen = true", Vec::new()).await?;
    until("the page has refreshed itself", async || {
        let seen = browser.driver.execute("return document.querySelector('#live').seen === true", Vec::new()).await?;
        Ok(seen.json() == false)
    })
    .await?;
    let after = focus(&browser).await?.name;
    ensure!(before == after && after != "BODY", "the focus was on {before:?} and is on {after:?}");
    browser.close().await
}
