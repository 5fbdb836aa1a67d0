//! Where a site keeps the console's data: in a file, unless the Secret `console-database` names a server.

use std::path::Path;
use std::sync::Arc;

use landfall_release_document::container::DRILL_NAMESPACE;

use super::server::{Settings, State, read};

/// Where the data is.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In a file of the data folder.
    File,
    /// In a database of a PostgreSQL server.
    Server(Arc<Settings>),
}

impl Storage {
    /// Where the settings in a folder place the data, for a process in a namespace. Without any, it is a file. The error has every fault.
    ///
    /// A drill has a copy of the site's Secrets. What it loads stays in its own volume: it must not reach the data that is in use.
    pub fn of(folder: &Path, namespace: Option<&str>) -> Result<Self, Vec<String>> {
        let state = read(folder);
        match (state, namespace) {
            (State::Off, _) => Ok(Self::File),
            (_, Some(namespace)) if namespace.starts_with(DRILL_NAMESPACE) => Ok(Self::File),
            (State::Faulty(mut faults), None) => {
                faults.push(unknown());
                Err(faults)
            }
            (State::Faulty(faults), Some(_)) => Err(faults),
            (State::On(_), None) => Err(vec![unknown()]),
            (State::On(settings), Some(_)) => Ok(Self::Server(settings)),
        }
    }
}

fn unknown() -> String {
    "the namespace of the pod is not known, so this could be a drill: set LANDFALL_APPLIANCE_NAMESPACE to it".to_owned()
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;
    use crate::database::server::{PASSWORD, SETTINGS};

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            durable::write_file(&folder.path().join(name), text.as_bytes(), 0o600).unwrap();
        }
        folder
    }

    #[test]
    fn a_drill_and_a_site_without_settings_keep_a_file() {
        let settings = "server: tcp://192.0.2.40\ndatabase: console\nuser: console\n";
        let folder = folder(&[(SETTINGS, settings), (PASSWORD, "seven green owls\n")]);
        let of = |namespace| Storage::of(folder.path(), namespace);
        assert!(matches!(of(Some("landfall-console")), Ok(Storage::Server(_))));
        assert!(matches!(of(Some("landfall-drill-console")), Ok(Storage::File)));
        assert_eq!(of(None).unwrap_err(), [unknown()]);
        for missing in [folder.path().join("missing"), tempfile::tempdir().unwrap().path().to_owned()] {
            assert!(matches!(Storage::of(&missing, None), Ok(Storage::File)), "{}", missing.display());
        }
    }
}
