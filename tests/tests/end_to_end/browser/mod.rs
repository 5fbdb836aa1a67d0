//! A customer administers a real site in a real browser. The customer enters the console with the token, creates a
//! user, imports a license, changes a setting, and restores data. Then the customer upgrades while the console is
//! killed repeatedly, and rolls back through a power cut. The customer also reads why another upgrade was undone, and
//! sees when the API server, the agent or the host's API is down.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

mod killer;
mod silence;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_test_browser::{
    Browser, Looks, PASSWORD, accessibility, expect_no_faults, faults, too_wide, until_within,
};
use landfall_xtask::console::Console;
use landfall_xtask::proofs::{admin_output, sql};
use landfall_xtask::seed::SeededNumbers;
use landfall_xtask::site::Machine;
use landfall_xtask::{npm, printer, workspace};
use serde_json::json;

use self::killer::{KILLS, Killer, LEAST_KILLS, kill};
use super::cut::boot;
use super::engineer::Engineer;
use super::fixture::{self, files_with, fixture};
use super::installed::installed_machine;
use super::later_releases::ensure_later_releases;

/// Time limit of a plan on the host, which queries the API server about each object.
const PLAN_LIMIT: Duration = Duration::from_mins(5);
/// Time limit of a change, with its backup and its undo.
const CHANGE_LIMIT: Duration = Duration::from_mins(15);
/// Time limit of a backup with its drill.
const BACKUP_LIMIT: Duration = Duration::from_mins(5);

/// Range of times after the start of a rollback at which the power is cut.
const CUT_MILLISECONDS: (u64, u64) = (2000, 20_000);

/// Memory limit that the customer sets for the cache, which 1.1.0 lacks.
const MEMORY: &str = "64mb";

/// Description of the license that the vendor sells.
const DESCRIPTION: &str = "\
id: acme-browser
vendor: Example
customer: Acme
contact: licenses@example.com
release: starter
ends: 2090-01-01
entitlements: {nodes: 3}
";

/// Pages of the real site that are checked in light and dark colors and on a phone.
const PAGES: [&str; 20] = [
    "/",
    "/components",
    "/components/postgres",
    "/releases",
    "/upgrade",
    "/backups",
    "/restore",
    "/license",
    "/settings",
    "/activity",
    "/node",
    "/dashboard",
    "/support",
    "/account",
    "/users",
    "/users/bob",
    "/keys",
    "/audit",
    "/approval",
    "/api-reference",
];

/// Script that returns true if an upgrade has progressed far enough for an undo.
const HAS_CHANGED: &str =
    "const bar = document.querySelector('#live .bar progress'); return bar !== null && 3 * bar.value >= bar.max";

/// Selector of the section in which a backup is chosen.
const FROM_BACKUP: &str = "section[aria-labelledby=from-backup]";

#[test]
#[ignore = "needs cargo xtask test"]
fn a_customer_runs_site_by_browser() -> Result<()> {
    ensure_later_releases()?;
    let (_site, machine) = installed_machine("e2e-browser")?;
    let console = Console::with_token(&machine)?;
    let token = console.token.clone().context("the console has no token")?;
    let forward = machine.forward(console.port)?;
    let origin = format!("https://{}", forward.address()?);
    // The thread ends with the process.
    std::thread::spawn(move || forward.run());
    let runtime = tokio::runtime::Runtime::new().context("cannot wait for a browser")?;
    runtime.block_on(async {
        let browser = Browser::at(origin, workspace::target_folder().join("site-pages")).await?;
        let customer = Customer { engineer: Engineer::at(&machine), browser: &browser, site: hostname(&machine)? };
        customer.enter(&token).await?;
        customer.make_a_user().await?;
        customer.import_a_license().await?;
        customer.change_a_setting().await?;
        customer.restore().await?;
        customer.look_at_pages().await?;
        expect_no_faults(&browser).await?;
        customer.undo_an_upgrade().await?;
        customer.upgrade("browser-upgrade").await?;
        customer.return_through_a_power_cut().await?;
        customer.upload_a_release().await?;
        customer.read_why_a_release_was_undone().await?;
        customer.upgrade("browser-upgrade-again").await?;
        customer.see_what_does_not_answer().await?;
        // All other errors in the browser result from killing the console.
        let elsewhere: Vec<String> =
            faults(&browser).await?.into_iter().filter(|fault| fault.starts_with("request to")).collect();
        ensure!(elsewhere.is_empty(), "a request left the console: {elsewhere:?}");
        browser.close().await
    })
}

fn hostname(machine: &Machine) -> Result<String> {
    Ok(machine.run("hostname")?.stdout.trim().to_owned())
}

/// An administrator of the site who has only a browser. The engineer checks the results.
struct Customer<'a> {
    engineer: Engineer<'a>,
    browser: &'a Browser,
    /// Name that a user types to approve a plan.
    site: String,
}

impl Customer<'_> {
    fn machine(&self) -> &Machine {
        self.engineer.machine()
    }

    async fn enter(&self, token: &str) -> Result<()> {
        self.browser.open("/first").await?;
        self.browser.set_up(token, "ada", [PASSWORD, PASSWORD]).await?;
        self.browser.expect_path("/").await?;
        self.browser.expect("#live", "starter 1.0.0").await?;
        self.browser.picture("site-overview").await
    }

    async fn make_a_user(&self) -> Result<()> {
        let browser = self.browser;
        browser.open("/users").await?;
        browser.fill("#name", "bob").await?;
        browser.choose("#role", "operator").await?;
        browser.fill("#password", PASSWORD).await?;
        browser.click("button.main").await?;
        browser.expect(".notice.good", "The user is created.").await?;
        browser.open("/users/bob").await?;
        browser.choose("#role", "viewer").await?;
        browser.click("form[action='/users/bob/role'] button").await?;
        browser.expect(".notice.good", "The role is changed.").await
    }

    async fn import_a_license(&self) -> Result<()> {
        let folder = tempfile::tempdir()?;
        fixture()?.license(DESCRIPTION, folder.path())?;
        let file = folder.path().join("acme-browser.license");
        let browser = self.browser;
        browser.open("/license").await?;
        browser.find("#file").await?.send_keys(&file.display().to_string()).await?;
        let script = "return document.getElementById('license').value.length > 0";
        until_within(PLAN_LIMIT, "the file is shown as text", async || {
            Ok(browser.driver.execute(script, Vec::new()).await?.json() == true)
        })
        .await?;
        browser.click("form[action='/license'] button").await?;
        browser.expect_within(PLAN_LIMIT, ".notice.good", "The license is imported.").await?;
        browser.expect("main", "acme-browser").await
    }

    async fn change_a_setting(&self) -> Result<()> {
        let browser = self.browser;
        browser.open("/settings").await?;
        browser.fill("input[name='set:valkey.maxmemory']", MEMORY).await?;
        browser.click("form[action='/settings/plan'] button.main").await?;
        browser.expect_within(PLAN_LIMIT, "h1", "Change").await?;
        self.approve("/settings").await?;
        browser.expect_within(CHANGE_LIMIT, "#live", "is done, and what it changed is ready.").await?;
        self.expect_setting()?;
        printer::note("proved: a setting was changed from a browser");
        Ok(())
    }

    fn expect_setting(&self) -> Result<()> {
        let setting = "kubectl --namespace valkey get configmap valkey-settings --output jsonpath='{.data.maxmemory}'";
        let found = admin_output(self.machine(), setting)?;
        ensure!(found.trim() == MEMORY, "the cache may take {found}");
        Ok(())
    }

    /// Restores a table that was lost after a backup.
    async fn restore(&self) -> Result<()> {
        let browser = self.browser;
        sql(self.machine(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")?;
        browser.open("/backups").await?;
        browser.click("form[action='/backups'] button").await?;
        browser.expect(".notice.good", "has begun a backup").await?;
        until_within(BACKUP_LIMIT, "the newest backup is proven", async || {
            browser.open("/restore").await?;
            let newest = browser.text(&format!("{FROM_BACKUP} tbody tr:first-child")).await?;
            Ok(newest.contains("Proven"))
        })
        .await?;
        sql(self.machine(), "DROP TABLE kept")?;
        let choose =
            "document.querySelectorAll(arguments[0]).forEach(box => { box.checked = box.value === 'postgres'; })";
        let boxes = format!("{FROM_BACKUP} input[type=checkbox]");
        browser.driver.execute(choose, vec![json!(boxes)]).await?;
        browser.click(&format!("{FROM_BACKUP} button.main")).await?;
        browser.expect_within(PLAN_LIMIT, "h1", "Restore postgres").await?;
        browser.picture("site-restore-plan").await?;
        self.approve("/restore").await?;
        browser.expect_within(CHANGE_LIMIT, "#live", "is done, and the data passed its checks.").await?;
        self.expect_rows()?;
        printer::note("proved: a table that was lost came back from a backup by a browser");
        Ok(())
    }

    fn expect_rows(&self) -> Result<()> {
        let rows = sql(self.machine(), "SELECT count(*) FROM kept")?;
        ensure!(rows == "1000", "the table has {rows} rows");
        Ok(())
    }

    /// Undoes an upgrade that has already changed something, as its administrator requests.
    async fn undo_an_upgrade(&self) -> Result<()> {
        self.begin_upgrade("1.1.0").await?;
        until_within(CHANGE_LIMIT, "a third of the steps are done", async || {
            Ok(self.browser.driver.execute(HAS_CHANGED, Vec::new()).await?.json() == true)
        })
        .await?;
        self.browser.click("#undo summary").await?;
        self.browser.click("form[action='/upgrade/abort'] button").await?;
        self.browser.expect_within(CHANGE_LIMIT, "#live", "everything is as it was before").await?;
        self.browser.expect("#live", "undone because").await?;
        self.expect_release("1.0.0").await?;
        printer::note("proved: an upgrade was undone from the browser while it ran");
        Ok(())
    }

    /// Upgrades while the console is killed, and replaced by its own next version. The page stays open all the time.
    async fn upgrade(&self, seed: &str) -> Result<()> {
        self.begin_upgrade("1.1.0").await?;
        self.mark_page().await?;
        let killer = Killer::begin(self.machine(), seed)?;
        let patience = CHANGE_LIMIT;
        let done = self.browser.expect_within(patience, "#live", "is done, and its proofs passed.").await;
        let kills = killer.end()?;
        done.with_context(|| format!("the console was killed {kills} times"))?;
        self.expect_marked_page().await?;
        self.expect_release("1.1.0").await?;
        printer::note(format!("proved: an upgrade from a browser, in which the console was killed {kills} times"));
        ensure!(kills == KILLS, "the console was killed {kills} times");
        Ok(())
    }

    /// Sets a property of the page that a reload would lose.
    async fn mark_page(&self) -> Result<()> {
        self.browser.driver.execute("window.landfallStays = true", Vec::new()).await.map(drop)
    }

    async fn expect_marked_page(&self) -> Result<()> {
        let stays = self.browser.driver.execute("return window.landfallStays === true", Vec::new()).await?;
        ensure!(stays.json() == true, "the page was reloaded");
        Ok(())
    }

    /// Checks that every page of the real site is legible and accessible.
    async fn look_at_pages(&self) -> Result<()> {
        let axe = std::fs::read_to_string(npm::axe()?).context("cannot read axe-core")?;
        let mut found = Vec::new();
        for page in PAGES {
            self.browser.open(page).await?;
            for (name, looks) in [("light", Looks::LIGHT), ("dark", Looks::DARK), ("phone", Looks::PHONE)] {
                self.browser.look(looks).await?;
                let mut wrong = accessibility(self.browser, &axe).await?;
                wrong.extend(too_wide(self.browser).await?);
                if !wrong.is_empty() {
                    self.browser.picture(&format!("wrong{}-{name}", page.replace('/', "-"))).await?;
                }
                found.extend(wrong.into_iter().map(|wrong| format!("{page}, {name}: {wrong}")));
            }
        }
        self.browser.look(Looks::LIGHT).await?;
        ensure!(found.is_empty(), "{}", found.join("\n"));
        printer::note(format!("proved: {} pages of a real site pass axe-core, and fit a phone", PAGES.len()));
        Ok(())
    }

    /// Cuts the host's power while the site rolls back to 1.0.0. The page stays open all the time.
    async fn return_through_a_power_cut(&self) -> Result<()> {
        let browser = self.browser;
        browser.open("/releases").await?;
        browser.click("details summary").await?;
        browser.choose("select[name=data]", "keep").await?;
        browser.click("form[action='/releases/plan'] button").await?;
        browser.expect_within(PLAN_LIMIT, "h1", "1.0.0").await?;
        browser.picture("site-plan-return").await?;
        self.approve("/upgrade").await?;
        self.expect_running().await?;
        self.mark_page().await?;
        let wait = SeededNumbers::with_name("browser-power-cut")?.within(CUT_MILLISECONDS.0, CUT_MILLISECONDS.1);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        self.machine().power_cut()?;
        boot(self.machine())?;
        browser.expect_within(CHANGE_LIMIT, "#live", "is done").await?;
        self.expect_marked_page().await?;
        self.expect_release("1.0.0").await?;
        // 1.1.0 lacks this setting, which now applies again.
        self.expect_setting()?;
        printer::note(format!(
            "proved: a return from a browser, whose power was cut after {wait} ms, is seen to its end"
        ));
        Ok(())
    }

    /// Uploads all parts of a bundle while the console and the host's API are ended. The bundle is complete, and is
    /// planned.
    async fn upload_a_release(&self) -> Result<()> {
        let browser = self.browser;
        let stick = fixture()?.stick.join("next");
        let mut parts = files_with(&stick, |name| name.contains(".landfall."))?;
        parts.sort();
        self.choose(&parts).await?;
        browser.expect_within(PLAN_LIMIT, "#upload-rate", "a second").await?;
        ensure!(kill(self.machine())?, "no console ran to be killed");
        browser.expect_within(PLAN_LIMIT, "#upload-said", "being uploaded").await?;
        self.machine().run("systemctl restart landfall-host-api")?;
        browser.expect_within(CHANGE_LIMIT, "#upload", "has arrived and is verified").await?;
        browser.expect_within(PLAN_LIMIT, "#live", "uploaded by ada").await?;
        browser.picture("site-uploaded").await?;
        self.plan_and_remove().await?;
        printer::note(format!("proved: a bundle in {} parts was uploaded to a real host, and planned", parts.len()));

        let delta = fixture()?.stick.join("delta-to-upload");
        fixture()?.delta(&stick, &fixture()?.stick, None, &delta)?;
        let files = files_with(&delta, |name| Path::new(name).extension().is_some_and(|end| end == "delta"))?;
        self.choose(&files).await?;
        browser.expect_within(CHANGE_LIMIT, "#upload", "has arrived and is verified").await?;
        self.plan_and_remove().await?;
        printer::note("proved: a delta was uploaded to a real host, and planned");
        self.bring_hostile_files(&files[0]).await
    }

    /// Uploads damaged files. The browser shows the same error codes as the command line, and the host keeps nothing of
    /// them.
    async fn bring_hostile_files(&self, delta: &Path) -> Result<()> {
        let folder = tempfile::tempdir_in(fixture::folder()).context("cannot create a folder")?;
        let whole = std::fs::read(delta).with_context(|| format!("cannot read {}", delta.display()))?;
        let head = files_with(delta.parent().context("a delta is in a folder")?, |name| {
            Path::new(name).extension().is_some_and(|end| end == "head")
        })?;
        let head_bytes = usize::try_from(std::fs::metadata(&head[0]).context("a delta has a head beside it")?.len())?;
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        // The flips lie after the root documents, because the trusted root determines how many of these are read.
        let spoiled = [
            ("head.delta", flipped(head_bytes / 10 * 9)),
            ("payload.delta", flipped(whole.len() / 4 * 3)),
            ("cut.delta", whole[..usize::midpoint(head_bytes, whole.len())].to_vec()),
            ("appended.delta", [&whole[..], b"more"].concat()),
            ("photo.landfall", vec![7; 900]),
        ];
        let mut hostile: Vec<PathBuf> = Vec::new();
        for (name, bytes) in spoiled {
            // Files in one folder might be parts of one bundle.
            let alone = folder.path().join(name.replace('.', "-"));
            std::fs::create_dir(&alone).with_context(|| format!("cannot create a folder for {name}"))?;
            std::fs::write(alone.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
            hostile.push(alone.join(name));
        }
        for file in &hostile {
            let code = fixture()?.refusal(file)?;
            self.choose(std::slice::from_ref(file)).await?;
            self.browser
                .expect_within(CHANGE_LIMIT, "#upload-error", &code)
                .await
                .with_context(|| format!("the command line refuses {} with {code}", file.display()))?;
            let left = self.machine().run("find /var/lib/landfall -path '*upload*' -type f -size +64k")?.stdout;
            ensure!(left.trim().is_empty(), "{code} left {left}");
        }
        printer::note(format!("proved: {} hostile files end as on the command line", hostile.len()));
        Ok(())
    }

    /// Starts to upload these files.
    async fn choose(&self, files: &[PathBuf]) -> Result<()> {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        self.browser.open("/upgrade").await?;
        self.browser.find("#bundle").await?.send_keys(&names.join("\n")).await?;
        self.browser.click("#upload-begin").await
    }

    async fn plan_and_remove(&self) -> Result<()> {
        let browser = self.browser;
        browser.open("/upgrade").await?;
        self.click_plan("uploaded by ada").await?;
        browser.expect_within(PLAN_LIMIT, "h1", "1.1.0").await?;
        browser.open("/upgrade").await?;
        browser.click("#upload-remove summary").await?;
        browser.click("#upload-remove button").await?;
        browser.expect_within(PLAN_LIMIT, ".notice.good", "removed").await
    }

    /// Requests a plan in the row with these words.
    async fn click_plan(&self, words: &str) -> Result<()> {
        // While the host searches again, earlier results are shown but cannot be selected.
        until_within(PLAN_LIMIT, "the host has looked", async || {
            Ok(self.browser.count("#live tbody button").await? > 0)
        })
        .await?;
        let script = "const row = Array.from(document.querySelectorAll('#live tbody tr'))
            .find(row => row.innerText.includes(arguments[0]) && row.querySelector('button'));
            return row ? row.querySelector('button').id : '';";
        let button = self.browser.driver.execute(script, vec![json!(words)]).await?;
        let id = button.json().as_str().unwrap_or_default().to_owned();
        ensure!(!id.is_empty(), "no plan of {words} is offered: {}", self.browser.text("#live").await?);
        self.browser.click(&format!("[id='{id}']")).await
    }

    async fn read_why_a_release_was_undone(&self) -> Result<()> {
        self.begin_upgrade("1.2.0").await?;
        let killer = Killer::begin(self.machine(), "browser-undo")?;
        let undone = self.browser.expect_within(CHANGE_LIMIT, "#live", "everything is as it was before").await;
        let kills = killer.end()?;
        undone.with_context(|| format!("the console was killed {kills} times"))?;
        for words in ["postgres", "LF42"] {
            self.browser.expect("#live", words).await?;
        }
        self.browser.picture("site-upgrade-undone").await?;
        self.expect_release("1.0.0").await?;
        printer::note(format!("proved: a release was undone, and the console, killed {kills} times, says why"));
        ensure!(kills >= LEAST_KILLS, "the console was killed {kills} times");
        Ok(())
    }

    /// Finds the stick, plans an upgrade to this version, and approves the plan.
    async fn begin_upgrade(&self, version: &str) -> Result<()> {
        let browser = self.browser;
        browser.open("/upgrade").await?;
        browser.click("form[action='/upgrade/look'] button").await?;
        browser.expect_within(PLAN_LIMIT, "#media + p, #live", &format!("starter {version}")).await?;
        self.click_plan(&format!("starter {version}")).await?;
        browser.expect_within(PLAN_LIMIT, "h1", version).await?;
        if version == "1.1.0" {
            // A setting of a removed component is named, but does not block the upgrade.
            browser.expect("main", "valkey.maxmemory").await?;
        }
        browser.picture(&format!("site-plan-{version}")).await?;
        self.approve("/upgrade").await?;
        self.expect_running().await
    }

    async fn expect_running(&self) -> Result<()> {
        until_within(PLAN_LIMIT, "the page shows a change that runs", async || {
            Ok(self.browser.count("#live[data-change] progress").await? > 0)
        })
        .await
    }

    /// Approves the displayed plan on one of the pages of changes.
    async fn approve(&self, page: &str) -> Result<()> {
        self.browser.fill("#confirm", &self.site).await?;
        self.browser.click(&format!("form[action='{page}/approve'] button")).await?;
        self.browser.expect_path(page).await
    }

    async fn expect_release(&self, version: &str) -> Result<()> {
        // A console that has just been killed answers again soon.
        until_within(PLAN_LIMIT, "the console opens", async || self.browser.open("/").await.map(|()| true)).await?;
        self.browser.expect("h1", &format!("starter {version}")).await?;
        self.engineer.wait_ready(&format!("the change to {version}"))?;
        self.expect_rows()
    }
}
