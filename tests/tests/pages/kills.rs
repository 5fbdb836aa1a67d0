//! The console is killed at seeded instants while an upgrade is planned, begins and runs. The client resends every
//! request, like a program that got no response.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_audit::{LogKnowledge, verify};
use landfall_test_browser::until;
use landfall_xtask::printer;
use landfall_xtask::seed::SeededNumbers;
use serde_json::json;
use tokio::time::sleep;

use super::api::key_of_everything;
use super::browser;
use super::console::Console;
use super::host::{PLAN, SITE, SimulatedSite};

/// Number of kills while it works, and of kills while it starts. Every fourth kill while it works is followed by one
/// while it starts.
const KILLS: [usize; 2] = [40, 10];
/// Number of kills while it works until the next step of the upgrade begins.
const KILLS_A_STEP: usize = 3;
/// Numbers of kills while it works by which the host has a plan, and by which the upgrade has begun. The last request
/// before each must arrive, even on a slow machine.
const KILLS_BEFORE: [usize; 2] = [8, 16];
/// Index of the last step.
const STEPS: usize = 12;
/// ID of the medium with the release.
const MEDIUM: &str = "3f0c9a1b2c3d4e5f60718293a4b5c6d7";

/// Returns a program's next request: the request for the plan until there is one, and then the approval, even after it
/// was given. Each has a fixed ID.
fn next_request(site: &SimulatedSite) -> (&'static str, String) {
    let (path, body) = if site.facts().planned.is_empty() {
        let request = "5eed0000-0000-4000-8000-000000000001";
        ("/api/v1/plans", json!({ "request": request, "change": "upgrade", "medium": MEDIUM }))
    } else {
        let request = "5eed0000-0000-4000-8000-000000000002";
        ("/api/v1/upgrades", json!({ "request": request, "medium": MEDIUM, "plan": PLAN, "confirm": SITE }))
    };
    (path, body.to_string())
}

/// Advances the upgrade, which continues independently of the console. `kills` is the number of kills since it began.
fn advance(site: &SimulatedSite, kills: usize) {
    let (mut facts, step) = (site.facts(), kills / KILLS_A_STEP + 1);
    match step {
        2..=STEPS if kills.is_multiple_of(KILLS_A_STEP) => {
            facts.step(step, &format!("step {step} of a seeded upgrade"));
        }
        _ if step > STEPS && facts.operation.running => facts.commit(),
        _ => {}
    }
}

/// Waits for some milliseconds.
async fn wait(random: &mut SeededNumbers, most: u64) {
    sleep(Duration::from_millis(random.within(0, most))).await;
}

/// Waits until the kill with this number, from 0, is due while the console works.
async fn wait_at_work(random: &mut SeededNumbers, site: &SimulatedSite, number: usize) -> Result<()> {
    let [planned, begun] = KILLS_BEFORE;
    match number + 1 {
        last if last == planned => until("the host has the plan", async || Ok(!site.facts().planned.is_empty())).await,
        last if last == begun => until("the upgrade has begun", async || Ok(!site.facts().begun.is_empty())).await,
        _ => {
            wait(random, 250).await;
            Ok(())
        }
    }
}

/// Kills the console and starts it again, [`KILLS`] times.
async fn kill_again_and_again(console: &mut Console, key: &str) -> Result<()> {
    let mut random = SeededNumbers::with_name("kills")?;
    let ([at_work, at_start], mut killed, mut since) = (KILLS, [0, 0], 0);
    for number in 0..at_work {
        let (path, body) = next_request(&console.host.site);
        let mut request = console.send(path, key, &body)?;
        wait_at_work(&mut random, &console.host.site.clone(), number).await?;
        console.kill()?;
        request.wait()?;
        killed[0] += 1;
        if console.host.site.facts().begun.len() == 1 {
            since += 1;
            advance(&console.host.site, since);
        }
        if number % 4 == 3 {
            console.launch()?;
            wait(&mut random, 60).await;
            console.kill()?;
            killed[1] += 1;
        }
        console.start().await?;
    }
    printer::note(format!("{since} of {at_work} kills hit the upgrade itself"));
    ensure!(killed == [at_work, at_start] && since > at_work - KILLS_BEFORE[1], "{killed:?}, {since}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn killed_console_begins_upgrade_once() -> Result<()> {
    let mut console = Console::begin().await?;
    let browser = browser::begin_as_administrator(&console).await?;
    let key = key_of_everything(&browser).await?;
    browser.open("/upgrade").await?;
    browser.driver.execute("window.landfallStays = true", Vec::new()).await?;
    kill_again_and_again(&mut console, &key).await?;
    let site = console.host.site.clone();
    if site.facts().operation.running {
        site.facts().commit();
    }
    ensure!(site.facts().begun == [PLAN], "the host began {:?}", site.facts().begun);

    // The page that was open all the time shows the end without a reload.
    until("the page says that the upgrade has ended", async || {
        let text = browser.text("#live").await?;
        Ok(text.contains("The latest change") && text.contains("starter 1.2.0") && !text.contains("of 12"))
    })
    .await?;
    let stays = browser.driver.execute("return window.landfallStays === true", Vec::new()).await?;
    ensure!(stays.json() == true, "the page was reloaded");
    browser.open("/").await?;
    browser.expect("h1", "starter 1.2.0").await?;
    browser.close().await?;

    until("the export is signed to its end", async || is_whole(&console, &key)).await?;
    console.stop()?;
    let said = console.check_data()?;
    ensure!(said.contains("the database is sound") && !said.contains("not whole"), "{said}");
    Ok(())
}

/// Returns true if the log is one chain that the host has signed to its end. Fails if the host has not followed it.
fn is_whole(console: &Console, key: &str) -> Result<bool> {
    let log = console.read("/api/v1/audit", key)?;
    let (keys, last) = {
        let facts = console.host.site.facts();
        (vec![facts.audit.key.public().clone()], facts.audit.ledger.last.clone())
    };
    let report = verify(log.as_bytes(), &LogKnowledge { keys, last, ..LogKnowledge::default() })?;
    ensure!(report.restarts == 0, "an entry that the host had signed was lost: {:?}", report.restart);
    ensure!(log.contains("\"upgrade.approve\"") && log.contains("sent again"), "{log}");
    Ok(report.covered.is_some_and(|covered| covered.head == report.head))
}
