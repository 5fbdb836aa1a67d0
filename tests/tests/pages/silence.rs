//! Pages that stay open while the host, or the console itself, is unavailable.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use landfall_test_browser::{Browser, until};
use serde_json::json;

use super::browser;
use super::console::Console;

/// Pages that refresh themselves, each with words that only the host can have provided.
const PAGES: [(&str, &str); 4] =
    [("/components", "postgres"), ("/backups", "assistant"), ("/node", "192.0.2.17"), ("/", "starter 1.1.0")];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn silent_host_is_reported() -> Result<()> {
    let mut console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.expect("#live", "starter 1.1.0").await?;
    browser.driver.execute("window.landfallStays = true", Vec::new()).await?;
    console.host.cut().await?;
    browser.expect("#live", "The host does not answer").await?;
    ensure!(!browser.text("#live").await?.contains("starter"), "the page shows old news as if they were new");
    for (path, words) in PAGES {
        browser.open(path).await?;
        browser.expect(".notice.bad:not([hidden])", "The host has not answered since").await?;
        browser.expect(".notice.bad:not([hidden])", "landfall status").await?;
        ensure!(!browser.text("#live").await?.contains(words), "{path} shows old news as if they were new");
    }
    browser.picture("host-silent").await?;
    browser.driver.execute("window.landfallStays = true", Vec::new()).await?;
    console.host.restore()?;
    browser.expect("#live", "starter 1.1.0").await?;
    let stays = browser.driver.execute("return window.landfallStays === true", Vec::new()).await?;
    ensure!(stays.json() == true, "the page was reloaded");
    until("no notice says that the host is silent", async || {
        let text = browser.text("main").await?;
        Ok(!["does not answer", "has not answered"].iter().any(|words| text.contains(words)))
    })
    .await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn ended_console_is_reported() -> Result<()> {
    let mut console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/backups").await?;
    let details = "#live details";
    browser.click(&format!("{details} summary")).await?;
    console.stop()?;
    browser.expect("#console-silent", "The console does not answer.").await?;
    // The last content stays readable.
    browser.expect("#live", "Proven").await?;
    console.start().await?;
    until("the notice is gone", async || Ok(!browser.find("#console-silent").await?.is_displayed().await?)).await?;
    ensure!(browser.find(details).await?.property("open").await? == true, "what was open is closed");
    browser.open("/node").await?;
    browser.expect_path("/node").await?;
    browser.close().await
}

/// Time limit for a page to show an event of its stream. It would poll only after ten seconds.
pub(crate) const HEARD_WITHIN: Duration = Duration::from_secs(6);
/// URL pattern of a page's stream.
const STREAM: &str = "*/live/news";

/// Reports a step, and waits until the page shows it. Returns the time that took.
pub(crate) async fn step_shown(console: &Console, browser: &Browser, index: usize, title: &str) -> Result<Duration> {
    let begun = Instant::now();
    console.host.site.facts().step(index, title);
    browser.expect("#live", title).await?;
    Ok(begun.elapsed())
}

/// Returns the number of events that the page has received through its stream since the last call.
pub(crate) async fn received_event_count(browser: &Browser) -> Result<usize> {
    let log = browser.driver.log("performance").await?;
    Ok(log.iter().filter(|entry| entry.message.contains("Network.eventSourceMessageReceived")).count())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn steps_appear_with_and_without_stream() -> Result<()> {
    let mut console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/upgrade").await?;
    console.host.site.facts().begin_upgrade();
    browser.expect("#live", "back up the data").await?;
    browser.driver.execute("window.landfallStays = true", Vec::new()).await?;
    until("the page listens", async || Ok(received_event_count(&browser).await? > 0)).await?;
    let took = step_shown(&console, &browser, 2, "copy what is new").await?;
    ensure!(took < HEARD_WITHIN, "a step was shown after {took:?}");
    ensure!(received_event_count(&browser).await? > 0, "the page did not receive it through its stream");

    // The stream is cut, and cannot be opened again.
    browser.driver.command("Network.enable", json!({})).await?;
    browser.driver.command("Network.setBlockedURLs", json!({ "urls": [STREAM] })).await?;
    console.stop()?;
    console.start().await?;
    let took = step_shown(&console, &browser, 3, "apply what changed").await?;
    ensure!(took < 2 * HEARD_WITHIN, "without a stream, a step was shown after {took:?}");
    ensure!(received_event_count(&browser).await? == 0, "the stream was not cut");

    // The stream is reopened automatically.
    browser.driver.command("Network.setBlockedURLs", json!({ "urls": [] })).await?;
    until("the page listens again", async || Ok(received_event_count(&browser).await? > 0)).await?;
    let took = step_shown(&console, &browser, 4, "wait until everything is ready").await?;
    ensure!(took < HEARD_WITHIN, "a step was shown after {took:?}");
    let stays = browser.driver.execute("return window.landfallStays === true", Vec::new()).await?;
    ensure!(stays.json() == true, "the page was reloaded");
    console.host.site.facts().commit();
    browser.expect("#live", "The latest change").await?;
    browser.close().await
}
