//! Settings of the server: files of a Secret that an administrator creates. All faults are reported together. Unlike
//! faults of a directory, they keep the console from starting, because it would start with an empty database.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::settings_files::{Files, authority};

/// Name of the settings file.
pub const SETTINGS: &str = "database.yaml";
/// File of the certificate authorities for the server.
pub const AUTHORITY: &str = "database-authority.crt";
/// File with the password of the console's user.
pub const PASSWORD: &str = "database-password";
/// All files that are read.
const NAMES: [&str; 3] = [SETTINGS, AUTHORITY, PASSWORD];
/// Port of PostgreSQL.
const PORT: u16 = 5432;
/// Maximum length of a name that PostgreSQL does not truncate, in bytes.
const NAME_BYTES: usize = 63;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    server: String,
    database: String,
    user: String,
    address: Option<IpAddr>,
}

/// Database of a server, and the way to reach it.
pub struct Settings {
    /// The server, as displayed.
    pub server: String,
    /// Its name or address, and its port.
    pub host: String,
    pub port: u16,
    /// Address of the server; `None` if its name is resolved.
    pub address: Option<IpAddr>,
    /// TLS configuration and the name that the certificate must have; `None` for TCP.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Name of the database.
    pub database: String,
    /// User who owns it.
    pub user: String,
    /// Password of the user.
    pub password: String,
}

impl Settings {
    /// Returns true if another text names the same server, by its host and port.
    pub fn names_as(&self, server: &str) -> bool {
        let other = Endpoint::read(server, [PORT, PORT], "");
        other.is_ok_and(|other| (other.host.as_str(), other.port) == (self.host.as_str(), self.port))
    }
}

/// Formats the settings without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.server, self.database, self.user)
    }
}

/// State of the settings files.
#[derive(Debug)]
pub enum State {
    /// No server is named.
    Off,
    /// The settings are unusable, for all these reasons.
    Faulty(Vec<String>),
    /// The settings are usable.
    On(Arc<Settings>),
}

/// Reads and checks the files of a folder, without contacting the server. Blocks.
pub fn read(folder: &Path) -> State {
    let files = Files::read(folder, &NAMES);
    if files.is_empty() {
        return State::Off;
    }
    let mut faults = files.faults.clone();
    let text = files.yaml::<Text>(SETTINGS).map_err(|why| faults.push(why)).ok();
    let password = files.line(PASSWORD).unwrap_or_else(|| Err(format!("{PASSWORD} is missing")));
    let password = password.map_err(|why| faults.push(why)).ok();
    let settings = text.and_then(|text| check(text, &files, password, &mut faults));
    match settings {
        Some(settings) if faults.is_empty() => State::On(Arc::new(settings)),
        _ => State::Faulty(faults),
    }
}

fn check(text: Text, files: &Files, password: Option<String>, faults: &mut Vec<String>) -> Option<Settings> {
    let Text { server, database, user, address } = text;
    for (field, name) in [("database", &database), ("user", &user)] {
        if name.is_empty() || name.len() > NAME_BYTES || name.contains(char::is_control) {
            faults.push(format!("{field}: use 1 to {NAME_BYTES} bytes without control characters"));
        }
    }
    let like = format!("tls://db.example.org:{PORT} or tcp://192.0.2.40:{PORT}");
    let endpoint = Endpoint::read(&server, [PORT, PORT], &like).map_err(|why| faults.push(why)).ok()?;
    let Endpoint { is_secure, host, port } = endpoint;
    let tls = if is_secure { tls(&host, files, faults).map(Some) } else { Some(None) };
    Some(Settings { server, host, port, address, tls: tls?, database, user, password: password? })
}

fn tls(host: &str, files: &Files, faults: &mut Vec<String>) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("server: {host} is no name of a server"));
    let name = name.map_err(|why| faults.push(why)).ok();
    let config = authority(files, AUTHORITY).map_err(|why| faults.push(why)).ok();
    Some((config?, name?))
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    fn state(files: &[(&str, &str)]) -> State {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            durable::write_file(&folder.path().join(name), text.as_bytes(), 0o600).unwrap();
        }
        read(folder.path())
    }

    #[test]
    fn faults_are_complete_without_password() {
        let settings = "server: tls://db.example.org\ndatabase: ''\nuser: console\n";
        let State::Faulty(faults) = state(&[(SETTINGS, settings)]) else { panic!("no fault") };
        assert_eq!(
            faults,
            [
                "database-password is missing",
                "database: use 1 to 63 bytes without control characters",
                "database-authority.crt is missing: give the authority's certificate in PEM",
            ]
        );
        let State::Faulty(faults) = state(&[(PASSWORD, "two\nlines\n")]) else { panic!("no fault") };
        assert_eq!(faults, ["database.yaml is missing", "database-password is not one line of text"]);
    }

    #[test]
    fn scheme_alone_sets_server_defaults() {
        let settings = |server: &str| format!("server: {server}\ndatabase: console\nuser: console\n");
        let of = |server: &str| state(&[(SETTINGS, &settings(server)), (PASSWORD, "seven green owls\n")]);
        let State::On(found) = of("tcp://192.0.2.40") else { panic!("not on") };
        assert_eq!((found.host.as_str(), found.port, found.tls.is_none()), ("192.0.2.40", 5432, true));
        assert_eq!(format!("{found:?}"), "tcp://192.0.2.40 console console");
        let with_user = "a value with a user or options";
        for (server, shown) in [
            ("192.0.2.40", "192.0.2.40"),
            ("postgres://192.0.2.40", "postgres://192.0.2.40"),
            ("tcp://me@192.0.2.40", with_user),
            ("tcp://192.0.2.40/console", "tcp://192.0.2.40/console"),
        ] {
            let State::Faulty(faults) = of(server) else { panic!("{server}") };
            assert!(faults[0].starts_with(&format!("server: {shown} is not like")), "{faults:?}");
        }
    }
}
