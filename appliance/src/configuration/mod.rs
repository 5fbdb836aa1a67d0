//! Configuration of the server, checked at its start. All faults are reported together.

mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_error_codes::codes;

use crate::cli::ServeArguments;
use crate::database::Storage;
use crate::error::{Error, Result};

#[cfg(test)]
pub use tls::server_config;
pub use tls::{Certificates, ServerFiles, SuppliedCertificate};

/// Checked settings. The certificates were readable at the start; only the server's own may change later.
#[derive(Debug)]
pub struct Configuration {
    /// Folder of the database, which exists and is writable.
    pub data: PathBuf,
    /// Storage of the data.
    pub storage: Storage,
    /// Address at which connections are accepted.
    pub listen: SocketAddr,
    /// Address for license questions of software; none without this setting.
    pub answers: Option<SocketAddr>,
    /// Files of the console's own certificates.
    pub certificates: Certificates,
    /// Server configuration with the certificate from the start.
    pub server: Arc<rustls::ServerConfig>,
    /// Address and port of the host's API.
    pub host_address: String,
    /// Client configuration for the host: the certificate that the host must have, and the console's own.
    pub client: Arc<rustls::ClientConfig>,
    /// Folder with the settings of a directory. Its content is checked separately: faults in it must not lock out local
    /// users.
    pub directory: Option<PathBuf>,
    /// Folder with the settings of a syslog server, which are also checked separately.
    pub syslog: Option<PathBuf>,
    /// Folder with the settings of an ingress, which are also checked separately.
    pub ingress: Option<PathBuf>,
}

/// Unusable settings, in the order of the arguments.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn take<T>(&mut self, argument: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|why| self.0.push(format!("--{argument}: {why}"))).ok()
    }

    /// Like [`Self::take`], for settings with several faults.
    fn take_all<T>(&mut self, argument: &str, checked: Result<T, Vec<String>>) -> Option<T> {
        let add = |faults: Vec<String>| self.0.extend(faults.iter().map(|why| format!("--{argument}: {why}")));
        checked.map_err(add).ok()
    }

    fn error(self) -> Error {
        Error::new(codes::APPLIANCE_SETTINGS, format!("settings cannot be used: {}", self.0.join("; ")))
    }
}

impl Configuration {
    /// Checks all settings. The error names each unusable one.
    pub fn check(arguments: ServeArguments) -> Result<Self> {
        let mut faults = Faults::default();
        let data = faults.take("data", require_value(arguments.data).and_then(writable_folder));
        let named = arguments.database.as_deref();
        let storage = named.map_or(Ok(Storage::File), |folder| Storage::read(folder, arguments.namespace.as_deref()));
        let storage = faults.take_all("database", storage);
        let listen = faults.take("listen", address(&arguments.listen));
        let answers =
            arguments.answers.map(|text| faults.take("answers", address(&text))).map_or(Some(None), |it| it.map(Some));
        let host_address = faults.take("host-address", require_value(arguments.host_address).and_then(host_and_port));
        let certificate = faults.take("certificate", require_value(arguments.certificate).and_then(readable));
        let key = faults.take("key", require_value(arguments.key).and_then(readable));
        // Its faults must not keep the console from starting, so only its presence is checked here.
        let supplied = arguments
            .supplied_certificate
            .map(|folder| ServerFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key") });
        let issued = certificate.zip(key).map(|(certificate, key)| ServerFiles { certificate, key });
        let certificates = issued.map(|issued| Certificates { issued, supplied });
        let server = certificates.as_ref().and_then(|all| faults.take("certificate", all.choose()));
        let server = server.map(|(config, _)| config);
        let host = faults.take("host-certificate", require_value(arguments.host_certificate).and_then(read));
        let own = faults.take("client-certificate", require_value(arguments.client_certificate).and_then(read));
        let own_key = faults.take("client-key", require_value(arguments.client_key).and_then(read));
        let client = match (host, own, own_key) {
            (Some(host), Some(own), Some(key)) => {
                faults.take("host-certificate", tls::client_config(&host, &own, &key))
            }
            _ => None,
        };
        let (Some(data), Some(storage), Some(listen), Some(answers)) = (data, storage, listen, answers) else {
            return Err(faults.error());
        };
        let (Some(certificates), Some(server), Some(host_address), Some(client)) =
            (certificates, server, host_address, client)
        else {
            return Err(faults.error());
        };
        Ok(Self {
            data,
            storage,
            listen,
            answers,
            certificates,
            server,
            host_address,
            client,
            directory: arguments.directory,
            syslog: arguments.syslog,
            ingress: arguments.ingress,
        })
    }
}

fn require_value<T>(value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| "is missing".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text} is not an address with a port, such as 0.0.0.0:8443"))
}

/// Checks only the form of a host and port, because a name is resolved for each connection.
fn host_and_port(text: String) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text),
        _ => Err(format!("{text} is not an address with a port, such as 192.0.2.17:8444")),
    }
}

fn writable_folder(folder: PathBuf) -> Result<PathBuf, String> {
    if !folder.is_dir() {
        return Err(format!("{} is not a folder", folder.display()));
    }
    let probe = folder.join(format!(".writable-{}", std::process::id()));
    landfall_media::durable::write_file(&probe, b"", 0o600)
        .and_then(|()| landfall_media::durable::remove_file(&probe))
        .map_err(|error| format!("{} cannot be written to: {}", folder.display(), reason(&error)))?;
    Ok(folder)
}

fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn readable(file: PathBuf) -> Result<PathBuf, String> {
    read_file(&file).map(|_| file)
}

fn read(file: PathBuf) -> Result<Vec<u8>, String> {
    readable(file).and_then(|file| read_file(&file))
}

fn read_file(file: &Path) -> Result<Vec<u8>, String> {
    fs_err::read(file).map_err(|error| format!("{} cannot be read: {}", file.display(), reason(&error)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use landfall_error_codes::CodedError as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    #[test]
    fn all_faults_are_reported() {
        let database = tempfile::tempdir().unwrap();
        landfall_media::durable::write_file(&database.path().join("database.yaml"), b"server: nowhere", 0o600).unwrap();
        let parsed = Arguments::parse_from([
            "x",
            "serve",
            "--listen",
            "nowhere",
            "--answers",
            "no",
            "--data",
            "/no",
            "--key",
            "/no",
            "--database",
            database.path().to_str().unwrap(),
        ]);
        let Command::Serve(arguments) = parsed.command else { panic!("not serve") };
        let error = Configuration::check(*arguments).unwrap_err();
        assert_eq!(error.code(), codes::APPLIANCE_SETTINGS);
        let text = error.to_string();
        let missing = ["--certificate", "--host-address", "--host-certificate", "--client-certificate", "--client-key"];
        for argument in ["--listen", "--answers", "--data", "--key: /no", "--database: database-password is missing"]
            .iter()
            .chain(&missing)
        {
            assert!(text.contains(argument), "{argument} is not in {text}");
        }
    }
}
