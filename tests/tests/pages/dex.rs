//! An identity provider: Dex on loopback, over TLS, with the people of a directory server.
#![expect(clippy::disallowed_methods, reason = "files of a test, in a folder that is removed")]

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use landfall_peer::{Authority, Terms};
use landfall_test_browser::until;
use landfall_xtask::images;
use tempfile::TempDir;

use super::slapd::{OWN_PASSWORD, Slapd};

/// Client ID of the console at the provider.
pub(crate) const CLIENT: &str = "landfall-console";
/// Client secret of the console at the provider.
pub(crate) const SECRET: &str = "a secret of both";

/// A running provider.
pub(crate) struct Dex {
    /// Issuer URL of the provider.
    pub(crate) issuer: String,
    /// Certificate of its authority.
    pub(crate) authority: String,
    _folder: TempDir,
    child: Child,
}

impl Drop for Dex {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Dex {
    /// Starts a provider for the console at this origin.
    pub(crate) async fn begin(slapd: &Slapd, console: &str) -> Result<Self> {
        let (program, folder) = (images::ensure_dex()?, tempfile::tempdir()?);
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let servers = ["127.0.0.1".to_owned()];
        let terms = Terms { name: "Provider", servers: &servers, begin: (2020, 1, 1), end: (2040, 1, 1) };
        let (authority, secret) = Authority::generate(terms)?;
        let (certificate, key) = Authority::of("Provider", &secret)?.issue(&servers, (2020, 1, 1), (2040, 1, 1))?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("crt"), certificate)?;
        std::fs::write(at("key"), key)?;
        let issuer = format!("https://{address}/dex");
        let settings = format!(
            "issuer: {issuer}\nstorage: {{type: memory}}\nweb: {{https: '{address}', tlsCert: {crt}, tlsKey: {key}}}\n\
             oauth2: {{skipApprovalScreen: true}}\nstaticClients:\n- id: {CLIENT}\n  name: Landfall\n  secret: \
             {SECRET}\n  redirectURIs: ['{console}/sign-in/directory/return']\n\
             connectors:\n- type: ldap\n  id: people\n  name: People\n  config:\n    host: 127.0.0.1:{port}\n    \
             rootCA: {ca}\n    bindDN: cn=console,dc=example,dc=org\n    bindPW: {OWN_PASSWORD}\n    \
             userSearch:\n      baseDN: ou=people,dc=example,dc=org\n      filter: (objectClass=inetOrgPerson)\n      \
             username: uid\n      idAttr: uid\n      emailAttr: mail\n      nameAttr: cn\n      preferredUsernameAttr: \
             uid\n    groupSearch:\n      baseDN: ou=groups,dc=example,dc=org\n      filter: \
             (objectClass=groupOfNames)\n      userMatchers: [{{userAttr: DN, groupAttr: member}}]\n      nameAttr: \
             cn\n",
            crt = at("crt").display(),
            key = at("key").display(),
            ca = slapd.authority_file()?.display(),
            port = slapd.tls,
        );
        std::fs::write(at("settings.yaml"), settings)?;
        let log = File::create(at("log"))?;
        let mut command = Command::new(&program);
        command.arg("serve").arg(at("settings.yaml")).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let log = at("log");
        let dex = Self { issuer, authority, _folder: folder, child };
        until("Dex accepts connections", async || Ok(TcpStream::connect(address).is_ok()))
            .await
            .with_context(|| format!("its log: {}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        Ok(dex)
    }

    /// Ends the provider.
    pub(crate) fn stop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
