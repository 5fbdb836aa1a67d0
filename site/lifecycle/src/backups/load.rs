//! A stream on its way into a pod.

use std::io::Read;
use std::time::Duration;

use landfall_backup::OpenBackup;
use landfall_cluster::{Cluster, Program, StreamError, Success};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};

use super::SavedStream;
use super::error::unusable;
use crate::pods::Container;

/// Reports what is read.
struct Reported<'a, R> {
    from: R,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for Reported<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.progress.event(Event::Advanced { bytes: read as u64 });
        Ok(read)
    }
}

/// Bytes of a stream of this backup; none where the backup does not know.
pub(crate) fn size_bytes(backup: &OpenBackup, saved: &SavedStream) -> Option<u64> {
    let name = saved.name();
    backup.backup().streams.iter().find(|stream| stream.name.as_str() == name).map(|stream| stream.size_bytes)
}

/// Fills an empty volume: runs the rule's program in this container, with the stream as its input.
pub(crate) fn load(
    cluster: &Cluster,
    backup: &OpenBackup,
    saved: &SavedStream,
    into: &Container,
    progress: &dyn Progress,
) -> Result<(), StepError> {
    let name = saved.name();
    progress.event(Event::PhaseStarted { phase: format!("loading {name}"), total_bytes: size_bytes(backup, saved) });
    let mut from = Reported { from: backup.read(&saved.stream_name()?).map_err(unusable)?, progress };
    let program = Program {
        namespace: &into.namespace,
        pod: &into.pod,
        container: &into.name,
        arguments: &saved.rule.load,
        success: Success::Trailer,
    };
    let failed = |error: StreamError| {
        StepError::new(codes::RESTORE_LOAD, format!("{name} cannot be loaded into {}/{}", into.namespace, into.pod))
            .because(error)
    };
    let executed = cluster.write_stream(&program, Duration::from_secs(saved.rule.limit_seconds), &mut from);
    let executed = executed.map_err(failed)?;
    if executed.exit_code != 0 {
        return Err(failed(StreamError::Failed { exit_code: executed.exit_code, stderr: executed.stderr }));
    }
    progress.event(Event::PhaseDone);
    Ok(())
}
