//! A damaged database is kept beside the new one that takes its place: it may be evidence, and a person may save entries from it.
//!
//! SQLite's own files beside it, such as its log of changes, are kept under the same name. So SQLite opens them together, and takes none
//! of them for a part of the new one.

use std::cmp::Reverse;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use landfall_error_codes::codes;
use landfall_media::durable;

use crate::database::{FILE, file};
use crate::error::{Context as _, Error, Result};

/// What a kept file's name has behind that of the database; the time follows.
const MARK: &str = ".damaged-";
/// How the time is written, in UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// Files that SQLite puts beside a database.
const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Most that are kept. A disk that damages one after the other is not filled with them: a person has to look.
const MOST: usize = 3;

/// A damaged database that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Name of its file in the data folder.
    pub name: String,
    /// When the damage was found.
    pub at: Timestamp,
}

impl Aside {
    fn of_time(at: Timestamp) -> Self {
        Self { name: format!("{FILE}{MARK}{}", at.strftime(TIME)), at }
    }

    /// What a file's name says; none for another file.
    fn of_name(name: &str) -> Option<Self> {
        let time = name.strip_prefix(FILE)?.strip_prefix(MARK)?;
        let at = DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Self { name: name.to_owned(), at })
    }
}

/// Those that are kept in a data folder, the newest first.
pub fn kept(folder: &Path) -> Result<Vec<Aside>> {
    let failed = || format!("{} cannot be read", folder.display());
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).context(codes::APPLIANCE_DATABASE, failed)? {
        let entry = entry.context(codes::APPLIANCE_DATABASE, failed)?;
        found.extend(Aside::of_name(&entry.file_name().to_string_lossy()));
    }
    found.sort_by_key(|aside| Reverse(aside.at));
    Ok(found)
}

/// Gives the damaged database of a data folder another name. On the disk when it returns. Nothing may have it open for writing.
pub fn set_aside(folder: &Path) -> Result<Aside> {
    let kept = kept(folder)?;
    if kept.len() >= MOST {
        let what = format!(
            "{} is damaged, and {MOST} damaged databases are kept beside it: move them elsewhere",
            file(folder).display()
        );
        return Err(Error::new(codes::APPLIANCE_DATABASE_DAMAGED, what));
    }
    // Of two in one second, and under a clock that was set back, the later one still has the later name.
    let second = SignedDuration::from_secs(1);
    let earliest = kept.first().map_or(Timestamp::MIN, |newest| newest.at.saturating_add(second).unwrap_or(newest.at));
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH);
    let aside = Aside::of_time(now.max(earliest));
    let failed = || format!("{} cannot be kept as {}", file(folder).display(), aside.name);
    durable::rename(&file(folder), &folder.join(&aside.name)).context(codes::APPLIANCE_DATABASE_DAMAGED, failed)?;
    move_sides(folder, &aside)?;
    Ok(aside)
}

/// Ends what was interrupted: the database has another name already, and not all of the files beside it.
pub fn complete(folder: &Path) -> Result<()> {
    if file(folder).exists() {
        return Ok(());
    }
    kept(folder)?.first().map_or(Ok(()), |newest| move_sides(folder, newest))
}

fn move_sides(folder: &Path, aside: &Aside) -> Result<()> {
    for side in SIDES {
        let (from, to) = (folder.join(format!("{FILE}{side}")), folder.join(format!("{}{side}", aside.name)));
        if from.exists() && !to.exists() {
            let failed = || format!("{} cannot be kept as {}", from.display(), to.display());
            durable::rename(&from, &to).context(codes::APPLIANCE_DATABASE_DAMAGED, failed)?;
        }
    }
    Ok(())
}
