//! The activity page: steps of operations, for a site with some and for one without.

use anyhow::{Result, ensure};
use landfall_test_browser::{ENTER, expect_no_faults, until};
use serde_json::json;

use super::appearance::Findings;
use super::browser;
use super::console::Console;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn operations_show_requester_and_page() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/releases").await?;
    browser.find("main a[href='/activity']").await?.focus().await?;
    browser.press(ENTER).await?;
    browser.expect_path("/activity").await?;
    for words in [
        "Upgrade from starter 1.1.0 to starter 1.2.0",
        "olga; approved by ada",
        "component postgres is not ready after 300 seconds",
        "key:4f1c22aa of ada",
        "carol on the host",
        "not recorded",
    ] {
        browser.expect("#live", words).await?;
    }
    ensure!(browser.count("#live tbody tr").await? == 4, "there are not four operations");
    findings.look(&browser, "/activity", None).await?;
    browser.find("#operation-3 a").await?.focus().await?;
    browser.press(ENTER).await?;
    browser.expect_path("/settings").await?;

    console.host.site.facts().history = json!({ "kind": "history", "schema": 1, "operations": [], "earlier": 0 });
    until("the page has no operation", async || {
        browser.open("/activity").await?;
        Ok(browser.count("#live .empty").await? == 1)
    })
    .await?;
    browser.expect("#live", "The host reports no operation.").await?;
    findings.look(&browser, "/activity without an operation", None).await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(6)
}
