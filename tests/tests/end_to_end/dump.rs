//! The data of a site after a change of its release.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use landfall_xtask::proofs::in_pod;

use super::engineer::Engineer;

/// Script that dumps the database without data that operations write: markers of backups, rows of proofs, and the time
/// of 1.1.0's schema change. It also removes two lines in which `pg_dump` writes a random word, and two with the
/// server's version, which 1.1.0 has changed.
const DUMP: &str = r#"
pg_dump --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --exclude-table="landfall_*" \
    --exclude-table=schema_version --file=/tmp/dump
grep -v -E "^(.(un)?restrict |-- Dumped )" /tmp/dump
rm /tmp/dump"#;

/// Number of printed lines of a difference.
const SHOWN: usize = 12;

/// Returns a dump of the database.
pub(crate) fn dump(engineer: Engineer<'_>) -> Result<String> {
    let dumped = in_pod(engineer.machine(), "postgres", "postgres-0", DUMP)?;
    ensure!(dumped.status.success(), "the database cannot be dumped: {}{}", dumped.stdout, dumped.stderr);
    Ok(dumped.stdout)
}

/// Fails unless two dumps are equal. The error shows the first lines that only one of them has.
pub(crate) fn expect_equal(before: &str, after: &str) -> Result<()> {
    let only = |these: &str, those: &str, sign: &str| {
        let known: HashSet<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !known.contains(line));
        lines.take(SHOWN).map(|line| format!("{sign} {line}")).collect::<Vec<_>>().join("\n")
    };
    let (lost, new) = (only(before, after, "-"), only(after, before, "+"));
    ensure!(before == after, "the database has changed, or the order of its rows:\n{lost}\n{new}");
    Ok(())
}
