//! The handbook in the console: search, colors, a phone, paper, and the way from an error code to its row.

use anyhow::{Result, ensure};
use landfall_test_browser::{Browser, ENTER, Looks, expect_no_faults, until};
use serde_json::json;

use super::appearance::Findings;
use super::browser;
use super::console::Console;

/// Presentations in which pages are checked; 390 pixels are the width of a usual phone.
const LOOKS: [(&str, Looks); 5] = [
    ("light", Looks::LIGHT),
    ("dark", Looks::DARK),
    ("narrow", Looks { width: 390, height: 844, ..Looks::LIGHT }),
    ("phone", Looks::PHONE),
    ("printed", Looks::PRINTED),
];

/// Pages with different contents: the first, tables, code, pictures, and long words.
const PAGES: [(&str, &str); 6] = [
    ("index", "Landfall"),
    ("ERRORS", "Errors"),
    ("field/travel", "Before traveling"),
    ("console/pages", "Pages"),
    ("vendor/release", "The release"),
    ("adr/index", "Architecture decision records"),
];

async fn open(browser: &Browser, page: &str, heading: &str) -> Result<()> {
    browser.open(&format!("/handbook/{page}.html")).await?;
    browser.expect("main h1", heading).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn handbook_is_whole_in_every_presentation() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin(&console).await?;
    for (page, heading) in PAGES {
        for look in LOOKS {
            // The contents at the side are open or closed by the width at the time of loading.
            browser.look(look.1).await?;
            open(&browser, page, heading).await?;
            findings.look_in(&[look], &browser, page, None).await?;
        }
    }
    browser.close().await?;
    findings.judge(PAGES.len() * LOOKS.len())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn search_finds_a_page_by_two_of_its_words() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin(&console).await?;
    open(&browser, "index", "Landfall").await?;
    browser.press("/").await?;
    until("the search has the focus", async || {
        let focused = browser.driver.execute("return document.activeElement.id", Vec::new()).await?;
        Ok(focused.json() == &json!("mdbook-searchbar"))
    })
    .await?;
    browser.press("hardware restore").await?;
    browser.expect("#mdbook-searchresults li:first-child", "Restore on new hardware").await?;
    findings.look(&browser, "results of the search", None).await?;
    browser.press(ENTER).await?;
    browser.expect("main h1", "Restore on new hardware").await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(3)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn commands_are_copied_without_their_prompt() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin(&console).await?;
    open(&browser, "operate/backup", "Back up and restore").await?;
    let copied = "return Array.from(document.querySelectorAll('code.language-console')).map(code => code.innerText)";
    let copied: Vec<String> = browser.driver.execute(copied, Vec::new()).await?.convert()?;
    ensure!(copied.iter().any(|text| text.contains("landfall ")), "there is no command");
    let prompted = copied.iter().find(|text| ["site#", "desk$"].iter().any(|prompt| text.contains(prompt)));
    ensure!(prompted.is_none(), "a copy contains a prompt: {prompted:?}");
    ensure!(browser.count("pre .clip-button").await? >= copied.len(), "a block has no button");
    expect_no_faults(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn an_error_code_leads_to_its_row() -> Result<()> {
    let console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/no-such-page").await?;
    browser.click("dd a").await?;
    browser.expect("main h1", "Errors").await?;
    let row = "const row = document.getElementById(location.hash.slice(1));
        return row ? row.closest('tr').innerText : '';";
    let row = browser.driver.execute(row, Vec::new()).await?.json().clone();
    ensure!(row.as_str().is_some_and(|row| row.starts_with("LF")), "there is no row: {row}");
    browser.open("/").await?;
    browser.click("nav[aria-label=Help] a").await?;
    browser.expect_path("/handbook/index.html").await?;
    expect_no_faults(&browser).await?;
    browser.close().await
}
