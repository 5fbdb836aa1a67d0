//! Command line: only arguments; nothing is decided here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Console of a site.
#[derive(Debug, Parser)]
#[command(name = "landfall-appliance", version, about, max_term_width = 110)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the console and its API over HTTPS
    Serve(Box<ServeArguments>),
    /// Print the document of the API, OpenAPI 3.1
    #[command(name = "openapi")]
    OpenApi,
    /// Save, load or check the database
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Read the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check the directory of the console's users
    #[command(subcommand)]
    Directory(DirectoryCommand),
    /// Serve wheels and npm packages as a package index
    #[command(subcommand)]
    Packages(PackagesCommand),
}

/// Settings of the server. All of them are checked together, so none is required here.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Folder for the database, the only one that is written to
    #[arg(long, env = "LANDFALL_APPLIANCE_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Folder with the settings of a PostgreSQL server for the data; without settings, the data is in a file of the
    /// data folder
    #[arg(long, env = "LANDFALL_APPLIANCE_DATABASE", value_name = "FOLDER")]
    pub database: Option<PathBuf>,
    /// Namespace of the pod, which shows if this is a drill: a drill always keeps its data in a file
    #[arg(long, env = "LANDFALL_APPLIANCE_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// Address and port at which connections are accepted
    #[arg(long, env = "LANDFALL_APPLIANCE_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    pub listen: String,
    /// Address and port for license questions of software, in plain HTTP with signed answers; none by default
    #[arg(long, env = "LANDFALL_APPLIANCE_ANSWERS", value_name = "ADDRESS")]
    pub answers: Option<String>,
    /// Certificate chain of the console in PEM; read again when it changes
    #[arg(long, env = "LANDFALL_APPLIANCE_CERTIFICATE", value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// Private key of the console's certificate in PEM
    #[arg(long, env = "LANDFALL_APPLIANCE_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Folder with a certificate that the site supplies, `tls.crt` and `tls.key`, used instead of the console's; read
    /// again when it changes, and may be missing
    #[arg(long, env = "LANDFALL_APPLIANCE_SUPPLIED_CERTIFICATE", value_name = "FOLDER")]
    pub supplied_certificate: Option<PathBuf>,
    /// Address and port of the host's API
    #[arg(long, env = "LANDFALL_APPLIANCE_HOST_ADDRESS", value_name = "ADDRESS")]
    pub host_address: Option<String>,
    /// The host's certificate in PEM; only a server that holds its key is trusted
    #[arg(long, env = "LANDFALL_APPLIANCE_HOST_CERTIFICATE", value_name = "FILE")]
    pub host_certificate: Option<PathBuf>,
    /// Certificate of the appliance for the host's API, in PEM
    #[arg(long, env = "LANDFALL_APPLIANCE_CLIENT_CERTIFICATE", value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// Private key of the client certificate in PEM
    #[arg(long, env = "LANDFALL_APPLIANCE_CLIENT_KEY", value_name = "FILE")]
    pub client_key: Option<PathBuf>,
    /// Folder with the settings of a directory of users; read again when it changes, and may be missing
    #[arg(long, env = "LANDFALL_APPLIANCE_DIRECTORY", value_name = "FOLDER")]
    pub directory: Option<PathBuf>,
    /// Folder with the settings of a syslog server that receives audit entries; read again when it changes, and may be
    /// missing
    #[arg(long, env = "LANDFALL_APPLIANCE_SYSLOG", value_name = "FOLDER")]
    pub syslog: Option<PathBuf>,
    /// Folder with the settings of an ingress whose proxies are trusted; read again when it changes, and may be missing
    #[arg(long, env = "LANDFALL_APPLIANCE_INGRESS", value_name = "FOLDER")]
    pub ingress: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Write the whole audit log to standard output as JSON lines, with the host's checkpoints; the server may run
    Export(DataArguments),
}

#[derive(Debug, Subcommand)]
pub enum DirectoryCommand {
    /// Check the settings, and that the directory answers
    Check(DirectoryArguments),
}

#[derive(Debug, Args)]
pub struct DirectoryArguments {
    /// Folder with the settings
    #[arg(long, env = "LANDFALL_APPLIANCE_DIRECTORY", value_name = "FOLDER", default_value = "/run/secrets/directory")]
    pub directory: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum PackagesCommand {
    /// Serve listed files over HTTP: wheels to pip and uv, packages to npm, pnpm and Yarn
    Serve(PackagesArguments),
}

#[derive(Debug, Args)]
pub struct PackagesArguments {
    /// Folder with the files, which is only read
    #[arg(long, env = "LANDFALL_PACKAGES_FOLDER", value_name = "FOLDER")]
    pub folder: PathBuf,
    /// List of the wheels that `landfall build` wrote
    #[arg(long, env = "LANDFALL_PACKAGES_LIST", value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// Digest that the list of wheels must have, such as `sha256:…`
    #[arg(long, env = "LANDFALL_PACKAGES_DIGEST", value_name = "DIGEST")]
    pub digest: Option<String>,
    /// List of the npm packages that `landfall build` wrote; repeat it for each further part
    #[arg(long, env = "LANDFALL_PACKAGES_NPM_LIST", value_name = "FILE")]
    pub npm_list: Vec<PathBuf>,
    /// Digest that all parts of the npm list must have together
    #[arg(long, env = "LANDFALL_PACKAGES_NPM_DIGEST", value_name = "DIGEST")]
    pub npm_digest: Option<String>,
    /// Address and port at which connections are accepted
    #[arg(long, env = "LANDFALL_PACKAGES_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: String,
}

#[derive(Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Write a consistent snapshot to standard output; the console may run
    Save(DataArguments),
    /// Read a snapshot from standard input into a folder without a database
    Load(DataArguments),
    /// Check the database, and print what it holds
    Check(DataArguments),
}

#[derive(Debug, Args)]
pub struct DataArguments {
    /// Folder of the database
    #[arg(long, env = "LANDFALL_APPLIANCE_DATA", value_name = "FOLDER")]
    pub data: PathBuf,
    /// Folder with the settings of a PostgreSQL server for the data, as for `serve`
    #[arg(long, env = "LANDFALL_APPLIANCE_DATABASE", value_name = "FOLDER", default_value = "/run/secrets/database")]
    pub database: PathBuf,
    /// Namespace of the pod, which shows if this is a drill
    #[arg(long, env = "LANDFALL_APPLIANCE_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
