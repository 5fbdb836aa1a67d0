//! A change of settings from the form to its end.

use anyhow::{Context, Result, ensure};
use landfall_documents::change::Change;
use landfall_peer::{OperationPage, OperationState};
use landfall_test_browser::{ENTER, expect_no_faults};
use serde_json::json;

use super::appearance::Findings;
use super::browser;
use super::console::Console;
use super::host::SITE;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn changed_settings_are_applied() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/settings").await?;
    browser.click("form[action='/settings/plan'] button.main").await?;
    browser.expect("main", "change at least one setting").await?;
    browser.driver.back().await?;
    browser.fill("input[name='set:postgres.memory']", "4Gi").await?;
    browser.fill("textarea[name='set:assistant.topics']", "weather").await?;
    let choose = "document.querySelector(\"select[name='set:assistant.mode']\").value = ''";
    browser.driver.execute(choose, Vec::new()).await?;
    browser.click("form[action='/settings/plan'] button.main").await?;
    browser.expect("h1", "Change 3 settings").await?;
    let planned = console.host.site.facts().planned.last().cloned().context("the host was asked for no plan")?;
    let values = json!({ "postgres.memory": "4Gi", "assistant.mode": null, "assistant.topics": ["weather"] });
    let expected = Change::Configure { values: serde_json::from_value(values)?, secrets: [].into(), backup_time: None };
    ensure!(planned == expected, "{planned:?} was planned: only what was entered, although every field was sent");
    for words in ["postgres.memory", "4Gi", "as the release was built", "the settings from before return", "Stays"] {
        browser.expect("main", words).await?;
    }
    findings.look(&browser, "/settings/plans", Some("settings-plan")).await?;

    browser.fill("#confirm", SITE).await?;
    browser.press(ENTER).await?;
    browser.expect_path("/settings").await?;
    browser.expect("#live", "change component postgres").await?;
    ensure!(console.host.site.facts().begun.len() == 1, "the host did not begin one change");
    browser.click("#undo summary").await?;
    browser.expect("#undo", "the settings from before are in place again").await?;
    {
        let mut facts = console.host.site.facts();
        let state = OperationState::Committed;
        let ended = OperationPage { state, running: false, can_abort: false, ..facts.operation.clone() };
        facts.end(ended);
    }
    browser.expect("#live", "is done, and what it changed is ready.").await?;
    browser.click("#live a[href='/settings']").await?;
    browser.expect("form[action='/settings/plan']", "Make a plan of the change").await?;

    // Another value of the secret, which the host receives but no page shows.
    browser.click("#secret-0-more summary").await?;
    browser.fill("#secret-0", "canary-password").await?;
    browser.fill("#secret-0-again", "canary-password").await?;
    findings.look(&browser, "/settings, secrets", None).await?;
    browser.click("#secret-0-more button").await?;
    browser.expect("h1", "Change the secret directory").await?;
    let given = console.host.site.facts().secrets.clone();
    ensure!(given == [("directory".to_owned(), "canary-password".to_owned())], "the host was handed {given:?}");
    let shown = browser.text("body").await?;
    ensure!(!shown.contains("canary"), "a page shows the value: {shown}");
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(3)
}
