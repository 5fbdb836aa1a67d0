//! Stand-ins for the content of upstream's URLs: the parts that the tests assemble, under upstream's names and in
//! upstream's form.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_media::durable;
use landfall_test_support::hub_server::Hub;
use landfall_test_support::package_server::PackageServer;
use landfall_xtask::registry::Registry;
use landfall_xtask::wheel_index::put_wheel;
use landfall_xtask::workspace;
use serde::Deserialize;
use serde_json::Value;

use super::super::models::{files_of, files_of_model, gated_hub};
use super::super::outcome::Outcome;
use super::super::starter::Starter;
use super::server::Routes;

/// Host of the package index in the registries file.
pub const INDEX_HOST: &str = "packages.example.com";

/// Host to which the hub redirects for large files.
const LARGE_FILES_HOST: &str = "large-files.example.com";

/// The names and locations in a lock.
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
    /// Returns name and tag.
    fn parts(&self) -> Option<(&str, &str)> {
        self.reference.rsplit_once(':')
    }
}

#[derive(Deserialize)]
struct File {
    url: String,
    #[serde(default)]
    path: Option<String>,
    /// URL at which its project publishes its digest.
    #[serde(default)]
    sums: Option<String>,
    #[serde(default)]
    members: BTreeMap<String, String>,
}

/// All stand-ins for upstream. Their servers end when this value is dropped.
pub struct StandIns {
    /// The hub, which is accessible only with a token.
    pub hub: Hub,
    index: PackageServer,
    upstream: Lock,
    assembled: Lock,
    /// Files by URL.
    files: BTreeMap<String, PathBuf>,
    /// SHA-256 of each program, by its path in its artifact.
    pub programs: BTreeMap<String, String>,
}

impl StandIns {
    /// Creates the stand-ins in a folder, from the parts of the inspected starter bundle.
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

    /// Returns the locations of all stand-ins.
    pub fn routes(&self, registry: &Registry) -> Result<Routes> {
        let (mut registries, mut tags) = (BTreeMap::new(), BTreeMap::new());
        for (name, tag, assembled) in self.images()? {
            let host = name.split('/').next().unwrap_or_default();
            // Docker's registry has a host name that differs from its images' references.
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

    /// Returns each image: its name, its upstream tag, and the tag of its stand-in.
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
    /// Returns the name under which the project publishes the file.
    fn published_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Creates the file that upstream would publish, and returns its path. Adds the program taken from it to
    /// `programs`.
    fn publish(&self, folder: &Path, binaries: &Path, programs: &mut BTreeMap<String, String>) -> Result<PathBuf> {
        let path = folder.join("file");
        if let Some(name) = &self.path {
            // The tests have one program under several names, which upstream publishes separately. So a different
            // suffix is appended to each.
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

/// Reads a lock of this repository.
fn lock(path: &str) -> Result<Lock> {
    let text = std::fs::read_to_string(workspace::root().join(path)).with_context(|| format!("cannot read {path}"))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{path} is not a lock"))
}

fn sha256(path: &Path) -> Result<String> {
    Ok(format!("sha256:{}", digits(path)?))
}

/// Returns the SHA-256 of a file in hexadecimal.
fn digits(path: &Path) -> Result<String> {
    let shown = Outcome::success(Command::new("sha256sum").arg(path))?;
    let digest = shown.text()?.split_whitespace().next().unwrap_or_default().to_owned();
    ensure!(digest.len() == 64, "sha256sum shows {digest}");
    Ok(digest)
}
