//! Conversion of the repository's errors to step errors.

use std::io;

use landfall_backup::BackupError;
use landfall_cluster::StreamError;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};

/// Exit codes of a program that SIGKILL or SIGTERM ended: its pod was deleted or restarted, or ran out of memory.
pub(super) const KILLED: [i32; 2] = [137, 143];

/// Converts an error of the backup repository to a step error with the same code. The code differs if the connection to
/// a pod broke or the pod ended. The repository is then not at fault, and the step may be retried.
pub fn unusable(error: impl Into<BackupError>) -> StepError {
    let error: BackupError = error.into();
    let code = error.code();
    match error {
        BackupError::Durable(error) => error.into(),
        BackupError::Stream { name, source } if broke_off(&source) => {
            let what = format!("the connection to the pod broke off while {name} was saved");
            StepError::new(codes::CLUSTER_UNREACHABLE, what).because(source)
        }
        BackupError::Stream { name, source } if was_killed(&source) => {
            let what = format!("the pod ended while {name} was saved");
            StepError::new(codes::BACKUP_POD_ENDED, what).because(source)
        }
        error => {
            let hint = error.hint();
            // The repository is sound in this case, but lacks the requested item.
            let is_unknown = matches!(error, BackupError::NoBackup { .. } | BackupError::NoStream { .. });
            let failed = if is_unknown {
                StepError::new(code, error.to_string())
            } else {
                StepError::new(code, "the backup repository cannot be used").because(error)
            };
            hint.into_iter().fold(failed, StepError::hint)
        }
    }
}

/// Returns true if a stream ended with its connection, for example because the kubelet or containerd restarted.
fn broke_off(error: &io::Error) -> bool {
    stream_error(error).is_some_and(|error| matches!(error, StreamError::CutOff | StreamError::NoAnswer(_)))
}

/// Returns true if a stream ended because its program was killed.
fn was_killed(error: &io::Error) -> bool {
    let is_killed = |exit_code: &i32| KILLED.contains(exit_code);
    stream_error(error).is_some_and(|error| match error {
        StreamError::Failed { exit_code, .. } | StreamError::EndedEarly { exit_code, .. } => is_killed(exit_code),
        _ => false,
    })
}

fn stream_error(error: &io::Error) -> Option<&StreamError> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use landfall_cluster::Output;

    use super::*;

    #[test]
    fn broken_connection_and_ended_pod_have_codes() {
        let code = |source: io::Error| {
            let name = "db/data".parse().unwrap();
            unusable(BackupError::Stream { name, source }).code()
        };
        assert_eq!(code(io::Error::other(StreamError::CutOff)), codes::CLUSTER_UNREACHABLE);
        let failed = StreamError::TimedOut(std::time::Duration::from_secs(1));
        assert_eq!(code(io::Error::other(failed)), codes::BACKUP_STREAM);
        assert_eq!(code(io::Error::other("the disk failed")), codes::BACKUP_STREAM);
        for (exit_code, expected) in
            [(137, codes::BACKUP_POD_ENDED), (143, codes::BACKUP_POD_ENDED), (1, codes::BACKUP_STREAM)]
        {
            let failed = StreamError::Failed { exit_code, stderr: Output::default() };
            assert_eq!(code(io::Error::other(failed)), expected, "{exit_code}");
        }
    }
}
