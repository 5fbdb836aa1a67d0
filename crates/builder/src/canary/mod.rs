//! Canaries of components: read from `release.yaml`, checked against the rendered components, and written into the
//! release document. A component that cannot run in two versions at once is refused here rather than at a site.

mod rendered;
#[cfg(test)]
mod tests;

use landfall_error_codes::codes;
use landfall_release_document::{Canary, ComponentData, WorkloadKind};
use serde_saphyr::Spanned;

pub use rendered::check as check_rendered;

use crate::definition::{CanaryDefinition, ComponentDefinition, Definition, Release, Sources};
use crate::error::{BuildError, Place, Result};
use crate::{proofs, workloads};

/// Default time for which the pod is watched, in seconds.
const SOAK_SECONDS: u64 = 30;

/// A canary with the place of its declaration, for errors.
#[derive(Clone, Copy)]
struct LocatedCanary<'a> {
    sources: &'a Sources,
    index: usize,
    component: &'a ComponentDefinition,
    definition: &'a CanaryDefinition,
}

impl<'a> LocatedCanary<'a> {
    fn of(sources: &'a Sources, release: &'a Release, index: usize) -> Option<Self> {
        let component = &release.components[index];
        component.canary.as_ref().map(|definition| Self { sources, index, component, definition })
    }

    fn place<T>(&self, at: &Spanned<T>, field: &str) -> Place {
        self.sources.place(at.referenced, format!("components[{}].canary.{field}", self.index))
    }

    fn invalid<T>(&self, at: &Spanned<T>, field: &str, what: impl Into<String>) -> BuildError {
        BuildError::at(codes::RELEASE_INVALID, self.place(at, field), what)
    }

    /// Error for a component that cannot have a canary, with the reason.
    fn impossible(&self, reason: &str) -> BuildError {
        let what = format!("the component `{}` cannot have a canary: {reason}", self.component.name.value);
        BuildError::at(codes::CANARY_IMPOSSIBLE, self.place(&self.definition.workload, "workload"), what)
    }

    /// The canary, without a check of the rendered objects.
    fn canary(&self, release: &Release) -> Result<Canary> {
        let CanaryDefinition { workload: written, proofs: names, soak_seconds } = self.definition;
        let workload = workloads::parse(&written.value)
            .map_err(|unknown| unknown.at(|what| self.invalid(written, "workload", what)))?;
        let data = self.component.data.as_ref().map_or(ComponentData::None, |data| data.value);
        if data == ComponentData::Migrated {
            let reason =
                "an upgrade changes its data (`data: migrated`), and two forms of it must not meet the same data";
            return Err(self.impossible(reason));
        }
        if workload.kind != WorkloadKind::Deployment {
            let reason = format!("each pod of {} has its own place, so none can run next to the others", written.value);
            return Err(self.impossible(&reason));
        }
        let soak = soak_seconds.as_ref().map_or(SOAK_SECONDS, |seconds| seconds.value);
        let canary = Canary { workload, proofs: names.value.clone(), soak_seconds: soak };
        let of_release = proofs::declared_proofs(self.sources, release)?;
        canary.check(&self.component.name.value, data, &of_release).map_err(|what| {
            let what = format!("the component `{}` has {what}", self.component.name.value);
            match soak_seconds.as_ref().filter(|seconds| seconds.value > Canary::LONGEST_SOAK_SECONDS) {
                Some(seconds) => self.invalid(seconds, "soakSeconds", what),
                None => self.invalid(names, "proofs", what),
            }
        })?;
        Ok(canary)
    }
}

/// Returns an error for canaries that are invalid in themselves, and for components that can never have one.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    let mut declared = (0..release.components.len()).filter_map(|index| LocatedCanary::of(sources, release, index));
    declared.try_for_each(|declared| declared.canary(release).map(drop))
}

/// The canary of a component, in the form of the release document.
pub fn canary(definition: &Definition, index: usize) -> Result<Option<Canary>> {
    let declared = LocatedCanary::of(&definition.sources, &definition.release, index);
    declared.map(|declared| declared.canary(&definition.release)).transpose()
}
