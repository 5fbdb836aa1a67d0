//! Access to the console: the one-use token, the first administrator, wrong credentials, and the sign-out.

use anyhow::{Result, ensure};
use landfall_test_browser::{PASSWORD, expect_no_faults};

use super::browser;
use super::console::Console;
use super::host::TOKEN;

/// Selector of a refusal that a screen reader announces immediately.
const REFUSAL: &str = ".notice.bad:not([hidden])[role=alert]";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn token_creates_one_administrator() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin(&console).await?;
    // A visitor who is not signed in is shown what to do first.
    browser.open("/").await?;
    browser.expect_path("/sign-in").await?;
    browser.expect(".notice", "There is no user yet.").await?;
    browser.click(".notice a").await?;
    browser.expect_path("/first").await?;

    browser.set_up("AAAAAA-BBBBBB", "ada", [PASSWORD, PASSWORD]).await?;
    browser.expect(REFUSAL, "token").await?;
    ensure!(browser.find("#name").await?.property("value").await? == "ada", "the name has to be typed again");
    browser.set_up(TOKEN, "ada", [PASSWORD, "gravel tuba cinnamon orbits"]).await?;
    browser.expect(REFUSAL, "the two passwords differ").await?;
    browser.set_up(TOKEN, "ada", ["password12345", "password12345"]).await?;
    browser.expect(REFUSAL, "password").await?;
    browser.set_up(TOKEN, "ada", [PASSWORD, PASSWORD]).await?;
    browser.expect("h1", "starter 1.1.0").await?;
    browser.expect(".who", "ada").await?;

    // The token is valid once.
    let other = browser::begin(&console).await?;
    other.open("/first").await?;
    other.set_up(TOKEN, "eve", [PASSWORD, PASSWORD]).await?;
    other.expect(REFUSAL, "token").await?;
    expect_no_faults(&browser).await?;
    expect_no_faults(&other).await?;
    other.close().await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn wrong_password_is_refused() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/users").await?;
    browser.expect("h1", "Users").await?;
    browser.click(".who button").await?;
    browser.expect_path("/sign-in").await?;
    // The browser's cache does not show the pages again.
    browser.driver.back().await?;
    browser.expect_path("/sign-in").await?;
    ensure!(browser.driver.cookies().await?.iter().all(|name| name != "__Host-session"), "a session");

    browser.sign_in("ada", "gravel tuba cinnamon orange").await?;
    browser.expect(REFUSAL, "wrong").await?;
    ensure!(browser.find("#name").await?.property("value").await? == "ada", "the name has to be typed again");
    ensure!(browser.find("#password").await?.property("value").await? == "", "the password is sent back");
    browser.sign_in("nobody-here", PASSWORD).await?;
    browser.expect(REFUSAL, "wrong").await?;
    browser.sign_in("ada", PASSWORD).await?;
    browser.expect("h1", "starter 1.1.0").await?;
    // No script can read the session.
    let seen = browser.driver.execute("return document.cookie", Vec::new()).await?;
    ensure!(seen.json().as_str() == Some(""), "a script reads {}", seen.json());
    ensure!(browser.driver.count("script:not([src]), style, [style], [onclick]").await? == 0, "inline");
    expect_no_faults(&browser).await?;
    browser.close().await
}
