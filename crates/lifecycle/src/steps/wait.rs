//! Waits for services that the agent runs: after a power cut, an operation continues while the node is still starting.

use std::time::{Duration, Instant};

use landfall_error_codes::codes;

use landfall_media::progress::{Event, Progress};

use crate::context::NodeContext;
use landfall_agent::programs::Programs;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;

const POLL: Duration = Duration::from_millis(500);
/// Time between notes about an ongoing wait.
const NOTE_INTERVAL: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(15) };
/// Time until the namespace of a drill counts as impossible to delete.
pub(crate) const DRILL_DELETION_LIMIT: Duration = Duration::from_mins(5);
/// Time until containerd counts as failed.
const RUNTIME_LIMIT: Duration = Duration::from_mins(2);

/// Waits until containerd answers.
pub(crate) fn for_runtime(context: &NodeContext, programs: &Programs) -> Result<(), StepError> {
    let ask = programs.runtime_version();
    until(&*context.progress, "containerd answers", RUNTIME_LIMIT, || context.host.run(&ask).err()).map(|_| ())
}

/// Waits until the API server is ready and knows the node. Returns the seconds that it took.
pub(crate) fn for_control_plane(context: &NodeContext, programs: &Programs, limit: Duration) -> Result<u64, StepError> {
    until(&*context.progress, "the control plane is ready", limit, || control_plane_lacks(context, programs))
}

/// Returns the reason why the control plane is not ready; `None` if the API server is ready and knows the node.
pub(crate) fn control_plane_lacks(context: &NodeContext, programs: &Programs) -> Option<StepError> {
    [["get", "--raw", "/readyz"].as_slice(), &["get", "node", &context.host.node.name, "-o", "name"]]
        .iter()
        .find_map(|question| context.host.run(&programs.kubectl(question)).err())
}

/// Waits until `lacks` returns `None`, with occasional notes about the reason. Returns the seconds that it took.
pub(crate) fn until(
    progress: &dyn Progress,
    what: &str,
    limit: Duration,
    mut lacks: impl FnMut() -> Option<StepError>,
) -> Result<u64, StepError> {
    let begin = Instant::now();
    let mut last_note = begin;
    while let Some(error) = lacks() {
        if begin.elapsed() > limit {
            let what = format!("after {} s it is still not true that {what}", limit.as_secs());
            return Err(StepError::new(codes::NODE_TIMEOUT, what).because(error));
        }
        if last_note.elapsed() > NOTE_INTERVAL {
            last_note = Instant::now();
            progress.event(Event::Note(format!("waiting until {what}: {}", with_causes(&error))));
        }
        std::thread::sleep(POLL);
    }
    Ok(begin.elapsed().as_secs())
}
