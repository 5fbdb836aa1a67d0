//! Logs: for a developer on standard error, off unless asked for; and of each operation, as lines of JSON in a file that
//! outlives the site.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use landfall_bundle_spec::codes;
use landfall_media::durable;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::failure::Failure;

/// Environment variable that holds a `tracing` filter, as `landfall_builder=debug`.
const FILTER_VARIABLE: &str = "LANDFALL_LOG";

/// What the file of an operation holds.
const KEPT: &str = "warn,landfall=info,landfall_lifecycle=info,landfall_media=info";

/// The file of the operation, once there is one.
static KEPT_FILE: Mutex<Option<File>> = Mutex::new(None);

/// Starts logging to standard error: `-v` shows what the builder and the engine do, `-vv` everything of ours.
pub(crate) fn start(verbosity: u8) {
    let default = match verbosity {
        // A failed step is reported once, by the command.
        0 => "warn,landfall_lifecycle::engine=off",
        1 => "info",
        _ => "info,landfall=debug,landfall_builder=debug,landfall_lifecycle=debug,landfall_media=debug",
    };
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let shown =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false).compact().with_filter(filter);
    let kept = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| KeptFile);
    tracing_subscriber::registry().with(shown).with(kept.with_filter(EnvFilter::new(KEPT))).init();
}

/// From here on, keeps the log of this operation as `NAME.log` in `folder`, after what is there. Lines reach the kernel
/// at once and the disk when it likes: what must last is in the journal.
pub(crate) fn keep(folder: &Path, name: &str) -> Result<(), Failure> {
    durable::create_folder(folder)?;
    let path = folder.join(format!("{name}.log"));
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| {
        Failure::new(codes::SITE_IO, format!("cannot open the log {}", path.display())).because(&error)
    })?;
    *KEPT_FILE.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    Ok(())
}

/// Writes to the operation's file, or nowhere while there is none.
struct KeptFile;

impl Write for KeptFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *KEPT_FILE.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(file) => file.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
