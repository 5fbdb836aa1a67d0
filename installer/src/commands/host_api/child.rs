//! Questions about changes that a child process answers. The program of a bundle may take its place, it reads untrusted
//! content of a stick, and it is killed after a time limit.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use landfall_documents::failure::ErrorDocument;
use landfall_documents::history::AskedBy;
use landfall_error_codes::cases::Case;
use landfall_error_codes::{Code, codes};
use landfall_lifecycle::operations::{ASKED_VARIABLE, CORRELATION_VARIABLE, asked_variable};
use landfall_peer::{Problem, Refusal, Requester, is_id};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// This program, even if its file was replaced.
const PROGRAM: &str = "/proc/self/exe";
/// Maximum size of an answer, in bytes.
const ANSWER_BYTES: u64 = 16 << 20;
/// Bytes of standard error that are kept; the error is the last line.
const SAID_BYTES: u64 = 4 << 20;
/// Time for a process to exit after it was killed.
const END: Duration = Duration::from_secs(5);
/// Interval between checks of its exit.
const POLL: Duration = Duration::from_millis(50);

/// Creates a problem from the host's side of the API.
pub(super) fn refusal(status: u16, code: Code, title: impl Into<String>) -> Refusal {
    let hint = Some(code.fix.to_owned());
    Problem { status, title: title.into(), detail: None, code: Some(code.into()), hint }.into()
}

/// Creates a refusal with a case of an error code.
pub(super) fn refusal_in(status: u16, case: Case, title: impl Into<String>) -> Refusal {
    let (code, hint) = (Some(case.code().into()), Some(case.next.to_owned()));
    Problem { status, title: title.into(), detail: None, code, hint }.into()
}

/// The requester of a process's work. It is passed in environment variables, so that no text from the console becomes
/// an argument.
#[derive(Clone)]
pub(super) struct Origin {
    /// ID of the console's request.
    correlation: Option<String>,
    /// Users who requested and approved it.
    asked: AskedBy,
}

impl Origin {
    /// Creates the origin of a request; an invalid ID is dropped.
    pub(super) fn from_requester(asking: &Requester) -> Self {
        let Requester { by, first, correlation, .. } = asking;
        let correlation = is_id(correlation).then(|| correlation.clone());
        Self { correlation, asked: AskedBy::of_console(by, first.as_deref()) }
    }

    fn variables(self) -> impl Iterator<Item = (&'static str, String)> {
        let correlation = self.correlation.map(|id| (CORRELATION_VARIABLE, id));
        [(ASKED_VARIABLE, asked_variable(&self.asked))].into_iter().chain(correlation)
    }
}

/// The question for a process. No `Debug`, because its input may contain a secret.
pub(super) struct Question {
    /// Arguments of `landfall node change`, all of them the host's own.
    pub(super) arguments: Vec<String>,
    /// Standard input of the process: text from the console, which must not become an argument.
    pub(super) input: Zeroizing<Vec<u8>>,
    /// The requester, if it is recorded.
    pub(super) origin: Option<Origin>,
}

impl From<Vec<String>> for Question {
    fn from(arguments: Vec<String>) -> Self {
        Self { arguments, input: Zeroizing::default(), origin: None }
    }
}

/// Runs `landfall --json node change` with this verb and a document as its input, and reads its answer.
pub(super) fn ask_with<T: DeserializeOwned>(
    verb: &str,
    document: &impl Serialize,
    origin: Option<Origin>,
    limit: Duration,
) -> Result<T, Refusal> {
    // Messages of the serializer never quote its input.
    let unwritable = |error: serde_json::Error| refusal(422, codes::REQUEST_INVALID, error.to_string());
    let input = serde_json::to_vec(document).map(Zeroizing::new).map_err(unwritable)?;
    ask(&Question { arguments: vec![verb.to_owned()], input, origin }, limit)
}

/// Runs `landfall --json node change` with these arguments and a time limit, and reads its answer.
pub(super) fn ask<T: DeserializeOwned>(question: &Question, limit: Duration) -> Result<T, Refusal> {
    let mut command = Command::new(PROGRAM);
    command.args(["--json", "node", "change"]).args(&question.arguments);
    answer(command, &question.input, question.origin.clone(), limit)
}

/// Runs `landfall --json` with these arguments, all of them the host's own, and a time limit, and reads its answer.
pub(super) fn run<T: DeserializeOwned>(arguments: &[String], limit: Duration) -> Result<T, Refusal> {
    let mut command = Command::new(PROGRAM);
    command.arg("--json").args(arguments);
    answer(command, &[], None, limit)
}

fn answer<T: DeserializeOwned>(
    mut command: Command,
    input: &[u8],
    origin: Option<Origin>,
    limit: Duration,
) -> Result<T, Refusal> {
    let failed = |what: String| refusal(503, codes::CHANGE_QUESTION, what);
    let input = input_file(input).map_err(|error| failed(format!("its input cannot be kept: {error}")))?;
    let mut child = command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .envs(origin.into_iter().flat_map(Origin::variables))
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("the process that answers cannot be started: {error}")))?;
    let (stdout, stderr) = (reader(child.stdout.take(), head), reader(child.stderr.take(), tail));
    let ended = wait(&mut child, limit);
    if ended.is_none() {
        let _gone = child.kill();
        // A device that does not respond may block it in the kernel: then it is abandoned, together with the threads
        // that read from it.
        if wait(&mut child, END).is_none() {
            return Err(failed(format!(
                "there was no answer in {} seconds, and the process does not exit",
                limit.as_secs()
            )));
        }
    }
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    match ended {
        None => Err(failed(format!("there was no answer in {} seconds", limit.as_secs()))),
        Some(true) => {
            serde_json::from_slice(&stdout).map_err(|error| failed(format!("its answer is not valid: {error}")))
        }
        Some(false) => {
            let silent = || failed("it failed without an error message".to_owned());
            Err(printed_error(&stderr).map_or_else(silent, refusal_of))
        }
    }
}

/// File in memory with the input. The program of a bundle that takes the process's place reads it again, and a process
/// that does not read blocks nothing.
fn input_file(input: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("landfall-input", MemfdFlags::CLOEXEC)?);
    file.write_all(input)?;
    file.rewind()?;
    Ok(file)
}

fn reader<P: Read + Send + 'static>(pipe: Option<P>, read: fn(P) -> Vec<u8>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || pipe.map(read).unwrap_or_default())
}

/// The first bytes of a pipe. Bytes beyond the limit are discarded, so that the process does not block.
fn head(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _cut = pipe.by_ref().take(ANSWER_BYTES).read_to_end(&mut bytes);
    let _rest = io::copy(&mut pipe, &mut io::sink());
    bytes
}

/// The last bytes of a pipe: the error is the last line, after any other output.
fn tail(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    while pipe.by_ref().take(SAID_BYTES).read_to_end(&mut bytes).is_ok_and(|count| count > 0) {
        let surplus = bytes.len().saturating_sub(usize::try_from(SAID_BYTES).unwrap_or(usize::MAX));
        bytes.drain(..surplus);
    }
    bytes
}

/// Returns true if it succeeded; `None` if it still runs after the time limit.
fn wait(child: &mut Child, limit: Duration) -> Option<bool> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < end => std::thread::sleep(POLL),
            _ => return None,
        }
    }
}

/// The error in the last line.
fn printed_error(stderr: &[u8]) -> Option<ErrorDocument> {
    let text = String::from_utf8_lossy(stderr);
    serde_json::from_str(text.trim_end().lines().last()?).ok()
}

fn refusal_of(error: ErrorDocument) -> Refusal {
    let ErrorDocument { code, exit_code, what, causes, blockers, next, .. } = error;
    let is_busy = [codes::SITE_BUSY, codes::CHANGE_OPEN].iter().any(|busy| code == *busy);
    let status = match exit_code {
        _ if is_busy => 409,
        2 | 3 => 422,
        _ => 503,
    };
    let detail = (!causes.is_empty()).then(|| causes.join(": "));
    let problem = Problem { status, title: what, detail, code: Some(code), hint: Some(next) };
    Refusal { problem: Box::new(problem), blockers }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Runs a script in place of the program.
    fn say(script: &str, limit: Duration) -> Result<Value, Refusal> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "program", "/media/a b; reboot"]);
        let [request, by, correlation] = ["00000001", "bob", "0123abcd"].map(str::to_owned);
        let origin =
            Origin::from_requester(&Requester { request, by, correlation, first: Some("ada; reboot".to_owned()) });
        answer(command, INPUT.as_bytes(), Some(origin), limit)
    }

    const INPUT: &str = r#"{"replicas":3}"#;
    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn answers_and_arguments_are_preserved() {
        assert_eq!(say(r#"printf '["%s"]' "$1""#, LIMIT).unwrap(), json!(["/media/a b; reboot"]));
        assert_eq!(say("cat", LIMIT).unwrap(), json!({ "replicas": 3 }));
        let again = "cat >/dev/null; exec cat /proc/self/fd/0";
        assert_eq!(say(again, LIMIT).unwrap(), json!({ "replicas": 3 }), "another program reads it from its beginning");
        assert_eq!(say(r#"printf '["%s"]' "$LANDFALL_CORRELATION""#, LIMIT).unwrap(), json!(["0123abcd"]));
        let asked =
            json!({ "by": { "kind": "user", "name": "ada; reboot" }, "approvedBy": { "kind": "user", "name": "bob" } });
        assert_eq!(say(r#"printf '%s' "$LANDFALL_ASKED""#, LIMIT).unwrap(), asked);
        let long = say("head -c 3000000 /dev/zero >&2; printf '[]'", LIMIT);
        assert_eq!(long.unwrap(), json!([]), "what it says beside the answer does not hold it up");
    }

    #[test]
    fn error_keeps_code_causes_and_blockers() {
        let error = json!({
            "kind": "error", "schema": 1, "code": "LF3020", "class": "not-ready", "exitCode": 4, "what": "not ready",
            "causes": ["one", "two"], "next": "do it",
            "blockers": [{ "code": "LF3008", "what": "too little space", "why": "1 GiB", "next": "free some" }],
        });
        let refusal = say(&format!("yes noise | head -c 9000000 >&2; echo '{error}' >&2; exit 4"), LIMIT).unwrap_err();
        let Problem { status, title, detail, code, hint } = *refusal.problem;
        assert_eq!((status, title.as_str(), detail.as_deref()), (503, "not ready", Some("one: two")));
        assert_eq!((code.as_deref(), hint.as_deref()), (Some("LF3020"), Some("do it")));
        assert_eq!(&*refusal.blockers[0].code, "LF3008");
    }

    #[test]
    fn unusable_answers_are_errors() {
        let code = |script: &str, limit| say(script, limit).unwrap_err().problem.code.unwrap().to_string();
        assert_eq!(code("exit 1", LIMIT), "LF4808");
        assert_eq!(code("echo nonsense", LIMIT), "LF4808");
        let begun = Instant::now();
        assert_eq!(code("exec sleep 60", Duration::from_millis(300)), "LF4808");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
