//! The console's audit log, exported by the console's own program in its pod. The host has no copy.

use std::io::Read;
use std::time::Duration;

use landfall_cluster::{Cluster, Program, Success};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;

use crate::operations::{Operations, Result, TrustedRelease};
use landfall_site::console::console_of;
use landfall_site::pods::{Container, ready_container};

/// Time limit of an export: a log of several years has some hundred MiB.
const LIMIT: Duration = Duration::from_mins(30);

/// Maximum size of an export in bytes, because a compromised console may write without end.
pub(super) const AUDIT_BYTES: u64 = 2 << 30;

/// Argument with which the console's backup rule passes the data folder to its programs.
const DATA: &str = "--data=";

/// The exporting program in the console's image.
const EXPORT: [&str; 3] = ["landfall-appliance", "audit", "export"];

impl Operations {
    /// Starts the export in the console's pod and returns its output. The end of the stream means that it is complete.
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
        // The short time limit of other queries would end a long export.
        let cluster = Cluster::connect(&self.paths.admin_kubeconfig()).map_err(StepError::from)?;
        let stream = cluster.open_stream(&program, LIMIT);
        Ok(Box::new(
            stream.map_err(|error| failed("the export in the console's pod cannot be started").because(error))?,
        ))
    }
}

/// Returns the program with the console's data folder, taken from the backup rule.
fn arguments(save: &[String]) -> Vec<String> {
    let data = save.iter().filter(|argument| argument.starts_with(DATA)).cloned();
    EXPORT.into_iter().map(str::to_owned).chain(data).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audit_export_reads_backed_up_folder() {
        let save = ["landfall-appliance", "database", "save", "--data=/var/lib/landfall-appliance"].map(str::to_owned);
        assert_eq!(arguments(&save).join(" "), "landfall-appliance audit export --data=/var/lib/landfall-appliance");
    }
}
