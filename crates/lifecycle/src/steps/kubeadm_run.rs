//! Runs kubeadm's phases with a separate configuration, which may differ from the one on the disk. An upgrade and its
//! undo run phases of two releases.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall_error_codes::codes;
use landfall_media::durable;

use super::kubeadm_configuration::KubeadmConfiguration;
use crate::context::NodeContext;
use landfall_agent::programs::Programs;
use landfall_engine::step::StepError;
use landfall_host::command::HostCommand;
use landfall_host::pack::PackId;
use landfall_host::{files, mounts};

/// Variable that names the folder into which kubeadm writes instead of the host's folders.
const DRY_RUN_FOLDER: &str = "KUBEADM_INIT_DRYRUN_DIR";

/// A folder that a boot empties, because the configuration in it contains the cluster's bootstrap token.
struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    fn make(context: &NodeContext, configuration: &KubeadmConfiguration) -> Result<Self, StepError> {
        let scratch = Self { folder: context.host.paths.run().join("kubeadm") };
        mounts::remove_tree(&scratch.folder)?;
        durable::create_folder_with_mode(&scratch.folder, 0o700)?;
        durable::create_folder_with_mode(&scratch.output(), 0o700)?;
        durable::write_file(&scratch.configuration(), configuration.text(context)?.as_bytes(), 0o600)?;
        Ok(scratch)
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("configuration.yaml")
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    fn command(&self, context: &NodeContext, pack: &PackId, phase: &[&str]) -> HostCommand {
        let kubeadm =
            Programs::of(&context.host.paths, pack).kubeadm(&["init", "phase"]).arguments(phase.iter().copied());
        kubeadm.argument("--config").argument(self.configuration())
    }

    fn remove(self) -> Result<(), StepError> {
        mounts::remove_tree(&self.folder)
    }
}

/// Returns the files that a phase of this kubeadm would write, by name, without placing them. kubeadm writes files in
/// place, and a kubelet that reads a partial manifest ends its pod.
pub(super) fn generate_files(
    context: &NodeContext,
    pack: &PackId,
    configuration: &KubeadmConfiguration,
    phase: &[&str],
) -> Result<BTreeMap<String, String>, StepError> {
    let scratch = Scratch::make(context, configuration)?;
    let command = scratch.command(context, pack, phase).argument("--dry-run");
    context.host.run(&command.variable(DRY_RUN_FOLDER, scratch.output()))?;
    let mut generated = BTreeMap::new();
    let failed = |error| files::file_error("list", &scratch.output(), error);
    for entry in fs_err::read_dir(scratch.output()).map_err(failed)?.flatten() {
        let text = files::read_text(&entry.path())?.unwrap_or_default();
        generated.insert(entry.file_name().to_string_lossy().into_owned(), text);
    }
    scratch.remove()?;
    Ok(generated)
}

/// Takes one of the files of [`generate_files`].
pub(super) fn take_file(generated: &mut BTreeMap<String, String>, name: &str) -> Result<String, StepError> {
    let missing = || StepError::new(codes::NODE_PROGRAM, format!("kubeadm did not write {name}"));
    generated.remove(name).filter(|text| !text.is_empty()).ok_or_else(missing)
}

/// Runs a phase that changes objects of the cluster.
pub(super) fn apply(
    context: &NodeContext,
    pack: &PackId,
    configuration: &KubeadmConfiguration,
    phase: &[&str],
) -> Result<(), StepError> {
    let scratch = Scratch::make(context, configuration)?;
    context.host.run(&scratch.command(context, pack, phase))?;
    scratch.remove()
}
