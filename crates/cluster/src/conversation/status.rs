//! Status by which the API server reports a program's exit.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use crate::no_answer::NoAnswer;

/// Returns the exit code of the status: 0 for success, or the code that its cause names.
pub(super) fn exit_code(status: Status) -> Result<i32, NoAnswer> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code =
        causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode")).find_map(|cause| cause.message.as_ref());
    match code.and_then(|code| code.parse().ok()) {
        Some(code) if status.reason.as_deref() == Some("NonZeroExitCode") => Ok(code),
        _ => Err(NoAnswer::Refused {
            code: status.code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500),
            message: status.message.unwrap_or_default(),
            transient: false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(status: serde_json::Value) -> Result<i32, String> {
        let status: Status = serde_json::from_value(status).unwrap();
        exit_code(status).map_err(|error| error.to_string())
    }

    #[test]
    fn status_gives_exit_code_or_refusal() {
        assert_eq!(code(json!({ "metadata": {}, "status": "Success" })), Ok(0));
        let failed = json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with 3",
            "details": { "causes": [{ "reason": "ExitCode", "message": "3" }] },
        });
        assert_eq!(code(failed), Ok(3));
        let missing = json!({ "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": "exec: \"psq\": executable file not found in $PATH" });
        assert_eq!(
            code(missing),
            Err("it was refused with 500: exec: \"psq\": executable file not found in $PATH".to_owned())
        );
    }
}
