//! Cluster data in every backup: all of its objects, and a snapshot of etcd. A release declares neither.
//!
//! Both are for people: `landfall backup objects` exports objects that are not the release's, and etcd's own tool
//! restores the snapshot. A release is restored without them.

mod etcd;
mod lines;
mod objects;
mod scratch;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};

use landfall_backup::StreamName;
use landfall_cluster::{Cluster, SavedObjects};
use landfall_engine::step::StepError;
use landfall_host::command::CommandRunner;
use landfall_host::paths::SitePaths;
use landfall_media::progress::{Event, Progress};
use serde::{Deserialize, Serialize};

use super::singly::FailedStreams;
use super::unusable;
use crate::etcd_tools::SnapshotStatus;
use objects::ObjectStream;
use scratch::Scratch;

pub(super) use etcd::{EtcdTrial, file_bytes, trial_space};
pub use lines::{ReadObjects, read_objects};
pub use scratch::remove as remove_scratch;

/// Stream with etcd's snapshot. No component with data has the name `cluster`.
pub(crate) const ETCD: &str = "cluster/etcd";

/// Stream with the cluster's objects.
pub const OBJECTS: &str = "cluster/objects";

/// A backup's data of its cluster, as recorded in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SavedCluster {
    /// Snapshot of etcd; `None` if the node pack lacks the tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etcd: Option<SnapshotStatus>,
}

/// Cluster data for a backup. Dropping it removes its temporary files.
pub(super) struct ClusterSources<'a> {
    pub(super) saved: SavedCluster,
    objects: Option<AnnouncingReader<'a, ObjectStream<'a, SavedObjects<'a>>>>,
    etcd: Option<AnnouncingReader<'a, File>>,
    _scratch: Scratch,
}

impl<'a> ClusterSources<'a> {
    /// Saves etcd's data beside the backup, and looks up the kinds of objects. A failure is noted and stops no other
    /// stream.
    pub(super) fn take(
        cluster: &'a Cluster,
        paths: &SitePaths,
        commands: &dyn CommandRunner,
        failed: &FailedStreams,
        progress: &'a dyn Progress,
    ) -> Result<Self, StepError> {
        let scratch = Scratch::begin(paths)?;
        let or_fail = |stream: &str, error: StepError| failed.note(stream, error, progress);
        let snapshot = etcd::take(paths, commands, &scratch, progress);
        let snapshot = snapshot.or_else(|error| or_fail(ETCD, error).map(|()| None))?;
        let objects = cluster.saved_objects().map_err(StepError::from).map(Some);
        let objects = objects.or_else(|error| or_fail(OBJECTS, error).map(|()| None))?;
        let (saved, file) = snapshot.map(|snapshot| (snapshot.status, snapshot.file)).unzip();
        Ok(Self {
            saved: SavedCluster { etcd: saved },
            objects: objects.map(|found| AnnouncingReader::new(OBJECTS, ObjectStream::new(found, progress), progress)),
            etcd: file.map(|file| AnnouncingReader::new(ETCD, file, progress)),
            _scratch: scratch,
        })
    }

    /// Returns the streams.
    pub(super) fn streams(&mut self) -> Result<Vec<(StreamName, &mut dyn Read)>, StepError> {
        let mut streams: Vec<(StreamName, &mut dyn Read)> = Vec::new();
        if let Some(objects) = &mut self.objects {
            streams.push((name(OBJECTS)?, objects));
        }
        if let Some(etcd) = &mut self.etcd {
            streams.push((name(ETCD)?, etcd));
        }
        Ok(streams)
    }
}

/// Returns a stream's name in the repository.
pub fn name(stream: &str) -> Result<StreamName, StepError> {
    stream.parse().map_err(unusable)
}

/// Reader that reports when a stream begins.
struct AnnouncingReader<'a, R> {
    stream: &'static str,
    from: R,
    has_begun: bool,
    progress: &'a dyn Progress,
}

impl<'a, R> AnnouncingReader<'a, R> {
    fn new(stream: &'static str, from: R, progress: &'a dyn Progress) -> Self {
        Self { stream, from, has_begun: false, progress }
    }
}

impl<R: Read> Read for AnnouncingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.has_begun {
            self.has_begun = true;
            let phase = format!("saving {}", self.stream);
            self.progress.event(Event::PhaseStarted { phase, total_bytes: None });
        }
        let read = self.from.read(buffer)?;
        self.progress.event(match read {
            0 => Event::PhaseDone,
            read => Event::Advanced { bytes: read as u64 },
        });
        Ok(read)
    }
}
