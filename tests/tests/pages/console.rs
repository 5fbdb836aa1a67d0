//! The console's program, run like in its pod: with its certificate, its data, and access to the host.
#![expect(clippy::disallowed_methods, reason = "files of a test, in a folder that is removed")]

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_peer::{Certificate, Identity};
use landfall_test_browser::until;
use landfall_test_postgresql::{PASSWORD, Server};
use landfall_xtask::builds;
use landfall_xtask::site::wait_until;
use tempfile::TempDir;

use super::host::HostApi;

/// Time limit for a console to end, after which the kubelet would kill it.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Name of its PostgreSQL database, and of the user who owns the database.
const NAME: &str = "console";

/// A console with its host.
pub(crate) struct Console {
    pub(crate) host: HostApi,
    address: SocketAddr,
    folder: TempDir,
    child: Option<Child>,
    /// PostgreSQL server of the data; None if the data is in a file.
    _server: Option<Server>,
}

impl Drop for Console {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ended = self.stop();
        }
    }
}

impl Console {
    /// Starts a console without users.
    pub(crate) async fn begin() -> Result<Self> {
        Self::begin_with(None).await
    }

    /// Starts a console without users, with its data in PostgreSQL.
    pub(crate) async fn begin_with_postgresql() -> Result<Self> {
        let server = Server::begin()?;
        server.make_database(NAME)?;
        Self::begin_with(Some(server)).await
    }

    async fn begin_with(server: Option<Server>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("data"))?;
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        let mut texts = Vec::new();
        for name in ["console", "client", "host"] {
            // Browsers identify the console by its address.
            let (certificate, key) = Identity::generate(if name == "console" { "127.0.0.1" } else { name })?;
            write(&format!("{name}.crt"), &certificate)?;
            write(&format!("{name}.key"), &key)?;
            texts.push((certificate, key));
        }
        let [_, (client, _), (host, host_key)] = &texts[..] else { anyhow::bail!("there are three identities") };
        let peer = Certificate::from_pem(client.as_bytes())?;
        let host = HostApi::begin(Identity::from_pem(host.as_bytes(), host_key.as_bytes())?, peer)?;
        // The port is free now, and the kernel does not reassign it immediately.
        let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr())?;
        if let Some(server) = &server {
            name_server(&folder.path().join("database"), server)?;
        }
        let mut console = Self { host, address, folder, child: None, _server: server };
        console.start().await?;
        Ok(console)
    }

    /// Returns its origin in a browser.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns the path of its certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("console.crt")
    }

    /// Returns its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.file("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program with its existing data, and waits until it accepts connections.
    pub(crate) async fn start(&mut self) -> Result<()> {
        self.launch()?;
        let address = self.address;
        until("the console accepts connections", async || {
            Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
        })
        .await
        .with_context(|| format!("its log: {}", self.log()))
    }

    /// Starts the program without waiting.
    pub(crate) fn launch(&mut self) -> Result<()> {
        let program = program()?;
        let log = File::options().create(true).append(true).open(self.file("log"))?;
        let mut command = Command::new(&program);
        command.arg("serve").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.args(["--listen", &self.address.to_string(), "--host-address", &self.host.address.to_string()]);
        command.args(["--namespace", "landfall-console"]);
        let files = [
            ("--data", "data"),
            ("--certificate", "console.crt"),
            ("--key", "console.key"),
            ("--host-certificate", "host.crt"),
            ("--client-certificate", "client.crt"),
            ("--client-key", "client.key"),
            ("--directory", "directory"),
            ("--ingress", "ingress"),
            ("--database", "database"),
        ];
        for (argument, name) in files {
            command.arg(argument).arg(self.file(name));
        }
        self.child = Some(command.spawn().with_context(|| format!("cannot start {}", program.display()))?);
        Ok(())
    }

    /// Kills the program immediately, like a power cut.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the console does not run")?;
        child.kill()?;
        let status = child.wait()?;
        ensure!(status.signal() == Some(SIGKILL), "the console was not killed: {status}: {}", self.log());
        Ok(())
    }

    /// Ends the program like the kubelet, and waits for it.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the console does not run")?;
        let number = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(number, rustix::process::Signal::TERM)?;
        let ended = wait_until("the end of the console", END_LIMIT, || Ok(child.try_wait()?));
        if ended.is_err() {
            child.kill()?;
            child.wait()?;
        }
        let status = ended.with_context(|| self.log())?;
        ensure!(status.success(), "the console ended with {status}: {}", self.log());
        Ok(())
    }

    /// Returns its process ID.
    pub(crate) fn process(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the console does not run")?.id())
    }

    /// Returns the text of a file in its `/proc` folder.
    pub(crate) fn kernel_file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.process()?);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// Restarts the console with these settings of a directory.
    pub(crate) async fn use_directory(&mut self, files: &[(&str, &str)]) -> Result<()> {
        let read = "people also come from a directory";
        let before = self.log().matches(read).count();
        self.stop()?;
        let folder = self.file("directory");
        std::fs::create_dir_all(&folder)?;
        for (name, text) in files {
            std::fs::write(folder.join(name), text)?;
        }
        self.start().await?;
        until("the console has read the settings", async || Ok(self.log().matches(read).count() > before)).await
    }

    /// Restarts the console with the trusted proxies of these settings.
    pub(crate) async fn use_ingress(&mut self, settings: &str) -> Result<()> {
        self.stop()?;
        let folder = self.file("ingress");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("ingress.yaml"), settings)?;
        self.start().await
    }

    /// Restarts the console with a certificate of this name.
    pub(crate) async fn take_name(&mut self, name: &str) -> Result<()> {
        self.stop()?;
        let (certificate, key) = Identity::generate(name)?;
        std::fs::write(self.certificate(), certificate)?;
        std::fs::write(self.file("console.key"), key)?;
        self.start().await
    }

    /// Returns its log.
    fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Returns the output of `landfall-appliance database check` about its data.
    pub(crate) fn check_data(&self) -> Result<String> {
        let mut check = Command::new(program()?);
        read(check.args(["database", "check", "--data"]).arg(self.file("data")))
    }

    /// Sends a request to the API with a key, as a program would. Returns the status code.
    pub(crate) fn ask(&self, path: &str, key: &str) -> Result<u16> {
        let mut curl = self.curl(path, key);
        Ok(read(curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]))?.parse()?)
    }

    /// Returns the API's response to a program.
    pub(crate) fn read(&self, path: &str, key: &str) -> Result<String> {
        read(self.curl(path, key).arg("--fail-with-body"))
    }

    /// Starts to send a document to the API, as a program would, and returns without waiting. The result is ignored.
    pub(crate) fn send(&self, path: &str, key: &str, body: &str) -> Result<Child> {
        let mut curl = self.curl(path, key);
        curl.args(["--max-time", "20", "--header", "Content-Type: application/json", "--data", body]);
        curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start curl")
    }

    fn curl(&self, path: &str, key: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"]).arg(self.certificate());
        curl.args(["--header", &format!("Authorization: Bearer {key}")]).arg(format!("{}{path}", self.origin()));
        curl
    }
}

/// Writes the files of the site's Secret that place the data in a database of this server.
fn name_server(folder: &Path, server: &Server) -> Result<()> {
    std::fs::create_dir(folder)?;
    let settings = format!("server: tls://127.0.0.1:{}\ndatabase: {NAME}\nuser: {NAME}\n", server.port());
    std::fs::write(folder.join("database.yaml"), settings)?;
    std::fs::write(folder.join("database-password"), PASSWORD)?;
    std::fs::write(folder.join("database-authority.crt"), server.authority())?;
    Ok(())
}

/// Number of the signal that no program can handle.
const SIGKILL: i32 = 9;

/// Returns the path of the program, next to `landfall`.
fn program() -> Result<PathBuf> {
    Ok(builds::landfall()?.with_file_name("landfall-appliance"))
}

/// Runs a command, and returns its output. Fails if the command fails.
fn read(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
