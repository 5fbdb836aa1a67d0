//! Forwarding while the process runs: reads the settings, connects, sends the next entries, and starts again after each
//! failure.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use landfall_error_codes::codes;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::Forward;
use super::link::Link;
use super::position::{behind, position, store};
use super::settings::{NAMES, Settings, State, read};
use crate::audit::message;
use crate::database::Database;
use crate::settings_files::Files;

/// Number of messages sent together.
const BATCH: i64 = 100;

/// Intervals and time limits. Tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Interval of checks of the log.
    pub poll: Duration,
    /// Wait after a failure, and interval of checks of unusable settings.
    pub retry: Duration,
    /// Interval of checks of settings in use.
    pub settings: Duration,
    /// Maximum time that bytes may be unacknowledged before the connection ends.
    pub unanswered: Duration,
    /// Time after which bytes are acknowledged on a connection that is still alive. Longer than `unanswered`.
    pub settled: Duration,
}

impl Times {
    const NORMAL: Self = Self {
        poll: Duration::from_secs(2),
        retry: Duration::from_secs(10),
        settings: Duration::from_secs(30),
        unanswered: Duration::from_secs(20),
        settled: Duration::from_secs(30),
    };
}

/// Forwards until the process ends.
pub async fn watch(database: Database, standing: Arc<Forward>, folder: PathBuf) {
    watch_in(database, standing, folder, Times::NORMAL).await;
}

pub(super) async fn watch_in(database: Database, standing: Arc<Forward>, folder: PathBuf, times: Times) {
    let mut seen: Option<Files> = None;
    loop {
        let Some(files) = files(&folder).await else { return };
        let state = read(&files);
        if seen.as_ref() != Some(&files) {
            report(&standing, &state);
        }
        seen = Some(files.clone());
        if let State::On(settings) = state
            && let Err(why) = forward((&database, &standing), &settings, (&folder, &files), times).await
            && standing.record_failure(&why)
        {
            tracing::warn!(server = settings.server, why, "the audit log is not forwarded");
        }
        sleep(times.retry).await;
    }
}

async fn files(folder: &Path) -> Option<Files> {
    let folder = folder.to_owned();
    spawn_blocking(move || Files::read(&folder, &NAMES)).await.ok()
}

fn report(standing: &Forward, state: &State) {
    let (server, faults) = match state {
        State::Off => (None, Vec::new()),
        State::Faulty(faults) => (None, faults.clone()),
        State::On(settings) => (Some(settings.server.clone()), Vec::new()),
    };
    match state {
        State::Off => tracing::info!("the audit log is not forwarded: there are no settings of a syslog server"),
        State::Faulty(faults) => {
            let (code, faults) = (codes::SYSLOG_SETTINGS.id, faults.join("; "));
            tracing::error!(code, faults, "the settings of the syslog server cannot be used; nothing is forwarded");
        }
        State::On(settings) => tracing::info!(server = settings.server, "new audit entries are forwarded"),
    }
    standing.change(|now| (now.server, now.faults, now.failing) = (server, faults, None));
}

/// Entries sent over a connection, and known arrivals.
struct SentEntries {
    last: i64,
    /// Numbers with their sending times, whose arrival is not yet known.
    open: VecDeque<(i64, Instant)>,
}

impl SentEntries {
    /// Returns the last number sent long enough ago that it has arrived, if there is a new one.
    fn take_settled(&mut self, after: Duration) -> Option<i64> {
        let mut settled = None;
        while let Some((number, _)) = self.open.front().filter(|(_, at)| at.elapsed() >= after) {
            settled = Some(*number);
            self.open.pop_front();
        }
        settled
    }
}

/// Forwards over one connection until it breaks, or until the settings change.
async fn forward(
    (database, standing): (&Database, &Forward),
    settings: &Settings,
    (folder, known): (&Path, &Files),
    times: Times,
) -> Result<(), String> {
    let stored = position(database).await.map_err(|error| error.to_string())?;
    standing.change(|now| now.received = stored);
    let mut link = Link::open(settings, times).await?;
    let (mut sent, mut looked) = (SentEntries { last: stored, open: VecDeque::new() }, Instant::now());
    loop {
        let count = send_next(database, settings, &mut link, &mut sent, times).await?;
        standing.change(|now| now.failing = None);
        link.wait(if count < BATCH { times.poll } else { Duration::ZERO }).await?;
        if let Some(number) = sent.take_settled(times.settled) {
            store(database, number).await.map_err(|error| error.to_string())?;
            standing.change(|now| now.received = number);
        }
        if looked.elapsed() >= times.settings {
            looked = Instant::now();
            if files(folder).await.as_ref() != Some(known) {
                return Ok(());
            }
        }
    }
}

/// Sends the next entries, and returns their number.
async fn send_next(
    database: &Database,
    settings: &Settings,
    link: &mut Link,
    sent: &mut SentEntries,
    times: Times,
) -> Result<i64, String> {
    let next = behind(database.read(), sent.last, BATCH).await.map_err(|error| error.to_string())?;
    let Some(last) = next.last().map(|entry| entry.number) else { return Ok(0) };
    let messages: Vec<String> =
        next.iter().map(|entry| message(&settings.name, entry.number, &entry.text, &entry.hash)).collect();
    link.send(&messages, times).await?;
    sent.last = last;
    sent.open.push_back((last, Instant::now()));
    Ok(i64::try_from(messages.len()).unwrap_or(BATCH))
}
