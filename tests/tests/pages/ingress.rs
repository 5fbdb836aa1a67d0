//! The console behind an ingress: a real proxy, a real browser, and everything that a proxy could break.
#![expect(clippy::disallowed_methods, reason = "files of a test, in a folder that is removed")]

use anyhow::{Context, Result, ensure};
use landfall_test_browser::{Browser, PASSWORD, expect_no_faults, until};

use super::browser::pictures;
use super::console::Console;
use super::host::TOKEN;
use super::nginx::{ADDRESS, Nginx};
use super::silence::{HEARD_WITHIN, received_event_count, step_shown};
use super::upload::bundle;

/// Name by which a proxy in the cluster verifies the console.
const SERVICE: &str = "console.landfall-console.svc";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn console_works_behind_ingress() -> Result<()> {
    let mut console = Console::begin().await?;
    console.take_name(SERVICE).await?;
    let nginx = Nginx::begin(&console, SERVICE).await?;
    console.use_ingress(&format!("host: {}\nproxies: [{ADDRESS}]\n", nginx.host)).await?;
    let browser = Browser::at(format!("https://{}", nginx.host), pictures()).await?;
    use_all_of_it(&console, &browser).await.with_context(|| format!("nginx: {}", nginx.log()))?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    ensure!(!nginx.log().contains("[error]"), "nginx complains: {}", nginx.log());
    Ok(())
}

async fn use_all_of_it(console: &Console, browser: &Browser) -> Result<()> {
    browser.open("/first").await?;
    browser.set_up(TOKEN, "ada", [PASSWORD, PASSWORD]).await?;
    browser.expect("h1", "starter 1.1.0").await?;
    // The session has the browser's address, not the proxy's.
    browser.open("/account").await?;
    browser.expect("main", "127.0.0.1").await?;
    ensure!(!browser.text("main").await?.contains(ADDRESS), "the session is of the proxy");

    // A bundle is sent in pieces that the proxy accepts.
    let (name, bytes) = bundle(&console.host.site.uploads.vendor, 12)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(name);
    std::fs::write(&file, bytes)?;
    browser.open("/upgrade").await?;
    browser.find("#bundle").await?.send_keys(&file.display().to_string()).await?;
    browser.click("#upload-begin").await?;
    browser.expect("#upload", "has arrived and is verified").await?;

    // Steps are shown as they happen, because the proxy delays no event.
    console.host.site.facts().begin_upgrade();
    browser.expect("#live", "back up the data").await?;
    until("the page listens", async || Ok(received_event_count(browser).await? > 0)).await?;
    let took = step_shown(console, browser, 2, "copy what is new").await?;
    ensure!(
        took < HEARD_WITHIN && received_event_count(browser).await? > 0,
        "a step was shown after {took:?}, without a stream"
    );
    Ok(())
}
