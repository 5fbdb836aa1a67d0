//! Storage of the console's data: a file, unless the Secret `console-database` names a server.

use std::path::Path;
use std::sync::Arc;

use landfall_release_document::container::DRILL_NAMESPACE;

use super::file;
use super::server::{Settings, State, has_begun, read, refuse_if_elsewhere, refuse_if_in_another};
use crate::error::Error;

/// Place of the data.
#[derive(Debug, Clone)]
pub enum Storage {
    /// A file of the data folder.
    File,
    /// A database of a PostgreSQL server.
    Server(Arc<Settings>),
}

impl Storage {
    /// Returns the storage that the settings in a folder select, for a process in a namespace. Without settings, it is
    /// a file. The error lists all faults.
    ///
    /// A drill has a copy of the site's Secrets. The data that it loads stays in its own volume: it must not reach the
    /// active data.
    pub fn read(folder: &Path, namespace: Option<&str>) -> Result<Self, Vec<String>> {
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

    /// Returns the storage of the console that runs on a data folder. It reads the settings only at its start: with
    /// newer ones, a backup would be of another database than the active one.
    ///
    /// # Errors
    /// Fails if the data is in a server, and the settings no longer name one, or name another one.
    pub fn in_use(self, folder: &Path) -> Result<Self, Error> {
        match self {
            Self::File => refuse_if_elsewhere(folder).map(|()| Self::File),
            Self::Server(_) if !has_begun(folder) && file(folder).exists() => Ok(Self::File),
            Self::Server(settings) => refuse_if_in_another(folder, &settings).map(|()| Self::Server(settings)),
        }
    }
}

fn unknown() -> String {
    "the namespace of the pod is not known, so this could be a drill: set LANDFALL_APPLIANCE_NAMESPACE to it".to_owned()
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::{CodedError as _, codes};
    use landfall_media::durable;

    use super::*;
    use crate::database::FILE;
    use crate::database::server::{MARK, PASSWORD, SETTINGS};

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            durable::write_file(&folder.path().join(name), text.as_bytes(), 0o600).unwrap();
        }
        folder
    }

    #[test]
    fn missing_settings_keep_file() {
        let settings = "server: tcp://192.0.2.40\ndatabase: console\nuser: console\n";
        let folder = folder(&[(SETTINGS, settings), (PASSWORD, "seven green owls\n")]);
        let of = |namespace| Storage::read(folder.path(), namespace);
        assert!(matches!(of(Some("landfall-console")), Ok(Storage::Server(_))));
        assert!(matches!(of(Some("landfall-drill-console")), Ok(Storage::File)));
        assert_eq!(of(None).unwrap_err(), [unknown()]);
        for missing in [folder.path().join("missing"), tempfile::tempdir().unwrap().path().to_owned()] {
            assert!(matches!(Storage::read(&missing, None), Ok(Storage::File)), "{}", missing.display());
        }
    }

    #[test]
    fn save_reads_active_storage() {
        let settings = "server: tcp://192.0.2.40\ndatabase: console\nuser: console\n";
        let secret = folder(&[(SETTINGS, settings), (PASSWORD, "seven green owls\n")]);
        let named = || Storage::read(secret.path(), Some("landfall-console")).unwrap();
        let (empty, before) = (folder(&[]), folder(&[(FILE, "rows")]));
        let after = folder(&[(FILE, "rows of a while ago"), (MARK, "tcp://192.0.2.40\n")]);
        // The Secret exists, and the console has not restarted.
        assert!(matches!(named().in_use(before.path()), Ok(Storage::File)));
        assert!(matches!(named().in_use(after.path()), Ok(Storage::Server(_))));
        assert!(matches!(named().in_use(empty.path()), Ok(Storage::Server(_))));
        let same = folder(&[(MARK, "tls://192.0.2.40:5432\n")]);
        assert!(matches!(named().in_use(same.path()), Ok(Storage::Server(_))));
        // The Secret names another server, and the console has not restarted.
        let another = folder(&[(MARK, "tcp://192.0.2.41\n")]);
        assert_eq!(named().in_use(another.path()).unwrap_err().code(), codes::APPLIANCE_DATABASE_ELSEWHERE);
        // The Secret is gone, and the console has not restarted.
        let refused = Storage::File.in_use(after.path()).unwrap_err();
        assert_eq!(refused.code(), codes::APPLIANCE_DATABASE_ELSEWHERE);
        assert!(matches!(Storage::File.in_use(before.path()), Ok(Storage::File)));
    }
}
