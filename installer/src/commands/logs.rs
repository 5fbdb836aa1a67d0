//! `landfall logs`: what the pods of a component have logged.

use std::ffi::OsString;
use std::process::{Child, ExitCode};

use super::kubectl::{become_program, not_started};
use super::site::operations_of_root;
use crate::cli::LogsArguments;
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints the logs of a component's pods, each line with its pod and its container. Logs that are followed appear as they
/// are written, those of all pods together.
pub(crate) fn run(arguments: &LogsArguments, printer: Printer) -> Result<ExitCode, Failure> {
    let operations = operations_of_root(printer)?;
    let pods = operations.component_pods(&arguments.component)?;
    let command = |pod: &landfall_lifecycle::operations::Pod| {
        let mut kubectl = operations.kubectl()?;
        kubectl.args(of_pod(arguments, &pod.namespace, &pod.name));
        Ok::<_, Failure>(kubectl)
    };
    if let [pod] = &pods[..] {
        return become_program(&mut command(pod)?).map(|never| match never {});
    }
    if pods.is_empty() {
        printer.note(&format!("{} has no pods", arguments.component));
    }
    let mut code = ExitCode::SUCCESS;
    let mut followed: Vec<Child> = Vec::new();
    for pod in &pods {
        let mut child = command(pod)?.spawn().map_err(|error| not_started(&error))?;
        if arguments.follow {
            followed.push(child);
        } else {
            code = worse(code, &mut child)?;
        }
    }
    followed.iter_mut().try_fold(code, worse)
}

/// The exit code so far, or that of a program which failed.
fn worse(code: ExitCode, child: &mut Child) -> Result<ExitCode, Failure> {
    let status = child.wait().map_err(|error| not_started(&error))?;
    Ok(if status.success() {
        code
    } else {
        ExitCode::from(status.code().and_then(|it| it.try_into().ok()).unwrap_or(1))
    })
}

/// kubectl's arguments for one pod.
fn of_pod(arguments: &LogsArguments, namespace: &str, pod: &str) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        ["logs", "--namespace", namespace, pod, "--all-containers", "--prefix", "--ignore-errors"]
            .map(Into::into)
            .into();
    if arguments.follow {
        words.push("--follow".into());
    }
    if let Some(since) = &arguments.since {
        words.push(format!("--since={since}").into());
    }
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn kubectl_is_asked_for_all_that_was_wanted() {
        let words = |line: &str| {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Command::Logs(arguments) = cli.command else { panic!("{line}") };
            let words = of_pod(&arguments, "db", "postgres-0");
            words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let all = "logs --namespace db postgres-0 --all-containers --prefix --ignore-errors";
        assert_eq!(words("landfall logs postgres"), all);
        assert_eq!(words("landfall logs postgres --follow --since 5m"), format!("{all} --follow --since=5m"));
        assert!(Cli::try_parse_from(["landfall", "logs"]).is_err());
    }
}
