//! The starter release, locked and built as a vendor would: from upstream's hosts and URLs, all of which one server
//! simulates. Exactly the URLs listed by `landfall lock --dry-run` are requested.

mod server;
mod stand_ins;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_media::durable;
use landfall_xtask::vendor::Vendor;
use landfall_xtask::workspace;
use serde_json::Value;

use self::server::{ReceivedRequests, Upstream};
use self::stand_ins::{INDEX_HOST, StandIns};
use super::models::{TOKEN, files_of, names, without_digests};
use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

/// Path of the file that names the wheels, relative to the project's root and to the lock.
const REQUIREMENTS: &str = "releases/starter/requirements.txt";

/// Artifacts that are made of programs.
const OF_PROGRAMS: [&str; 5] = ["kubernetes", "containerd", "runc", "cni", "etcd"];

/// Placeholders in the list for parts that are not known in advance.
const WORDS: [&str; 4] = ["NAME", "DIGEST", "COMMIT", "PATH"];

/// A vendor of the starter release who can reach only this server.
struct Case {
    starter: &'static Starter,
    folder: tempfile::TempDir,
    vendor: Vendor,
    stand_ins: StandIns,
    upstream: Upstream,
}

/// The list of a dry run.
struct List {
    /// Complete URLs.
    addresses: Vec<String>,
    /// URLs with placeholders for parts that are not known in advance.
    forms: Vec<String>,
}

impl Case {
    fn new() -> Result<Self> {
        let starter = starter()?;
        let folder = starter.scratch()?;
        let stand_ins = StandIns::make(folder.path(), starter, &starter.inspection()?)?;
        let registry = starter.registry()?;
        let upstream = Upstream::start(folder.path(), &stand_ins.routes(&registry)?)?;
        let vendor = starter.vendor(folder.path(), registry)?;
        let proxy = format!("http://127.0.0.1:{}", upstream.port);
        let registries = format!(
            "packageIndex: https://{INDEX_HOST}/simple\nproxies: {{http: '{proxy}', https: '{proxy}'}}\nauthorities: \
             [authority.pem]\n"
        );
        durable::write_file(&vendor.registries_file(), registries.as_bytes(), 0o644)?;
        // The file is read from the folder of each lock that names it.
        let requirements = std::fs::read(workspace::root().join(REQUIREMENTS)).context("no requirements")?;
        let copy = folder.path().join(REQUIREMENTS);
        std::fs::create_dir_all(copy.parent().context("no folder")?)?;
        durable::write_file(&copy, &requirements, 0o644)?;
        Ok(Self { starter, folder, vendor, stand_ins, upstream })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a `landfall lock` command for the release as it is in this repository.
    fn lock(&self) -> Command {
        let mut lock = self.starter.landfall_lock();
        lock.arg(release()).arg("--registries").arg(self.vendor.registries_file());
        lock.arg("--store").arg(self.vendor.store()).env("HF_TOKEN", TOKEN);
        lock
    }

    /// Returns the list of a dry run. Fails if the dry run sends a request.
    fn list(&mut self) -> Result<List> {
        let listed = Outcome::success(self.lock().args(["--dry-run", "--json"]))?.json()?;
        ensure!(self.upstream.take_requests()?.addresses.is_empty(), "a dry run asked");
        assert_eq!(listed["unrendered"], Value::Array(Vec::new()));
        let mut list = List { addresses: Vec::new(), forms: Vec::new() };
        for field in ["requests", "followUps"] {
            for request in listed[field].as_array().with_context(|| format!("no {field}"))? {
                assert_eq!(request["mirror"], Value::Null, "{request}");
                let address = request["upstream"].as_str().context("no address")?.to_owned();
                let is_form = WORDS.iter().any(|word| address.contains(word));
                let kept = if is_form { &mut list.forms } else { &mut list.addresses };
                kept.push(address);
            }
        }
        Ok(list)
    }
}

impl List {
    /// Fails if a requested URL is not on the list, not accepted by `known`, and not the target of a redirect.
    fn has_all(&self, asked: &ReceivedRequests, known: impl Fn(&str) -> bool) -> Result<()> {
        let is_expected = |address: &&String| {
            self.addresses.contains(address)
                || self.forms.iter().any(|form| fits(form, address))
                || asked.led.contains(*address)
                || known(address)
        };
        let others: Vec<_> = asked.addresses.iter().filter(|address| !is_expected(address)).collect();
        ensure!(others.is_empty(), "requested, but not listed: {others:#?}");
        Ok(())
    }
}

/// Returns true if a URL matches a form.
fn fits(form: &str, address: &str) -> bool {
    let form = WORDS.iter().fold(form.to_owned(), |form, word| form.replace(word, "*"));
    let mut pieces = form.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| address.strip_prefix(first)) else { return false };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, between)) = pieces.split_last() else { return rest.is_empty() };
    for piece in between {
        let Some(at) = rest.find(piece).filter(|at| *at > 0) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.len() > last.len() && rest.ends_with(last)
}

/// Returns the digests published by upstream, which the lock has before it is resolved. The digests of the model's
/// files are excluded, because they are compared only after everything else matches the lock.
fn published_digests(lock: &str) -> Vec<&str> {
    let fields = ["index: sha256:", "digest: sha256:"];
    let is_pinned = |line: &&str| fields.iter().any(|field| line.starts_with(field));
    let lines = lock.lines().map(str::trim_start).filter(is_pinned);
    lines.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("sha256:"))).collect()
}

#[test]
#[ignore = "needs cargo xtask test"]
fn dry_run_lists_exact_addresses() -> Result<()> {
    let mut case = Case::new()?;
    let list = case.list()?;
    let lock = std::fs::read_to_string(workspace::root().join("images.lock")).context("no lock")?;
    let published = published_digests(&lock);
    ensure!(published.len() >= 5, "{published:?}");

    // The lock of this repository, as is: everything on the list is requested, and compared with upstream's published
    // digests.
    let first = case.path("first.lock");
    let refused = Outcome::of(case.lock().arg("--output").arg(&first))?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2104")), "{}", refused.stderr);
    for digest in &published {
        ensure!(refused.stderr.contains(&format!("where the lock says {digest}")), "{digest}:\n{}", refused.stderr);
    }
    assert_eq!(refused.stderr.matches("where the lock says ").count(), published.len(), "{}", refused.stderr);
    let asked = case.upstream.take_requests()?;
    list.has_all(&asked, |_| false)?;
    let silent: Vec<_> = list.addresses.iter().filter(|address| !asked.addresses.contains(*address)).collect();
    ensure!(silent.is_empty(), "listed, but not requested: {silent:#?}");

    // No stand-in has upstream's digests, so these are treated as unpublished.
    let second = case.path("second.lock");
    let text = without_digests(&std::fs::read_to_string(&first)?);
    let text = published.iter().fold(text, |text, digest| text.replace(digest, "unresolved"));
    durable::write_file(&second, text.as_bytes(), 0o644)?;
    Outcome::success(case.lock().arg("--lock").arg(&second).arg("--output").arg(case.vendor.lock_file()))?;
    let asked = case.upstream.take_requests()?;
    list.has_all(&asked, |_| false)?;
    let locked = std::fs::read_to_string(case.vendor.lock_file())?;
    ensure!(!locked.contains(": unresolved"), "{locked}");

    let arguments = case.vendor.build_arguments(&release(), &case.path("stick"), &["--json"]);
    Outcome::success(case.starter.command(&case.vendor, &arguments).env("HF_TOKEN", TOKEN))?;
    let asked = case.upstream.take_requests()?;
    // By now, the lock contains URLs from the index's pages.
    list.has_all(&asked, |address| locked.contains(&format!("url: '{address}'")))?;
    ensure!(asked.addresses.iter().any(|address| address.contains("/blobs/")), "no image was fetched");
    case.the_token_stays_with_the_hub()?;
    case.expect_parts(&case.path("stick"))
}

impl Case {
    /// Checks that the hub answers nothing without its token, and that the host of its large files never receives it.
    fn the_token_stays_with_the_hub(&self) -> Result<()> {
        let seen = self.stand_ins.hub.requests();
        let elsewhere: Vec<_> = seen.iter().filter(|seen| seen.path.starts_with("/large/")).collect();
        ensure!(!elsewhere.is_empty(), "no large file was fetched");
        ensure!(elsewhere.iter().all(|seen| seen.authorization.is_none()), "{elsewhere:?}");
        Ok(())
    }

    /// Fails unless the bundle has the stand-in parts under upstream's names.
    fn expect_parts(&self, stick: &Path) -> Result<()> {
        let starter = self.starter;
        let (known, built) = (starter.inspection()?, inspect_bundle(starter, stick)?);
        for (name, tag, assembled) in self.stand_ins.images()? {
            let expected = manifest(&known, &format!("{name}:{assembled}"))?;
            assert_eq!(manifest(&built, &format!("{name}:{tag}"))?, expected, "{name}");
        }
        for artifact in ["minilm", "wheels"] {
            let files = |inspection| Ok::<_, anyhow::Error>(names(&files_of(starter, inspection, artifact)?));
            assert_eq!(files(&built)?, files(&known)?, "{artifact}");
        }
        let mut programs = Vec::new();
        for artifact in OF_PROGRAMS {
            programs.extend(names(&files_of(starter, &built, artifact)?));
        }
        programs.sort();
        let expected: Vec<_> = self.stand_ins.programs.clone().into_iter().collect();
        assert_eq!(programs, expected);
        Ok(())
    }
}

fn inspect_bundle(starter: &Starter, stick: &Path) -> Result<Value> {
    Outcome::success(starter.landfall(&["inspect", "--json"]).arg(stick))?.json()
}

/// Returns the digest of an image's manifest in a bundle.
fn manifest(inspection: &Value, reference: &str) -> Result<Value> {
    let images = inspection["release"]["images"].as_array().context("no images")?;
    let image = images.iter().find(|image| image["reference"] == reference);
    Ok(image.with_context(|| format!("the bundle has no {reference}"))?["manifest"]["digest"].clone())
}

#[test]
fn address_forms_match() {
    let blob = "https://ghcr.io/v2/NAME/blobs/DIGEST";
    for address in ["https://ghcr.io/v2/a/blobs/sha256:00", "https://ghcr.io/v2/a/b/blobs/sha256:00"] {
        assert!(fits(blob, address), "{address}");
    }
    for address in [
        "https://ghcr.io/v2/a/manifests/1",
        "https://ghcr.io/v2/blobs/sha256:00",
        "https://ghcr.io/v2/a/blobs/",
        "https://other.example/v2/a/blobs/sha256:00",
    ] {
        assert!(!fits(blob, address), "{address}");
    }
    assert!(fits("https://ghcr.io/v2/", "https://ghcr.io/v2/") && !fits("https://ghcr.io/v2/", "https://ghcr.io/v2/a"));
    assert!(fits(
        "https://hub.example/a/resolve/COMMIT/PATH",
        "https://hub.example/a/resolve/0123/1_Pooling/config.json"
    ));
}
