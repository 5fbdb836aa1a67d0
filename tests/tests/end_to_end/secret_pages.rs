//! Pages and documents of the console hold no secret of the site, not even where software has logged one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_tests::console::Console;
use landfall_tests::printer;
use landfall_tests::proofs::{administered, sql};
use landfall_tests::site::{Machine, wait_until};

use super::support_bundle::SECRETS;

/// A value that software has logged, and how many lines of it.
const CANARY: &str = "k4n4ri3nv0g3l-4uf-531t3n";
const LINES: usize = 40;

/// The Secret that has it.
const SECRET: &str = "--namespace default secret canary";

/// How long the host may know of no new Secret, and a line may take to the log.
const SHOWN_LIMIT: Duration = Duration::from_mins(2);

/// Everything that a person or a program reads without asking for a change.
const PAGES: [&str; 31] = [
    "/",
    "/live/overview",
    "/components",
    "/components/postgres",
    "/live/components/postgres",
    "/components/valkey",
    "/components/assistant",
    "/components/landfall-console",
    "/releases",
    "/activity",
    "/upgrade",
    "/backups",
    "/restore",
    "/settings",
    "/license",
    "/node",
    "/dashboard",
    "/support",
    "/account",
    "/users",
    "/users/ada",
    "/keys",
    "/audit",
    "/approval",
    "/api-reference",
    "/metrics",
    "/api/v1/status",
    "/api/v1/settings",
    "/api/v1/history",
    "/api/v1/components/postgres/resources",
    "/api/v1/components/valkey/resources",
];

/// Fails if one of them holds a secret. The memory is that of a browser in which an administrator has signed in.
pub(crate) fn hold_no_secret(machine: &Machine, console: &Console, memory: &str) -> Result<()> {
    let mut secrets = vec![("a logged value".to_owned(), CANARY.to_owned())];
    for command in SECRETS {
        secrets.push((command.to_owned(), machine.run(command)?.stdout.trim().to_owned()));
    }
    ensure!(secrets.iter().all(|(_, value)| value.len() > 8), "a secret of the site is not known");
    let page = |path: &str| console.ask(machine, path, &["--cookie", memory]);

    log_the_canary(machine)?;
    let marked = wait_until("the log that software wrote, without the value", SHOWN_LIMIT, || {
        let (code, page) = page("/components/postgres")?;
        ensure!(code == 200, "the page of a component is {code}: {page}");
        ensure!(!page.contains(CANARY), "the page shows a logged secret: {page}");
        Ok(page.contains("canary [redacted:").then_some(page))
    })?;
    ensure!(marked.contains("canary end"), "lines without a secret are missing: {marked}");
    let mut read = 0;
    for path in PAGES {
        let (code, text) = page(path)?;
        read += usize::from(code == 200);
        for (whose, value) in &secrets {
            ensure!(!text.contains(value), "{path} shows the secret of {whose}");
        }
    }
    // Some of them are of another role's or another site's.
    ensure!(read + 2 >= PAGES.len(), "only {read} of {} pages were there to be read", PAGES.len());
    administered(machine, &format!("kubectl delete {SECRET}"))?;
    printer::note("proved: pages hold no secret of the site, and logs on them have a token in its place");
    Ok(())
}

/// A Secret, and a database that writes its value into its log.
fn log_the_canary(machine: &Machine) -> Result<()> {
    administered(machine, &format!("kubectl create {} --from-literal value={CANARY}", as_created()?))?;
    // A literal, whose quotes are doubled: the shell would take `$$` for its own number.
    let lines = format!(
        "DO 'BEGIN FOR i IN 1..{LINES} LOOP RAISE LOG ''canary {CANARY} end''; END LOOP; RAISE LOG ''canary end''; END'"
    );
    sql(machine, &lines).map(drop)
}

/// `kubectl create secret` wants its kind before the name.
fn as_created() -> Result<String> {
    let (namespace, name) = SECRET.split_once(" secret ").context("the Secret has no name")?;
    Ok(format!("{namespace} secret generic {name}"))
}
