//! The real parts: content served by the registry, contents of images, and versions that programs report.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::read::GzDecoder;
use landfall_xtask::builds;
use landfall_xtask::images::go::check_static;
use landfall_xtask::images::registry_tree::Reference;
use landfall_xtask::images::{self, SOURCE_DATE_EPOCH, Workshop, node_pack, oci, postgres, reproducible};
use landfall_xtask::registry::Registry;
use ruzstd::decoding::StreamingDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Tests of the presets of backup rules with the software that they are for.
mod presets {
    mod key_stores;
}

/// Magic bytes of a gzip file: RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A response whose body is still being transferred.
struct Response {
    status: u16,
    length: u64,
    body: BufReader<TcpStream>,
}

fn get(address: SocketAddr, path: &str, range: Option<&str>) -> Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    let range = range.map(|range| format!("Range: {range}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {}\r\n{range}\r\n", oci::MANIFEST)?;
    let mut body = BufReader::new(stream);
    let mut line = String::new();
    body.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("no status")?.parse()?;
    let mut length = 0;
    loop {
        line.clear();
        body.read_line(&mut line)?;
        if line.trim().is_empty() {
            return Ok(Response { status, length, body });
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn split(reference: &Reference) -> Result<(&str, &str)> {
    reference.reference.rsplit_once(':').context("a reference has a tag")
}

fn manifest(address: SocketAddr, reference: &Reference) -> Result<Value> {
    let (repository, tag) = split(reference)?;
    let mut response = get(address, &format!("/v2/{repository}/manifests/{tag}"), None)?;
    ensure!(response.status == 200, "{}: status {}", reference.reference, response.status);
    let mut bytes = Vec::new();
    response.body.read_to_end(&mut bytes)?;
    ensure!(digest(&bytes) == reference.digest, "{} is served with another digest", reference.reference);
    Ok(serde_json::from_slice(&bytes)?)
}

fn descriptors(manifest: &Value) -> impl Iterator<Item = (&str, u64)> {
    let layers = manifest["layers"].as_array().into_iter().flatten();
    std::iter::once(&manifest["config"])
        .chain(layers)
        .filter_map(|descriptor| Some((descriptor["digest"].as_str()?, descriptor["size"].as_u64()?)))
}

#[test]
fn served_content_matches_its_digests() -> Result<()> {
    let parts = images::ensure_all()?;
    let registry = Registry::start(&parts.tree.root)?;
    let mut served = BTreeSet::new();
    for reference in &parts.tree.references {
        let manifest = manifest(registry.address(), reference)?;
        assert_eq!(manifest["artifactType"].is_string(), !reference.image, "{}", reference.reference);
        for (blob, size) in descriptors(&manifest) {
            if !served.insert(blob.to_owned()) {
                continue;
            }
            let (repository, _) = split(reference)?;
            let mut response = get(registry.address(), &format!("/v2/{repository}/blobs/{blob}"), None)?;
            let mut hash = Sha256::new();
            let count = std::io::copy(&mut response.body, &mut hash)?;
            assert_eq!((response.status, count), (200, size), "{blob} of {repository}");
            assert_eq!(format!("sha256:{}", hex::encode(hash.finalize())), blob);
        }
    }
    Ok(())
}

#[test]
fn killed_registry_resumes_mid_blob() -> Result<()> {
    let parts = images::ensure_all()?;
    let mut registry = Registry::start(&parts.tree.root)?;
    let model = parts.tree.references.iter().find(|reference| reference.recipe == "model").context("no model")?;
    let manifest = manifest(registry.address(), model)?;
    let (blob, size) = descriptors(&manifest).max_by_key(|(_, size)| *size).context("no layers")?;
    let path = format!("/v2/{}/blobs/{blob}", split(model)?.0);

    let mut first = get(registry.address(), &path, None)?;
    assert_eq!(first.length, size);
    let mut bytes = vec![0; 1 << 20];
    first.body.read_exact(&mut bytes)?;
    registry.kill()?;
    // Bytes that are already in the kernel still arrive; then the connection breaks far before the end.
    let _ = first.body.read_to_end(&mut bytes);
    ensure!((bytes.len() as u64) < size, "the whole blob had arrived before the kill");
    let refused = get(registry.address(), &path, None).err().context("a killed registry answers")?;
    let kind = refused.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    assert_eq!(kind, Some(std::io::ErrorKind::ConnectionRefused), "{refused:#}");

    registry.restart()?;
    let mut rest = get(registry.address(), &path, Some(&format!("bytes={}-", bytes.len())))?;
    assert_eq!((rest.status, rest.length), (206, size - bytes.len() as u64));
    rest.body.read_to_end(&mut bytes)?;
    assert_eq!(digest(&bytes), blob);
    Ok(())
}

#[test]
fn registry_dies_with_its_thread() -> Result<()> {
    let parts = images::ensure_all()?;
    let root = parts.tree.root;
    let process = std::thread::spawn(move || -> Result<u32> {
        let registry = Registry::start(&root)?;
        let process = registry.process().context("the registry does not run")?;
        // Forgotten rather than dropped: only the kernel can end it now.
        std::mem::forget(registry);
        Ok(process)
    });
    let process = process.join().ok().context("the thread panicked")??;
    for _ in 0..100 {
        // It stays a zombie of this process, because it is never waited for.
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        if status.is_empty() || status.contains("State:\tZ") {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    bail!("the registry outlived its owner")
}

/// Returns the path of a blob in a registry's storage.
fn blob(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.trim_start_matches("sha256:");
    root.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

fn layers(root: &Path, reference: &Reference) -> Result<Vec<PathBuf>> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(blob(root, &reference.digest))?)?;
    let layers = manifest["layers"].as_array().context("no layers")?;
    layers.iter().map(|layer| Ok(blob(root, layer["digest"].as_str().context("no digest")?))).collect()
}

/// Returns the uncompressed content of a layer.
fn unpack_layer(layer: &Path) -> Result<Box<dyn Read>> {
    let mut packed = BufReader::new(File::open(layer)?);
    if packed.fill_buf()?.starts_with(&GZIP) {
        return Ok(Box::new(GzDecoder::new(packed)));
    }
    let plain = StreamingDecoder::new(packed).map_err(|error| anyhow!("{}: {error}", layer.display()))?;
    Ok(Box::new(plain))
}

/// Parts may come from the cache, so the shipped files are checked, not their build.
#[test]
fn host_programs_are_static() -> Result<()> {
    let parts = images::ensure_all()?;
    let mut programs = vec![builds::landfall()?];
    for reference in parts.tree.references.iter().filter(|reference| !reference.image) {
        let text = std::fs::read(blob(&parts.tree.root, &reference.digest))?;
        if serde_json::from_slice::<Value>(&text)?["artifactType"] == node_pack::FILES {
            programs.extend(layers(&parts.tree.root, reference)?);
        }
    }
    ensure!(programs.len() > 11, "only {} programs are for the host", programs.len());
    for entry in parts.binaries.read_dir()? {
        let path = entry?.path();
        // All others are links: additional names of the same program.
        programs.extend(Some(path).filter(|path| !path.is_symlink()));
    }
    programs.iter().try_for_each(|program| check_static(program))
}

#[test]
fn images_lack_build_machine_data() -> Result<()> {
    let parts = images::ensure_all()?;
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned();
    let mut seen = 0;
    for reference in parts.tree.references.iter().filter(|reference| reference.image) {
        for layer in layers(&parts.tree.root, reference)? {
            let mut archive = tar::Archive::new(unpack_layer(&layer)?);
            for entry in archive.entries()? {
                let mut entry = entry?;
                let path = entry.path()?.to_string_lossy().into_owned();
                let place = format!("{path} of {}", reference.reference);
                assert!(entry.header().mtime()? <= SOURCE_DATE_EPOCH, "{place} is too young");
                assert!(entry.header().username()?.unwrap_or_default().is_empty(), "{place} has a named owner");
                let name = path.rsplit('/').next().unwrap_or_default();
                let forbidden = ["resolv.conf", "hostname", "machine-id", "pg_control", "PG_VERSION"];
                assert!(!path.starts_with("etc/") || !forbidden.contains(&name), "{place} belongs to the builder");
                assert!(!forbidden[3..].contains(&name), "{place} is Debian's own cluster");
                assert!(!path.contains("snakeoil") || path.contains("share"), "{place} is a key made at installation");
                if path.starts_with("etc/") && entry.size() < 1 << 16 && hostname.len() > 8 {
                    let mut text = Vec::new();
                    entry.read_to_end(&mut text)?;
                    assert!(!String::from_utf8_lossy(&text).contains(&hostname), "{place} names the builder");
                }
                seen += 1;
            }
        }
    }
    ensure!(seen > 10_000, "only {seen} entries were seen");
    Ok(())
}

/// Returns a file of an image, from the highest layer that contains it.
fn file(root: &Path, reference: &Reference, path: &str) -> Result<Vec<u8>> {
    for layer in layers(root, reference)?.into_iter().rev() {
        let mut archive = tar::Archive::new(unpack_layer(&layer)?);
        for entry in archive.entries()? {
            let mut entry = entry?;
            if *entry.path()? == *Path::new(path) {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                return Ok(bytes);
            }
        }
    }
    bail!("{} has no {path}", reference.reference)
}

#[test]
fn later_releases_have_newer_database() -> Result<()> {
    let parts = images::ensure_all()?;
    let is_database = |(reference, _): &&(String, String)| reference.contains("pgvector/pgvector:");
    let (first, later) = parts.later.iter().find(is_database).context("later releases have the same database")?;
    let versions = postgres::server_versions(&Workshop::open()?)?;
    let mut digests = BTreeSet::new();
    for (name, version) in [first, later].into_iter().zip(&versions) {
        let image = parts.tree.references.iter().find(|image| image.reference == *name).context(name.clone())?;
        let server = file(&parts.tree.root, image, "usr/lib/postgresql/17/bin/postgres")?;
        let said = format!("postgres (PostgreSQL) {version} (");
        ensure!(server.windows(said.len()).any(|part| part == said.as_bytes()), "{name} does not have {version}");
        let packages = String::from_utf8(file(&parts.tree.root, image, "var/lib/dpkg/status")?)?;
        let package = packages.split("\n\n").find(|stanza| stanza.starts_with("Package: postgresql-17\n"));
        let is_listed = package.is_some_and(|package| package.contains(&format!("\nVersion: {version}-")));
        ensure!(is_listed, "the packages of {name} do not have {version}: {package:?}");
        digests.insert(&image.digest);
    }
    ensure!(later.ends_with(&format!("-pg{}", versions[1])), "the tag of {later} does not name {}", versions[1]);
    ensure!(digests.len() == 2, "{first} and {later} are the same image");
    Ok(())
}

#[test]
fn images_of_packages_share_their_base() -> Result<()> {
    let parts = images::ensure_all()?;
    let mut bases = BTreeSet::new();
    for name in ["pgvector/pgvector:", "valkey/valkey:", "library/python:", "kube-proxy:", "flannel-io/flannel:"] {
        let image = parts.tree.references.iter().find(|image| image.reference.contains(name)).context(name)?;
        bases.insert(layers(&parts.tree.root, image)?.into_iter().next().context("no layers")?);
    }
    assert_eq!(bases.len(), 1);
    Ok(())
}

#[test]
fn program_versions_match_tags() -> Result<()> {
    let parts = images::ensure_all()?;
    let tag = |repository: &str| -> Result<String> {
        let found =
            parts.tree.references.iter().find_map(|item| item.reference.strip_prefix(repository)?.strip_prefix(':'));
        Ok(found.context(repository.to_owned())?.trim_start_matches('v').to_owned())
    };
    let programs = [
        ("kubelet", "--version", "registry.k8s.io/kube-apiserver"),
        ("kube-proxy", "--version", "registry.k8s.io/kube-proxy"),
        ("containerd", "--version", "github.com/containerd/containerd"),
        ("runc", "--version", "github.com/opencontainers/runc"),
        ("bridge", "--version", "github.com/containernetworking/plugins"),
        ("etcd", "--version", "github.com/etcd-io/etcd"),
        ("coredns", "-version", "registry.k8s.io/coredns/coredns"),
        ("registry", "--version", "docker.io/library/registry"),
        ("flanneld", "--version", "ghcr.io/flannel-io/flannel"),
        ("local-path-provisioner", "--version", "docker.io/rancher/local-path-provisioner"),
        ("pause", "-v", "registry.k8s.io/pause"),
    ];
    for (program, argument, repository) in programs {
        let output = Command::new(parts.binaries.join(program)).arg(argument).output()?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let version = tag(repository)?;
        assert!(text.contains(&version), "{program} should be {version}, and says {text}");
    }
    Ok(())
}

#[test]
#[ignore = "takes minutes: Debian packages are unpacked and Go programs linked again"]
fn a_second_build_repeats_all_digests() -> Result<()> {
    images::ensure_all()?;
    let workshop = Workshop::open()?;
    reproducible::check(&workshop, workshop.cache().root())
}
