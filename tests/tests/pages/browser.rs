//! Browsers of these tests, and the folder of their screenshots.

use std::path::PathBuf;

use anyhow::Result;
use landfall_test_browser::{Browser, PASSWORD};
use landfall_xtask::workspace;

use super::console::Console;
use super::host::TOKEN;

/// Starts a browser that has opened nothing yet.
pub(crate) async fn begin(console: &Console) -> Result<Browser> {
    Browser::at(console.origin(), pictures()).await
}

/// Starts a browser for files of this machine.
pub(crate) async fn begin_with_files() -> Result<Browser> {
    Browser::at("file://".to_owned(), pictures()).await
}

/// Starts a browser whose user has become the first administrator.
pub(crate) async fn begin_as_administrator(console: &Console) -> Result<Browser> {
    let browser = begin(console).await?;
    browser.open("/first").await?;
    browser.set_up(TOKEN, "ada", [PASSWORD, PASSWORD]).await?;
    browser.expect_path("/").await?;
    Ok(browser)
}

/// Returns the folder of the screenshots.
pub(crate) fn pictures() -> PathBuf {
    workspace::target_folder().join("pages")
}
