//! Pages and documents of the console contain no secret of the site, even if software has logged one.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_xtask::console::Console;
use landfall_xtask::printer;
use landfall_xtask::proofs::sql;
use landfall_xtask::site::{Machine, wait_until};

use super::support_bundle::{CANARIES, CANARY, SECRETS, remove_canaries};

/// Time limit for the lines to appear in the log.
const SHOWN_LIMIT: Duration = Duration::from_mins(2);

/// Everything that a user or a program reads without requesting a change.
const PAGES: [&str; 38] = [
    "/",
    "/live/overview",
    "/components",
    "/live/components",
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
    "/api/v1/releases",
    "/api/v1/users",
    "/api/v1/sessions",
    "/api/v1/keys",
    "/api/v1/audit",
    "/api/v1/openapi.json",
];

/// Fails if one of them contains a secret of the site or one of the planted Secrets, which are then removed. `memory`
/// is the cookie store of a browser with a signed-in administrator.
pub(crate) fn hold_no_secret(machine: &Machine, console: &Console, memory: &str) -> Result<()> {
    let mut secrets = vec![("a planted value".to_owned(), CANARY.to_owned())];
    for command in SECRETS {
        secrets.push((command.to_owned(), machine.run(command)?.stdout.trim().to_owned()));
    }
    ensure!(secrets.iter().all(|(_, value)| value.len() > 8), "a secret of the site is not known");
    let page = |path: &str| console.ask(machine, path, &["--cookie", memory]);

    log_the_canaries(machine)?;
    let marked = wait_until("the log that software wrote, without the values", SHOWN_LIMIT, || {
        let (code, page) = page("/components/postgres")?;
        ensure!(code == 200, "the page of a component is {code}: {page}");
        ensure!(!page.contains(CANARY), "the page shows a logged secret: {page}");
        // The last line contains no secret.
        Ok(page.contains("canary end").then_some(page))
    })?;
    ensure!(marked.contains("canary [redacted:"), "lines with a secret are missing: {marked}");
    let mut read = 0;
    for path in PAGES {
        let (code, text) = page(path)?;
        read += usize::from(code == 200);
        for (whose, value) in &secrets {
            ensure!(!text.contains(value), "{path} shows the secret of {whose}");
        }
    }
    // Some pages belong to another role or another kind of site.
    ensure!(read + 2 >= PAGES.len(), "only {read} of {} pages were there to be read", PAGES.len());
    remove_canaries(machine)?;
    printer::note(format!(
        "proved: pages hold no secret of the site and none of {CANARIES} planted ones, and logs on them have a token \
         in its place"
    ));
    Ok(())
}

/// Makes a database write every planted value to its log.
fn log_the_canaries(machine: &Machine) -> Result<()> {
    // The statement is logged as well, so it must not contain the unsplit prefix. The host would not redact that,
    // because it is not one of the site's secrets.
    let (first, second) = CANARY.split_at(CANARY.len() / 2);
    // A literal with doubled quotes, because the shell would replace `$$` by its process ID.
    let lines = format!(
        "DO 'BEGIN FOR i IN 0..{} LOOP RAISE LOG ''canary % end'', ''{first}'' || ''{second}-'' || to_char(i, \
         ''FM0000''); END LOOP; RAISE LOG ''canary %'', ''end''; END'",
        CANARIES - 1
    );
    sql(machine, &lines).map(drop)
}
