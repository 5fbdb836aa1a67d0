//! Second step of a host pack: installs all packages together with the host's package manager. Undo removes those that
//! were not installed before.

use std::collections::BTreeMap;

use landfall_engine::step::{Durable as _, ObservedState, Step, StepError};
use landfall_error_codes::codes;
use landfall_release_document::{HostPackage, PackageFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stage::file;
use super::{HostSite, Manager, PackageState};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Packages {
    /// Format of the packages, which selects the package manager.
    pub(super) format: PackageFormat,
    /// The packages.
    pub(super) packages: Vec<HostPackage>,
}

/// Earlier state of each package by name.
type EarlierStates = BTreeMap<String, PackageState>;

impl Packages {
    fn manager<'a>(&self, site: &'a HostSite) -> Manager<'a> {
        Manager::new(self.format, &*site.commands)
    }

    /// Installs the missing packages; RPM refuses all of them if one is installed.
    fn install_missing(&self, site: &HostSite) -> Result<(), StepError> {
        let manager = self.manager(site);
        let mut files = Vec::new();
        for package in &self.packages {
            if !matches!(manager.present(&package.name)?, PackageState::Installed(_)) {
                files.push(file(&site.paths, package));
            }
        }
        if files.is_empty() { Ok(()) } else { manager.install(&files) }
    }
}

/// Describes a package that is installed in another version.
pub(crate) fn conflict(package: &HostPackage, found: &PackageState) -> Option<String> {
    let PackageState::Installed(versions) = found else { return None };
    let other = versions.iter().find(|version| **version != package.version)?;
    Some(format!("{} is installed in version {other}, and the host pack has {}", package.name, package.version))
}

impl Step<HostSite> for Packages {
    fn observe(&self, site: &mut HostSite) -> Result<ObservedState, StepError> {
        let manager = self.manager(site);
        let (mut installed, mut begun) = (0, 0);
        for package in &self.packages {
            let found = manager.present(&package.name)?;
            if let Some(conflict) = conflict(package, &found) {
                return Ok(ObservedState::Foreign(conflict));
            }
            match found {
                PackageState::Installed(_) => installed += 1,
                PackageState::Partial => begun += 1,
                PackageState::Absent | PackageState::Configuration => {}
            }
        }
        let all = self.packages.len();
        Ok(match (installed, begun) {
            (0, 0) => ObservedState::Absent,
            (count, 0) if count == all => ObservedState::Done,
            (count, _) => ObservedState::Partial(format!("{count} of {all} packages are installed")),
        })
    }

    /// Records the earlier state. Fails if a file contains another package than listed, before anything is installed.
    fn prepare(&self, site: &mut HostSite) -> Result<Value, StepError> {
        let manager = self.manager(site);
        let mut before = EarlierStates::new();
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
        let installed = self.install_missing(site);
        // Synced even after a failure, so that the package manager's writes survive a power cut.
        site.sync()?;
        installed?;
        Ok(json!({ "packages": self.packages.len() }))
    }

    fn undo(&self, site: &mut HostSite, before: &Value) -> Result<(), StepError> {
        if before.is_null() {
            // The operation was refused before anything was installed.
            return Ok(());
        }
        let before: EarlierStates = serde_json::from_value(before.clone()).map_err(|error| {
            StepError::new(codes::BUG, "the journal does not say what was installed").because(error)
        })?;
        let manager = self.manager(site);
        let (mut purged, mut removed) = (Vec::new(), Vec::new());
        for package in self.packages.iter().rev() {
            let now = manager.present(&package.name)?;
            match before.get(&package.name) {
                Some(PackageState::Configuration) if now != PackageState::Configuration => {
                    removed.push(package.name.as_str());
                }
                Some(PackageState::Absent | PackageState::Partial) if now != PackageState::Absent => {
                    purged.push(package.name.as_str());
                }
                // The package was installed before, or is already removed.
                _ => {}
            }
        }
        let done = manager.remove(&purged, false).and_then(|()| manager.remove(&removed, true));
        site.sync()?;
        done
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use landfall_bundle_spec::Sha256;
    use landfall_host::command::{CommandOutput, CommandRunner, HostCommand, Input};
    use landfall_host::paths::SitePaths;
    use landfall_media::progress::SilentProgress;
    use landfall_release_document::Descriptor;

    use super::*;

    /// Fake `rpm` on a host with one package: it records its installs.
    #[derive(Default)]
    struct Rpm(Mutex<Vec<String>>);

    impl CommandRunner for Rpm {
        fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
            let line = command.to_string();
            if line.starts_with("rpm --install") {
                self.0.lock().unwrap().push(line);
                return Ok(CommandOutput { success: true, ..CommandOutput::default() });
            }
            let success = line.ends_with("present");
            let stdout = if success { "present\t0:1-1\n" } else { "package missing is not installed\n" };
            Ok(CommandOutput { success, stdout: stdout.into(), stderr: Vec::new() })
        }
    }

    #[test]
    fn only_missing_packages_are_installed() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, rpm) = (SitePaths::below(folder.path()), Arc::new(Rpm::default()));
        let mut site = HostSite { paths, media: None, progress: Arc::new(SilentProgress), commands: rpm.clone() };
        let package = |name: &str| HostPackage {
            name: name.to_owned(),
            version: "1-1".to_owned(),
            file: format!("{name}.rpm"),
            blob: Descriptor { media_type: String::new(), digest: Sha256([1; 32]), size: 7 },
        };
        let step = |names: &[&str]| Packages {
            format: PackageFormat::Rpm,
            packages: names.iter().map(|name| package(name)).collect(),
        };
        step(&["present", "missing"]).act(&mut site, &Value::Null).unwrap();
        step(&["present"]).act(&mut site, &Value::Null).unwrap();
        let installed = rpm.0.lock().unwrap();
        assert_eq!(installed.len(), 1, "{installed:?}");
        assert!(installed[0].ends_with("/missing.rpm") && !installed[0].contains("present"), "{installed:?}");
    }
}
