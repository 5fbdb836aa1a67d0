//! License checks: for one line of the release definition, `build` adds containers to a component's pods that ask the
//! site what its license allows ([ADR 58](../../../docs/adr/0058-software-asks-and-the-host-answers.md)).
//!
//! ```text
//! licenseCheck: [init, sidecar] ─ check ─▶ (rendered) ─ inject ─▶
//!     pods with containers, volumes and a label; a NetworkPolicy
//! ```
//!
//! For a site, its upgrades and an older `landfall`, the result consists of ordinary pods.

mod inject;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use landfall_error_codes::codes;
use serde_saphyr::Spanned;

pub use inject::inject;

use crate::definition::{ComponentDefinition, LicenseCheckForm, Release, Sources, needed_by};
use crate::error::{BuildError, Result};

/// Name of the validator's image in license checks.
pub const VALIDATOR_IMAGE: &str = "landfall.internal/validator";

/// First minor version of Kubernetes with sidecars: init containers that keep running.
const SIDECARS_SINCE: u32 = 29;

/// Forms that a component declares; `None` without a license check.
fn forms(component: &ComponentDefinition) -> Option<&[Spanned<LicenseCheckForm>]> {
    component.license_check.as_ref().map(|check| check.value.as_slice())
}

/// Returns an error for license checks that nothing would answer.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    for index in 0..release.components.len() {
        let Some(declared) = &release.components[index].license_check else { continue };
        let field = format!("components[{index}].licenseCheck");
        let place = sources.place(declared.referenced, field);
        if let Some(what) = fault(release, index) {
            return Err(BuildError::at(codes::LICENSE_CHECK_IMPOSSIBLE, place, what));
        }
    }
    Ok(())
}

/// Error text about the license check of a component.
fn fault(release: &Release, index: usize) -> Option<String> {
    let component = &release.components[index];
    let (name, forms) = (&component.name.value, forms(component)?);
    let mut seen = HashSet::new();
    if forms.is_empty() || !forms.iter().all(|form| seen.insert(form.value)) {
        return Some("list `init`, `sidecar` or both, each once".to_owned());
    }
    if component.entitlement.is_none() {
        return Some(format!("`{name}` has no `entitlement` that could be asked for"));
    }
    let console = release.components.iter().position(ComponentDefinition::is_console);
    let Some(console) = console else {
        return Some("the console answers, and this release has no component with `console: true`".to_owned());
    };
    let of_console = &release.components[console].name.value;
    if console == index {
        return Some(format!("`{name}` is the console, which answers and does not ask"));
    }
    if !needed_by(release, index).contains(&console) {
        return Some(format!(
            "`{name}` does not need `{of_console}`: its first pods would begin before anything answers them"
        ));
    }
    let has_sidecar = forms.iter().any(|form| form.value == LicenseCheckForm::Sidecar);
    let old = release.node_packs.iter().find(|pack| minor(&pack.kubernetes.value) < SIDECARS_SINCE);
    let old = old.filter(|_| has_sidecar)?;
    Some(format!("Kubernetes {} has no sidecars, which there are since v1.{SIDECARS_SINCE}", old.kubernetes.value))
}

fn minor(version: &str) -> u32 {
    version.rsplit_once('.').and_then(|(_, minor)| minor.parse().ok()).unwrap_or_default()
}
