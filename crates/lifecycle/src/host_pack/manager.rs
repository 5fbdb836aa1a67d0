//! The package manager of a distribution: queries, installs and removes packages. Nothing here uses a network.

use std::path::{Path, PathBuf};

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::command::{CommandRunner, HostCommand};
use landfall_release_document::PackageFormat;
use serde::{Deserialize, Serialize};

/// State of a package on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PackageState {
    /// Not installed.
    Absent,
    /// Only the configuration of a removed package is left.
    Configuration,
    /// Partly installed, because an install was interrupted.
    Partial,
    /// Installed, in these versions.
    Installed(Vec<String>),
}

/// Package manager for packages of one format.
pub(crate) struct Manager<'a> {
    format: PackageFormat,
    commands: &'a dyn CommandRunner,
}

impl<'a> Manager<'a> {
    pub(crate) fn new(format: PackageFormat, commands: &'a dyn CommandRunner) -> Self {
        Self { format, commands }
    }

    /// Returns name and version of the package in a file.
    pub(super) fn identify(&self, file: &Path) -> Result<(String, String), StepError> {
        let unreadable = || StepError::new(codes::HOST_PACK_DIFFERS, format!("{} is no package", file.display()));
        let command = match self.format {
            PackageFormat::Deb => {
                HostCommand::new("dpkg-deb").arguments(["--show", "--showformat", "${Package}\t${Version}\n"])
            }
            PackageFormat::Rpm => HostCommand::new("rpm").arguments([
                "--query",
                "--package",
                "--nosignature",
                "--queryformat",
                RPM_FORMAT,
            ]),
        };
        let said = self.run(&command.argument(file)).map_err(|error| unreadable().because(error))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let (name, version) = said.trim_end().split_once('\t').ok_or_else(unreadable)?;
        Ok((name.to_owned(), without_zero_epoch(version).to_owned()))
    }

    /// Returns the state of a package on the host.
    pub(crate) fn present(&self, name: &str) -> Result<PackageState, StepError> {
        let (command, unknown) = match self.format {
            PackageFormat::Deb => {
                let format = "${db:Status-Abbrev}\t${Version}\n";
                let query = HostCommand::new("dpkg-query").arguments(["--show", "--showformat", format]);
                (query, "no packages found matching")
            }
            PackageFormat::Rpm => {
                (HostCommand::new("rpm").arguments(["--query", "--queryformat", RPM_FORMAT]), "is not installed")
            }
        };
        let command = command.argument(name);
        let output = self.commands.run(&command, None).map_err(|error| missing(&command, error))?;
        // Both commands fail for an unknown package. Other failures must not count as such, because an undo would then
        // remove a package that is not the host pack's.
        if !output.success {
            let said = [output.stdout.as_slice(), &output.stderr].concat();
            let is_unknown = String::from_utf8_lossy(&said).contains(unknown);
            return if is_unknown {
                Ok(PackageState::Absent)
            } else {
                command.check_output(Ok(output)).map(|_| PackageState::Absent)
            };
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(match self.format {
            PackageFormat::Deb => of_dpkg(&said),
            PackageFormat::Rpm => {
                let versions = said.lines().filter_map(|line| Some(line.split_once('\t')?.1));
                PackageState::Installed(versions.map(|version| without_zero_epoch(version).to_owned()).collect())
            }
        })
    }

    /// Installs the packages in these files together.
    pub(crate) fn install(&self, files: &[PathBuf]) -> Result<(), StepError> {
        let command = match self.format {
            // No person can answer a prompt, so an existing configuration file stays.
            PackageFormat::Deb => {
                HostCommand::new("dpkg").arguments(["--force-confdef", "--force-confold", "--install"])
            }
            PackageFormat::Rpm => HostCommand::new("rpm").arguments(["--install", "--nosignature"]),
        };
        let command = command.variable("DEBIAN_FRONTEND", "noninteractive").arguments(files);
        self.run(&command).map(drop).map_err(|error| {
            StepError::new(codes::HOST_PACKAGES_REFUSED, "the packages of the host pack were not installed")
                .because(error)
        })
    }

    /// Removes packages together, with their configuration unless it is kept.
    pub(super) fn remove(&self, names: &[&str], keep_configuration: bool) -> Result<(), StepError> {
        if names.is_empty() {
            return Ok(());
        }
        let command = match (self.format, keep_configuration) {
            (PackageFormat::Deb, false) => HostCommand::new("dpkg").argument("--purge"),
            (PackageFormat::Deb, true) => HostCommand::new("dpkg").argument("--remove"),
            (PackageFormat::Rpm, _) => HostCommand::new("rpm").argument("--erase"),
        };
        let command = command.variable("DEBIAN_FRONTEND", "noninteractive").arguments(names);
        self.run(&command).map(drop).map_err(|error| {
            let what = format!("{} of the host pack cannot be removed", names.join(", "));
            StepError::new(codes::HOST_PACKAGES_REFUSED, what)
                .because(error)
                .hint("Remove what depends on them with the host's package manager, then run the same command again.")
        })
    }

    fn run(&self, command: &HostCommand) -> Result<Vec<u8>, StepError> {
        command.check_output(self.commands.run(command, None))
    }
}

/// Output format with name and version of each package on a line.
const RPM_FORMAT: &str = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n";

fn missing(command: &HostCommand, error: std::io::Error) -> StepError {
    let what = format!("`{}` cannot be run", command.program.display());
    StepError::new(codes::HOST_PACKAGES_REFUSED, what).because(error)
}

/// Removes a zero epoch, which RPM reports for a package without one.
fn without_zero_epoch(version: &str) -> &str {
    version.strip_prefix("0:").unwrap_or(version)
}

/// Parses dpkg's output: one line per architecture with the wanted action, the state and an error, one letter each, and
/// the version.
fn of_dpkg(said: &str) -> PackageState {
    let (mut versions, mut found) = (Vec::new(), PackageState::Absent);
    for line in said.lines() {
        let Some((state, version)) = line.split_once('\t') else { continue };
        match state.chars().nth(1) {
            // Installed, even if triggers are still pending.
            Some('i' | 'W' | 't') => versions.push(version.to_owned()),
            Some('c') if found == PackageState::Absent => found = PackageState::Configuration,
            Some('n' | 'c') | None => {}
            Some(_) => found = PackageState::Partial,
        }
    }
    if versions.is_empty() || found == PackageState::Partial { found } else { PackageState::Installed(versions) }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use landfall_error_codes::CodedError as _;
    use landfall_host::command::{CommandOutput, Input};

    use super::*;

    /// Fake `rpm`, which Debian lacks: it records each command, and knows one package.
    #[derive(Default)]
    struct Rpm(Mutex<Vec<String>>);

    impl CommandRunner for Rpm {
        fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
            let line = command.to_string().replace('\n', "");
            let success = !line.ends_with(" unknown") && !line.ends_with(" broken");
            let stdout = match line.rsplit(' ').next() {
                Some("unknown") => "package unknown is not installed\n",
                Some("broken") => "",
                _ => "driver\t0:580.1-1.el9\n",
            };
            let stderr = if success { "" } else { "error: cannot open Packages database" };
            self.0.lock().unwrap().push(line);
            Ok(CommandOutput { success, stdout: stdout.into(), stderr: stderr.into() })
        }
    }

    #[test]
    fn rpm_commands_are_exact() {
        let rpm = Rpm::default();
        let manager = Manager::new(PackageFormat::Rpm, &rpm);
        let file = Path::new("/packages/driver.rpm");
        assert_eq!(manager.identify(file).unwrap(), ("driver".to_owned(), "580.1-1.el9".to_owned()));
        assert_eq!(manager.present("driver").unwrap(), PackageState::Installed(vec!["580.1-1.el9".to_owned()]));
        assert_eq!(manager.present("unknown").unwrap(), PackageState::Absent);
        let failed = manager.present("broken").unwrap_err();
        assert!(failed.to_string().contains("cannot open Packages database"), "{failed}");
        manager.install(&[file.to_owned()]).unwrap();
        manager.remove(&["driver"], false).unwrap();
        manager.remove(&[], true).unwrap();
        let refused = manager.remove(&["unknown"], false).unwrap_err();
        assert_eq!(refused.code(), codes::HOST_PACKAGES_REFUSED);
        let format = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}";
        assert_eq!(
            *rpm.0.lock().unwrap(),
            [
                format!("rpm --query --package --nosignature --queryformat {format} /packages/driver.rpm"),
                format!("rpm --query --queryformat {format} driver"),
                format!("rpm --query --queryformat {format} unknown"),
                format!("rpm --query --queryformat {format} broken"),
                "rpm --install --nosignature /packages/driver.rpm".to_owned(),
                "rpm --erase driver".to_owned(),
                "rpm --erase unknown".to_owned(),
            ]
        );
    }

    #[test]
    fn dpkg_states_are_understood() {
        for (said, expected) in [
            ("ii \t1.2-3\n", PackageState::Installed(vec!["1.2-3".to_owned()])),
            ("it \t1.2-3\n", PackageState::Installed(vec!["1.2-3".to_owned()])),
            ("un \t\n", PackageState::Absent),
            ("rc \t1.2-3\n", PackageState::Configuration),
            ("iU \t1.2-3\n", PackageState::Partial),
            ("iHR\t1.2-3\n", PackageState::Partial),
            ("ii \t1\nii \t1\n", PackageState::Installed(vec!["1".to_owned(), "1".to_owned()])),
            ("", PackageState::Absent),
        ] {
            assert_eq!(of_dpkg(said), expected, "{said}");
        }
        assert_eq!((without_zero_epoch("0:1-2"), without_zero_epoch("3:1-2")), ("1-2", "3:1-2"));
    }
}
