//! The pod in which a rule's programs run while its component runs.

use std::io::Read;
use std::time::{Duration, Instant};

use landfall_cluster::{Cluster, Program, Success};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_release_document::BackupRule;

use super::error::KILLED;
use crate::pods::{Container, NoContainer, ready_container};

/// Time for which a workload may have no ready pod.
const POD_LIMIT: Duration = Duration::from_mins(2);

/// Time between checks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Execution of a rule's programs.
pub(super) trait RulePrograms {
    /// `COMPONENT/RULE`.
    fn stream(&self) -> &str;

    /// Starts a program whose output is read. `limit_seconds` overrides the rule's time limit.
    fn open(&self, arguments: &[String], limit_seconds: Option<u64>) -> Result<Box<dyn Read>, StepError>;

    /// Runs a program to its end.
    fn run(&self, arguments: &[String], limit_seconds: u64) -> Result<(), StepError>;
}

/// A ready pod of a rule's workload, found again for each program.
pub(super) struct RulePod<'a> {
    pub(super) cluster: &'a Cluster,
    /// `COMPONENT/RULE`.
    pub(super) stream: String,
    /// The component's namespace.
    pub(super) namespace: &'a str,
    pub(super) rule: &'a BackupRule,
}

impl RulePrograms for RulePod<'_> {
    fn stream(&self) -> &str {
        &self.stream
    }

    fn open(&self, arguments: &[String], limit_seconds: Option<u64>) -> Result<Box<dyn Read>, StepError> {
        let container = self.container()?;
        let program = Program {
            namespace: &container.namespace,
            pod: &container.pod,
            container: &container.name,
            arguments,
            success: Success::Trailer,
        };
        let limit = Duration::from_secs(limit_seconds.unwrap_or(self.rule.limit_seconds));
        let opened = self.cluster.open_stream(&program, limit);
        Ok(Box::new(opened.map_err(|error| backup_error(&self.stream, "cannot be started", error))?))
    }

    fn run(&self, arguments: &[String], limit_seconds: u64) -> Result<(), StepError> {
        let Container { namespace, pod, name } = self.container()?;
        let limit = Duration::from_secs(limit_seconds);
        let executed = self.cluster.execute(&namespace, &pod, &name, arguments, limit);
        let executed = executed.map_err(|error| backup_error(&self.stream, "cannot be prepared", error))?;
        if executed.exit_code == 0 {
            return Ok(());
        }
        let said = executed.stderr.text.trim();
        let program = arguments.first().map_or("", String::as_str);
        let what = format!("a program of {} ({program}) failed with exit code {}", self.stream, executed.exit_code);
        let code = if KILLED.contains(&executed.exit_code) { codes::BACKUP_POD_ENDED } else { codes::BACKUP_STREAM };
        Err(StepError::new(code, format!("{what}: {said}")))
    }
}

impl RulePod<'_> {
    fn container(&self) -> Result<Container, StepError> {
        let (rule, begun) = (self.rule, Instant::now());
        loop {
            match ready_container(self.cluster, self.namespace, &rule.workload, rule.container.as_deref()) {
                Ok(container) => return Ok(container),
                Err(NoContainer::Cluster(error)) if !error.is_transient() => return Err(error.into()),
                Err(error @ NoContainer::Missing(_)) => {
                    return Err(StepError::new(codes::BACKUP_POD, error.to_string()));
                }
                Err(error) if begun.elapsed() > POD_LIMIT => {
                    let what = format!("{} has not been saved", self.stream);
                    return Err(StepError::new(codes::BACKUP_POD, what).because(error));
                }
                Err(_) => std::thread::sleep(INTERVAL),
            }
        }
    }
}

fn backup_error(stream: &str, problem: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
    StepError::new(codes::BACKUP_STREAM, format!("the backup of {stream} {problem}")).because(error)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use jiff::Timestamp;
    use landfall_backup::{BackupKind, NewBackup};
    use landfall_cluster::{NoAnswer, StreamError};
    use landfall_engine::causes::with_causes;
    use landfall_error_codes::CodedError;

    use super::super::folder::tests::host;
    use super::super::{BackupFolder, unusable};
    use super::*;

    /// A stream whose program is missing in the container, as the node reports it.
    struct MissingProgram;

    impl Read for MissingProgram {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            let message = "exec: \"pg_basebackop\": executable file not found in $PATH".to_owned();
            let refused = NoAnswer::Refused { code: 500, message, transient: false };
            Err(io::Error::other(backup_error("db/files", "cannot be started", StreamError::from(refused))))
        }
    }

    #[test]
    fn missing_program_prevents_backup() {
        let (_root, paths) = host();
        let repository = BackupFolder::of(&paths).open_or_create().unwrap();
        let mut lacking = MissingProgram;
        let streams: Vec<(_, &mut dyn Read)> = vec![("db/files".parse().unwrap(), &mut lacking)];
        let (kind, time) = (BackupKind::Full, Timestamp::UNIX_EPOCH);
        let new = NewBackup { kind, time, facts: [].into(), streams, documents: Vec::new() };
        let error = unusable(repository.save(new).unwrap_err());
        assert_eq!(error.code(), codes::BACKUP_STREAM);
        let said = with_causes(&error);
        assert!(said.contains("the backup of db/files cannot be started") && said.contains("pg_basebackop"), "{said}");
        assert_eq!(repository.backups().unwrap(), []);
    }
}
