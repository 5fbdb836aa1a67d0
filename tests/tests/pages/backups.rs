//! The schedule of backups, a drill that a user starts, and a backup that the host refuses.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use landfall_documents::change::Change;
use landfall_test_browser::expect_no_faults;
use serde_json::json;

use super::appearance::Findings;
use super::browser;
use super::console::Console;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn drill_outcome_is_shown() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/backups").await?;
    for words in ["each day at 01:30", "every 4 minutes", "no row came back", "LF4617"] {
        browser.expect("section[aria-labelledby=schedule]", words).await?;
    }
    browser.click("form[action='/backups/drill'] button").await?;
    browser.expect(".notice.good", "has begun a drill").await?;
    ensure!(console.host.site.facts().drills_begun == 1, "the host began no drill");
    let at = jiff::Timestamp::now().to_string();
    console.host.site.facts().backups["lastDrill"] = json!({ "at": at, "failure": null, "succeeded": at });
    // This part of the page refreshes itself.
    browser.expect("section[aria-labelledby=schedule]", "Done").await?;
    findings.look(&browser, "/backups after a drill", None).await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(3)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn daily_backup_time_is_changed() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    let own = json!([{ "setting": "backups.time", "from": null, "to": "03:15" }]);
    console.host.site.facts().configure["settings"] = own;
    browser.open("/backups").await?;
    browser.expect("section[aria-labelledby=daily]", "Time of the daily backup").await?;
    findings.look(&browser, "/backups with the form of a time", None).await?;
    // The input format of this field depends on the browser's language.
    let enter = "document.getElementById('daily-time').value = '03:15'";
    browser.driver.execute(enter, Vec::new()).await?;
    browser.click("section[aria-labelledby=daily] form.form button").await?;
    browser.expect("h1", "Change the time of the daily backup").await?;
    for words in ["the usual time", "03:15"] {
        browser.expect("main", words).await?;
    }
    let planned = console.host.site.facts().planned.last().cloned().context("the host was asked for no plan")?;
    let (values, secrets) = (BTreeMap::new(), BTreeMap::new());
    let expected = Change::Configure { values, secrets, backup_time: Some("03:15".to_owned()) };
    ensure!(planned == expected, "{planned:?} was planned");
    findings.look(&browser, "the plan of another time", None).await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(6)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn concurrent_backup_is_refused_and_shown() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    console.host.site.facts().begin_upgrade();
    browser.open("/backups").await?;
    browser.click("form[action='/backups'] button").await?;
    browser.expect("main", "LF4006").await?;
    ensure!(console.host.site.facts().backups_begun == 0, "the host began a backup beside an upgrade");
    console.host.site.facts().commit();
    let failure = json!({ "code": "LF4006", "what": "an upgrade runs on this site" });
    let at = jiff::Timestamp::now().to_string();
    console.host.site.facts().backups["lastRefusal"] = json!({ "at": at, "failure": failure, "succeeded": null });
    browser.open("/backups").await?;
    for words in ["Not begun", "An upgrade runs on this site", "LF4006"] {
        browser.expect("section[aria-labelledby=schedule]", words).await?;
    }
    findings.look(&browser, "/backups after a refusal", None).await?;
    browser.click("form[action='/backups'] button").await?;
    browser.expect(".notice.good", "has begun a backup").await?;
    ensure!(console.host.site.facts().backups_begun == 1, "the host began no backup");
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(3)
}
