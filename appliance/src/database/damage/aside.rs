//! Damaged databases, kept next to the new one that replaces them: they may be evidence, and a person may save entries
//! from them.
//!
//! SQLite's own companion files, such as its write-ahead log, are kept under the same name. SQLite then opens them
//! together, and takes none of them for a part of the new database.

use std::cmp::Reverse;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use landfall_error_codes::codes;
use landfall_media::durable;

use crate::database::{FILE, file};
use crate::error::{Context as _, Error, Result};

/// Text that follows the database's name in a kept file's name; the time follows it.
const MARK: &str = ".damaged-";
/// Format of the time, in UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// Suffixes of SQLite's companion files.
const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Maximum number of kept databases. A disk that damages one after the other is not filled with them: a person has to
/// act.
const MOST: usize = 3;

/// A kept damaged database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAsideDatabase {
    /// Name of its file in the data folder.
    pub name: String,
    /// Time when the damage was found.
    pub at: Timestamp,
}

impl SetAsideDatabase {
    fn of_time(at: Timestamp) -> Self {
        Self { name: format!("{FILE}{MARK}{}", at.strftime(TIME)), at }
    }

    /// Parses a file's name; `None` for another file.
    fn of_name(name: &str) -> Option<Self> {
        let time = name.strip_prefix(FILE)?.strip_prefix(MARK)?;
        let at = DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Self { name: name.to_owned(), at })
    }
}

/// Returns the kept databases of a data folder, newest first.
pub fn kept_databases(folder: &Path) -> Result<Vec<SetAsideDatabase>> {
    let failed = || format!("{} cannot be read", folder.display());
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).context(codes::APPLIANCE_DATABASE, failed)? {
        let entry = entry.context(codes::APPLIANCE_DATABASE, failed)?;
        found.extend(SetAsideDatabase::of_name(&entry.file_name().to_string_lossy()));
    }
    found.sort_by_key(|aside| Reverse(aside.at));
    Ok(found)
}

/// Renames the damaged database of a data folder, durably. No one may have it open for writing.
pub fn set_aside(folder: &Path) -> Result<SetAsideDatabase> {
    let kept = kept_databases(folder)?;
    if kept.len() >= MOST {
        let what = format!(
            "{} is damaged, and {MOST} damaged databases are kept beside it: move them elsewhere",
            file(folder).display()
        );
        return Err(Error::new(codes::APPLIANCE_DATABASE_DAMAGED, what));
    }
    // The later database gets the later name, even within one second or after the clock was set back.
    let second = SignedDuration::from_secs(1);
    let earliest = kept.first().map_or(Timestamp::MIN, |newest| newest.at.saturating_add(second).unwrap_or(newest.at));
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH);
    let aside = SetAsideDatabase::of_time(now.max(earliest));
    let failed = || format!("{} cannot be kept as {}", file(folder).display(), aside.name);
    durable::rename(&file(folder), &folder.join(&aside.name)).context(codes::APPLIANCE_DATABASE_DAMAGED, failed)?;
    move_sides(folder, &aside)?;
    Ok(aside)
}

/// Completes an interrupted renaming: the database has its other name, but not all of its companion files.
pub fn complete(folder: &Path) -> Result<()> {
    if file(folder).exists() {
        return Ok(());
    }
    kept_databases(folder)?.first().map_or(Ok(()), |newest| move_sides(folder, newest))
}

fn move_sides(folder: &Path, aside: &SetAsideDatabase) -> Result<()> {
    for side in SIDES {
        let (from, to) = (folder.join(format!("{FILE}{side}")), folder.join(format!("{}{side}", aside.name)));
        if from.exists() && !to.exists() {
            let failed = || format!("{} cannot be kept as {}", from.display(), to.display());
            durable::rename(&from, &to).context(codes::APPLIANCE_DATABASE_DAMAGED, failed)?;
        }
    }
    Ok(())
}
