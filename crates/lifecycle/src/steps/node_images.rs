//! Images that are needed before the registry runs: imported from the store into containerd and pinned, so that no
//! shortage of space removes them.
//!
//! They are piped to containerd as an OCI archive, without a temporary file.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::{Descriptor, ImageEntry, ReleaseDocument};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::NodeContext;
use crate::steps::wait;
use landfall_agent::programs::Programs;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::pack::PackId;
use landfall_site::content::NodeParts;

/// Label that keeps the kubelet from deleting an image.
const PINNED: &str = "io.cri-containerd.pinned=pinned";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeImages {
    /// The node pack whose `ctr` imports.
    pub pack: PackId,
    /// The images.
    pub images: Vec<ImageEntry>,
}

impl NodeImages {
    /// Returns the references of the images that containerd has with the correct manifest.
    fn present(&self, context: &NodeContext) -> Result<BTreeSet<String>, StepError> {
        let rows = Self::pinned_images(context, &Programs::of(&context.host.paths, &self.pack))?;
        let is_present =
            |image: &&ImageEntry| rows.contains(&(image.reference.clone(), image.manifest.digest.to_string()));
        Ok(self.images.iter().filter(is_present).map(|image| image.reference.clone()).collect())
    }

    /// Returns the images of a release's node pack.
    fn of(release: &ReleaseDocument) -> Result<Self, StepError> {
        Ok(Self::of_pack(&NodeParts::of(release)?))
    }

    /// Returns the images of a node pack, as containerd gets them before there is a registry.
    pub(crate) fn of_pack(parts: &NodeParts<'_>) -> Self {
        Self { pack: parts.id.clone(), images: parts.images() }
    }

    /// Removes pinned images that none of these node packs has. Containers that use a removed image keep running.
    pub(super) fn keep_only<'a>(
        context: &NodeContext,
        pack: &PackId,
        kept: impl Iterator<Item = &'a Self>,
    ) -> Result<(), StepError> {
        let programs = Programs::of(&context.host.paths, pack);
        wait::for_runtime(context, &programs)?;
        let kept: Vec<&ImageEntry> = kept.flat_map(|one| &one.images).collect();
        let is_kept = |(name, digest): &(String, String)| {
            let of_digest = |image: &&&ImageEntry| image.manifest.digest.to_string() == *digest;
            // containerd adds names of its own, which consist of digests.
            let is_own = name.starts_with("sha256:") || name.contains('@');
            kept.iter().filter(of_digest).any(|image| is_own || image.reference == *name)
        };
        let pinned = Self::pinned_images(context, &programs)?;
        let others: Vec<String> = pinned.into_iter().filter(|row| !is_kept(row)).map(|(name, _)| name).collect();
        if others.is_empty() {
            return Ok(());
        }
        context.host.run(&programs.ctr(&["images", "remove"]).arguments(others)).map(drop)
    }

    /// Returns names and digests of the pinned images.
    fn pinned_images(context: &NodeContext, programs: &Programs) -> Result<BTreeSet<(String, String)>, StepError> {
        let text = String::from_utf8_lossy(&context.host.run(&programs.ctr(&["images", "list"]))?).into_owned();
        // Columns: REF TYPE DIGEST SIZE PLATFORMS LABELS
        let rows = text.lines().filter(|line| line.contains(PINNED)).filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.nth(1)?.to_owned()))
        });
        Ok(rows.collect())
    }

    fn import(&self, context: &NodeContext, image: &ImageEntry) -> Result<(), StepError> {
        let command = Programs::of(&context.host.paths, &self.pack).ctr(&[
            "images",
            "import",
            "--local",
            "--all-platforms",
            "--discard-unpacked-layers",
            "--sync-fs",
            "--label",
            PINNED,
            "-",
        ]);
        let mut feed = |pipe: &mut dyn Write| write_archive(context, image, pipe);
        command.check_output(context.host.commands.run(&command, Some(&mut feed))).map(|_| ())
    }
}

/// Writes an OCI image layout with one image as a tar stream.
fn write_archive(context: &NodeContext, image: &ImageEntry, pipe: &mut dyn Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(pipe);
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": image.manifest.media_type,
            "digest": image.manifest.digest,
            "size": image.manifest.size,
            "annotations": { "io.containerd.image.name": image.reference },
        }],
    });
    append(&mut archive, "index.json", &serde_json::to_vec(&index)?)?;
    for blob in blobs(image) {
        append_blob(&mut archive, context, blob)?;
    }
    archive.into_inner()?.flush()
}

/// Returns the blobs of an image, each once.
fn blobs(image: &ImageEntry) -> impl Iterator<Item = &Descriptor> {
    let mut seen = BTreeSet::new();
    [&image.manifest, &image.config].into_iter().chain(&image.layers).filter(move |blob| seen.insert(blob.digest))
}

/// A reader that reports progress.
struct ProgressReader<'a, R> {
    reader: R,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for ProgressReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.progress.event(Event::Advanced { bytes: count as u64 });
        Ok(count)
    }
}

fn append(archive: &mut tar::Builder<&mut dyn Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, bytes)
}

fn append_blob(archive: &mut tar::Builder<&mut dyn Write>, context: &NodeContext, blob: &Descriptor) -> io::Result<()> {
    let file = fs_err::File::open(context.content.blob(&blob.digest))?;
    let length = file.metadata()?.len();
    if length != blob.size {
        return Err(io::Error::other(format!("{} has {length} bytes in the store, not {}", blob.digest, blob.size)));
    }
    let mut header = tar::Header::new_ustar();
    header.set_size(blob.size);
    header.set_mode(0o644);
    let file = ProgressReader { reader: file, progress: &*context.progress };
    archive.append_data(&mut header, format!("blobs/sha256/{}", blob.digest.to_hex()), file)
}

impl Step<NodeContext> for NodeImages {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        // After a power cut, the agent may still be starting containerd.
        if context.host.run(&Programs::of(&context.host.paths, &self.pack).runtime_version()).is_err() {
            return Ok(ObservedState::Absent);
        }
        Ok(match self.present(context)?.len() {
            0 => ObservedState::Absent,
            all if all == self.images.len() => ObservedState::Done,
            some => ObservedState::Partial(format!("{some} of {} images are imported", self.images.len())),
        })
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        wait::for_runtime(context, &Programs::of(&context.host.paths, &self.pack))?;
        let present = self.present(context)?;
        let missing: Vec<&ImageEntry> =
            self.images.iter().filter(|image| !present.contains(&image.reference)).collect();
        let total_bytes = Some(missing.iter().flat_map(|image| blobs(image)).map(|blob| blob.size).sum());
        context.progress.event(Event::PhaseStarted { phase: "importing images".to_owned(), total_bytes });
        for image in missing {
            self.import(context, image)?;
        }
        context.progress.event(Event::PhaseDone);
        let present = self.present(context)?;
        if let Some(missing) = self.images.iter().find(|image| !present.contains(&image.reference)) {
            let what = format!("containerd imported {} without an error, but does not list it", missing.reference);
            return Err(StepError::new(codes::NODE_PROGRAM, what));
        }
        context.host.sync_filesystem(&context.host.paths.data())?;
        Ok(Value::Null)
    }

    /// Does nothing when the cluster is removed. Undo of the agent's step follows and removes containerd's whole
    /// folder, and a hanging containerd must not prevent an uninstall.
    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        if context.undo.removing_cluster {
            return Ok(());
        }
        let kept: Vec<NodeImages> =
            context.releases.kept.iter().map(|kept| Self::of(&kept.release)).collect::<Result<_, _>>()?;
        Self::keep_only(context, &self.pack, kept.iter())
    }
}
