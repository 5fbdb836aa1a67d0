//! An upgrade from the stick to its end, through the replacement of the console's own program, and one that was undone.

use anyhow::{Result, ensure};
use landfall_peer::Event;
use landfall_test_browser::{Browser, Looks, PASSWORD, expect_no_faults};

use super::browser;
use super::console::Console;
use super::documents::sample;
use super::host::SITE;
use super::people::create;

/// Walks from the page *Upgrade* to the plan of the release on the stick.
async fn plan(browser: &Browser) -> Result<()> {
    browser.open("/upgrade").await?;
    browser.click("form[action='/upgrade/look'] button").await?;
    browser.expect("#media + p, #live", "starter 1.2.0").await?;
    // A stick's texts are shown as plain text, and an unusable stick is shown with its reason.
    browser.expect("#live", "not signed by a key that the root names").await?;
    ensure!(browser.count("#live script").await? == 0, "a name on a stick became a script");
    browser.picture("upgrade").await?;
    browser.click("form[action='/upgrade/plan'] button").await?;
    browser.expect("h1", "1.2.0").await?;
    browser.expect("main", "point of no return").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn upgrade_survives_console_replacement() -> Result<()> {
    let mut console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    plan(&browser).await?;
    browser.picture("plan").await?;

    browser.fill("#confirm", "node-2").await?;
    browser.click("form[action='/upgrade/approve'] button").await?;
    browser.expect("main", &format!("the site is named {SITE}")).await?;
    ensure!(console.host.site.facts().begun.is_empty(), "a wrong name began an upgrade");
    browser.driver.back().await?;
    browser.fill("#confirm", SITE).await?;
    browser.click("form[action='/upgrade/approve'] button").await?;
    browser.expect_path("/upgrade").await?;
    browser.expect("#live", "back up the data").await?;
    ensure!(console.host.site.facts().begun.len() == 1, "the host did not begin one upgrade");

    // Steps appear without a reload.
    browser.driver.execute("window.landfallStays = true", Vec::new()).await?;
    console.host.site.facts().step(2, "copy what is new from the stick");
    console.host.site.facts().report(Event::PhaseStarted { phase: "staging".to_owned(), total_bytes: Some(4 << 30) });
    console.host.site.facts().report(Event::Advanced { bytes: 3 << 30 });
    browser.expect("#live", "copy what is new from the stick").await?;
    browser.expect("#live", "step 2 of 12").await?;
    browser.picture("upgrade-running").await?;
    console.host.site.facts().report(Event::SafeToRemove);
    console.host.site.facts().step(9, "replace the console");
    browser.expect("#live", "The stick is no longer needed.").await?;

    // The console itself is replaced: the page says so, and continues.
    console.stop()?;
    browser.expect("#console-replaced", "The console is being replaced.").await?;
    browser.look(Looks::LIGHT).await?;
    console.host.site.facts().step(10, "wait until everything is ready");
    console.start().await?;
    browser.expect("#live", "wait until everything is ready").await?;
    ensure!(
        !browser.find("#console-replaced").await?.is_displayed().await?,
        "the page still says that the console is being replaced"
    );
    console.host.site.facts().commit();
    browser.expect("#live", "The latest change").await?;
    let stays = browser.driver.execute("return window.landfallStays === true", Vec::new()).await?;
    ensure!(stays.json() == true, "the page was reloaded");
    browser.open("/").await?;
    browser.expect("h1", "starter 1.2.0").await?;
    browser.close().await
}

/// Starts a browser of a second user.
async fn of_user(console: &Console, name: &str) -> Result<Browser> {
    let browser = browser::begin(console).await?;
    browser.open("/sign-in").await?;
    browser.sign_in(name, PASSWORD).await?;
    browser.expect_path("/").await?;
    Ok(browser)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn plan_waits_for_second_person() -> Result<()> {
    let console = Console::begin().await?;
    let ada = browser::begin_as_administrator(&console).await?;
    create(&ada, "bob", "administrator", PASSWORD).await?;
    ada.expect(".notice.good", "The user is created.").await?;
    ada.open("/approval").await?;
    ada.click("input[value=ada]").await?;
    ada.click("button.main").await?;
    ada.expect(".notice.bad:not([hidden])", "two different people").await?;
    ada.click("input[value=ada]").await?;
    ada.click("input[value=bob]").await?;
    ada.click("button.main").await?;
    ada.expect(".notice.good", "two people approve a plan").await?;

    plan(&ada).await?;
    ada.fill("#confirm", SITE).await?;
    ada.click("form[action='/upgrade/ask'] button").await?;
    ada.expect("#first", "ada approved this plan first").await?;
    ensure!(
        ada.count("form[action='/upgrade/approve']").await? == 0,
        "the first person is offered the second approval"
    );
    ensure!(console.host.site.facts().begun.is_empty(), "one person began an upgrade");
    expect_no_faults(&ada).await?;

    let bob = of_user(&console, "bob").await?;
    bob.expect("#live", "waits for a second person").await?;
    bob.open("/upgrade").await?;
    bob.click("section[aria-labelledby=waiting] a").await?;
    bob.fill("#confirm", SITE).await?;
    bob.click("form[action='/upgrade/approve'] button").await?;
    bob.expect_path("/upgrade").await?;
    bob.expect("#live", "back up the data").await?;
    ensure!(console.host.site.facts().begun.len() == 1, "the host did not begin one upgrade");
    expect_no_faults(&bob).await?;
    bob.close().await?;
    ada.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn undone_upgrade_is_explained() -> Result<()> {
    let console = Console::begin().await?;
    console.host.site.facts().end(sample("operation-undone")?);
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/upgrade").await?;
    for words in ["It was undone", "incompatible data directory", "LF4208", "send the message to the vendor"] {
        browser.expect("#live", words).await?;
    }
    browser.picture("upgrade-undone").await?;
    expect_no_faults(&browser).await?;
    browser.close().await
}
