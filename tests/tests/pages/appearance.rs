//! Every page in light and dark colors and on a phone: without errors, findings of axe-core, or content wider than the
//! window. Takes the screenshots.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use landfall_peer::Event;
use landfall_test_browser::{Browser, Looks, PASSWORD, accessibility, faults, too_wide};
use landfall_xtask::npm;

use super::browser;
use super::console::Console;
use super::documents::sample;

/// Presentations in which each page is checked.
const LOOKS: [(&str, Looks); 3] = [("light", Looks::LIGHT), ("dark", Looks::DARK), ("phone", Looks::PHONE)];

/// Pages of a signed-in user: path, heading, and the name of the screenshot.
const PAGES: [(&str, &str, Option<&str>); 22] = [
    ("/", "starter 1.1.0", Some("overview")),
    ("/components", "Components", Some("components")),
    ("/components/postgres", "postgres", Some("component")),
    ("/components/postgres?find=checkpoint", "postgres", None),
    ("/releases", "Releases", Some("releases")),
    ("/upgrade", "Upgrade", None),
    ("/backups", "Backups", Some("backups")),
    ("/restore", "Restore", Some("restore")),
    ("/settings", "Settings", Some("settings")),
    ("/license", "License", Some("license")),
    ("/node", "Node", Some("node")),
    ("/activity", "Activity", None),
    ("/dashboard", "Last 24 hours", None),
    ("/support", "Support", None),
    ("/users", "Users", Some("users")),
    ("/users/vera", "vera", None),
    ("/keys", "API keys", Some("keys")),
    ("/audit", "Audit", Some("audit")),
    ("/approval", "Approval", None),
    ("/account", "Your account", Some("account")),
    ("/api-reference", "API", None),
    ("/no-such-page", "", None),
];

/// States of a site, with each health answer and the name of the screenshot.
const TROUBLES: [(&str, &str, Option<&str>); 3] = [
    ("status-not-ready", "No", Some("attention")),
    ("status-stuck", "Stuck", None),
    ("status-absent", "Nothing installed", None),
];

/// All problems of pages.
pub(crate) struct Findings {
    axe: String,
    text: String,
    looks: usize,
}

impl Findings {
    pub(crate) fn begin() -> Result<Self> {
        let axe = std::fs::read_to_string(npm::axe()?)?;
        Ok(Self { axe, text: String::new(), looks: 0 })
    }

    /// Checks the open page in each presentation. Takes a screenshot if it has a name.
    pub(crate) async fn look(&mut self, browser: &Browser, page: &str, picture: Option<&str>) -> Result<()> {
        self.look_in(&LOOKS, browser, page, picture).await
    }

    /// Like [`look`](Self::look), in these presentations.
    pub(crate) async fn look_in(
        &mut self,
        all: &[(&str, Looks)],
        browser: &Browser,
        page: &str,
        picture: Option<&str>,
    ) -> Result<()> {
        for (name, looks) in all {
            browser.look(*looks).await?;
            let mut found = accessibility(browser, &self.axe).await?;
            found.extend(too_wide(browser).await?);
            found.extend(faults(browser).await?);
            found.iter().try_for_each(|found| writeln!(self.text, "{page}, {name}: {found}"))?;
            self.looks += 1;
            if let Some(picture) = picture {
                let ending = if *name == "light" { String::new() } else { format!("-{name}") };
                browser.picture(&format!("{picture}{ending}")).await?;
            }
        }
        browser.look(Looks::LIGHT).await
    }

    pub(crate) fn judge(&self, least: usize) -> Result<()> {
        ensure!(self.text.is_empty(), "pages have faults:\n{}", self.text);
        ensure!(self.looks >= least, "only {} looks were taken", self.looks);
        Ok(())
    }
}

/// Opens and checks each page.
async fn look_at_pages(browser: &Browser, findings: &mut Findings) -> Result<()> {
    for (path, heading, picture) in PAGES {
        browser.open(path).await?;
        browser.expect("h1", heading).await?;
        findings.look(browser, path, picture).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn every_page_is_whole_in_light_in_dark_and_on_a_phone() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin(&console).await?;
    browser.open("/sign-in").await?;
    findings.look(&browser, "/sign-in without users", None).await?;
    browser.open("/first").await?;
    findings.look(&browser, "/first", Some("first")).await?;
    browser.set_up("AAAAAA-BBBBBB", "ada", [PASSWORD, PASSWORD]).await?;
    findings.look(&browser, "/first refused", None).await?;
    browser.set_up(super::host::TOKEN, "ada", [PASSWORD, PASSWORD]).await?;
    browser.expect_path("/").await?;

    for (name, role) in [("vera", "viewer"), ("olga", "operator")] {
        browser.open("/users").await?;
        browser.fill("#name", name).await?;
        browser.choose("#role", role).await?;
        browser.fill("#password", PASSWORD).await?;
        browser.click("button.main").await?;
        browser.expect(".notice.good", "The user is created.").await?;
    }
    browser.open("/keys").await?;
    browser.fill("#label", "monitoring").await?;
    for scope in ["read", "metrics"] {
        browser.click(&format!("input[name={scope}]")).await?;
    }
    browser.click("button.main").await?;
    browser.expect(".secret", "").await?;
    findings.look(&browser, "/keys with a new key", None).await?;
    look_at_pages(&browser, &mut findings).await?;
    browser.open("/").await?;
    browser.click(".who button").await?;
    browser.expect_path("/sign-in").await?;
    findings.look(&browser, "/sign-in", Some("sign-in")).await?;
    browser.close().await?;
    findings.judge(64)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn pages_of_faulty_site_are_complete() -> Result<()> {
    let mut console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    for (status, answer, picture) in TROUBLES {
        console.host.site.facts().status = sample(status)?;
        browser.open("/").await?;
        browser.expect(".answers li", answer).await?;
        for path in ["/", "/components", "/node", "/releases"] {
            browser.open(path).await?;
            findings.look(&browser, &format!("{path} of {status}"), picture.filter(|_| path == "/")).await?;
        }
    }
    console.host.site.facts().status = sample("status")?;
    console.host.site.facts().end(sample("operation-undone")?);
    // Only the host's own command may lose an edit.
    console.host.site.facts().lose_edit();
    browser.open("/upgrade").await?;
    browser.expect("#live", "It was undone").await?;
    findings.look(&browser, "/upgrade undone", None).await?;
    browser.click("form[action='/upgrade/look'] button").await?;
    browser.expect("#live", "starter 1.2.0").await?;
    findings.look(&browser, "/upgrade with media", None).await?;
    browser.click("form[action='/upgrade/plan'] button").await?;
    browser.expect("main", "cannot be approved").await?;
    findings.look(&browser, "/upgrade/plans with edits", None).await?;
    // It contains digests, which are longer than any word.
    browser.open("/audit").await?;
    browser.expect("main", "plan.make").await?;
    findings.look(&browser, "/audit after a plan", None).await?;
    console.host.site.facts().begin_upgrade();
    console.host.site.facts().step(2, "copy what is new from the stick");
    console.host.site.facts().report(Event::Note("the clock was set back by 3 seconds".to_owned()));
    for path in ["/", "/upgrade"] {
        browser.open(path).await?;
        browser.expect("#live", "copy what is new from the stick").await?;
        findings.look(&browser, &format!("{path} of a running upgrade"), None).await?;
    }
    console.host.cut().await?;
    browser.open("/").await?;
    browser.expect("#live", "The host does not answer").await?;
    browser.open("/").await?;
    findings.look(&browser, "/ of a silent host", None).await?;
    browser.close().await?;
    findings.judge(30)
}
