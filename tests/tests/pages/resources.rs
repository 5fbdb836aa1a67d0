//! Requested and used resources on a component's page: measured, not measured, and without a pod.

use anyhow::{Result, ensure};
use landfall_test_browser::{Browser, SHIFT, TAB, expect_no_faults};

use super::appearance::Findings;
use super::browser;
use super::console::Console;

/// Path of the page.
const PAGE: &str = "/components/postgres";
/// Path of the page with automatic refresh.
const FOLLOWING: &str = "/components/postgres?follow=1";
/// Script that returns the label of the focused element.
const FOCUS: &str = "return document.activeElement.getAttribute('aria-label')";

async fn expect_focus(browser: &Browser, name: &str) -> Result<()> {
    let found = browser.driver.execute(FOCUS, Vec::new()).await?;
    ensure!(found.json() == name, "the focus is on {}, not on {name}", found.json());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn measured_use_is_shown() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open(PAGE).await?;
    for words in ["postgres-0/postgres", "postgres:15.14", "0.062", "182 MiB", "not measured", "3.4 GiB"] {
        browser.expect("#live", words).await?;
    }
    findings.look(&browser, PAGE, None).await?;
    // A table that overflows its container can be scrolled with the keyboard.
    browser.find("#containers-table").await?.focus().await?;
    expect_focus(&browser, "Containers").await?;
    browser.press(TAB).await?;
    expect_focus(&browser, "Volumes").await?;
    browser.driver.press(SHIFT, TAB).await?;
    expect_focus(&browser, "Containers").await?;

    browser.open(FOLLOWING).await?;
    browser.expect("#containers-table", "0.062").await?;
    console.host.site.facts().resources.pods[0].containers[0].amounts.cpu_used_millicores = Some(1500);
    browser.expect("#containers-table", "1.5").await?;
    console.host.site.facts().resources.pods.clear();
    console.host.site.facts().resources.notes = vec!["use on node-1 is not measured: no answer".to_owned()];
    for words in ["No pod runs", "use on node-1 is not measured: no answer"] {
        browser.expect("#live", words).await?;
    }
    findings.look(&browser, "a component without figures", None).await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(6)
}
