//! Programs that run in containers of a cluster.

use std::error::Error;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Cluster;
use super::retry::is_transient;

/// Maximum bytes of an output that are kept.
pub(super) const KEPT_BYTES: usize = 256 << 10;

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code.
    pub exit_code: i32,
    /// Its standard output.
    pub stdout: Output,
    /// Its standard error.
    pub stderr: Output,
}

/// What was said, as far as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Its beginning, as text; what is no UTF-8 is replaced.
    pub text: String,
    /// Bytes after it that were dropped.
    pub dropped_bytes: u64,
}

/// The beginning of an output that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    kept: Vec<u8>,
    dropped_bytes: u64,
}

impl Beginning {
    /// Keeps as much of a piece as there is room for, and counts the rest. Returns whether there was a rest.
    pub(super) fn add(&mut self, piece: &[u8]) -> bool {
        let room = KEPT_BYTES.saturating_sub(self.kept.len()).min(piece.len());
        self.kept.extend_from_slice(&piece[..room]);
        self.dropped_bytes += (piece.len() - room) as u64;
        room < piece.len()
    }

    pub(super) fn output(self) -> Output {
        Output { text: String::from_utf8_lossy(&self.kept).into_owned(), dropped_bytes: self.dropped_bytes }
    }
}

/// Why nothing in the cluster answered.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// No answer in time.
    #[error("no answer came within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection was refused, or broke off.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn Error + Send + Sync>),
    /// The API server or the node refused.
    #[error("it was refused with {code}: {message}")]
    Refused {
        /// Code of HTTP.
        code: u16,
        /// Why.
        message: String,
        /// Whether the same may succeed later.
        transient: bool,
    },
}

impl NoAnswer {
    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut(_) => false,
            Self::Connection(_) => true,
            Self::Refused { transient, .. } => *transient,
        }
    }
}

impl From<kube::Error> for NoAnswer {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                Self::Refused { code: status.code, transient: is_transient(&status), message: status.message }
            }
            other => Self::Connection(other.into()),
        }
    }
}

impl Cluster {
    /// Runs a program in a container of a pod, without standard input, and waits until it ends. When the time is over the
    /// connection is closed; what runs in the container is not ended by that.
    pub fn execute(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        arguments: &[String],
        limit: Duration,
    ) -> Result<Executed, NoAnswer> {
        let parameters = AttachParams::default().container(container);
        let client = self.talking().map_err(NoAnswer::from)?;
        let executed = async {
            let pods: Api<Pod> = Api::namespaced(client, namespace);
            let mut process = pods.exec(pod, arguments.iter().map(String::as_str), &parameters).await?;
            let (status, stdout, stderr) = (process.take_status(), process.stdout(), process.stderr());
            // A connection that breaks off closes neither output: the missing status is its only sign.
            let ended = async { status.ok_or_else(broken_off)?.await.ok_or_else(broken_off) };
            let (status, stdout, stderr) = tokio::try_join!(ended, keep(stdout), keep(stderr))?;
            Ok(Executed { exit_code: exit_code(status)?, stdout, stderr })
        };
        let executed = async { tokio::time::timeout(limit, Box::pin(executed)).await };
        self.wait_for(executed).unwrap_or(Err(NoAnswer::TimedOut(limit)))
    }
}

fn broken_off() -> NoAnswer {
    NoAnswer::Connection("it broke off before the program ended".into())
}

/// Reads to the end and keeps the beginning.
async fn keep(reader: Option<impl AsyncRead + Unpin>) -> Result<Output, NoAnswer> {
    let Some(mut reader) = reader else { return Ok(Output::default()) };
    let mut beginning = Beginning::default();
    let mut piece = [0; 8192];
    loop {
        let read = reader.read(&mut piece).await.map_err(|error| NoAnswer::Connection(error.into()))?;
        if read == 0 {
            return Ok(beginning.output());
        }
        beginning.add(&piece[..read]);
    }
}

/// The exit code in the status that ends a program's run: success, or the cause that names it.
fn exit_code(status: Status) -> Result<i32, NoAnswer> {
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
    fn the_status_says_how_a_program_ended() {
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

    #[test]
    fn the_beginning_of_a_long_output_is_kept() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let long = vec![b'a'; KEPT_BYTES + 5000];
        let output = runtime.block_on(keep(Some(long.as_slice()))).unwrap();
        assert_eq!((output.text.len(), output.dropped_bytes), (KEPT_BYTES, 5000));
        let bytes = runtime.block_on(keep(Some(&b"a\xffb"[..]))).unwrap();
        assert_eq!(bytes, Output { text: "a\u{fffd}b".to_owned(), dropped_bytes: 0 });
    }
}
