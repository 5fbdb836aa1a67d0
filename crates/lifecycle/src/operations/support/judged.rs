//! Preflight's current findings on the host, for the installed release.

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::facts::{self, ProbedGpus};
use serde_json::Value;

use crate::operations::Operations;
use crate::operations::error::{OperationError, Result};
use crate::operations::past::JournaledOperation;
use crate::operations::upgrade::{AskedOfHost, findings_of};
use crate::preflight::EarlierSite;
use landfall_site::findings::Finding;

impl Operations {
    /// Returns the findings on the host in its current state: requirements of the installed release beyond the effects
    /// of an install.
    pub(super) fn judged_now(&self) -> Result<Vec<Value>> {
        let lines = self.findings_now()?.iter().map(serde_json::to_value).collect::<Result<_, _>>();
        lines.map_err(|error| StepError::new(codes::BUG, "a finding cannot be written").because(error).into())
    }

    /// Like [`Self::judged_now`], as findings.
    pub(in crate::operations) fn findings_now(&self) -> Result<Vec<Finding>> {
        let history = self.history()?;
        let pins = history.last_committed().and_then(JournaledOperation::pins).ok_or(OperationError::NotInstalled)?;
        let release = self.release_of(pins)?;
        let facts = facts::collect(&self.paths, &ProbedGpus::recent(&self.paths))?;
        let host_ports = release.host_ports(&pins.settings, &pins.fitted);
        let before = EarlierSite { release: &release.release, host_ports: &host_ports };
        let asked = AskedOfHost { release: &release, settings: &pins.settings, host_ports: &host_ports };
        Ok(findings_of(&asked, &facts, Some(&before), &[]))
    }
}
