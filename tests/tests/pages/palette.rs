//! The list of pages that a key opens, used without a mouse.

use anyhow::{Result, ensure};
use landfall_test_browser::{Browser, CONTROL, DOWN, ENTER, ESCAPE, UP, expect_no_faults, until};
use serde_json::json;

use super::appearance::Findings;
use super::browser;
use super::console::Console;

/// Script that clicks inside the dialog's padding, then outside the dialog. Returns after each click whether the dialog
/// is open.
const CLICKS: &str = "const dialog = document.getElementById('palette'), box = dialog.getBoundingClientRect();
    return [2, -2].map(inward => {
        const place = { bubbles: true, clientX: box.left + inward, clientY: box.top + inward };
        dialog.dispatchEvent(new MouseEvent('click', place));
        return dialog.open;
    });";

/// Opens the list.
async fn open(browser: &Browser) -> Result<()> {
    browser.driver.press(CONTROL, "k").await?;
    until("the list of pages is open", async || Ok(browser.count("#palette[open]").await? == 1)).await
}

/// Returns the option that a screen reader announces as selected. The field has the focus and names an option.
async fn selected_option(browser: &Browser) -> Result<String> {
    let script = "const field = document.activeElement, option = \
        document.getElementById(field.getAttribute('aria-activedescendant'));
        return field.id === \
        'palette-query' && option && option.getAttribute('aria-selected') === 'true' ? option.textContent : '';";
    let said = browser.driver.execute(script, Vec::new()).await?;
    Ok(said.json().as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn palette_opens_page_by_name() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.find("nav [aria-current=page]").await?.focus().await?;
    open(&browser).await?;
    ensure!(selected_option(&browser).await? == "Overview", "the first page is not chosen");
    findings.look(&browser, "the list of pages", None).await?;

    // The arrow keys wrap around.
    browser.press(DOWN).await?;
    ensure!(selected_option(&browser).await? == "Components", "the Down key does not select the next entry");
    browser.press(UP).await?;
    browser.press(UP).await?;
    ensure!(selected_option(&browser).await? == "API reference", "the Up key does not wrap around to the last entry");

    // Escape returns the focus to its earlier element.
    browser.press(ESCAPE).await?;
    until("the list is closed", async || Ok(browser.count("#palette[open]").await? == 0)).await?;
    let back = browser.driver.execute("return document.activeElement.textContent.trim()", Vec::new()).await?;
    ensure!(back.json() == "Overview", "the focus went to {}", back.json());

    // A name, and a word that no name contains.
    for (typed, name, path) in [("aud", "Audit", "/audit"), ("grafana", "Dashboard", "/dashboard")] {
        open(&browser).await?;
        browser.press(typed).await?;
        ensure!(selected_option(&browser).await? == name, "{typed} does not find {name}");
        browser.press(ENTER).await?;
        browser.expect_path(path).await?;
    }

    open(&browser).await?;
    browser.press("zzz").await?;
    browser.expect("#palette-none", "No page has this name").await?;
    findings.look(&browser, "the list of pages without a match", None).await?;
    browser.press(ENTER).await?;
    browser.expect_path("/dashboard").await?;
    browser.driver.press(CONTROL, "k").await?;
    until("the key also closes it", async || Ok(browser.count("#palette[open]").await? == 0)).await?;

    // Selection with a pointer.
    open(&browser).await?;
    let is_open = browser.driver.execute(CLICKS, Vec::new()).await?.json().clone();
    ensure!(is_open == json!([true, false]), "open after a click within and one beside the list: {is_open}");
    browser.click("#palette-open").await?;
    browser.click("#palette [data-path='/node']").await?;
    browser.expect_path("/node").await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(6)
}
