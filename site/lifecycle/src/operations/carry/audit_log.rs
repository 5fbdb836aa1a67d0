//! The console's audit log, as the console's own program exports it in its pod: the host has no copy of it.

use std::io::Read;
use std::time::Duration;

use landfall_cluster::{Cluster, Program, Success};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;

use crate::console::console_of;
use crate::operations::{Operations, Result, TrustedRelease};
use crate::pods::{Container, ready_container};

/// How long an export may take: a log of years has some hundred MiB.
const LIMIT: Duration = Duration::from_mins(30);

/// Largest export that is taken, in bytes: a console that was taken over may write without end.
pub(super) const AUDIT_BYTES: u64 = 2 << 30;

/// How the rule that backs up the console names the folder of its data to its programs.
const DATA: &str = "--data=";

/// The program that exports, in the image of the console.
const EXPORT: [&str; 3] = ["landfall-appliance", "audit", "export"];

impl Operations {
    /// Starts the export in the console's pod, and returns what it writes. The end of the stream means that all of it was read.
    pub(super) fn export_audit(&self, release: &TrustedRelease) -> Result<Box<dyn Read>> {
        let failed = |what: &str| StepError::new(codes::AUDIT_EXPORT, what.to_owned());
        let console = console_of(&release.release);
        let console = console.ok_or_else(|| failed("the installed release has no console"))?;
        let rule = console.backup.first().ok_or_else(|| failed("the console has no rule that backs up its data"))?;
        let arguments = arguments(&rule.save);
        let looking = self.patient_cluster()?;
        let Container { namespace, pod, name } =
            ready_container(&looking, &console.namespace, &rule.workload, rule.container.as_deref())
                .map_err(|error| failed("the console has no pod that can be asked").because(error))?;
        let (container, success) = (name.as_str(), Success::Trailer);
        let program = Program { namespace: &namespace, pod: &pod, container, arguments: &arguments, success };
        // The patience of a look would end a long export.
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let stream = cluster.open_stream(&program, LIMIT);
        Ok(Box::new(
            stream.map_err(|error| failed("the export in the console's pod cannot be started").because(error))?,
        ))
    }
}

/// The program with the folder of the console's data, as the rule that backs it up names that.
fn arguments(save: &[String]) -> Vec<String> {
    let data = save.iter().filter(|argument| argument.starts_with(DATA)).cloned();
    EXPORT.into_iter().map(str::to_owned).chain(data).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_export_reads_the_folder_that_is_backed_up() {
        let save = ["landfall-appliance", "database", "save", "--data=/var/lib/landfall-appliance"].map(str::to_owned);
        assert_eq!(arguments(&save).join(" "), "landfall-appliance audit export --data=/var/lib/landfall-appliance");
    }
}
