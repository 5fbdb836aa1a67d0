//! The real parts of tests and demo: the node pack built from Go modules, images assembled without Docker from Debian
//! packages, a model and wheels, all arranged as the storage of a registry.
//!
//! All inputs of a part go into the key of its cache entry ([`crate::cache`]), so nothing is ever stale: a warm call
//! computes keys and returns. Images are reproducible: the same inputs give the same digests in any folder.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::cache::{Cache, Key, prune};
use crate::printer;
use crate::setup::{self, DebianArchive, index};

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

use oci::Published;

/// Seconds since 1970 of 2026-11-01T00:00:00Z: no file in an image is younger, and images say they were made then.
pub const SOURCE_DATE_EPOCH: u64 = 1_793_491_200;

/// [`SOURCE_DATE_EPOCH`] as RFC 3339.
pub const CREATED: &str = "2026-11-01T00:00:00Z";

/// Raised when the code that assembles layers and manifests changes what it writes for the same inputs.
const ASSEMBLY_VERSION: &str = "1";

/// Makes one image or artifact.
pub type Recipe = fn(&Workshop) -> Result<Published>;

/// Builds parts in a cache from the recipes of this crate.
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
    /// A workshop over the developer's cache.
    pub fn open() -> Result<Self> {
        Ok(Self::over(Cache::open()?))
    }

    /// A workshop over the given cache.
    pub fn over(cache: Cache) -> Self {
        Self {
            cache,
            recipes: Path::new(env!("CARGO_MANIFEST_DIR")).join("images"),
            archive: OnceLock::new(),
            archive_digest: OnceLock::new(),
            minors: OnceLock::new(),
            answers_age: index::A_DAY,
            built: AtomicUsize::new(0),
        }
    }

    /// The cache that holds what this workshop builds.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// A file or folder of the recipes.
    pub fn recipe(&self, path: &str) -> PathBuf {
        self.recipes.join(path)
    }

    /// The Debian archive of this machine's apt, looked up when it is first needed.
    pub fn archive(&self) -> Result<&DebianArchive> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive);
        }
        let found = setup::debian_archive()?;
        Ok(self.archive.get_or_init(|| found))
    }

    /// The same, querying the Debian archive instead of trusting a cached answer.
    #[must_use]
    pub fn asking_again(mut self) -> Self {
        self.answers_age = Duration::ZERO;
        self
    }

    /// The contents of the suite of all images ([`index::digest`]), looked up when they are first needed.
    pub fn archive_digest(&self, suite: &str) -> Result<&str> {
        if let Some(digest) = self.archive_digest.get() {
            return Ok(digest);
        }
        let found = index::digest(&self.cache, suite, self.answers_age)?;
        Ok(self.archive_digest.get_or_init(|| found))
    }

    /// Which minor versions of PostgreSQL there are, looked up when they are first needed.
    pub fn minors(&self) -> Result<&postgres::Minors> {
        if let Some(minors) = self.minors.get() {
            return Ok(minors);
        }
        let found = postgres::Minors::find(self)?;
        Ok(self.minors.get_or_init(|| found))
    }

    /// How many parts were built rather than found in the cache.
    pub fn built(&self) -> usize {
        self.built.load(Ordering::Relaxed)
    }

    /// A key that starts with what every assembled part depends on.
    pub fn key(&self) -> Key {
        Key::new().with("assembly", ASSEMBLY_VERSION).with("epoch", SOURCE_DATE_EPOCH.to_string())
    }

    /// Builds a cache entry and reports how long it took; a warm entry is silent.
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

/// Everything that was built.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Images and artifacts, as a registry's storage.
    pub tree: RegistryTree,
    /// The programs of the node pack, each under its own name in one folder.
    pub binaries: PathBuf,
    /// Each reference of the starter, of its node pack, its database or its model, that a later release has under another name, and that name.
    pub later: Vec<(String, String)>,
}

/// Builds every part that is missing in the developer's cache.
pub fn ensure_all() -> Result<Parts> {
    ensure_all_in(&Workshop::open()?)
}

/// Builds every part that is missing in the cache of that workshop.
pub fn ensure_all_in(workshop: &Workshop) -> Result<Parts> {
    let start = Instant::now();
    // Debian's packages arrive while Go compiles: one waits for the network, the other for the processor.
    let published = std::thread::scope(|scope| {
        let packages = scope.spawn(|| -> Result<Vec<Published>> {
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
    let state = match workshop.built() {
        0 => "warm".to_owned(),
        built => format!("cold, {built} parts built"),
    };
    printer::note(format_args!(
        "images: {} references, {} MB, {state}, {:.1} s",
        parts.tree.references.len(),
        bytes / 1_000_000,
        start.elapsed().as_secs_f64()
    ));
    // All needed entries were used just now, so only unneeded ones count as unused.
    prune::daily(workshop.cache())?;
    Ok(parts)
}

/// The program `cosign`, which only tests use, to accept what is signed here.
pub fn ensure_cosign() -> Result<PathBuf> {
    Ok(node_pack::COSIGN.ensure(&Workshop::open()?)?.join("cosign"))
}

/// The program `helm`, with which vendors render charts.
pub fn ensure_helm() -> Result<PathBuf> {
    Ok(node_pack::HELM.ensure(&Workshop::open()?)?.join("helm"))
}

/// The program `versitygw`, a server of S3 that only tests use.
pub fn ensure_versitygw() -> Result<PathBuf> {
    Ok(node_pack::VERSITYGW.ensure(&Workshop::open()?)?.join("versitygw"))
}

/// The program `ollama`, which runs models from a store of its own.
pub fn ensure_ollama() -> Result<PathBuf> {
    Ok(node_pack::OLLAMA.ensure(&Workshop::open()?)?.join("ollama"))
}

/// The folder of NVIDIA's `nvidia-ctk` and `nvidia-cdi-hook`.
pub fn ensure_container_toolkit() -> Result<PathBuf> {
    nvidia::CONTAINER_TOOLKIT.ensure(&Workshop::open()?)
}

/// NVIDIA's program `nvidia-device-plugin`.
pub fn ensure_device_plugin() -> Result<PathBuf> {
    Ok(nvidia::DEVICE_PLUGIN.ensure(&Workshop::open()?)?.join("nvidia-device-plugin"))
}

/// NVIDIA's parts of `examples/gpu`, under the names that it has for them, as a registry's storage: the container toolkit and the device plugin, and
/// in place of the exporter of metrics, which needs NVIDIA's own libraries to be built, an image that is never run.
pub fn ensure_gpu_example() -> Result<RegistryTree> {
    let workshop = Workshop::open()?;
    registry_tree::of(&workshop, nvidia::example(&workshop)?)
}

/// The program `dex`, an identity provider.
pub fn ensure_dex() -> Result<PathBuf> {
    Ok(node_pack::DEX.ensure(&Workshop::open()?)?.join("dex"))
}

/// The root of a Debian with the directory server `slapd`.
pub fn ensure_slapd() -> Result<PathBuf> {
    debian::SLAPD.ensure_unpacked(&Workshop::open()?)
}

/// The root of a Debian with the proxy nginx.
pub fn ensure_nginx() -> Result<PathBuf> {
    debian::NGINX.ensure_unpacked(&Workshop::open()?)
}

/// The root of a Debian with Valkey, as its image has it.
pub fn ensure_valkey() -> Result<PathBuf> {
    starter::VALKEY.ensure_unpacked(&Workshop::open()?)
}

/// The root of a Debian with Redis.
pub fn ensure_redis() -> Result<PathBuf> {
    debian::REDIS.ensure_unpacked(&Workshop::open()?)
}

/// The end of a failed program's output, which usually contains the reason.
fn last_lines(output: &[u8]) -> String {
    const LINES: usize = 20;
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
