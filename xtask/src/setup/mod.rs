//! Requirements of a developer's machine: Debian packages, and the Debian archive that it already uses.
//!
//! No archive is named here: mirror and signing key are those of the machine's own apt. On Ubuntu, whose apt uses
//! another archive, `$LANDFALL_DEBIAN_MIRROR` names the Debian mirror; mmdebstrap's own default is the fallback.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use landfall_launcher::cluster::NoCluster;
use landfall_launcher::packages;

use crate::cache::Cache;
use crate::printer;

pub mod index;
mod sources;

use sources::Source;

/// Keyring of Debian's package `debian-archive-keyring`, which apt uses if a source names none.
const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The Debian archive that this machine's apt uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebianArchive {
    /// URL of the main archive, which serves every suite (bookworm, trixie…).
    pub mirror: String,
    /// Keyring with its signing keys.
    pub keyring: PathBuf,
    /// Codename of this machine's operating system.
    pub codename: String,
}

impl DebianArchive {
    /// Returns the one-line source for a suite of this archive, as accepted by mmdebstrap and apt.
    pub fn source_line(&self, suite: &str) -> String {
        format!("deb [signed-by={}] {} {suite} main", self.keyring.display(), self.mirror)
    }

    /// Returns the URL of a file or folder of this archive.
    pub fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.mirror.trim_end_matches('/'))
    }
}

/// Returns the name of the suite with the security updates of a suite.
pub fn security_suite(suite: &str) -> String {
    format!("{suite}-security")
}

/// Returns the name of the suite with other updates of a suite between two point releases.
pub fn updates_suite(suite: &str) -> String {
    format!("{suite}-updates")
}

/// Installs the missing packages of the list through the machine's own apt.
pub fn ensure_packages(packages: &[&str]) -> Result<()> {
    if packages.is_empty() || missing_packages(packages)?.is_empty() {
        return Ok(());
    }
    let _lock = Cache::open()?.lock("apt")?;
    let missing = missing_packages(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    ensure!(
        rustix::process::geteuid().is_root(),
        "these Debian packages are missing: {list}\n  run as root, or install them: sudo apt-get install {list}"
    );
    printer::note(format_args!("installing Debian packages: {list}"));
    let no_cluster = NoCluster::during(missing.iter().copied());
    let _no_cluster = no_cluster.context("cannot write settings of PostgreSQL's packages")?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    if apt_get(&arguments).is_ok() {
        return Ok(());
    }
    // The package lists may be missing or old. A broken third-party source is ignored: the second installation decides.
    let updated = apt_get(&["update"]);
    apt_get(&arguments).with_context(|| match updated {
        Ok(()) => format!("cannot install {list}"),
        Err(error) => format!("cannot install {list}, after apt-get update had failed ({error:#})"),
    })
}

/// Installs the packages whose programs are not in `PATH`. Other software may provide the programs.
pub fn ensure_programs(programs: &[(&str, &str)]) -> Result<()> {
    let missing = programs.iter().filter(|(_, program)| !landfall_launcher::collect::is_in_path(program));
    ensure_packages(&missing.map(|(package, _)| *package).collect::<Vec<_>>())
}

/// Environment variable with the Debian mirror, which takes precedence.
const MIRROR_VARIABLE: &str = "LANDFALL_DEBIAN_MIRROR";

fn named_mirror() -> Option<String> {
    std::env::var(MIRROR_VARIABLE).ok().filter(|mirror| !mirror.is_empty())
}

/// Provides Python with pip.
pub fn ensure_pip() -> Result<()> {
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if pip.is_ok_and(|output| output.status.success()) { Ok(()) } else { ensure_packages(packages::PYTHON) }
}

/// Finds the Debian archive in the configuration of this machine's apt. Third-party sources are never chosen.
pub fn debian_archive() -> Result<DebianArchive> {
    let system = System::read()?;
    if let Some(mirror) = named_mirror() {
        return Ok(DebianArchive { mirror, keyring: PathBuf::from(DEBIAN_KEYRING), codename: system.codename });
    }
    if system.id == "ubuntu" {
        return archive_of_mmdebstrap("my $mirror", system.codename)?.with_context(|| {
            format!(
                "{MMDEBSTRAP} names no Debian mirror: name one, for example with `export \
                 {MIRROR_VARIABLE}=http://…/debian`"
            )
        });
    }
    let codename = system.codename;
    let sources = sources::read_all()?;
    let mut official = official_addresses("Debian", &codename)?;
    if official.is_empty() && rustix::process::geteuid().is_root() {
        let _ = apt_get(&["update"]);
        official = official_addresses("Debian", &codename)?;
    }
    choose(&sources, &official, &codename).with_context(|| {
        format!("apt's configuration has no main archive of Debian {codename}: add one and run apt-get update")
    })
}

/// Finds the archive of security updates in the same way. It serves such a suite for every release. Returns `None` if
/// the mirror was set explicitly, because that is a mirror of the main archive.
pub fn security_archive() -> Result<Option<DebianArchive>> {
    let system = System::read()?;
    if named_mirror().is_some() {
        return Ok(None);
    }
    if system.id == "ubuntu" {
        return archive_of_mmdebstrap("my $secmirror", system.codename);
    }
    let suite = security_suite(&system.codename);
    Ok(choose(&sources::read_all()?, &official_addresses("Debian-Security", &suite)?, &suite))
}

/// Returns the first source of the suite whose URL apt itself recognized as Debian's.
fn choose(sources: &[Source], official: &[String], codename: &str) -> Option<DebianArchive> {
    let source = sources.iter().find(|source| {
        source.suites.iter().any(|suite| suite == codename)
            && source.components.iter().any(|component| component == "main")
            && official.iter().any(|address| address.trim_end_matches('/') == source.address.trim_end_matches('/'))
    })?;
    Some(DebianArchive {
        mirror: source.address.clone(),
        keyring: source.keyring.clone().unwrap_or_else(|| PathBuf::from(DEBIAN_KEYRING)),
        codename: codename.to_owned(),
    })
}

/// Returns URLs of apt's lists whose signed Release file has this label and the origin Debian.
fn official_addresses(label: &str, codename: &str) -> Result<Vec<String>> {
    let format = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)";
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", format, "Created-By: Packages"])
        .output()
        .context("cannot run apt-get: these tools need a Debian machine")?;
    ensure!(output.status.success(), "apt-get indextargets failed: {}", String::from_utf8_lossy(&output.stderr));
    let wanted = format!("Debian|{label}|{codename}|main|");
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.strip_prefix(&wanted)).map(str::to_owned).collect())
}

/// Program that builds root filesystems.
const MMDEBSTRAP: &str = "/usr/bin/mmdebstrap";

/// Returns the archive that mmdebstrap itself falls back to, from this variable of its program, with the keys of
/// Debian's own package.
fn archive_of_mmdebstrap(variable: &str, codename: String) -> Result<Option<DebianArchive>> {
    ensure_packages(packages::ROOTS)?;
    let program = std::fs::read_to_string(MMDEBSTRAP).with_context(|| format!("cannot read {MMDEBSTRAP}"))?;
    let archive = |mirror| DebianArchive { mirror, keyring: PathBuf::from(DEBIAN_KEYRING), codename };
    Ok(default_mirror(&program, variable).map(archive))
}

/// Returns the value of a variable, as in `my $mirror = '…';`.
fn default_mirror(program: &str, variable: &str) -> Option<String> {
    let (_, rest) = program.split_once(variable)?;
    let line = rest.lines().next()?;
    let value = line.split(['\'', '"']).nth(1)?;
    value.starts_with("http").then(|| value.to_owned())
}

/// The properties of this machine's operating system that determine the archive.
#[derive(Debug, PartialEq, Eq)]
struct System {
    id: String,
    codename: String,
}

impl System {
    fn read() -> Result<Self> {
        let path = "/etc/os-release";
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        Self::parse(&text)
            .with_context(|| format!("these tools need Debian or Ubuntu, and {path} names another system"))
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"').to_owned())
        };
        let id = value("ID=").filter(|id| id == "debian" || id == "ubuntu")?;
        Some(Self { id, codename: value("VERSION_CODENAME=")? })
    }
}

fn missing_packages<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output()
        .context("cannot run dpkg-query: these tools need a Debian machine")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed = |package: &str| text.lines().any(|line| line.split_once(' ') == Some((package, "installed")));
    Ok(packages.iter().copied().filter(|package| !installed(package)).collect())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["--quiet", "--option", "DPkg::Lock::Timeout=600"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context("cannot run apt-get: these tools need a Debian machine")?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    bail!("apt-get {} failed:\n{}", arguments.join(" "), lines[lines.len().saturating_sub(15)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_party_source_is_not_chosen() {
        let text = "deb https://vendor.example/apt bookworm main\n\
                    deb [signed-by=/keys/debian.gpg] https://mirror.example/debian bookworm main\n";
        let found =
            choose(&sources::parse_lines(text), &["https://mirror.example/debian/".into()], "bookworm").unwrap();
        assert_eq!(found.mirror, "https://mirror.example/debian");
        assert_eq!(
            found.source_line("trixie"),
            "deb [signed-by=/keys/debian.gpg] https://mirror.example/debian trixie main"
        );
    }

    /// Debian's own program finds the setting, like its package during installation.
    #[test]
    fn postgresql_is_installed_without_cluster() {
        let etc = tempfile::tempdir().unwrap();
        let settings = etc.path().join("createcluster.conf");
        let text = format!("include_dir '{}'\n", etc.path().join("createcluster.d").display());
        landfall_media::durable::write_file(&settings, text.as_bytes(), 0o644).unwrap();
        let makes = || {
            let mut conftool = Command::new("pg_conftool");
            let output = conftool.arg(&settings).args(["show", "-bs", "create_main_cluster"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(makes(), "");
        let no_cluster = NoCluster::below(etc.path()).unwrap();
        assert_eq!(makes(), "off");
        drop(no_cluster);
        assert_eq!(makes(), "");
    }

    #[test]
    fn only_debian_and_ubuntu_are_known() {
        let parsed = |text: &str| System::parse(text).map(|system| (system.id, system.codename));
        let ubuntu = "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n";
        assert_eq!(parsed(ubuntu), Some(("ubuntu".to_owned(), "jammy".to_owned())));
        assert!(parsed("ID=debian\nVERSION_CODENAME=trixie\n").is_some());
        assert_eq!(parsed("ID=fedora\nVERSION_CODENAME=\"\"\n"), None);
    }

    #[test]
    fn default_mirror_is_read_from_mmdebstrap() {
        let program = "sub x {\n    my $mirror    = 'http://mirror.example/debian';\n    my $secmirror = 'http://s';\n";
        assert_eq!(default_mirror(program, "my $mirror").as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(default_mirror(program, "my $secmirror").as_deref(), Some("http://s"));
        assert_eq!(default_mirror("my $other = 'http://a';", "my $mirror"), None);
        assert_eq!(default_mirror("my $mirror = get_mirror();", "my $mirror"), None);
    }

    #[test]
    fn unmatched_source_is_not_chosen() {
        let found = sources::parse_lines("deb https://mirror.example/debian bookworm-updates main\n");
        assert_eq!(choose(&found, &["https://mirror.example/debian/".into()], "bookworm"), None);
    }
}
