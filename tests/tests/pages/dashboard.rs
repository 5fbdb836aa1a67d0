//! The dashboard: the first point, then a whole day, which survives a restart of the console.

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use landfall_test_browser::until;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::appearance::Findings;
use super::browser;
use super::console::Console;

/// Minutes between two points.
const PERIOD: i64 = 5;
/// Number of points of a day, without the newest.
const POINTS: i64 = 287;

/// Returns a stored point of a time series: a disk that fills, an upgrade, and a period in which the host did not
/// answer.
fn point(index: i64, at: Timestamp) -> Value {
    let is_silent = (60..70).contains(&index);
    let share = |used: i64, total: i64| json!({ "usedBytes": used << 20, "totalBytes": total << 20 });
    let site = json!({
        "ready": true,
        "components": 7,
        "componentsReady": if (200..206).contains(&index) { 5 } else { 7 },
        "disk": share(40_000 + 50 * index, 100_000),
        "memory": share(12_000 + 900 * (index % 12), 32_000),
        "etcd": share(20 + index / 8, 2048),
        "certificateDays": 364,
        "operation": if (200..206).contains(&index) { json!("upgrade") } else { Value::Null },
    });
    json!({
        "at": at.to_string(),
        "site": if is_silent { Value::Null } else { site },
        "requests": 40 + 7 * (index % 20),
        "failed": if is_silent { 12 } else { 0 },
        "meanMicroseconds": 1100 + 90 * (index % 9),
    })
}

/// Stores the points of the last day, as the console would.
async fn fill(console: &Console) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(console.data().join("console.db"));
    let mut database = options.connect().await?;
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    for index in 0..POINTS {
        let at = now - SignedDuration::from_mins(PERIOD * (POINTS - index));
        let insert = sqlx::query("INSERT INTO trend (at, point) VALUES ($1, $2) ON CONFLICT (at) DO NOTHING");
        insert.bind(at.as_second()).bind(point(index, at).to_string()).execute(&mut database).await?;
    }
    Ok(database.close().await?)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn trend_of_day_survives_restart() -> Result<()> {
    let mut console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    until("the console has taken its first point", async || {
        browser.open("/dashboard").await?;
        Ok(browser.count("#chart-disk").await? == 1)
    })
    .await?;
    findings.look(&browser, "/dashboard with one point", None).await?;
    console.stop()?;
    fill(&console).await?;
    console.start().await?;
    browser.open("/dashboard").await?;
    for words in ["Disk used", "Memory used", "Certificates", "upgrade", "The host gave no status", "Requests"] {
        browser.expect("#live", words).await?;
    }
    let label =
        browser.driver.execute("return document.querySelector('.chart svg').getAttribute('aria-label')", Vec::new());
    let label = label.await?.json().as_str().unwrap_or_default().to_owned();
    ensure!(label.contains("in the last 24 hours: 5 to 7, now 7"), "a reader hears {label:?}");
    ensure!(browser.count("#live svg").await? == 8, "a chart is missing");
    ensure!(browser.count("a[download]").await? == 2, "the files for Prometheus and Grafana are not offered");
    findings.look(&browser, "/dashboard", Some("dashboard")).await?;
    browser.close().await?;
    findings.judge(6)
}
