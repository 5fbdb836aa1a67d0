//! Opens charts in folders of the release, and charts that the lock pins.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use landfall_inventory::{ChartEntry, read};
use landfall_media::progress::Progress;
use landfall_media::store::ContentStore;

use super::files::{ARCHIVE_BYTES, ChartFiles, Limits};
use super::metadata::{self, Metadata};
use crate::acceptance::after_chart;
use crate::definition::{ChartDefinition, Definition};
use crate::digests::Digests;
use crate::error::{BuildError, Place, Result};
use crate::fetch::{Client, fetch_chart};
use crate::lock::{List, Lock, LockEntry};
use crate::node_packs::kubernetes;
use crate::pins::{ArchivePin, ArchiveSource, ChartPin};
use crate::program::Program;
use crate::reference::Reference;
use crate::tool::Tool;

/// The charts of a release, with their renderer.
#[derive(Debug, Default)]
pub struct Charts {
    /// The Helm that the lock pins; `None` if the release has no charts.
    pub helm: Option<Program>,
    /// Kubernetes version of the last node pack, the one that runs after an install.
    pub kubernetes: String,
    /// Charts by the index of their component.
    pub(super) opened: BTreeMap<usize, OpenChart>,
}

impl Charts {
    /// Creates the charts of a release.
    pub fn new(helm: Program, kubernetes: String, opened: BTreeMap<usize, OpenChart>) -> Self {
        Self { helm: Some(helm), kubernetes, opened }
    }

    /// Files of charts in folders of the release, by index of the component, with archived subcharts unpacked.
    pub fn own_files(&self) -> impl Iterator<Item = (usize, &BTreeMap<String, Vec<u8>>)> {
        let own = self.opened.iter().filter(|(_, opened)| opened.pinned.is_none());
        own.map(|(index, opened)| (*index, &opened.files.0))
    }

    /// Digest and blobs of each chart that the lock pins.
    pub fn pinned_blobs(&self) -> impl Iterator<Item = (Sha256, &BTreeSet<Sha256>)> {
        self.opened.values().filter_map(|opened| opened.pinned.as_ref()).map(|pinned| (pinned.digest, &pinned.blobs))
    }

    /// Blobs of the chart with this name in messages.
    pub fn blobs(&self, name: &str) -> Option<&BTreeSet<Sha256>> {
        let opened = self.opened.values().find(|opened| opened.name == name)?;
        opened.pinned.as_ref().map(|pinned| &pinned.blobs)
    }

    /// Entries of the charts for the inventory, from their metadata.
    pub fn entries(&self, definition: &Definition) -> Result<Vec<ChartEntry>> {
        let mut found = Vec::new();
        for (index, OpenChart { name, files, pinned }) in &self.opened {
            let component = &definition.release.components[*index].name.value;
            let metadata = metadata::check(name, files)?;
            let stated = pinned.as_ref().and_then(|pinned| pinned.license.as_deref()).and_then(read::license);
            found.push(ChartEntry {
                license: stated.or_else(|| metadata.license()),
                reference: pinned.as_ref().map(|pinned| pinned.reference.clone()),
                digest: pinned.as_ref().map(|pinned| pinned.digest),
                ..entry(component, metadata)
            });
            for (path, metadata) in metadata::within(name, files)? {
                let license = metadata.license();
                found.push(ChartEntry { path: Some(path), license, ..entry(component, metadata) });
            }
        }
        Ok(found)
    }
}

/// Entry of a component's chart, from its metadata.
fn entry(component: &str, Metadata { name, version, .. }: Metadata) -> ChartEntry {
    ChartEntry {
        component: component.to_owned(),
        name,
        version,
        path: None,
        license: None,
        reference: None,
        digest: None,
    }
}

/// A chart that the lock pins.
#[derive(Debug)]
pub struct PinnedChart {
    reference: String,
    digest: Sha256,
    /// Blobs of the chart in the content store; empty for an archive next to the lock.
    blobs: BTreeSet<Sha256>,
    /// License that a user wrote.
    license: Option<String>,
}

/// A chart with complete files.
#[derive(Debug)]
pub struct OpenChart {
    /// Name of the chart in messages: its folder or reference.
    pub(super) name: String,
    pub(super) files: ChartFiles,
    /// Entry of the lock; `None` for a folder.
    pub(super) pinned: Option<PinnedChart>,
}

/// Opens the charts of a release with the Helm that the lock pins.
pub async fn open_charts(
    helm: &Path,
    definition: &Definition,
    lock: &Lock,
    client: &Client,
    store: &ContentStore,
    digests: &Digests,
    progress: &dyn Progress,
) -> Result<Charts> {
    if !definition.has_charts() {
        return Ok(Charts::default());
    }
    let helm = Program::find(Tool::Helm, helm, lock)?;
    helm.check_pinned(lock, digests)?;
    helm.version()?;
    let kubernetes = kubernetes(definition, lock)?;
    let opened = open_all(definition, lock, client, store, progress).await?;
    Ok(Charts::new(helm, kubernetes, opened))
}

/// Opens every chart of a release, after pinned charts were fetched into the store. Returns an error for an incomplete
/// chart.
async fn open_all(
    definition: &Definition,
    lock: &Lock,
    client: &Client,
    store: &ContentStore,
    progress: &dyn Progress,
) -> Result<BTreeMap<usize, OpenChart>> {
    let entries = entries(definition, lock)?;
    lock.check_resolved(&entries.values().copied().collect::<Vec<_>>())?;
    let mut opened = BTreeMap::new();
    for (index, component) in definition.release.components.iter().enumerate() {
        let Some(chart) = component.chart() else { continue };
        let chart = match (&chart.folder, entries.get(&index)) {
            (Some(folder), _) => open_folder(&definition.resolve(&folder.value))?,
            (None, Some(entry)) => Box::pin(open_pinned(entry, lock, client, store, progress)).await?,
            (None, None) => continue,
        };
        opened.insert(index, chart);
    }
    Ok(opened)
}

/// Opens a pinned chart. A chart that is refused is removed from the store.
async fn open_pinned(
    entry: &LockEntry,
    lock: &Lock,
    client: &Client,
    store: &ContentStore,
    progress: &dyn Progress,
) -> Result<OpenChart> {
    let unresolved = || BuildError::at(codes::LOCK_UNRESOLVED, Place::file(&lock.path), "a chart is unresolved");
    let pin = lock.chart_pin(entry).ok_or_else(unresolved)?;
    let name = entry.reference.value.clone();
    let (bytes, blobs) = bytes(&pin, client, store, progress).await?;
    let reference = parse_reference(&name, Place::file(&lock.path), codes::LOCK_UNREADABLE)?;
    let files =
        open_archive(&name, &bytes, &reference).map_err(|error| after_chart(store, &blobs, error.refusing(&name)))?;
    let pinned = PinnedChart { reference: name.clone(), digest: pin.digest(), blobs, license: entry.license.clone() };
    Ok(OpenChart { name, files, pinned: Some(pinned) })
}

/// Opens charts in folders of the release, by index of the component. Pinned charts are left out.
pub fn open_folders(definition: &Definition) -> Result<BTreeMap<usize, OpenChart>> {
    let components = definition.release.components.iter().enumerate();
    let folders = components.filter_map(|(index, component)| Some((index, component.chart()?.folder.as_ref()?)));
    folders.map(|(index, folder)| Ok((index, open_folder(&definition.resolve(&folder.value))?))).collect()
}

/// Opens a chart in a folder. Returns an error if it is incomplete.
pub fn open_folder(folder: &Path) -> Result<OpenChart> {
    let (name, files) = (folder.display().to_string(), ChartFiles::of_folder(folder, Limits::default())?);
    metadata::check(&name, &files)?;
    Ok(OpenChart { name, files, pinned: None })
}

/// Unpacks the archive of a chart into a folder. Returns an error for an incomplete chart, before anything is written.
pub fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let name = archive.display().to_string();
    let files = ChartFiles::of_archive(&name, &read_archive(archive)?, Limits::default())?;
    metadata::check(&name, &files)?;
    files.write(folder).map_err(|error| super::interruption_error("the chart", error))
}

/// Entries of the lock for components with a chart by reference.
fn entries<'a>(definition: &Definition, lock: &'a Lock) -> Result<BTreeMap<usize, &'a LockEntry>> {
    let mut found = BTreeMap::new();
    for (index, component) in definition.release.components.iter().enumerate() {
        let Some(ChartDefinition { reference: Some(written), .. }) = component.chart() else { continue };
        let place = definition.place(written, format!("components[{index}].chart.reference"));
        let wanted = parse_reference(&written.value, place.clone(), codes::RELEASE_INVALID)?;
        found.insert(index, lock.find(List::Charts, &wanted, place)?);
    }
    Ok(found)
}

fn parse_reference(reference: &str, place: Place, code: Code) -> Result<Reference> {
    reference.parse().map_err(|error| BuildError::at(code, place, format!("{error}")))
}

/// Fetches a pinned archive; returns its bytes and its blobs in the content store.
async fn bytes(
    pin: &ChartPin,
    client: &Client,
    store: &ContentStore,
    progress: &dyn Progress,
) -> Result<(Vec<u8>, BTreeSet<Sha256>)> {
    if let ChartPin::Archive(ArchivePin { source: ArchiveSource::File(path), digest, place, .. }) = pin {
        let bytes = read_archive(path).map_err(|error| error.within(place.clone()))?;
        let found = Sha256::of(&bytes);
        if found == *digest {
            return Ok((bytes, BTreeSet::new()));
        }
        let what = format!("{} is {found} where the lock says {digest}", path.display());
        return Err(BuildError::at(codes::FETCH_MISMATCH, place.clone(), what));
    }
    let digest = fetch_chart(client, store, pin, progress).await?;
    Ok((read_blob(store, digest)?, BTreeSet::from([digest, pin.digest()])))
}

/// Opens an archive with the checks of a build, so that a lock pins none that a build would refuse.
///
/// A broken archive is refused, as is the archive of a chart other than the entry names. `name` is the chart's name in
/// messages.
pub fn open_archive(name: &str, bytes: &[u8], reference: &Reference) -> Result<ChartFiles> {
    let files = ChartFiles::of_archive(name, bytes, Limits::default())?;
    metadata::check(name, &files)?.check_reference(name, reference)?;
    Ok(files)
}

/// Reads a local archive.
pub fn read_archive(path: &Path) -> Result<Vec<u8>> {
    let unreadable =
        |error| BuildError::at(codes::CHART_UNREADABLE, Place::file(path), "cannot be read").because(error);
    let mut bytes = Vec::new();
    let file = fs_err::File::open(path).map_err(unreadable)?;
    file.take(ARCHIVE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > ARCHIVE_BYTES {
        let what = format!("has more than {ARCHIVE_BYTES} bytes");
        return Err(BuildError::at(codes::CHART_LIMIT, Place::file(path), what));
    }
    Ok(bytes)
}

/// Reads an archive in the store.
pub fn read_blob(store: &ContentStore, digest: Sha256) -> Result<Vec<u8>> {
    read_archive(&store.path(digest))
}
