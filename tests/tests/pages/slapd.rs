//! A directory server: Debian's slapd on loopback, only over TLS.
#![expect(clippy::disallowed_methods, reason = "files of a test, in a folder that is removed")]

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context, Result, ensure};
use landfall_peer::{Authority, Terms};
use landfall_test_browser::{PASSWORD, until};
use landfall_xtask::images;
use tempfile::TempDir;

use super::servers::{free_port, program};

/// Password of the account that searches for people.
pub(crate) const OWN_PASSWORD: &str = "look for people";

/// Groups with their members. The last group's name contains the name of another group.
const GROUPS: [(&str, &[&str]); 4] = [
    ("cn=admins", &["alma", TRENT]),
    ("cn=operators", &["alma", "otto"]),
    ("cn=staff", &["alma", "otto", "vera", "mallory"]),
    (r"cn=cn\3Dadmins\2Cou\3Dgroups\2Cdc\3Dexample\2Cdc\3Dorg", &["mallory", "eve"]),
];
/// An administrator with his own password, whose description is the name of another person.
const TRENT: &str = "trent";
const PEOPLE: [&str; 6] = ["alma", "otto", "vera", "mallory", "eve", TRENT];

/// A running server.
pub(crate) struct Slapd {
    /// Port with TLS from the first byte.
    pub(crate) tls: u16,
    /// Port that starts unencrypted.
    pub(crate) plain: u16,
    /// Certificate of its authority.
    pub(crate) authority: String,
    folder: TempDir,
    child: Child,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Returns the distinguished name of a group.
pub(crate) fn group(name: &str) -> String {
    format!("cn={name},ou=groups,dc=example,dc=org")
}

impl Slapd {
    /// Starts a server with people and groups.
    pub(crate) async fn begin() -> Result<Self> {
        let (root, folder) = (images::ensure_slapd()?, tempfile::tempdir()?);
        let at = |name: &str| folder.path().join(name);
        let servers = ["127.0.0.1".to_owned()];
        let terms = Terms { name: "Directory", servers: &servers, begin: (2020, 1, 1), end: (2040, 1, 1) };
        let (authority, key) = Authority::generate(terms)?;
        let issued = Authority::of("Directory", &key)?.issue(&servers, (2020, 1, 1), (2040, 1, 1))?;
        std::fs::create_dir(at("data"))?;
        let texts =
            [("crt", issued.0), ("key", issued.1), ("conf", settings(&root, folder.path())), ("ldif", entries())];
        for (name, text) in texts {
            std::fs::write(at(name), text)?;
        }
        let loaded = program(&root, "slapadd").arg("-f").arg(at("conf")).arg("-l").arg(at("ldif")).output()?;
        ensure!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
        let (tls, plain) = (free_port()?, free_port()?);
        let log = File::create(at("log"))?;
        let places = format!("ldaps://127.0.0.1:{tls} ldap://127.0.0.1:{plain}");
        let mut server = program(&root, "slapd");
        server.arg("-f").arg(at("conf")).args(["-d", "0", "-h", &places]).stdout(log.try_clone()?).stderr(log);
        let child = server.spawn().context("cannot start slapd")?;
        let slapd = Self { tls, plain, authority, folder, child };
        until("slapd accepts connections", async || {
            Ok([tls, plain].into_iter().all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok()))
        })
        .await
        .with_context(|| format!("its log: {}", slapd.log()))?;
        Ok(slapd)
    }

    /// Writes the authority's certificate to a file, and returns its path.
    pub(crate) fn authority_file(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("authority.crt");
        std::fs::write(&path, &self.authority)?;
        Ok(path)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Returns settings that require TLS and a password for any access.
fn settings(root: &Path, folder: &Path) -> String {
    let (root, folder) = (root.display(), folder.display());
    format!(
        "include {root}/etc/ldap/schema/core.schema\ninclude {root}/etc/ldap/schema/cosine.schema\n\
         include {root}/etc/ldap/schema/inetorgperson.schema\nmodulepath {root}/usr/lib/ldap\n\
         moduleload back_mdb\n\
         moduleload memberof\npidfile {folder}/pid\nTLSCertificateFile {folder}/crt\n\
         TLSCertificateKeyFile {folder}/key\n\
         security tls=1\ndatabase mdb\nsuffix \"dc=example,dc=org\"\ndirectory {folder}/data\n\
         maxsize 16777216\n\
         overlay memberof\naccess to attrs=userPassword by anonymous auth by * none\naccess to * by users read\n"
    )
}

fn entries() -> String {
    let mut text = "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\n\n".to_owned();
    for unit in ["people", "groups", "elsewhere"] {
        let _ = write!(text, "dn: ou={unit},dc=example,dc=org\nobjectClass: organizationalUnit\n\n");
    }
    let _ = write!(
        text,
        "dn: cn=console,dc=example,dc=org\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
         userPassword: {OWN_PASSWORD}\n\n"
    );
    for person in PEOPLE {
        let (password, more) =
            if person == TRENT { ("of trent alone", "description: mallory\n") } else { (PASSWORD, "") };
        let _ = write!(
            text,
            "dn: uid={person},ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: {person}\nsn: {person}\n\
             mail: {person}@example.org\nuserPassword: {password}\n{more}"
        );
        for (group, _) in GROUPS.iter().filter(|(_, members)| members.contains(&person)) {
            let _ = writeln!(text, "memberOf: {group},ou=groups,dc=example,dc=org");
        }
        text.push('\n');
    }
    for (group, members) in GROUPS {
        let _ = write!(text, "dn: {group},ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\n");
        for member in members {
            let _ = writeln!(text, "member: uid={member},ou=people,dc=example,dc=org");
        }
        text.push('\n');
    }
    // A client that follows this referral would reach another server.
    text.push_str("dn: ou=other,ou=people,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\n");
    text.push_str("ref: ldap://127.0.0.1:9/ou=people,dc=evil\n\n");
    text
}
