//! A restore, from the choice of a backup or of a time to its end, and one that is undone.

use anyhow::{Context, Result, ensure};
use landfall_documents::change::Change;
use landfall_peer::{OperationPage, OperationState};
use landfall_test_browser::{ENTER, PASSWORD, expect_no_faults};

use super::appearance::Findings;
use super::browser;
use super::console::Console;
use super::host::SITE;
use super::people::create;

/// Selector of the choice of a backup.
const FROM_BACKUP: &str = "section[aria-labelledby=from-backup]";
/// Selector of the choice of a time.
const FROM_LOG: &str = "section[aria-labelledby=from-log]";

/// Returns the last change that the host was asked to plan.
fn last_planned_change(console: &Console) -> Result<Change> {
    console.host.site.facts().planned.last().cloned().context("the host was asked for no plan")
}

/// Ends the running operation in this state.
fn end(console: &Console, state: OperationState) {
    let mut facts = console.host.site.facts();
    let ended = OperationPage { state, running: false, can_abort: false, ..facts.operation.clone() };
    facts.end(ended);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn chosen_backup_is_restored() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/backups").await?;
    browser.click("a[href='/restore']").await?;
    browser.expect("h1", "Restore").await?;
    browser.expect(&format!("{FROM_BACKUP} tbody tr:first-child"), "Proven").await?;
    browser.expect(FROM_BACKUP, "Not proven").await?;
    ensure!(
        browser.count(&format!("{FROM_BACKUP} tbody tr:first-child input:checked")).await? == 1,
        "the newest proven backup is not the one that is chosen"
    );
    browser.click(&format!("{FROM_BACKUP} input[value=assistant]")).await?;
    browser.click(&format!("{FROM_BACKUP} button.main")).await?;
    browser.expect("h1", "Restore postgres, assistant").await?;
    let Change::Restore { backup: Some(_), at: None, components } = last_planned_change(&console)? else {
        anyhow::bail!("another change was planned: {:?}", last_planned_change(&console)?)
    };
    ensure!(components == ["postgres"], "the components are {components:?}");
    for words in ["What was written since is lost", "not proven", "point of no return", "in no backup", "stops for"] {
        browser.expect("main", words).await?;
    }
    findings.look(&browser, "/restore/plans", Some("restore-plan")).await?;

    browser.fill("#confirm", "node-2").await?;
    browser.press(ENTER).await?;
    browser.expect("main", &format!("the site is named {SITE}")).await?;
    ensure!(console.host.site.facts().begun.is_empty(), "a wrong name began a restore");
    browser.driver.back().await?;
    browser.fill("#confirm", SITE).await?;
    browser.press(ENTER).await?;
    browser.expect_path("/restore").await?;
    browser.expect("#live", "What was written since the latest log backup is not saved.").await?;
    browser.expect("#live", "stop assistant").await?;
    ensure!(console.host.site.facts().begun.len() == 1, "the host did not begin one restore");
    ensure!(browser.count(FROM_BACKUP).await? == 0, "another restore is offered while one runs");

    console.host.site.facts().step(6, "load postgres/database");
    browser.expect("#live", "load postgres/database").await?;
    browser.expect("#live", "step 6 of 12").await?;
    findings.look(&browser, "/restore of a running restore", None).await?;
    end(&console, OperationState::Committed);
    browser.expect("#live", "is done, and the data passed its checks.").await?;
    browser.click("#live a[href='/restore']").await?;
    browser.expect(FROM_BACKUP, "Make a plan from the backup").await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(6)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn restore_to_time_is_undone() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/restore").await?;
    let at = browser.find("#at").await?.attribute("max").await?.context("the time has no latest value")?;
    // The input format of a date depends on the browser's language.
    let set = "document.getElementById('at').value = arguments[0]";
    browser.driver.execute(set, vec![at.clone().into()]).await?;
    // A refresh of the page keeps the selection.
    browser.driver.execute("document.querySelector('#live').seen = true", Vec::new()).await?;
    landfall_test_browser::until("the page has refreshed itself", async || {
        let seen = browser.driver.execute("return document.querySelector('#live').seen === true", Vec::new()).await?;
        Ok(seen.json() == false)
    })
    .await?;
    browser.click(&format!("{FROM_LOG} button")).await?;
    browser.expect("h1", "Restore postgres, assistant").await?;
    let expected = Change::Restore { backup: None, at: Some(format!("{at}Z")), components: Vec::new() };
    ensure!(last_planned_change(&console)? == expected, "{:?} was planned", last_planned_change(&console)?);
    browser.fill("#confirm", SITE).await?;
    browser.press(ENTER).await?;
    browser.expect("#live", "stop assistant").await?;
    browser.click("#undo summary").await?;
    browser.expect("#undo", "the data from before is in place again").await?;
    browser.click("form[action='/restore/abort'] button").await?;
    browser.expect("#live", "The change is being undone.").await?;
    end(&console, OperationState::Undone);
    browser.expect("#live", "was undone: everything is as it was before.").await?;
    browser.expect("#live", "landfall replaced-data list").await?;
    expect_no_faults(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn operator_cannot_begin_restore() -> Result<()> {
    let console = Console::begin().await?;
    let ada = browser::begin_as_administrator(&console).await?;
    create(&ada, "olga", "operator", PASSWORD).await?;
    ada.expect(".notice.good", "The user is created.").await?;
    let olga = browser::begin(&console).await?;
    olga.open("/sign-in").await?;
    olga.sign_in("olga", PASSWORD).await?;
    olga.expect_path("/").await?;
    olga.open("/restore").await?;
    olga.click(&format!("{FROM_BACKUP} button.main")).await?;
    olga.expect("main", "An administrator approves a plan").await?;
    ensure!(olga.count("#confirm").await? == 0, "an operator is offered the approval");
    let path = olga.path().await?;
    ada.open(&path).await?;
    ada.fill("#confirm", SITE).await?;
    ada.click("form[action='/restore/approve'] button").await?;
    ada.expect("#live", "stop assistant").await?;
    ensure!(console.host.site.facts().begun.len() == 1, "the host did not begin one restore");
    expect_no_faults(&ada).await?;
    expect_no_faults(&olga).await?;
    olga.close().await?;
    ada.close().await
}
