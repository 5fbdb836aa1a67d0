//! Errors of the repository, as steps report them.

use landfall_backup::BackupError;
use landfall_engine::step::StepError;
use landfall_error_codes::Coded;

/// The error of a step that could not use the backup repository. It keeps the code.
pub(crate) fn unusable(error: BackupError) -> StepError {
    let code = error.code();
    match error {
        BackupError::Durable(error) => error.into(),
        error => StepError::new(code, "the backup repository cannot be used").because(error),
    }
}
