//! Certificates that must not stop a site. While the machine is off from the site's point of view, they are removed, or
//! reissued by the site's own authority with another validity.
#![expect(clippy::disallowed_methods, reason = "files of the test, which end with it")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_xtask::site::Machine;

use super::cut::boot;
use super::engineer::Engineer;

/// Paths of the kubelet's client certificate with its key, of the API server's certificate and key, and of the
/// authority.
pub(crate) const CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
pub(crate) const SERVING: &str = "/etc/kubernetes/pki/apiserver.crt";

const SERVING_KEY: &str = "/etc/kubernetes/pki/apiserver.key";
const AUTHORITY: &str = "/etc/kubernetes/pki/ca";

/// Start and end of a certificate's validity, in the format of `openssl ca`.
type Validity = (&'static str, &'static str);

const ENDED: Validity = ("20200101000000Z", "20210101000000Z");
const NOT_YET_VALID: Validity = ("20400101000000Z", "20410101000000Z");

/// Configuration with which `openssl ca` issues a certificate with the names of another one.
const ISSUER: &str = "\
[ca]
default_ca = issuer
[issuer]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
organizationName = optional
";

/// Boots with unusable certificates. After each boot, the site must be ready with usable ones.
pub(crate) fn unusable_certificates(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    reissue(machine, SERVING, SERVING_KEY, ENDED)?;
    machine.run(&format!("rm $(readlink {CLIENT}) {CLIENT}"))?;
    restart(engineer, "a boot with a certificate that had ended and one that was missing")?;

    let client = machine.run(&format!("readlink {CLIENT}"))?.stdout;
    reissue(machine, SERVING, SERVING_KEY, NOT_YET_VALID)?;
    reissue(machine, client.trim(), client.trim(), ENDED)?;
    restart(engineer, "a boot with a certificate that was not valid yet and one that had ended")?;

    let client = machine.run(&format!("readlink {CLIENT}"))?.stdout;
    machine.run(&format!("rm {SERVING} {SERVING_KEY}"))?;
    reissue(machine, client.trim(), client.trim(), NOT_YET_VALID)?;
    restart(engineer, "a boot without the pair of the API server, and with a certificate that was not valid yet")
}

fn restart(engineer: Engineer<'_>, since: &str) -> Result<()> {
    let machine = engineer.machine();
    machine.run("sync")?;
    machine.power_cut()?;
    boot(machine)?;
    engineer.wait_ready(since)?;
    [SERVING, CLIENT].into_iter().try_for_each(|path| expect_valid(machine, path))
}

/// Fails unless a certificate is valid now and signed by the site's authority.
fn expect_valid(machine: &Machine, path: &str) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    take(machine, &format!("{AUTHORITY}.crt"), &folder.path().join("authority"))?;
    take(machine, path, &folder.path().join("certificate"))?;
    openssl(folder.path(), &["verify", "-CAfile", "authority", "certificate"]).with_context(|| format!("of {path}"))
}

/// Replaces a certificate by one with the same names and key but this validity. If the file also contains the key, it
/// keeps the key.
fn reissue(machine: &Machine, path: &str, key: &str, (begin, end): Validity) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    let at = |name: &str| folder.path().join(name);
    for (from, name) in [
        (path, "old"),
        (key, "key"),
        (&format!("{AUTHORITY}.crt"), "authority"),
        (&format!("{AUTHORITY}.key"), "authority.key"),
    ] {
        take(machine, from, &at(name))?;
    }
    std::fs::write(at("index"), "").context("cannot write an index")?;
    std::fs::write(at("issuer"), ISSUER).context("cannot write a configuration")?;
    let request =
        ["x509", "-x509toreq", "-in", "old", "-signkey", "key", "-copy_extensions", "copy", "-out", "request"];
    openssl(folder.path(), &request)?;
    let mut issue =
        vec!["ca", "-batch", "-notext", "-config", "issuer", "-cert", "authority", "-keyfile", "authority.key"];
    issue.extend(["-in", "request", "-out", "new", "-startdate", begin, "-enddate", end]);
    openssl(folder.path(), &issue)?;
    let mut content = std::fs::read(at("new")).context("cannot read the new certificate")?;
    if key == path {
        openssl(folder.path(), &["pkey", "-in", "key", "-out", "key.only"])?;
        content.extend(std::fs::read(at("key.only")).context("cannot read the key")?);
    }
    machine.write_file(path, content, 0o600)
}

fn take(machine: &Machine, path: &str, to: &Path) -> Result<()> {
    std::fs::write(to, machine.read_file(path)?).with_context(|| format!("cannot write {}", to.display()))
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().context("cannot run openssl")?;
    ensure!(output.status.success(), "openssl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
