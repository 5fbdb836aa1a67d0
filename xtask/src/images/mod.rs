//! The real parts of tests and demo: the node pack built from Go modules, images assembled from Debian packages without
//! Docker, a model and wheels. All of them are arranged as a registry's storage.
//!
//! All inputs of a part go into the key of its cache entry ([`crate::cache`]), so nothing is ever stale. A warm call
//! only computes keys. Images are reproducible: the same inputs give the same digests in any folder.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::cache::{Cache, Key, prune};
use crate::printer;
use crate::setup::{self, DebianArchive, index};
use crate::workspace;

pub mod chosen;
pub mod debian;
pub mod go;
pub mod layer;
pub mod lock;
pub mod node_pack;
pub mod nvidia;
pub mod oci;
pub mod point_releases;
pub mod postgres;
pub mod python;
pub mod registry_tree;
pub mod reproducible;
pub mod starter;
#[cfg(test)]
mod two_locks;

pub use registry_tree::RegistryTree;

use oci::PublishedContent;

/// 2026-11-01T00:00:00Z in seconds since 1970. No file in an image is younger, and images report it as their creation
/// time.
pub const SOURCE_DATE_EPOCH: u64 = 1_793_491_200;

/// [`SOURCE_DATE_EPOCH`] in RFC 3339 format.
pub const CREATED: &str = "2026-11-01T00:00:00Z";

/// Version of the assembly, raised when the code writes other layers or manifests for the same inputs.
const ASSEMBLY_VERSION: &str = "1";

/// Function that creates one image or artifact.
pub type Recipe = fn(&Workshop) -> Result<PublishedContent>;

/// Builder of parts in a cache, from the recipes of this crate.
pub struct Workshop {
    cache: Cache,
    recipes: PathBuf,
    archive: OnceLock<DebianArchive>,
    archive_digest: OnceLock<String>,
    minors: OnceLock<postgres::Minors>,
    answers_age: Duration,
    built: AtomicUsize,
}

impl Workshop {
    /// Opens a workshop over the developer's cache.
    pub fn open() -> Result<Self> {
        Ok(Self::over(Cache::open()?))
    }

    /// Creates a workshop over the given cache.
    pub fn over(cache: Cache) -> Self {
        Self {
            cache,
            recipes: workspace::root().join("tests/images"),
            archive: OnceLock::new(),
            archive_digest: OnceLock::new(),
            minors: OnceLock::new(),
            answers_age: index::A_DAY,
            built: AtomicUsize::new(0),
        }
    }

    /// Returns the cache of the parts that this workshop builds.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Returns the path of a file or folder of the recipes.
    pub fn recipe(&self, path: &str) -> PathBuf {
        self.recipes.join(path)
    }

    /// Returns the Debian archive of this machine's apt, looked up on first use.
    pub fn archive(&self) -> Result<&DebianArchive> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive);
        }
        let found = setup::debian_archive()?;
        Ok(self.archive.get_or_init(|| found))
    }

    /// Queries the Debian archive instead of trusting a cached answer.
    #[must_use]
    pub fn asking_again(mut self) -> Self {
        self.answers_age = Duration::ZERO;
        self
    }

    /// Returns the digest of the contents of all images' suite ([`index::digest`]), looked up on first use.
    pub fn archive_digest(&self, suite: &str) -> Result<&str> {
        if let Some(digest) = self.archive_digest.get() {
            return Ok(digest);
        }
        let found = index::digest(&self.cache, suite, self.answers_age)?;
        Ok(self.archive_digest.get_or_init(|| found))
    }

    /// Returns the available minor versions of PostgreSQL, looked up on first use.
    pub fn minors(&self) -> Result<&postgres::Minors> {
        if let Some(minors) = self.minors.get() {
            return Ok(minors);
        }
        let found = postgres::Minors::find(self)?;
        Ok(self.minors.get_or_init(|| found))
    }

    /// Returns the number of parts that were built rather than found in the cache.
    pub fn built_count(&self) -> usize {
        self.built.load(Ordering::Relaxed)
    }

    /// Returns a key with the inputs of every assembled part.
    pub fn key(&self) -> Key {
        Key::new().with("assembly", ASSEMBLY_VERSION).with("epoch", SOURCE_DATE_EPOCH.to_string())
    }

    /// Builds a cache entry and prints the time it took. Prints nothing if the entry exists.
    pub fn entry(&self, kind: &str, name: &str, key: &Key, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(path) = self.cache.find(kind, key) {
            return Ok(path);
        }
        printer::note(format_args!("{kind} {name}: building"));
        let start = Instant::now();
        let path = self
            .cache
            .entry(kind, key, |folder| build(folder))
            .with_context(|| format!("cannot build {kind} {name}"))?;
        self.built.fetch_add(1, Ordering::Relaxed);
        printer::note(format_args!("{kind} {name}: built in {:.1} s", start.elapsed().as_secs_f64()));
        Ok(path)
    }
}

/// All built parts.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Images and artifacts, as a registry's storage.
    pub tree: RegistryTree,
    /// Folder with the programs of the node pack, each under its own name.
    pub binaries: PathBuf,
    /// References of the starter, its node pack, its database and its model that later releases rename, each with the
    /// later name.
    pub later: Vec<(String, String)>,
}

/// Builds every part that is missing in the developer's cache.
pub fn ensure_all() -> Result<Parts> {
    ensure_all_in(&Workshop::open()?)
}

/// Builds every part that is missing in the workshop's cache.
pub fn ensure_all_in(workshop: &Workshop) -> Result<Parts> {
    let start = Instant::now();
    // Held to the end, so that each module finds what earlier ones have compiled.
    let _work = go::GoWork::start(workshop.cache())?;
    // Debian packages are downloaded while Go compiles: one waits for the network, the other for the processor.
    let published = std::thread::scope(|scope| {
        let packages = scope.spawn(|| -> Result<Vec<PublishedContent>> {
            let mut published = starter::ensure(workshop)?;
            published.extend(python::ensure(workshop)?);
            Ok(published)
        });
        let mut published = node_pack::ensure(workshop)?;
        published.extend(packages.join().map_err(|_| anyhow!("the assembly of images panicked"))??);
        anyhow::Ok(published)
    })?;
    let (mut starter, mut later) = (node_pack::STARTER.changing(workshop)?, node_pack::LATER.changing(workshop)?);
    starter.extend([postgres::earlier(workshop)?, python::model(workshop)?]);
    later.extend([postgres::later(workshop)?, python::later_model(workshop)?]);
    let names = starter.into_iter().zip(&later).map(|(one, other)| (one.reference, other.reference.clone()));
    let parts = Parts {
        binaries: node_pack::ensure_binaries(workshop)?,
        later: names.collect(),
        tree: registry_tree::ensure(workshop, published, later)?,
    };
    let bytes: u64 = parts.tree.references.iter().map(|reference| reference.content_size).sum();
    let state = match workshop.built_count() {
        0 => "warm".to_owned(),
        built => format!("cold, {built} parts built"),
    };
    printer::note(format_args!(
        "images: {} references, {} MB, {state}, {:.1} s",
        parts.tree.references.len(),
        bytes / 1_000_000,
        start.elapsed().as_secs_f64()
    ));
    // All needed entries have just been used, so only unneeded ones count as unused.
    prune::daily(workshop.cache())?;
    Ok(parts)
}

/// Returns the path of `cosign`, which only tests use, to verify signatures.
pub fn ensure_cosign() -> Result<PathBuf> {
    Ok(node_pack::COSIGN.ensure(&Workshop::open()?)?.join("cosign"))
}

/// Returns the path of `helm`, with which vendors render charts.
pub fn ensure_helm() -> Result<PathBuf> {
    Ok(node_pack::HELM.ensure(&Workshop::open()?)?.join("helm"))
}

/// Returns the path of `versitygw`, an S3 server that only tests use.
pub fn ensure_versitygw() -> Result<PathBuf> {
    Ok(node_pack::VERSITYGW.ensure(&Workshop::open()?)?.join("versitygw"))
}

/// Returns the path of `ollama`, which runs models from its own store.
pub fn ensure_ollama() -> Result<PathBuf> {
    Ok(node_pack::OLLAMA.ensure(&Workshop::open()?)?.join("ollama"))
}

/// Returns the folder of NVIDIA's `nvidia-ctk` and `nvidia-cdi-hook`.
pub fn ensure_container_toolkit() -> Result<PathBuf> {
    nvidia::CONTAINER_TOOLKIT.ensure(&Workshop::open()?)
}

/// Returns the path of NVIDIA's `nvidia-device-plugin`.
pub fn ensure_device_plugin() -> Result<PathBuf> {
    Ok(nvidia::DEVICE_PLUGIN.ensure(&Workshop::open()?)?.join("nvidia-device-plugin"))
}

/// Returns NVIDIA's parts of `docs/examples/gpu`, under NVIDIA's names, as a registry's storage: the container toolkit
/// and the device plugin. The metrics exporter, which needs NVIDIA's own libraries to build, is replaced by an image
/// that is never run.
pub fn ensure_gpu_example() -> Result<RegistryTree> {
    let workshop = Workshop::open()?;
    registry_tree::of(&workshop, nvidia::example(&workshop)?)
}

/// Returns the path of `dex`, an identity provider.
pub fn ensure_dex() -> Result<PathBuf> {
    Ok(node_pack::DEX.ensure(&Workshop::open()?)?.join("dex"))
}

/// Returns the folder of a Debian root filesystem with the directory server `slapd`.
pub fn ensure_slapd() -> Result<PathBuf> {
    debian::SLAPD.ensure_unpacked(&Workshop::open()?)
}

/// Returns the folder of a Debian root filesystem with the proxy nginx.
pub fn ensure_nginx() -> Result<PathBuf> {
    debian::NGINX.ensure_unpacked(&Workshop::open()?)
}

/// Returns the folder of a Debian root filesystem with Valkey, as in its image.
pub fn ensure_valkey() -> Result<PathBuf> {
    starter::VALKEY.ensure_unpacked(&Workshop::open()?)
}

/// Returns the folder of a Debian root filesystem with Redis.
pub fn ensure_redis() -> Result<PathBuf> {
    debian::REDIS.ensure_unpacked(&Workshop::open()?)
}

/// Returns the end of a failed program's output, which usually contains the reason.
fn last_lines(output: &[u8]) -> String {
    const LINES: usize = 20;
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
