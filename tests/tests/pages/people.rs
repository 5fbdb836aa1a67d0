//! Content and rights of each role: users, keys, a backup, and the audit log that records all of it.

use anyhow::{Context, Result, ensure};
use landfall_test_browser::{Browser, PASSWORD, expect_no_faults, until};

use super::browser;
use super::console::Console;

/// Selector of everything that changes something, except the sign-out.
const BUTTONS: &str = "main button";
/// Selector of the part that viewers and operators do not see.
const ADMINISTRATION: &str = "nav[aria-label=Administration]";

pub(crate) async fn create(browser: &Browser, name: &str, role: &str, password: &str) -> Result<()> {
    browser.open("/users").await?;
    browser.fill("#name", name).await?;
    browser.choose("#role", role).await?;
    browser.fill("#password", password).await?;
    browser.click("button.main").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn viewer_reads_and_operator_acts() -> Result<()> {
    let console = Console::begin().await?;
    let administrator = browser::begin_as_administrator(&console).await?;
    create(&administrator, "vera", "viewer", "123456789012").await?;
    administrator.expect(".notice.bad:not([hidden])", "password").await?;
    create(&administrator, "vera", "viewer", PASSWORD).await?;
    administrator.expect(".notice.good", "The user is created.").await?;
    administrator.expect("tbody", "vera").await?;

    let browser = browser::begin(&console).await?;
    browser.open("/sign-in").await?;
    browser.sign_in("vera", PASSWORD).await?;
    browser.expect_path("/").await?;
    ensure!(browser.count(ADMINISTRATION).await? == 0, "a viewer sees the administration");
    for path in [
        "/",
        "/components",
        "/releases",
        "/upgrade",
        "/backups",
        "/restore",
        "/settings",
        "/license",
        "/node",
        "/gpus",
        "/activity",
    ] {
        browser.open(path).await?;
        ensure!(browser.count(BUTTONS).await? == 0, "a viewer sees a button on {path}");
    }
    browser.open("/users").await?;
    browser.expect("main", "administrator").await?;
    ensure!(browser.count("main table").await? == 0, "a viewer sees the users");

    // The new role applies from the next request on.
    administrator.open("/users/vera").await?;
    administrator.choose("#role", "operator").await?;
    administrator.click("form[action='/users/vera/role'] button").await?;
    administrator.expect(".notice.good", "The role is changed.").await?;
    browser.open("/backups").await?;
    browser.click(BUTTONS).await?;
    browser.expect(".notice.good", "The host has begun a backup.").await?;
    ensure!(console.host.site.facts().backups_begun == 1, "the host did not begin a backup");
    browser.open("/backups").await?;
    browser.click(BUTTONS).await?;
    browser.expect("main", "less than ten minutes ago").await?;
    ensure!(console.host.site.facts().backups_begun == 1, "the host began two backups");
    ensure!(browser.count(ADMINISTRATION).await? == 0, "an operator sees the administration");

    // So does its removal.
    administrator.open("/users/vera").await?;
    administrator.click("#remove summary").await?;
    administrator.click("form[action='/users/vera/remove'] button").await?;
    administrator.expect(".notice.good", "The user is removed").await?;
    browser.open("/backups").await?;
    browser.expect_path("/sign-in").await?;
    expect_no_faults(&administrator).await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    administrator.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn license_file_is_imported() -> Result<()> {
    const LICENSE: &str = "{\"signatures\": [],\n \"terms\": \"<&> \u{e9}\"}\n";
    let console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("acme-2027.license");
    landfall_media::durable::write_file(&file, LICENSE.as_bytes(), 0o600)?;
    browser.open("/license").await?;
    browser.find("#file").await?.send_keys(&file.display().to_string()).await?;
    until("the file is shown as text", async || {
        let shown = browser.driver.execute("return document.getElementById('license').value", Vec::new()).await?;
        Ok(shown.json().as_str() == Some(LICENSE))
    })
    .await?;
    browser.click("form[action='/license'] button").await?;
    browser.expect(".notice.good", "The license is imported.").await?;
    // A submitted form has its own line endings.
    let imported: Vec<String> =
        console.host.site.facts().licenses.iter().map(|text| text.replace("\r\n", "\n")).collect();
    ensure!(imported == [LICENSE], "the host was sent {imported:?}");
    expect_no_faults(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn api_key_works_until_removed() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/keys").await?;
    browser.fill("#label", "monitoring").await?;
    browser.click("input[name=read]").await?;
    browser.click("button.main").await?;
    let key = browser.text(".secret").await?;
    ensure!(console.ask("/api/v1/status", &key)? == 200, "the key does not work");
    ensure!(console.ask("/api/v1/audit", &key)? == 403, "the key permits more than its scopes");
    browser.open("/keys").await?;
    browser.expect("tbody", "monitoring").await?;
    ensure!(!browser.driver.source().await?.contains(&key), "the key is shown again");
    browser.click("tbody summary").await?;
    browser.click("tbody button.danger").await?;
    browser.expect(".notice.good", "The API key is removed.").await?;
    ensure!(console.ask("/api/v1/status", &key)? == 401, "the key works after its removal");

    browser.open("/audit").await?;
    let log = browser.text("tbody").await?;
    for action in ["administrator.claim", "session.begin", "key.create", "key.remove"] {
        ensure!(log.contains(action), "{action} is not in the audit log: {log}");
    }
    ensure!(!log.contains(&key), "the audit log has the key");
    let export = browser.find("a[download]").await?.attribute("href").await?.context("the export has no address")?;
    let exported = "return fetch(arguments[0]).then(answer => answer.text())";
    let lines = browser.driver.execute(exported, vec![export.into()]).await?;
    let lines = lines.json().as_str().context("the export is no text")?.to_owned();
    ensure!(lines.contains("key.remove") && lines.lines().count() > 4, "the export: {lines}");

    // Another session of the same person can be ended from here.
    let other = browser::begin(&console).await?;
    other.open("/sign-in").await?;
    other.sign_in("ada", PASSWORD).await?;
    other.expect_path("/").await?;
    browser.open("/account").await?;
    browser.click("form[action='/account/sessions'] button").await?;
    until("the other browser is signed out", async || {
        other.open("/node").await?;
        Ok(other.path().await? == "/sign-in")
    })
    .await?;
    expect_no_faults(&browser).await?;
    other.close().await?;
    browser.close().await
}
