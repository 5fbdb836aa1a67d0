//! A support bundle in the browser: it is collected, and the downloaded bytes equal the host's.

use anyhow::{Context, Result, ensure};
use landfall_host_api::testing::MemorySupport;
use landfall_peer::SUPPORT_PIECE_BYTES;
use landfall_test_browser::{expect_no_faults, until};
use sha2::{Digest as _, Sha256};

use super::api::key_of_everything;
use super::appearance::Findings;
use super::browser;
use super::console::Console;

/// Script that fetches the file of the page's button in the browser. Returns its SHA-256 in hexadecimal, and its file
/// name.
const FETCH: &str = "const done = arguments[0];
    fetch(document.querySelector('#download').href).then(async answer => {
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await answer.arrayBuffer()));
        const text = Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('');
        done([text, answer.headers.get('content-disposition')]);
    }).catch(error => done([String(error), '']));";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn support_bundle_is_downloaded() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/support").await?;
    browser.expect("#live", "There is no support bundle").await?;
    findings.look(&browser, "/support without a bundle", None).await?;
    browser.choose("#hours", "72").await?;
    browser.click("form[action='/support/collect'] button.main").await?;
    browser.expect_path("/support").await?;
    for words in ["The support bundle is collected", "80 files", "of 3 days", "ada"] {
        browser.expect("#live", words).await?;
    }
    // A second request within a minute is refused with a reason. This comes immediately, because the rest may take
    // longer than a minute.
    browser.click("form[action='/support/collect'] button.main").await?;
    browser.expect("main", "less than a minute ago").await?;
    browser.open("/support").await?;
    browser.expect("#live", "80 files").await?;
    browser.click("#gaps summary").await?;
    browser.expect("#gaps", "cluster: no answer").await?;
    findings.look(&browser, "/support", Some("support")).await?;

    let expected = hex::encode(Sha256::digest(MemorySupport::bytes()));
    ensure!(MemorySupport::bytes().len() > SUPPORT_PIECE_BYTES, "one piece alone proves nothing");
    let said = browser.driver.execute_async(FETCH, Vec::new()).await?.json().clone();
    ensure!(said[0] == expected.as_str(), "the browser got {said}");
    let name = said[1].as_str().context("the file has no name")?;
    ensure!(name.starts_with("attachment; filename=\"support-") && name.ends_with(".tar.gz\""), "{name}");
    expect_no_faults(&browser).await?;

    let key = key_of_everything(&browser).await?;
    until("the download is in the audit log", async || {
        Ok(console.read("/api/v1/audit", &key)?.contains("support.download"))
    })
    .await?;
    browser.close().await?;
    findings.judge(6)
}
