//! Execution of programs in containers of a cluster.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Cluster;
use super::conversation::trailer::Trailer;
use super::conversation::{self, ConversationResult, Input, StandardOutput, converse};
use super::no_answer::NoAnswer;
use super::output::Output;
use super::program::{Program, Success};

/// Result of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramResult {
    /// Its exit code.
    pub exit_code: i32,
    /// Its standard output.
    pub stdout: Output,
    /// Its standard error.
    pub stderr: Output,
}

/// A running program, with which the cluster's runtime communicates. Dropping this value closes the connection.
pub(super) struct RunningProgram {
    cluster: Cluster,
    conversation: JoinHandle<Result<ConversationResult, NoAnswer>>,
}

impl RunningProgram {
    /// Waits until the program has ended.
    pub(super) fn wait(mut self) -> Result<ConversationResult, NoAnswer> {
        let conversation = &mut self.conversation;
        self.cluster.wait_for(conversation).unwrap_or_else(|error| Err(NoAnswer::Connection(error.into())))
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        self.conversation.abort();
    }
}

impl Cluster {
    /// Runs a program in a container of a pod, without standard input, and waits for its end. At the time limit the
    /// connection is closed; that does not end the program.
    pub fn execute(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        arguments: &[String],
        limit: Duration,
    ) -> Result<ProgramResult, NoAnswer> {
        let program = Program { namespace, pod, container, arguments, success: Success::Reported };
        let ended = self.start(&program, limit, None, StandardOutput::keep)?.wait()?;
        Ok(ProgramResult { exit_code: ended.exit_code, stdout: ended.stdout, stderr: ended.stderr })
    }

    /// Starts a program, with a time limit on the conversation.
    pub(super) fn start(
        &self,
        program: &Program<'_>,
        limit: Duration,
        input: Option<mpsc::Receiver<Input>>,
        output: impl FnOnce(Option<Trailer>) -> StandardOutput,
    ) -> Result<RunningProgram, NoAnswer> {
        let begun = Instant::now();
        let trailer = (program.success == Success::Trailer).then(Trailer::new);
        let arguments = trailer.as_ref().map(|trailer| trailer.arguments(program.arguments));
        let arguments = arguments.as_deref().unwrap_or(program.arguments);
        let client = self.talking()?;
        let started = conversation::start(client, program, arguments, input.is_some());
        let started = async { tokio::time::timeout(limit, started).await };
        let connection = self.wait_for(started).map_err(|_| NoAnswer::TimedOut(limit))??;
        let conversation = converse(connection, input, output(trailer));
        let left = limit.saturating_sub(begun.elapsed());
        let conversation = self.spawn(async move {
            let ended = tokio::time::timeout(left, conversation).await;
            ended.unwrap_or(Err(NoAnswer::TimedOut(limit)))
        });
        Ok(RunningProgram { cluster: self.clone(), conversation })
    }
}
