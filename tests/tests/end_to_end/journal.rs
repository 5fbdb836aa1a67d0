//! A machine's journal, read from the host. The effects of a step are thus judged by the disk, not by the output of
//! `landfall`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_engine::journal::record;
use landfall_site::pins::{Entry, Event, JournalFolder, Replay};
use landfall_xtask::site::Machine;

/// Folder of journals on a machine.
const FOLDER: &str = "var/lib/landfall/journal";

fn folder(machine: &Machine) -> Result<JournalFolder> {
    Ok(JournalFolder::at(machine.first()?.proc("root").join(FOLDER)))
}

/// Reads the journal of the latest operation.
pub(crate) fn read(machine: &Machine) -> Result<Replay> {
    let folder = folder(machine)?;
    let file = folder.latest()?.with_context(|| format!("{} has no journal", machine.name()))?;
    Ok(folder.read(&file)?)
}

/// Returns the time from the last Started of each step to its Done.
pub(crate) fn durations(replay: &Replay) -> BTreeMap<String, Duration> {
    let (mut begun, mut durations) = (BTreeMap::new(), BTreeMap::new());
    for entry in &replay.entries {
        match &entry.event {
            Event::Started { step } => drop(begun.insert(step.to_string(), entry.at)),
            Event::Done { step, .. } => {
                let begun = begun.get(&step.to_string());
                durations.extend(begun.map(|at| (step.to_string(), entry.at.duration_since(*at).unsigned_abs())));
            }
            _ => {}
        }
    }
    durations
}

/// Follows the journal of the latest operation while it is written.
pub(crate) struct Follow {
    folder: JournalFolder,
    path: Option<PathBuf>,
    bytes: u64,
    records: usize,
}

impl Follow {
    /// Starts to follow from now on. The journal may not exist yet.
    pub(crate) fn of(machine: &Machine) -> Result<Self> {
        let mut follow = Self { folder: folder(machine)?, path: None, bytes: 0, records: 0 };
        // An uninstall continues in the journal of the install.
        follow.news()?;
        Ok(follow)
    }

    /// Returns the complete records written since the last call. They may not have reached the disk yet.
    pub(crate) fn news(&mut self) -> Result<Vec<Event>> {
        let latest = self.folder.latest()?.map(|file| file.path);
        if latest != self.path {
            (self.path, self.bytes, self.records) = (latest, 0, 0);
        }
        let Some(path) = &self.path else { return Ok(Vec::new()) };
        let length = std::fs::metadata(path).with_context(|| format!("{} is gone", path.display()))?.len();
        if length == self.bytes {
            return Ok(Vec::new());
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let decoded = record::decode(&bytes)?;
        // An incomplete record is read by the next call.
        self.bytes = bytes.len() as u64 - decoded.torn_bytes;
        let fresh = decoded.payloads.get(self.records..).context("the journal became shorter")?;
        self.records = decoded.payloads.len();
        fresh.iter().map(|record| Ok(serde_json::from_slice::<Entry>(record)?.event)).collect()
    }
}

/// End of a journal: its last record, and the step that is next or in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Sequence number of the last record.
    pub(crate) record: u64,
    /// Index of the step in the plan, from 0.
    pub(crate) index: usize,
    /// ID of the step.
    pub(crate) step: String,
    /// Status of the step, for people.
    pub(crate) status: &'static str,
}

impl End {
    /// Returns the end of an unfinished install's journal.
    pub(crate) fn of(replay: &Replay) -> Result<Self> {
        let state = &replay.state;
        let index = state.next_forward().context("every step is done")?;
        let pins = state.pins.as_ref().context("the journal pins nothing")?;
        ensure!(!state.is_closed(), "the operation is finished");
        let (step, status) = (pins.steps[index].to_string(), state.steps[index].status.name());
        Ok(Self { record: replay.last_sequence(), index, step, status })
    }
}
