//! Pages that stay open while the host, or the console itself, is away.

use anyhow::{Result, ensure};

use super::browser::Browser;
use super::check::until;
use super::console::Console;

/// A page that refreshes itself, and words that only the host can have given.
const PAGES: [(&str, &str); 4] =
    [("/components", "postgres"), ("/backups", "assistant"), ("/node", "192.0.2.17"), ("/", "starter 1.1.0")];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn a_silent_host_is_reported_and_its_return_is_noticed() -> Result<()> {
    let mut console = Console::begin().await?;
    let browser = Browser::of_administrator(&console).await?;
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
    ensure!(stays.json() == true, "the page was loaded again meanwhile");
    until("no notice says that the host is silent", async || {
        let text = browser.text("main").await?;
        Ok(!["does not answer", "has not answered"].iter().any(|words| text.contains(words)))
    })
    .await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn a_console_that_ends_is_reported_and_continues_where_it_was() -> Result<()> {
    let mut console = Console::begin().await?;
    let browser = Browser::of_administrator(&console).await?;
    browser.open("/backups").await?;
    let details = "#live details";
    browser.click(&format!("{details} summary")).await?;
    console.stop()?;
    browser.expect("#console-silent", "The console does not answer.").await?;
    // What was last seen stays readable.
    browser.expect("#live", "Proven").await?;
    console.start().await?;
    until("the notice is gone", async || Ok(!browser.find("#console-silent").await?.is_displayed().await?)).await?;
    ensure!(browser.find(details).await?.property("open").await? == true, "what was open is closed");
    browser.open("/node").await?;
    browser.expect_path("/node").await?;
    browser.close().await
}
