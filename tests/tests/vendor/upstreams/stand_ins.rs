//! What upstream's addresses bring here: the parts that the tests assemble, under the names and in the form that upstream gives them.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_media::durable;
use landfall_tests::hub_server::Hub;
use landfall_tests::package_server::PackageServer;
use landfall_tests::registry::Registry;
use landfall_tests::wheel_index::put_wheel;
use landfall_tests::workspace;
use serde::Deserialize;
use serde_json::Value;

use super::super::models::{files_of, files_of_model, gated_hub};
use super::super::outcome::Outcome;
use super::super::starter::Starter;
use super::server::Routes;

/// The host of the package index that the registries file names.
pub const INDEX_HOST: &str = "packages.example.com";

/// The host to which the hub leads for large files.
const LARGE_FILES_HOST: &str = "large-files.example.com";

/// A lock, as far as it says what is where.
#[derive(Deserialize)]
struct Lock {
    images: Vec<Entry>,
    artifacts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    reference: String,
    #[serde(default)]
    files: Vec<File>,
}

impl Entry {
    /// Name and tag.
    fn parts(&self) -> Option<(&str, &str)> {
        self.reference.rsplit_once(':')
    }
}

#[derive(Deserialize)]
struct File {
    url: String,
    #[serde(default)]
    path: Option<String>,
    /// Where its project publishes its digest.
    #[serde(default)]
    sums: Option<String>,
    #[serde(default)]
    members: BTreeMap<String, String>,
}

/// Everything that stands in for upstream. Its servers end with this value.
pub struct StandIns {
    /// The hub, open to a token alone.
    pub hub: Hub,
    index: PackageServer,
    upstream: Lock,
    assembled: Lock,
    /// Files by their addresses.
    files: BTreeMap<String, PathBuf>,
    /// The SHA-256 of each program, by its path in its artifact.
    pub programs: BTreeMap<String, String>,
}

impl StandIns {
    /// Makes them in a folder, of the parts of the starter bundle that is inspected.
    pub fn make(folder: &Path, starter: &Starter, inspection: &Value) -> Result<Self> {
        let hub = gated_hub(&files_of_model(starter, inspection)?)?;
        let index = PackageServer::start()?;
        for (path, _, stored) in files_of(starter, inspection, "wheels")? {
            if Path::new(&path).extension().is_some_and(|extension| extension == "whl") {
                put_wheel(&index, &path, std::fs::read(&stored)?);
            }
        }
        let (upstream, assembled) = (lock("images.lock")?, lock("tests/images/assembled.lock")?);
        let (mut files, mut programs) = (BTreeMap::new(), BTreeMap::new());
        let mut sums: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let of_artifacts = upstream.artifacts.iter().flat_map(|entry| &entry.files);
        for (number, file) in of_artifacts.enumerate() {
            let served = folder.join(format!("served-{number}"));
            std::fs::create_dir(&served)?;
            let path = file.publish(&served, starter.binaries(), &mut programs)?;
            if let Some(address) = &file.sums {
                let published = sums.entry(address).or_default();
                published.push(format!("{}  {}\n", digits(&path)?, file.published_name()));
            }
            files.insert(file.url.clone(), path);
        }
        for (number, (address, text)) in sums.into_iter().enumerate() {
            let path = folder.join(format!("sums-{number}"));
            durable::write_file(&path, text.concat().as_bytes(), 0o644)?;
            files.insert(address.to_owned(), path);
        }
        Ok(Self { hub, index, upstream, assembled, files, programs })
    }

    /// Where each of them is.
    pub fn routes(&self, registry: &Registry) -> Result<Routes> {
        let (mut registries, mut tags) = (BTreeMap::new(), BTreeMap::new());
        for (name, tag, assembled) in self.images()? {
            let host = name.split('/').next().unwrap_or_default();
            // Docker's registry answers under another name than its images have.
            let asked = if host == "docker.io" { "index.docker.io" } else { host };
            registries.insert(asked.to_owned(), host.to_owned());
            tags.insert(format!("{name}:{tag}"), assembled.to_owned());
        }
        let plain = |endpoint: String| endpoint.replace("http://", "");
        let servers = [
            ("huggingface.co", plain(self.hub.endpoint())),
            (LARGE_FILES_HOST, plain(self.hub.endpoint())),
            (INDEX_HOST, plain(self.index.endpoint())),
        ];
        Ok(Routes {
            registry: registry.address().to_string(),
            registries,
            tags,
            files: self.files.clone(),
            servers: servers.into_iter().map(|(host, address)| (host.to_owned(), address)).collect(),
            elsewhere: LARGE_FILES_HOST.to_owned(),
        })
    }

    /// Each image: its name, its tag upstream, and the tag of what stands in for it.
    pub fn images<'a>(&'a self) -> Result<Vec<(&'a str, &'a str, &'a str)>> {
        let assembled: BTreeMap<_, _> = self.assembled.images.iter().filter_map(Entry::parts).collect();
        let of_image = |entry: &'a Entry| {
            let (name, tag) = entry.parts().context("an image has no tag")?;
            let assembled = assembled.get(name).with_context(|| format!("no {name} is assembled"))?;
            Ok((name, tag, *assembled))
        };
        self.upstream.images.iter().map(of_image).collect()
    }
}

impl File {
    /// The name under which the project publishes it.
    fn published_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Makes the file that upstream would publish; returns its path, and adds what is taken of it.
    fn publish(&self, folder: &Path, binaries: &Path, programs: &mut BTreeMap<String, String>) -> Result<PathBuf> {
        let path = folder.join("file");
        if let Some(name) = &self.path {
            // The tests have one program under several names, which upstream publishes each by itself: their ends differ.
            let script = format!("cat '{}' > file && printf '%s' '{name}' >> file", binaries.join(name).display());
            Outcome::success(Command::new("sh").args(["-euc", &script]).current_dir(folder))?;
            programs.insert(name.clone(), sha256(&path)?);
            return Ok(path);
        }
        for (member, name) in &self.members {
            let link = folder.join(member);
            std::fs::create_dir_all(link.parent().context("a member has no folder")?)?;
            symlink(binaries.join(name), &link)?;
            programs.insert(name.clone(), sha256(&link)?);
        }
        let mut tar = Command::new("tar");
        tar.args(["--create", "--dereference", "--use-compress-program", "gzip -1", "--file", "file"]);
        Outcome::success(tar.args(self.members.keys()).current_dir(folder))?;
        Ok(path)
    }
}

/// A lock of this repository.
fn lock(path: &str) -> Result<Lock> {
    let text = std::fs::read_to_string(workspace::root().join(path)).with_context(|| format!("cannot read {path}"))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{path} is not a lock"))
}

fn sha256(path: &Path) -> Result<String> {
    Ok(format!("sha256:{}", digits(path)?))
}

/// The SHA-256 of a file, in hexadecimal.
fn digits(path: &Path) -> Result<String> {
    let shown = Outcome::success(Command::new("sha256sum").arg(path))?;
    let digest = shown.text()?.split_whitespace().next().unwrap_or_default().to_owned();
    ensure!(digest.len() == 64, "sha256sum shows {digest}");
    Ok(digest)
}
