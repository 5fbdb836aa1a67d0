//! The second step of a host pack: the host's own package manager installs the packages, all of them together. Its undo removes those that
//! were not installed before.

use std::collections::BTreeMap;

use landfall_engine::step::{Durable as _, Observed, Step, StepError};
use landfall_error_codes::codes;
use landfall_release_document::{HostPackage, PackageFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stage::file;
use super::{HostSite, Manager, Present};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Packages {
    /// Their form, which decides what installs them.
    pub(super) format: PackageFormat,
    /// The packages.
    pub(super) packages: Vec<HostPackage>,
}

/// What a host had of each package before, by its name.
type Before = BTreeMap<String, Present>;

impl Packages {
    fn manager<'a>(&self, site: &'a HostSite) -> Manager<'a> {
        Manager::new(self.format, &*site.commands)
    }
}

/// A package that is installed in another version.
pub(crate) fn conflict(package: &HostPackage, found: &Present) -> Option<String> {
    let Present::Installed(versions) = found else { return None };
    let other = versions.iter().find(|version| **version != package.version)?;
    Some(format!("{} is installed in version {other}, and the host pack has {}", package.name, package.version))
}

impl Step<HostSite> for Packages {
    fn observe(&self, site: &mut HostSite) -> Result<Observed, StepError> {
        let manager = self.manager(site);
        let (mut installed, mut begun) = (0, 0);
        for package in &self.packages {
            let found = manager.present(&package.name)?;
            if let Some(conflict) = conflict(package, &found) {
                return Ok(Observed::Foreign(conflict));
            }
            match found {
                Present::Installed(_) => installed += 1,
                Present::Partial => begun += 1,
                Present::Absent | Present::Configuration => {}
            }
        }
        let all = self.packages.len();
        Ok(match (installed, begun) {
            (0, 0) => Observed::Absent,
            (count, 0) if count == all => Observed::Done,
            (count, _) => Observed::Partial(format!("{count} of {all} packages are installed")),
        })
    }

    /// Refuses a file that holds another package than its list says, before any is installed.
    fn prepare(&self, site: &mut HostSite) -> Result<Value, StepError> {
        let manager = self.manager(site);
        let mut before = Before::new();
        for package in &self.packages {
            let (name, version) = manager.identify(&file(&site.paths, package))?;
            if (&name, &version) != (&package.name, &package.version) {
                let listed = format!("{} {}", package.name, package.version);
                let what = format!("{} is {name} {version}, and listed as {listed}", package.file);
                return Err(StepError::new(codes::HOST_PACK_DIFFERS, what));
            }
            before.insert(name, manager.present(&package.name)?);
        }
        Ok(json!(before))
    }

    fn act(&self, site: &mut HostSite, _before: &Value) -> Result<Value, StepError> {
        let files: Vec<_> = self.packages.iter().map(|package| file(&site.paths, package)).collect();
        let installed = self.manager(site).install(&files);
        // What the package manager wrote survives a power cut, also where it failed in the middle.
        site.sync()?;
        installed?;
        Ok(json!({ "packages": self.packages.len() }))
    }

    fn undo(&self, site: &mut HostSite, before: &Value) -> Result<(), StepError> {
        if before.is_null() {
            // It was refused before anything was installed.
            return Ok(());
        }
        let before: Before = serde_json::from_value(before.clone()).map_err(|error| {
            StepError::new(codes::BUG, "the journal does not say what was installed").because(error)
        })?;
        let manager = self.manager(site);
        let (mut purged, mut removed) = (Vec::new(), Vec::new());
        for package in self.packages.iter().rev() {
            let now = manager.present(&package.name)?;
            match before.get(&package.name) {
                Some(Present::Configuration) if now != Present::Configuration => removed.push(package.name.as_str()),
                Some(Present::Absent | Present::Partial) if now != Present::Absent => {
                    purged.push(package.name.as_str());
                }
                // It was installed before, or is gone already.
                _ => {}
            }
        }
        let done = manager.remove(&purged, false).and_then(|()| manager.remove(&removed, true));
        site.sync()?;
        done
    }
}
