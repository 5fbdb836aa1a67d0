//! A registry on loopback that serves a tiny image under every name, because third-party charts name images that no
//! test needs.
//!
//! Artifacts in the tests' own registry tree are served from there, so that a node pack is real. Their large files are
//! replaced by a few bytes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Size in bytes up to which a file of an artifact is served unmodified.
const SMALL: u64 = 64 << 10;

/// Programs that rules and proofs of releases may name.
const PROGRAMS: [&str; 3] = ["bin/ls", "bin/sh", "bin/tar"];

/// A running registry, whose threads end with the process.
pub struct TinyRegistry {
    /// Address on which it listens.
    pub address: SocketAddr,
}

/// Generated content so far, and the registry tree.
struct Shelf {
    tree: PathBuf,
    blobs: Mutex<HashMap<String, Vec<u8>>>,
}

impl TinyRegistry {
    /// Serves every name, and names in the registry tree from that tree.
    pub fn start(tree: &Path) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
        let address = listener.local_addr()?;
        let shelf = Arc::new(Shelf { tree: tree.join("docker/registry/v2"), blobs: Mutex::default() });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&shelf);
                std::thread::spawn(move || while matches!(shelf.answer(&stream), Ok(true)) {});
            }
        });
        Ok(Self { address })
    }
}

impl Shelf {
    /// Answers one request. Returns false if the client has closed the connection.
    fn answer(&self, mut stream: &TcpStream) -> Result<bool> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let Some(first) = lines.next().transpose()? else { return Ok(false) };
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = path.split('?').next().unwrap_or_default();
        let found = match path.trim_start_matches("/v2/") {
            "" | "/v2" => Some(b"{}".to_vec()),
            of => self.find_content(of)?,
        };
        let (status, body) = found.map_or(("404 Not Found", b"{}".to_vec()), |body| ("200 OK", body));
        let kind = if path.contains("/manifests/") { MANIFEST } else { "application/octet-stream" };
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n")?;
        write!(stream, "Docker-Content-Digest: {}\r\n\r\n", digest(&body))?;
        if method != "HEAD" {
            stream.write_all(&body)?;
        }
        Ok(true)
    }

    /// Returns a manifest or a blob.
    fn find_content(&self, of: &str) -> Result<Option<Vec<u8>>> {
        if let Some((_, name)) = of.split_once("/blobs/") {
            return Ok(self.blob(name));
        }
        let Some((repository, name)) = of.split_once("/manifests/") else { return Ok(None) };
        if name.starts_with("sha256:") {
            return Ok(self.blob(name));
        }
        let link = self.tree.join("repositories").join(repository).join("_manifests/tags").join(name);
        let own = std::fs::read_to_string(link.join("current/link")).ok().and_then(|digest| self.blob(digest.trim()));
        let lightened = own.map(|own| self.lighten_artifact(repository, &own)).transpose()?.flatten();
        let manifest = lightened.map_or_else(|| self.tiny(repository), Ok)?;
        self.keep(manifest.clone());
        Ok(Some(manifest))
    }

    fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        let kept = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        let hex = digest.strip_prefix("sha256:")?;
        kept.or_else(|| std::fs::read(self.tree.join("blobs/sha256").join(hex.get(..2)?).join(hex).join("data")).ok())
    }

    fn keep(&self, bytes: Vec<u8>) -> Value {
        let (name, size) = (digest(&bytes), bytes.len());
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), bytes);
        json!({ "digest": name, "size": size })
    }

    /// Returns an artifact of the tree, with its large files replaced by a few bytes. Returns None for an image.
    fn lighten_artifact(&self, repository: &str, manifest: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut read: Value = serde_json::from_slice(manifest)?;
        if read["config"]["mediaType"] == CONFIG {
            return Ok(None);
        }
        for layer in read["layers"].as_array_mut().into_iter().flatten() {
            if layer["size"].as_u64().is_some_and(|size| size > SMALL) {
                let kept = self.keep(format!("{repository} {}", layer["annotations"]).into_bytes());
                (layer["digest"], layer["size"]) = (kept["digest"].clone(), kept["size"].clone());
            }
        }
        serde_json::to_vec(&read).map(Some).context("a manifest is no JSON")
    }

    /// Returns an image of a few files, which differs for each repository.
    fn tiny(&self, repository: &str) -> Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for program in PROGRAMS {
            let mut header = tar::Header::new_ustar();
            header.set_size(repository.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, program, repository.as_bytes())?;
        }
        let tar = tar.into_inner()?;
        let mut layer = GzEncoder::new(Vec::new(), Compression::fast());
        layer.write_all(&tar)?;
        let rootfs = json!({ "type": "layers", "diff_ids": [digest(&tar)] });
        let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Cmd": ["sh"] }, "rootfs": rootfs });
        let mut config = self.keep(serde_json::to_vec(&config)?);
        let mut layer = self.keep(layer.finish()?);
        config["mediaType"] = CONFIG.into();
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        Ok(serde_json::to_vec(&manifest)?)
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
