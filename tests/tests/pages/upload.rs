//! A bundle that a user uploads: with a reload in the middle, paused and continued, in parts, and one that is refused.
#![expect(clippy::disallowed_methods, reason = "files of a test, in a folder that is removed")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use landfall_bundle_spec::parts::FileKind;
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_documents::change::Change;
use landfall_test_browser::{Browser, expect_no_faults, until};
use serde_json::json;
use tempfile::TempDir;

use super::appearance::Findings;
use super::browser;
use super::console::Console;

const MIB: usize = 1 << 20;

/// Returns the name and the bytes of a bundle with this number of MiB.
pub(crate) fn bundle(vendor: &Vendor, mib: usize) -> Result<(String, Vec<u8>)> {
    let blobs = (0..mib).map(|number| vec![u8::try_from(number % 251).unwrap_or_default() + 1; MIB + number]).collect();
    let sample = Sample::with_blobs(vendor, blobs)?;
    Ok((sample.head.verified_head().bundle_name().file(FileKind::Whole), sample.stream()))
}

/// Writes a file, as if on a user's disk.
fn write_file(folder: &TempDir, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes)?;
    Ok(path)
}

/// Selects files on the page.
async fn choose(browser: &Browser, files: &[&Path]) -> Result<()> {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    browser.find("#bundle").await?.send_keys(&names.join("\n")).await
}

/// Limits the browser's upload rate to this number of bytes per second, or removes the limit.
async fn limit(browser: &Browser, bytes: Option<usize>) -> Result<()> {
    let rate = bytes.map_or(json!(-1), |bytes| json!(bytes));
    let conditions = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate });
    browser.driver.command("Network.enable", json!({})).await?;
    browser.driver.command("Network.emulateNetworkConditions", conditions).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn upload_continues_after_reload() -> Result<()> {
    let (console, folder) = (Console::begin().await?, tempfile::tempdir()?);
    let browser = browser::begin_as_administrator(&console).await?;
    let uploads = || console.host.site.uploads.upload();
    let (name, bytes) = bundle(&console.host.site.uploads.vendor, 24)?;
    let file = write_file(&folder, &name, &bytes)?;

    browser.open("/upgrade").await?;
    browser.expect("#upload", "Choose the bundle").await?;
    ensure!(browser.find("#upload-begin").await?.property("disabled").await? == true, "nothing can be uploaded");
    choose(&browser, &[&file]).await?;
    limit(&browser, Some(3 * MIB)).await?;
    browser.click("#upload-begin").await?;
    until("a part has arrived", async || Ok(uploads().is_some_and(|upload| upload.received_bytes > 2 * MIB as u64)))
        .await?;
    browser.expect("#upload-rate", "a second").await?;
    browser.picture("upload").await?;
    browser.open("/upgrade").await?;
    browser.expect("#upload", "choose the same file again").await?;
    let arrived = uploads().context("the upload is gone")?.received_bytes;
    ensure!(arrived < bytes.len() as u64, "the reload came too late: {arrived} bytes");

    limit(&browser, None).await?;
    choose(&browser, &[&file]).await?;
    browser.expect("#upload-begin", "Continue").await?;
    let before = console.host.site.uploads.offsets().len();
    browser.click("#upload-begin").await?;
    browser.expect("#upload", "has arrived and is verified").await?;
    let offsets = console.host.site.uploads.offsets().split_off(before);
    ensure!(offsets.iter().all(|offset| *offset >= arrived), "it began again: {offsets:?} after {arrived}");

    browser.expect("#live", "uploaded by ada").await?;
    browser.click("form[action='/upgrade/plan'] button").await?;
    browser.expect("h1", "1.2.0").await?;
    let medium = uploads().and_then(|upload| upload.medium).context("the upload is no medium")?;
    let planned = console.host.site.facts().planned.last().cloned();
    ensure!(planned == Some(Change::Upgrade { medium }), "{planned:?} was planned");
    expect_no_faults(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn upload_in_parts_can_be_paused() -> Result<()> {
    let (console, folder) = (Console::begin().await?, tempfile::tempdir()?);
    let browser = browser::begin_as_administrator(&console).await?;
    let received = || console.host.site.uploads.upload().map(|upload| upload.received_bytes);
    let (name, bytes) = bundle(&console.host.site.uploads.vendor, 12)?;
    let (first, second) = bytes.split_at(5 * MIB + 17);
    // A user selects them in any order.
    let second = write_file(&folder, &format!("{name}.002"), second)?;
    let first = write_file(&folder, &format!("{name}.001"), first)?;

    browser.open("/upgrade").await?;
    choose(&browser, &[&second, &first]).await?;
    limit(&browser, Some(2 * MIB)).await?;
    browser.click("#upload-begin").await?;
    until("a part has arrived", async || Ok(received().is_some_and(|bytes| bytes > 0))).await?;
    browser.click("#upload-pause").await?;
    browser.expect("#upload-said", "paused").await?;
    limit(&browser, None).await?;
    browser.click("#upload-pause").await?;
    browser.expect("#upload", "has arrived and is verified").await?;
    ensure!(
        console.host.site.uploads.upload().is_some_and(|upload| upload.name == name),
        "it has the name of the whole"
    );
    browser.click("#upload-remove summary").await?;
    browser.click("#upload-remove button").await?;
    browser.expect(".notice.good", "removed").await?;
    ensure!(received().is_none() && browser.count("#bundle").await? == 1, "the upload is still there");
    expect_no_faults(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn refused_hostile_bundle_leaves_nothing() -> Result<()> {
    let (console, folder) = (Console::begin().await?, tempfile::tempdir()?);
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    let (name, mut flipped) = bundle(&console.host.site.uploads.vendor, 3)?;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let (strange, stranger) = bundle(&Vendor::new(KeyKind::Ed25519)?, 3)?;
    let hostile =
        [(name, flipped, "LF1208"), (strange, stranger, "LF1109"), ("photo.jpg".to_owned(), vec![7; 900], "LF1002")];
    for (name, bytes, code) in hostile {
        let file = write_file(&folder, &name, &bytes)?;
        browser.open("/upgrade").await?;
        choose(&browser, &[&file]).await?;
        browser.click("#upload-begin").await?;
        browser.expect("#upload-error", code).await?;
        ensure!(console.host.site.uploads.upload().is_none(), "something of {name} is kept");
        if code == "LF1208" {
            findings.look(&browser, "/upgrade with a refused upload", Some("upload-refused")).await?;
        }
        browser.open("/upgrade").await?;
        browser.expect("#upload .notice.bad", code).await?;
    }
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(3)
}
