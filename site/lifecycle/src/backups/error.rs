//! Errors of the repository, as steps report them.

use std::io;

use landfall_backup::BackupError;
use landfall_cluster::StreamError;
use landfall_engine::step::StepError;
use landfall_error_codes::{Coded, codes};

/// The error of a step that could not use the backup repository. It keeps the code, except where the connection to a pod broke
/// off: that is no fault of the repository, and the step may be tried again.
pub(crate) fn unusable(error: BackupError) -> StepError {
    let code = error.code();
    match error {
        BackupError::Durable(error) => error.into(),
        BackupError::Stream { name, source } if broke_off(&source) => {
            let what = format!("the connection to the pod broke off while {name} was saved");
            StepError::new(codes::CLUSTER_UNREACHABLE, what).because(source)
        }
        error => StepError::new(code, "the backup repository cannot be used").because(error),
    }
}

/// Whether a stream ended because a connection did: the kubelet or containerd may have been restarted.
fn broke_off(error: &io::Error) -> bool {
    let stream = error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>());
    stream.is_some_and(|error| matches!(error, StreamError::CutOff | StreamError::NoAnswer(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_that_broke_off_is_no_fault_of_the_repository() {
        let code = |source: io::Error| {
            let name = "db/data".parse().unwrap();
            unusable(BackupError::Stream { name, source }).code()
        };
        assert_eq!(code(io::Error::other(StreamError::CutOff)), codes::CLUSTER_UNREACHABLE);
        let failed = StreamError::TimedOut(std::time::Duration::from_secs(1));
        assert_eq!(code(io::Error::other(failed)), codes::BACKUP_STREAM);
        assert_eq!(code(io::Error::other("the disk failed")), codes::BACKUP_STREAM);
    }
}
