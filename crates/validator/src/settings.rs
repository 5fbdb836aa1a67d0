//! Settings of the validator from its environment, which `landfall build` writes.

use std::net::SocketAddr;
use std::path::PathBuf;

use landfall_error_codes::{Code, CodedError, codes};
use landfall_license::answer::Subject;

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Host and port of the console's license answers. The name is resolved for each question.
    pub console: String,
    /// Path of the site's public key. The file may be missing at first, and may change.
    pub key: PathBuf,
    /// Folder for reports and kept answers.
    pub folder: PathBuf,
    /// Entitlement that the component needs.
    pub entitlement: Subject,
    /// Address at which software is answered.
    pub listen: SocketAddr,
}

/// Error for unusable settings.
#[derive(Debug, thiserror::Error)]
#[error("{variable} {what}")]
pub struct SettingsError {
    variable: &'static str,
    what: String,
}

impl CodedError for SettingsError {
    fn code(&self) -> Code {
        codes::VALIDATOR_SETTINGS
    }
}

impl Settings {
    /// Reads and checks the variables.
    pub fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let given = |name: &'static str| {
            let missing = || SettingsError { variable: name, what: "is missing".to_owned() };
            variable(name).filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let wrong = |variable: &'static str, what: String| SettingsError { variable, what };
        let console = given("LANDFALL_LICENSE_CONSOLE")?;
        if !console.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            return Err(wrong("LANDFALL_LICENSE_CONSOLE", format!("is {console}, which is not a host with a port")));
        }
        let name = given("LANDFALL_LICENSE_ENTITLEMENT")?;
        let entitlement = Subject::new("entitlement", &name)
            .map_err(|error| wrong("LANDFALL_LICENSE_ENTITLEMENT", format!("cannot be used: {error}")))?;
        let listen = given("LANDFALL_LICENSE_LISTEN").unwrap_or_else(|_| "127.0.0.1:8445".to_owned());
        let address: Option<SocketAddr> = listen.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
        let listen = address.ok_or_else(|| {
            wrong("LANDFALL_LICENSE_LISTEN", format!("is {listen}, which is not a loopback address with a port"))
        })?;
        Ok(Self {
            console,
            key: given("LANDFALL_LICENSE_KEY")?.into(),
            folder: given("LANDFALL_LICENSE_FOLDER")?.into(),
            entitlement,
            listen,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(changed: &[(&str, &str)]) -> Result<Settings, String> {
        let mut variables = BTreeMap::from([
            ("LANDFALL_LICENSE_CONSOLE", "license.landfall-console.svc:8444"),
            ("LANDFALL_LICENSE_KEY", "/run/landfall-license-key/key.pem"),
            ("LANDFALL_LICENSE_FOLDER", "/run/landfall-license"),
            ("LANDFALL_LICENSE_ENTITLEMENT", "analytics"),
        ]);
        variables.extend(changed.iter().copied());
        Settings::from(|name| variables.get(name).map(|value| (*value).to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_from_build_are_read() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.entitlement, Subject::Entitlement("analytics".to_owned()));
        assert_eq!(settings.listen, "127.0.0.1:8445".parse().unwrap());
    }

    #[test]
    fn invalid_settings_are_named() {
        for (variable, value) in [
            ("LANDFALL_LICENSE_CONSOLE", "console"),
            ("LANDFALL_LICENSE_CONSOLE", ""),
            ("LANDFALL_LICENSE_ENTITLEMENT", "A B"),
            ("LANDFALL_LICENSE_LISTEN", "0.0.0.0:8445"),
            ("LANDFALL_LICENSE_KEY", ""),
        ] {
            let refused = read(&[(variable, value)]).unwrap_err();
            assert!(refused.starts_with(variable), "{refused}");
        }
    }
}
