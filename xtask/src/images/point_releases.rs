//! One image in two states of a Debian release: the last point release, and the same with all updates of its update
//! suites since.
//!
//! The archive keeps no earlier point release. So the recipe uses a release that gets no more point releases, but still
//! security updates. The two states always differ, and increasingly so over the years.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;

use super::debian::{clean, installed_versions, mmdebstrap, run};
use super::layer::{FileTree, Layer, ensure_layer};
use super::oci::{PublishedContent, Settings, image};
use super::registry_tree::{self, RegistryTree};
use super::{Workshop, last_lines};
use crate::cache::Key;
use crate::setup::{self, index};

/// Debian release of the image.
const SUITE: &str = "bookworm";

/// Packages of the image in addition to the required ones: some that are updated often, with their dependencies.
const PACKAGES: &[&str] = &["ca-certificates", "python3-minimal", "rsync"];

/// Repository of both images.
pub const REPOSITORY: &str = "example.internal/debian";

/// Tags of the images, the point release first.
pub const TAGS: [&str; 2] = ["point-release", "with-updates"];

/// Kind of a layer's cache entry.
const LAYER: &str = "layer";

/// Both images, and the archive's updates.
pub struct PointReleases {
    /// The images, as a registry's storage.
    pub tree: RegistryTree,
    /// Packages of the point release that an update suite has in a newer version, with that version.
    pub newer: BTreeMap<String, String>,
}

/// Builds missing images in the workshop's cache.
pub fn ensure(workshop: &Workshop) -> Result<PointReleases> {
    let archive = workshop.archive()?.source_line(SUITE);
    let digest = index::digest(workshop.cache(), SUITE, index::A_DAY)?;
    let key = workshop.key().with("suite", SUITE).with("archive", digest).with("packages", PACKAGES.join(" "));
    let earlier = layer(workshop, TAGS[0], &key, std::slice::from_ref(&archive))?;
    let installed = installed_packages(&earlier)?;

    let with = |newer: &str| key.clone().with("newer", newer);
    let mut newer = newer(workshop, &key, &installed, index::A_DAY)?;
    if !workshop.cache().contains(LAYER, &with(&newer)) {
        // The image contains the archive's current packages, not those of the last cached answer.
        newer = self::newer(workshop, &key, &installed, Duration::ZERO)?;
    }
    let updates = updates(workshop)?.map(|(archive, suite)| archive.source_line(&suite));
    let later = layer(workshop, TAGS[1], &with(&newer), &[[archive].as_slice(), &updates].concat())?;

    let published = [(TAGS[0], earlier), (TAGS[1], later)].map(|(tag, layer)| published_image(tag, layer));
    let newer = newer.lines().filter_map(|line| line.split_once(' '));
    let newer = newer.map(|(package, version)| (package.to_owned(), version.to_owned())).collect();
    Ok(PointReleases { tree: registry_tree::of(workshop, published.into())?, newer })
}

fn published_image(tag: &str, layer: Layer) -> PublishedContent {
    let settings = Settings { command: &["sleep", "infinity"], ..Settings::default() };
    image("point-releases", format!("{REPOSITORY}:{tag}"), &[layer], &settings)
}

/// Returns the update suites, each with its archive.
fn updates(workshop: &Workshop) -> Result<[(setup::DebianArchive, String); 2]> {
    let security = setup::security_archive()?;
    let security = security.context("the configuration of this machine names no archive of security updates")?;
    Ok([(workshop.archive()?.clone(), setup::updates_suite(SUITE)), (security, setup::security_suite(SUITE))])
}

/// Returns a line with name and version for each package that an update suite has in a newer version.
fn newer(workshop: &Workshop, key: &Key, installed: &BTreeMap<String, String>, age: Duration) -> Result<String> {
    let name = format!("{SUITE}-newer-{}", key.digest());
    let answer = index::answer(workshop.cache(), &name, age, || {
        let lists = updates(workshop)?.map(|(archive, suite)| index::list(workshop.cache(), &archive, &suite));
        let lists = lists.into_iter().collect::<Result<Vec<_>>>()?.join("\n\n");
        let mut lines = String::new();
        for (package, version) in installed {
            if let Some(newest) = index::newest(&lists, package)?
                && index::is_newer(&newest, version)?
            {
                lines.extend([package, " ", &newest, "\n"]);
            }
        }
        Ok(lines)
    })?;
    ensure!(answer != index::UNKNOWN, "the suites of updates of Debian {SUITE} were never reached");
    Ok(answer)
}

/// Returns a layer with the newest packages of these sources.
fn layer(workshop: &Workshop, tag: &str, key: &Key, sources: &[String]) -> Result<Layer> {
    let folder = tempfile::tempdir_in(workshop.cache().root()).context("cannot create a folder for a root")?;
    ensure_layer(workshop, &format!("{SUITE}, {tag}"), key, || {
        setup::ensure_packages(packages::ROOTS)?;
        let root = folder.path().join("root.tar");
        let packages: Vec<String> = PACKAGES.iter().map(|package| (*package).to_owned()).collect();
        run(mmdebstrap(&packages).arg(SUITE).arg(&root).args(sources))?;
        let mut tree = FileTree::read_tar(&root)?;
        clean(&mut tree);
        Ok(tree)
    })
}

/// Returns every installed package of a layer, with its version.
fn installed_packages(layer: &Layer) -> Result<BTreeMap<String, String>> {
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--to-stdout", "--file"]).arg(&layer.path).arg(Path::new("var/lib/dpkg/status"));
    let output = tar.output().context("cannot run tar")?;
    ensure!(output.status.success(), "tar failed:\n{}", last_lines(&output.stderr));
    let installed = installed_versions(&String::from_utf8_lossy(&output.stdout));
    ensure!(!installed.is_empty(), "{} has no package", layer.path.display());
    Ok(installed)
}
