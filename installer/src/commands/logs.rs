//! `landfall logs`: prints logs of a component's pods, and follows them.

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::process::{Child, ExitCode};
use std::sync::{Arc, OnceLock};

use landfall_error_codes::codes;
use landfall_lifecycle::operations::{Listener, LogItem, LogSelection, LogSource, Operations, PodContainers};

use super::kubectl::{become_program, not_started};
use super::site::operations_of_root;
use crate::cli::LogsArguments;
use crate::failure::Failure;
use crate::printer::{Printer, ignore_closed_pipe};

/// Prints the logs of a component's pods, each line with its pod and container. With `--follow`, lines of all pods are
/// printed as they arrive, until an interrupt.
pub(crate) fn run(arguments: &LogsArguments, printer: Printer) -> Result<ExitCode, Failure> {
    let operations = operations_of_root(printer)?;
    if !arguments.follow {
        return print(arguments, &operations, printer);
    }
    let failed = Arc::new(OnceLock::new());
    let LogsArguments { component, since, tail, container, .. } = arguments;
    let selection = LogSelection { since: *since, tail: *tail, container: container.clone() };
    operations.follow_logs(component, &selection, &listener(printer, &failed))?;
    ignore_closed_pipe(failed.get().map_or(Ok(()), |kind| Err(io::Error::from(*kind))))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the present logs through kubectl.
fn print(arguments: &LogsArguments, operations: &Operations, printer: Printer) -> Result<ExitCode, Failure> {
    let pods = operations.component_pods(&arguments.component, arguments.container.as_deref())?;
    if pods.is_empty() {
        printer.note(&format!("{} has no pods", arguments.component));
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = kubectl_arguments(arguments, &pods)?;
    let command = |words: &Vec<OsString>| {
        let mut kubectl = operations.kubectl()?;
        kubectl.args(words);
        Ok::<_, Failure>(kubectl)
    };
    if let [words] = &wanted[..] {
        return become_program(&mut command(words)?).map(|never| match never {});
    }
    let mut code = ExitCode::SUCCESS;
    for words in &wanted {
        let mut child = command(words)?.spawn().map_err(|error| not_started(&error))?;
        code = worse(code, &mut child)?;
    }
    Ok(code)
}

/// Waits for kubectl. Returns the exit code so far, or that of a failed process.
fn worse(code: ExitCode, child: &mut Child) -> Result<ExitCode, Failure> {
    let status = child.wait().map_err(|error| not_started(&error))?;
    Ok(if status.success() {
        code
    } else {
        ExitCode::from(status.code().and_then(|it| it.try_into().ok()).unwrap_or(1))
    })
}

/// Arguments of kubectl, once per pod; for previous runs, once per container that has one, because kubectl refuses the
/// others.
fn kubectl_arguments(arguments: &LogsArguments, pods: &[PodContainers]) -> Result<Vec<Vec<OsString>>, Failure> {
    if !arguments.previous {
        let container = arguments.container.as_deref();
        return Ok(pods.iter().map(|pod| of_pod(arguments, pod, container)).collect());
    }
    let earlier = pods.iter().flat_map(|pod| {
        let containers = pod.containers.iter().filter(|container| container.has_previous);
        containers.map(move |container| of_pod(arguments, pod, Some(&container.name)))
    });
    let earlier: Vec<_> = earlier.collect();
    if earlier.is_empty() {
        let what = format!("no container of {} has run before", arguments.component);
        return Err(Failure::new(codes::NO_PREVIOUS_RUN, what));
    }
    Ok(earlier)
}

/// Arguments of kubectl for one pod, with all of its containers or one.
fn of_pod(arguments: &LogsArguments, pod: &PodContainers, container: Option<&str>) -> Vec<OsString> {
    let containers = container.map_or_else(|| "--all-containers".to_owned(), |name| format!("--container={name}"));
    let words = ["logs", "--namespace", &pod.namespace, &pod.pod, &containers, "--prefix", "--ignore-errors"];
    let mut words: Vec<OsString> = words.map(Into::into).into();
    words.extend(arguments.since.map(|since| format!("--since={}s", since.as_secs()).into()));
    words.extend(arguments.tail.map(|lines| format!("--tail={lines}").into()));
    words.extend(arguments.previous.then(|| "--previous".into()));
    words
}

/// Prints lines in kubectl's format, and events of pods as notes. Stops at a line that cannot be printed, and records
/// the reason.
fn listener(printer: Printer, failed: &Arc<OnceLock<io::ErrorKind>>) -> Listener {
    let failed = Arc::clone(failed);
    Arc::new(move |logged| match logged {
        LogItem::Line { source, text } => match printer.bytes(&line(&source, &text)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed.get_or_init(|| error.kind());
                ControlFlow::Break(())
            }
        },
        LogItem::Started { namespace, pod } => note(printer, &format!("pod {namespace}/{pod} has started")),
        LogItem::Restarted { source: LogSource { namespace, pod, container }, times, ended } => note(
            printer,
            &format!("container {container} of pod {namespace}/{pod} has restarted, {times} times so far: {ended}"),
        ),
        LogItem::Unanswered(reason) => {
            note(printer, &format!("the cluster does not answer, and is asked again: {reason}"))
        }
    })
}

fn note(printer: Printer, text: &str) -> ControlFlow<()> {
    printer.note(text);
    ControlFlow::Continue(())
}

/// A line with kubectl's prefix, and with a newline even if its container wrote none.
fn line(source: &LogSource, text: &[u8]) -> Vec<u8> {
    let mut line = format!("[pod/{}/{}] ", source.pod, source.container).into_bytes();
    line.extend_from_slice(text);
    if line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    line
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use landfall_lifecycle::operations::PodContainer;

    use super::*;
    use crate::cli::{Cli, Command};

    fn arguments(line: &str) -> LogsArguments {
        let Command::Logs(arguments) = Cli::try_parse_from(line.split(' ')).unwrap().command else { panic!("{line}") };
        arguments
    }

    #[test]
    fn log_options_become_kubectl_arguments() {
        let words = |line: &str| {
            let one = |name: &str, has_previous| PodContainer { name: name.to_owned(), has_previous };
            let containers = vec![one("postgres", true), one("metrics", false)];
            let pod = PodContainers { namespace: "db".to_owned(), pod: "postgres-0".to_owned(), containers };
            let words = kubectl_arguments(&arguments(line), &[pod]).unwrap();
            let [words] = &words[..] else { panic!("{words:?}") };
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let all = "logs --namespace db postgres-0 --all-containers --prefix --ignore-errors";
        assert_eq!(words("landfall logs postgres"), all);
        assert_eq!(words("landfall logs postgres --since 5m"), format!("{all} --since=300s"));
        assert_eq!(words("landfall logs postgres --since 1h30m"), format!("{all} --since=5400s"));
        assert_eq!(words("landfall logs postgres --tail 20"), format!("{all} --tail=20"));
        let one = "logs --namespace db postgres-0 --container=metrics --prefix --ignore-errors";
        assert_eq!(words("landfall logs postgres --container metrics"), one);
        let earlier =
            "logs --namespace db postgres-0 --container=postgres --prefix --ignore-errors --tail=5 --previous";
        assert_eq!(words("landfall logs postgres --previous --tail 5"), earlier);
        assert!(arguments("landfall logs postgres --follow").follow);
        for (wrong, kind) in [
            ("landfall logs", ErrorKind::MissingRequiredArgument),
            ("landfall logs postgres --follow --previous", ErrorKind::ArgumentConflict),
            ("landfall logs postgres --since soon", ErrorKind::ValueValidation),
            ("landfall logs postgres --since -5m", ErrorKind::UnknownArgument),
        ] {
            assert_eq!(Cli::try_parse_from(wrong.split(' ')).expect_err(wrong).kind(), kind, "{wrong}");
        }
    }

    #[test]
    fn missing_previous_run_is_refused() {
        let pod = PodContainers { namespace: "db".to_owned(), pod: "postgres-0".to_owned(), containers: Vec::new() };
        let failure = kubectl_arguments(&arguments("landfall logs postgres --previous"), &[pod]).unwrap_err();
        assert_eq!(failure.code().id, "LF4042");
        assert!(failure.text().contains("no container of postgres has run before"), "{}", failure.text());
    }

    #[test]
    fn followed_lines_match_kubectl_format() {
        let text = |text: &str| text.to_owned();
        let source = LogSource { namespace: text("db"), pod: text("postgres-0"), container: text("postgres") };
        assert_eq!(line(&source, b"ready\n"), b"[pod/postgres-0/postgres] ready\n");
        assert_eq!(line(&source, b"\x1b[1m\xff"), b"[pod/postgres-0/postgres] \x1b[1m\xff\n");
    }
}
