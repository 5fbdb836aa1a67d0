//! Logs: on standard error for a developer, off by default; and for each operation as lines of JSON, in a file that
//! outlives the site.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use landfall_media::durable::{self, DurableError};
use landfall_peer::is_id;
use schemars::JsonSchema;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::bar::StderrWriter;
use crate::document::Document;
use crate::printer::Printer;

/// Environment variable with a `tracing` filter, such as `landfall_builder=debug`.
const FILTER_VARIABLE: &str = "LANDFALL_LOG";

/// Filter for the log file of an operation.
const KEPT_LEVELS: &str = "warn,landfall=info,landfall_lifecycle=info,landfall_media=info";

/// Maximum size of a log file in bytes. The line that reaches it is the last one.
const FILE_BYTES: u64 = 4 << 20;

/// Number of full log files that are kept in addition to the current one.
const FULL_FILES: usize = 3;

/// Destination of the operation's log.
enum LogDestination {
    /// No destination: there is no operation.
    Nowhere,
    /// A file that is created with its first line, so that a refused command leaves nothing.
    Wanted(PathBuf),
    /// An open file.
    Open(LogFile),
}

/// A log file of limited size. When it is full, `NAME.log` becomes `NAME.1.log`, that one `NAME.2.log`, and the oldest
/// is removed.
struct LogFile {
    path: PathBuf,
    file: File,
    limit_bytes: u64,
}

impl LogFile {
    fn open(path: &Path, limit_bytes: u64) -> io::Result<Self> {
        path.parent().map_or(Ok(()), durable::create_folder).map_err(io::Error::other)?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, limit_bytes })
    }

    /// Writes a line to the kernel at once; does not sync.
    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        if metadata.len() >= self.limit_bytes {
            // Another process that writes the same log may have rotated it already.
            let is_current = std::fs::metadata(&self.path).is_ok_and(|named| named.ino() == metadata.ino());
            if is_current {
                rotate(&self.path).map_err(io::Error::other)?;
            }
            *self = Self::open(&self.path, self.limit_bytes)?;
        }
        self.file.write_all(line)
    }
}

/// Renames a full log file and the older ones to their next names.
fn rotate(path: &Path) -> Result<(), DurableError> {
    let full = |number: usize| path.with_extension(format!("{number}.log"));
    for number in (1..FULL_FILES).rev().filter(|number| full(*number).exists()) {
        durable::rename(&full(number), &full(number + 1))?;
    }
    durable::rename(path, &full(1))
}

static KEPT: Mutex<LogDestination> = Mutex::new(LogDestination::Nowhere);

/// ID of the console's request for which this process works.
static CORRELATION: OnceLock<String> = OnceLock::new();

/// Line of the log, as a line of JSON on standard error.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogLine {
    /// `error`, `warn`, `info` or `debug`.
    level: String,
    /// Message.
    text: String,
    /// Fields of the message by name, which identify its subject.
    fields: BTreeMap<String, String>,
}

impl Document for LogLine {
    const KIND: &'static str = "log";
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

/// Writes the log as lines of JSON.
struct JsonLines(Printer);

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let text = fields.0.remove("message").unwrap_or_default();
        let level = event.metadata().level().as_str().to_lowercase();
        self.0.line(&LogLine { level, text, fields: fields.0 });
    }
}

/// Starts logging to standard error: `-v` shows the builder and the engine, `-vv` all parts of Landfall, `--quiet` only
/// errors.
pub(crate) fn start(verbosity: u8, printer: Printer) {
    let default = match verbosity {
        _ if printer.is_quiet() => "error,landfall_engine::engine=off,kube_client=off",
        // A failed step is reported once, by the command; retried requests are not worth a message.
        0 => "warn,landfall_engine::engine=off,kube_client=off",
        1 => "info,kube_client=off",
        _ => "info,landfall=debug,landfall_builder=debug,landfall_lifecycle=debug,landfall_media=debug",
    };
    let wanted = std::env::var(FILTER_VARIABLE).ok().and_then(|text| text.parse().ok());
    let filter: Targets = wanted.unwrap_or_else(|| filter_of(default));
    let shown = if printer.is_json() {
        JsonLines(printer).with_filter(filter).boxed()
    } else {
        let lines = tracing_subscriber::fmt::layer().with_writer(|| StderrWriter).with_ansi(false);
        lines.with_target(false).compact().with_filter(filter).boxed()
    };
    let kept = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| KeptLog);
    tracing_subscriber::registry().with(shown).with(kept.with_filter(filter_of(KEPT_LEVELS))).init();
}

/// Parses one of this module's own filters.
fn filter_of(levels: &str) -> Targets {
    levels.parse().unwrap_or_else(|_| Targets::new().with_default(Level::WARN))
}

/// Starts to append the log of this operation to `NAME.log` in `folder`. Lines reach the kernel at once, and the disk
/// later: durable facts are in the journal.
pub(crate) fn keep(folder: &Path, name: &str) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = LogDestination::Wanted(folder.join(format!("{name}.log")));
}

/// Starts to mark each line of the operation's log, of all threads, with the ID of the console's request.
pub(crate) fn correlate(id: Option<String>) {
    if let Some(id) = id.filter(|id| is_id(id)) {
        // A process works for only one request.
        let _first = CORRELATION.set(id);
    }
}

/// Adds the ID to a line of JSON, as its first field.
fn with_correlation<'a>(line: &'a [u8], correlation: Option<&str>) -> Cow<'a, [u8]> {
    match (line.strip_prefix(b"{"), correlation) {
        (Some(fields), Some(id)) => {
            let mut marked = format!("{{\"correlation\":\"{id}\",").into_bytes();
            marked.extend_from_slice(fields);
            Cow::Owned(marked)
        }
        _ => Cow::Borrowed(line),
    }
}

/// Writes to the operation's file, if there is one.
struct KeptLog;

impl Write for KeptLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let LogDestination::Wanted(path) = &*kept {
            // An operation continues without a log file: its journal records what happened.
            *kept = LogFile::open(path, FILE_BYTES).map_or(LogDestination::Nowhere, LogDestination::Open);
        }
        match &mut *kept {
            // The formatter passes complete lines.
            LogDestination::Open(file) => {
                file.add(&with_correlation(bytes, CORRELATION.get().map(String::as_str)))?;
                Ok(bytes.len())
            }
            LogDestination::Nowhere | LogDestination::Wanted(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/upgrade.log");
        let mut log = LogFile::open(&path, 100).unwrap();
        // A second writer, like a console's host API in parallel.
        let mut other = LogFile::open(&path, 100).unwrap();
        for number in 0..100 {
            let writer = if number % 3 == 0 { &mut other } else { &mut log };
            writer.add(format!("line {number:04}\n").as_bytes()).unwrap();
        }
        let mut files: Vec<_> = std::fs::read_dir(folder.path().join("logs")).unwrap().map(Result::unwrap).collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        let names: Vec<_> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
        assert_eq!(names, ["upgrade.1.log", "upgrade.2.log", "upgrade.3.log", "upgrade.log"]);
        for file in files {
            assert!((1..=120).contains(&file.metadata().unwrap().len()), "{file:?}");
        }
        let newest =
            std::fs::read_to_string(&path).unwrap() + &std::fs::read_to_string(path.with_extension("1.log")).unwrap();
        assert!(newest.contains("line 0099"), "{newest}");
    }

    #[test]
    fn correlation_id_is_first_field() {
        let line = b"{\"timestamp\":\"2026-11-27T00:00:00Z\",\"level\":\"INFO\",\"message\":\"committed\"}\n";
        let with = with_correlation(line, Some("2b1d7c1e-4a3f-4d5c-8a53-0f0e0d0c0b0a"));
        let read: serde_json::Value = serde_json::from_slice(&with).unwrap();
        assert_eq!(read["correlation"], "2b1d7c1e-4a3f-4d5c-8a53-0f0e0d0c0b0a");
        assert!(read["level"] == "INFO" && read["message"] == "committed", "{read}");
        assert!(with.ends_with(b"\n"));
        assert_eq!(*with_correlation(line, None), *line);
        assert_eq!(*with_correlation(b"no line of JSON", Some("0123abcd")), *b"no line of JSON");
    }
}
