//! Counts of a stream's data, such as rows by table: at the cut of its backup, and again after it was restored.
//!
//! A program of the rule prints them, one line `NAME=NUMBER` each. If the rule's hold stops the writers, it runs during
//! the hold. If a log leads to the cut, it first prints the two times between which its numbers were true. The time of
//! the cut lies between them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Error, Read, Result as IoResult};

use jiff::Timestamp;
use landfall_backup::{OpenBackup, StreamName};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};

use super::error::unusable;

/// Stream with the counts of a backup. It is read last.
const STREAM: &str = "LANDFALL/counts.json";

/// Maximum number of names that a stream may count.
const MOST_NAMES: usize = 20_000;

/// Maximum length of a line in bytes.
const LINE_BYTES: u64 = 1 << 10;

/// Maximum size of the document in bytes: every rule of a release uses its full limit.
const LARGEST_BYTES: u64 = 256 << 20;

/// Number of names that a message lists.
const SHOWN: usize = 3;

/// Prefixes of the first and second line for a stream with a log. Microseconds since 1970 follow.
const FROM: &str = "from=";
const UNTIL: &str = "until=";

/// Numbers by name, such as rows by table. A missing name counts zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Reads a program's output to its end. The times in its first two lines are skipped.
    ///
    /// # Errors
    /// If it cannot be read, is not a list of numbers, or is too long.
    pub(super) fn read(from: impl Read) -> IoResult<Self> {
        let mut from = BufReader::new(from);
        let mut counts = Self::default();
        let mut times = [FROM, UNTIL].into_iter().peekable();
        while let Some(line) = next_line(&mut from)? {
            let is_time = counts.0.is_empty() && times.next_if(|begin| time(&line, begin).is_some()).is_some();
            if !is_time {
                counts.add(&line)?;
            }
        }
        Ok(counts)
    }

    fn add(&mut self, line: &str) -> IoResult<()> {
        let wrong = || Error::other(format!("the line {line:?} is not NAME=NUMBER"));
        let (name, number) = line.rsplit_once('=').ok_or_else(wrong)?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(wrong());
        }
        let number = number.parse().map_err(|_| wrong())?;
        if self.0.insert(name.to_owned(), number).is_some() {
            return Err(Error::other(format!("{name} is counted twice")));
        }
        if self.0.len() > MOST_NAMES {
            return Err(Error::other(format!("more than {MOST_NAMES} names are counted")));
        }
        Ok(())
    }

    /// Describes the differences as earlier and current counts; `None` if there are none. Only names that were counted
    /// earlier are compared.
    pub(super) fn difference(&self, found: &Self) -> Option<(String, String)> {
        let number = |counts: &Self, name: &String| counts.0.get(name).copied().unwrap_or(0);
        let differing: Vec<&String> = self.0.keys().filter(|name| number(self, name) != number(found, name)).collect();
        let listed = |counts: &Self| {
            let shown = differing.iter().take(SHOWN).map(|name| format!("{name}: {}", number(counts, name)));
            shown.collect::<Vec<_>>().join(", ")
        };
        let more = match differing.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(", and {more} more differ"),
        };
        (!differing.is_empty()).then(|| (listed(self), format!("{}{more}", listed(found))))
    }
}

/// Reads a line without its end; `None` at the end of the input.
fn next_line(from: &mut impl BufRead) -> IoResult<Option<String>> {
    let mut bytes = Vec::new();
    from.by_ref().take(LINE_BYTES).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(Error::other("a line of the counts is too long, or has no end"));
    }
    String::from_utf8(bytes).map(Some).map_err(Error::other)
}

/// Returns the time of a line with this prefix.
fn time(line: &str, begin: &str) -> Option<Timestamp> {
    Timestamp::from_microsecond(line.strip_prefix(begin)?.parse().ok()?).ok()
}

/// A counting program whose first line was read.
pub(super) struct BegunCount {
    /// Time from which its numbers are true.
    pub(super) from: Timestamp,
    rest: BufReader<Box<dyn Read>>,
}

impl BegunCount {
    /// Reads the first line of a program.
    ///
    /// # Errors
    /// If it cannot be read, or states no time.
    pub(super) fn begin(output: Box<dyn Read>) -> IoResult<Self> {
        let mut rest = BufReader::new(output);
        let line = next_line(&mut rest)?.unwrap_or_default();
        let from = time(&line, FROM);
        let missing =
            || Error::other(format!("its first line does not state since when its numbers are true: {line:?}"));
        Ok(Self { from: from.ok_or_else(missing)?, rest })
    }

    /// Reads the rest, and returns the numbers if they were true at this time.
    ///
    /// # Errors
    /// If they were not, or cannot be read.
    pub(super) fn end(mut self, at: Timestamp) -> IoResult<Counts> {
        let line = next_line(&mut self.rest)?.unwrap_or_default();
        let missing =
            || Error::other(format!("its second line does not state until when its numbers were true: {line:?}"));
        let until = time(&line, UNTIL).ok_or_else(missing)?;
        if !(self.from..=until).contains(&at) {
            let what = format!("its numbers were true from {} until {until}, and not at {at}", self.from);
            return Err(Error::other(what));
        }
        Counts::read(self.rest)
    }
}

/// Returns the name of the stream with the counts of a backup.
pub(super) fn stream_name() -> Result<StreamName, StepError> {
    STREAM.parse().map_err(unusable)
}

/// Returns the counts of a backup by stream; empty if it has none.
///
/// # Errors
/// If they cannot be read.
pub fn of(backup: &OpenBackup) -> Result<BTreeMap<String, Counts>, StepError> {
    if !backup.backup().streams.iter().any(|stream| stream.name.as_str() == STREAM) {
        return Ok(BTreeMap::new());
    }
    let unknown = |what: &str| StepError::new(codes::BACKUP_DAMAGED, format!("{STREAM} {what}"));
    let mut bytes = Vec::new();
    let read = backup.read(&stream_name()?).map_err(unusable)?.take(LARGEST_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| unknown("cannot be read").because(error))?;
    serde_json::from_slice(&bytes).map_err(|error| unknown("cannot be understood").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> Counts {
        Counts::read(text.as_bytes()).unwrap()
    }

    fn output(text: &str) -> Box<dyn Read> {
        Box::new(std::io::Cursor::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn difference_names_both_numbers() {
        let wanted = counts("public.orders=7\npublic.\"a=b\"=2\npublic.empty=0\n");
        assert_eq!(wanted.difference(&counts("from=1\nuntil=2\npublic.orders=7\npublic.\"a=b\"=2\n")), None);
        let expected = ("public.orders: 7".to_owned(), "public.orders: 6".to_owned());
        let found = counts("public.\"a=b\"=2\npublic.orders=6\npublic.others=1\n");
        assert_eq!(wanted.difference(&found), Some(expected));
        let (listed, found) = counts("a=1\nb=1\nc=1\nd=1\ne=1\n").difference(&Counts::default()).unwrap();
        assert_eq!(listed, "a: 1, b: 1, c: 1");
        assert_eq!(found, "a: 0, b: 0, c: 0, and 2 more differ");
    }

    #[test]
    fn malformed_counts_are_refused() {
        let long = format!("{}=1\n", "a".repeat(1 << 10));
        for (text, why) in [
            ("orders\n", "is not NAME=NUMBER"),
            ("orders=\n", "is not NAME=NUMBER"),
            ("=1\n", "is not NAME=NUMBER"),
            ("orders=-1\n", "is not NAME=NUMBER"),
            ("orders=1", "is too long, or has no end"),
            ("a=1\na=1\n", "a is counted twice"),
            ("a\u{1b}[2J=1\n", "is not NAME=NUMBER"),
            ("from=1\nfrom=1\nfrom=1\n", "from is counted twice"),
            (long.as_str(), "is too long, or has no end"),
        ] {
            let error = Counts::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.ends_with(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn counts_hold_only_between_stated_times() {
        let at = |microsecond| Timestamp::from_microsecond(microsecond).unwrap();
        let text = "from=1000\nuntil=3000\nrows=5\n";
        for (time, is_true) in [(999, false), (1000, true), (3000, true), (3001, false)] {
            let begun = BegunCount::begin(output(text)).unwrap();
            assert_eq!(begun.from, at(1000));
            let found = begun.end(at(time));
            if is_true {
                assert_eq!(found.unwrap(), counts("rows=5\n"), "{time}");
            } else {
                let error = found.unwrap_err().to_string();
                assert!(error.starts_with("its numbers were true from "), "{time}: {error}");
            }
        }
        for text in ["rows=5\n", ""] {
            let error = BegunCount::begin(output(text)).map(drop).unwrap_err().to_string();
            assert!(error.starts_with("its first line does not state "), "{text:?}: {error}");
        }
        let error = BegunCount::begin(output("from=1\nrows=5\n")).unwrap().end(at(1)).unwrap_err().to_string();
        assert!(error.starts_with("its second line does not state "), "{error}");
    }
}
