//! Images of PostgreSQL with pgvector: that of 1.0.0, and that of later releases, which has a later minor version.
//!
//! For some weeks at a time, Debian has two minor versions of one major version: that of the suite, and a newer
//! security update. Otherwise, the earlier image uses a version that suites no longer list, if the archive's pool still
//! has its files. If neither exists, the later image has the same version, rebuilt, and both [`server_versions`] are
//! equal.

use anyhow::{Context, Result, ensure};

use super::Workshop;
use super::chosen::{self, Choice, ChosenPackages, Place, PoolVersion};
use super::debian::{Account, Root, SUITE, ensure_base};
use super::layer::{Kind, Layer};
use super::oci::{PublishedContent, Settings, image};
use super::starter::own_layer;
use crate::printer;
use crate::setup::{self, index};

/// Package of the server.
const SERVER: &str = "postgresql-17";

/// Packages that an earlier version replaces: only the programs, which use the suite's newer library.
const OLDER: &[&str] = &[SERVER, "postgresql-client-17"];

/// Packages that a newer version replaces: the programs, and the library, which must be as new as the programs.
const NEWER: &[&str] = &[SERVER, "postgresql-client-17", "libpq5"];

/// A minor version older than the suite's.
const POOL: PoolVersion = PoolVersion {
    source: "postgresql-17",
    version: "17.11-0+deb13u1",
    packages: &[
        (SERVER, "d2ce1ddffafa783f9acda4c92c86fc21e8288bff3782d739294f14fa797d7886"),
        ("postgresql-client-17", "9d8558f8dd57c8e92e218a20698383575d53742ca3f9e7c2b7fe5f246d5216ae"),
    ],
};

const ACCOUNTS: &[Account] = &[Account { name: "postgres", id: 999, home: "/var/lib/postgresql" }];

/// Removed files. Compiling queries requires 160 MB of LLVM; without it, PostgreSQL does not compile them.
const REMOVED: &[&str] = &[
    "usr/lib/postgresql/17/lib/bitcode",
    "usr/lib/postgresql/17/lib/llvmjit",
    "usr/lib/x86_64-linux-gnu/libLLVM",
    "usr/lib/x86_64-linux-gnu/libz3",
    "usr/share/i18n",
];

const fn root(name: &'static str, chosen: Choice) -> Root {
    Root { name, packages: &[SERVER, "postgresql-17-pgvector"], accounts: ACCOUNTS, removed: REMOVED, chosen }
}

/// The suite's version, which at least one of the two images uses.
const OF_THE_SUITE: Root = root("postgres", chosen::none);

/// Root filesystem of 1.0.0.
pub const EARLIER: Root = root("postgres-earlier", earlier_packages);

/// Root filesystem of later releases.
pub const LATER: Root = root("postgres-later", later_packages);

/// Available minor versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Minors {
    /// The suite's version, and this newer one.
    Newer(ChosenPackages),
    /// This older version, and the suite's.
    Older(ChosenPackages),
    /// Only the suite's version.
    One,
}

impl Minors {
    /// Queries the archives for the available versions.
    pub fn find(workshop: &Workshop) -> Result<Self> {
        let suites = server(&OF_THE_SUITE, workshop)?;
        if let Some(archive) = setup::security_archive()? {
            let suite = setup::security_suite(SUITE);
            let found = index::version(workshop.cache(), &archive, &suite, SERVER, workshop.answers_age)?;
            if let Some(version) = found
                && index::is_newer(&version, &suites)?
            {
                return Ok(Self::Newer(ChosenPackages { packages: NEWER, version, place: Place::Security(archive) }));
            }
        }
        if index::is_newer(&suites, POOL.version)?
            && let Some(folder) = POOL.ensure(workshop)?
        {
            let version = POOL.version.to_owned();
            return Ok(Self::Older(ChosenPackages { packages: OLDER, version, place: Place::Folder(folder) }));
        }
        printer::note(format!("the archive has PostgreSQL {suites} alone: later releases have it built again"));
        Ok(Self::One)
    }
}

fn earlier_packages(workshop: &Workshop) -> Result<Option<ChosenPackages>> {
    Ok(match workshop.minors()? {
        Minors::Older(chosen) => Some(chosen.clone()),
        Minors::Newer(_) | Minors::One => None,
    })
}

fn later_packages(workshop: &Workshop) -> Result<Option<ChosenPackages>> {
    Ok(match workshop.minors()? {
        Minors::Newer(chosen) => Some(chosen.clone()),
        Minors::Older(_) | Minors::One => None,
    })
}

/// Returns the Debian version of the server in a root filesystem.
fn server(root: &Root, workshop: &Workshop) -> Result<String> {
    let version = root.versions(workshop)?.remove(SERVER);
    version.with_context(|| format!("{SERVER} is not installed in {}", root.name))
}

/// Returns the server's version in the image of 1.0.0 and in that of later releases, such as `17.11`. They are equal if
/// the archive has only one version.
pub fn server_versions(workshop: &Workshop) -> Result<[String; 2]> {
    Ok([EARLIER.version(workshop, SERVER)?, LATER.version(workshop, SERVER)?])
}

/// Builds the image of 1.0.0. Like upstream's, its tag names no minor version.
pub fn earlier(workshop: &Workshop) -> Result<PublishedContent> {
    assemble(workshop, &EARLIER, "17", None)
}

/// Builds the image of later releases. Its tag names the minor version.
pub fn later(workshop: &Workshop) -> Result<PublishedContent> {
    let rebuilt = match workshop.minors()? {
        Minors::Newer(_) | Minors::Older(_) => None,
        Minors::One => Some(own_layer(workshop, "postgres-rebuilt", "1", |tree| {
            tree.add(
                "usr/share/doc/postgresql-17/rebuilt",
                0o644,
                Kind::Text(b"The same version, built again.\n".to_vec()),
            );
            Ok(())
        })?),
    };
    assemble(workshop, &LATER, &LATER.version(workshop, SERVER)?, rebuilt)
}

/// Assembles PostgreSQL 17 with pgvector. The database cluster is created at the first start, in a folder of the
/// volume.
fn assemble(workshop: &Workshop, root: &Root, tag: &str, rebuilt: Option<Layer>) -> Result<PublishedContent> {
    const SCRIPT: &str = "starter/postgres-entrypoint.sh";
    let script = std::fs::read(workshop.recipe(SCRIPT)).with_context(|| format!("cannot read {SCRIPT}"))?;
    let own = own_layer(workshop, "postgres-entrypoint", [b"1 ", script.as_slice()].concat(), |tree| {
        tree.add("usr/local/bin/postgres-entrypoint", 0o755, Kind::Text(script.clone()));
        tree.add("docker-entrypoint-initdb.d", 0o755, Kind::Folder);
        tree.add_owned("run/postgresql", 0o2775, (999, 999), Kind::Folder);
        tree.add_owned("var/lib/postgresql", 0o755, (999, 999), Kind::Folder);
        tree.add_owned("var/lib/postgresql/data", 0o700, (999, 999), Kind::Folder);
        Ok(())
    })?;
    let mut layers = vec![ensure_base(workshop)?, root.ensure_difference(workshop)?, own];
    layers.extend(rebuilt);
    let settings = Settings {
        user: "999:999",
        entrypoint: &["/usr/local/bin/postgres-entrypoint"],
        command: &["postgres"],
        environment: &["LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data/pgdata"],
        path: "/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        folder: "/var/lib/postgresql",
        // Fast shutdown: open connections are ended, and nothing is lost.
        stop_signal: "SIGINT",
    };
    let major = root.version(workshop, SERVER)?;
    ensure!(major.starts_with("17."), "{SERVER} is of version {major}");
    let version = root.version(workshop, "postgresql-17-pgvector")?;
    Ok(image("postgres", format!("docker.io/pgvector/pgvector:{version}-pg{tag}"), &layers, &settings))
}
