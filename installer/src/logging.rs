//! Logs: for a developer on standard error, off unless asked for; and of each operation, as lines of JSON in a file that
//! outlives the site.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use landfall_media::durable;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Environment variable that holds a `tracing` filter, as `landfall_builder=debug`.
const FILTER_VARIABLE: &str = "LANDFALL_LOG";

/// What the file of an operation holds.
const KEPT_LEVELS: &str = "warn,landfall=info,landfall_lifecycle=info,landfall_media=info";

/// Where the log of the operation goes.
enum Kept {
    /// Nowhere: there is no operation.
    Nowhere,
    /// To a file that is made with its first line, so that a refused command leaves nothing.
    Wanted(PathBuf),
    /// To its file.
    Open(File),
}

static KEPT: Mutex<Kept> = Mutex::new(Kept::Nowhere);

/// Starts logging to standard error: `-v` shows what the builder and the engine do, `-vv` everything of ours.
pub(crate) fn start(verbosity: u8) {
    let default = match verbosity {
        // A failed step is reported once, by the command; requests that are repeated are not news.
        0 => "warn,landfall_engine::engine=off,kube_client=off",
        1 => "info,kube_client=off",
        _ => "info,landfall=debug,landfall_builder=debug,landfall_lifecycle=debug,landfall_media=debug",
    };
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let shown =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false).compact().with_filter(filter);
    let kept = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| KeptLog);
    tracing_subscriber::registry().with(shown).with(kept.with_filter(EnvFilter::new(KEPT_LEVELS))).init();
}

/// From here on, keeps the log of this operation as `NAME.log` in `folder`, after what is there. Lines reach the kernel
/// at once and the disk when it likes: what must last is in the journal.
pub(crate) fn keep(folder: &Path, name: &str) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Kept::Wanted(folder.join(format!("{name}.log")));
}

fn open(path: &Path) -> io::Result<File> {
    path.parent().map_or(Ok(()), durable::create_folder).map_err(io::Error::other)?;
    OpenOptions::new().create(true).append(true).open(path)
}

/// Writes to the operation's file, or nowhere while there is none.
struct KeptLog;

impl Write for KeptLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Kept::Wanted(path) = &*kept {
            // Without a place for its log an operation goes on: its journal tells what happened.
            *kept = open(path).map_or(Kept::Nowhere, Kept::Open);
        }
        match &mut *kept {
            Kept::Open(file) => file.write(bytes),
            Kept::Nowhere | Kept::Wanted(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
