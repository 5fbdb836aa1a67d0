//! The API and its document. Every response to any request is one that the document defines, and none is an internal
//! error of the console.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use landfall_test_browser::Browser;
use landfall_xtask::{python_tools, workspace};

use super::browser;
use super::console::Console;

/// Number of requests for each operation, in addition to those at the limits of the document's bounds.
const EXAMPLES: &str = "20";
/// Scopes of a key.
const SCOPES: [&str; 8] = ["read", "backup", "upgrade", "license", "people", "audit", "metrics", "support"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and schemathesis: run by `cargo xtask test --only pages`"]
async fn the_api_answers_as_its_document_says() -> Result<()> {
    answers_as_its_document_says(&Console::begin().await?, "schemathesis", &EVERYTHING).await
}

/// A request beyond the key's scopes is refused as documented, whatever it contains.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and schemathesis: run by `cargo xtask test --only pages`"]
async fn reader_key_gets_documented_answers() -> Result<()> {
    answers_as_its_document_says(&Console::begin().await?, "schemathesis-read", &READ).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium, schemathesis and PostgreSQL: run by `cargo xtask test --only pages`"]
async fn api_answers_equally_with_postgresql() -> Result<()> {
    answers_as_its_document_says(&Console::begin_with_postgresql().await?, "schemathesis-postgresql", &EVERYTHING).await
}

/// Scopes of the key, and checks of each response if they differ from those in schemathesis' settings.
struct RequestProfile {
    scopes: &'static [&'static str],
    checks: Option<&'static str>,
}

const EVERYTHING: RequestProfile = RequestProfile { scopes: &SCOPES, checks: None };

/// Most requests with this key are refused, so the acceptance of requests is not checked.
const READ: RequestProfile = RequestProfile {
    scopes: &["read"],
    checks: Some(
        "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
         response_schema_conformance",
    ),
};

/// Sends all requests, and leaves a report in the folder of this name.
async fn answers_as_its_document_says(console: &Console, report: &str, asking: &RequestProfile) -> Result<()> {
    let browser = browser::begin_as_administrator(console).await?;
    let key = key_for(&browser, asking.scopes).await?;
    browser.close().await?;
    let folder = workspace::target_folder().join("pages").join(report);
    std::fs::create_dir_all(&folder)?;
    let mut command = python_tools::schemathesis()?;
    // It writes the reproduction of each failure below its own folder.
    command.current_dir(&folder);
    command.arg("--config-file").arg(workspace::root().join("tests/schemathesis/schemathesis.toml"));
    command.arg("run").arg(workspace::root().join("docs/openapi.json")).args(["--url", &console.origin()]);
    command.arg("--tls-verify").arg(console.certificate()).args(["--header", &format!("Authorization: Bearer {key}")]);
    // The requests are the same in each run, so a new failure has a new cause.
    command.args(["--generation-deterministic", "--max-examples", EXAMPLES]);
    command.args(["--no-color", "--continue-on-failure"]);
    command.args(asking.checks.into_iter().flat_map(|checks| ["--checks", checks]));
    command.arg("--report-dir").arg(&folder).args(["--report", "ndjson"]);
    command.env("NO_PROXY", "*").stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await?.context("cannot run python3")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Creates an API key with every scope.
pub(crate) async fn key_of_everything(browser: &Browser) -> Result<String> {
    key_for(browser, &SCOPES).await
}

/// Creates an API key with these scopes.
async fn key_for(browser: &Browser, scopes: &[&str]) -> Result<String> {
    browser.open("/keys").await?;
    browser.fill("#label", "schemathesis").await?;
    for scope in scopes {
        browser.click(&format!("input[name={scope}]")).await?;
    }
    let left = browser.count("input[type=checkbox]:not(:checked)").await?;
    ensure!(left == SCOPES.len() - scopes.len(), "a scope is not in the list of this test");
    browser.click("button.main").await?;
    browser.text(".secret").await
}
