//! Replaces the kubelet's configuration by that of another node pack; undo restores the earlier files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_phase::Phase;
use super::kubeadm_run::{generate_files, take_file};
use crate::context::NodeContext;
use landfall_agent::units::{KUBELET, systemctl};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_host::pack::PackId;

/// Files that the kubelet reads when it starts.
const FILES: [&str; 2] = ["config.yaml", "kubeadm-flags.env"];

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeletConfiguration {
    /// The node pack whose kubeadm writes it.
    pub pack: PackId,
    /// Configuration from which it is written.
    pub configuration: KubeadmConfiguration,
}

/// Text of each file, by name. A file that does not exist is left out.
type Texts = BTreeMap<String, String>;

fn path(context: &NodeContext, name: &str) -> PathBuf {
    context.host.paths.kubelet_mount().join(name)
}

fn read_files(context: &NodeContext) -> Result<Texts, StepError> {
    let mut texts = Texts::new();
    for name in FILES {
        if let Some(text) = files::read_text(&path(context, name))? {
            texts.insert(name.to_owned(), text);
        }
    }
    Ok(texts)
}

/// Writes the files durably, removes others, and restarts the kubelet, which reads them only on start. Fails if the
/// kubelet does not start. Pods keep running.
fn write(context: &NodeContext, texts: &Texts) -> Result<(), StepError> {
    for (name, text) in texts {
        durable::write_file(&path(context, name), text.as_bytes(), 0o644)?;
    }
    for name in FILES.into_iter().filter(|name| !texts.contains_key(*name)) {
        durable::remove_file(&path(context, name))?;
    }
    context.host.run(&systemctl(&["restart", KUBELET])).map(drop)
}

impl KubeletConfiguration {
    fn required_files(&self, context: &NodeContext) -> Result<Texts, StepError> {
        let mut all = generate_files(context, &self.pack, &self.configuration, Phase::KubeletStart.arguments())?;
        FILES.into_iter().map(|name| Ok((name.to_owned(), take_file(&mut all, name)?))).collect()
    }
}

impl Step<NodeContext> for KubeletConfiguration {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let is_there = read_files(context)? == self.required_files(context)?;
        Ok(if is_there { ObservedState::Done } else { ObservedState::Partial("it is as it was before".to_owned()) })
    }

    fn prepare(&self, context: &mut NodeContext) -> Result<Value, StepError> {
        Ok(json!(read_files(context)?))
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        write(context, &self.required_files(context)?)?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        match serde_json::from_value::<Texts>(before.clone()) {
            Ok(texts) if !texts.is_empty() => write(context, &texts),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use landfall_host::command::{CommandOutput, CommandRunner, HostCommand, Input};
    use landfall_host::facts::CgroupDriver;
    use landfall_host::pack;

    use super::*;
    use crate::steps::tests::{on_host, site};

    /// Writes the files of kubeadm into the folder of a dry run.
    #[derive(Default)]
    struct Kubeadm {
        ran: Mutex<Vec<String>>,
    }

    impl CommandRunner for Kubeadm {
        fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
            self.ran.lock().unwrap().push(command.program.file_name().unwrap().to_string_lossy().into_owned());
            if let Some((_, folder)) = command.environment.iter().find(|(name, _)| name == "KUBEADM_INIT_DRYRUN_DIR") {
                for (name, text) in [("config.yaml", "later"), ("kubeadm-flags.env", "FLAGS=later"), ("other", "x")] {
                    durable::write_file(&PathBuf::from(folder).join(name), text.as_bytes(), 0o644).unwrap();
                }
            }
            Ok(CommandOutput { success: true, ..CommandOutput::default() })
        }
    }

    fn step() -> KubeletConfiguration {
        let configuration = KubeadmConfiguration {
            kubernetes: "v1.36.4".to_owned(),
            image_repository: "registry.k8s.io".to_owned(),
            etcd_repository: "registry.k8s.io".to_owned(),
            etcd_tag: "3.7.3-0".to_owned(),
            node_name: "node-1".to_owned(),
            node_address: [10, 99, 0, 11].into(),
            pod_ranges: Vec::new(),
            service_ranges: Vec::new(),
            dns_address: [10, 96, 0, 10].into(),
            cgroup_driver: CgroupDriver::Systemd,
            cgroup_version: 2,
            nameserver: true,
        };
        KubeletConfiguration { pack: pack::sample(), configuration }
    }

    #[test]
    fn kubelet_files_return_unchanged() {
        let (_root, mut site) = site();
        let kubeadm = Arc::new(Kubeadm::default());
        site = on_host(&site, site.data.paths.clone(), kubeadm.clone());
        durable::create_folder(&site.data.paths.secrets()).unwrap();
        durable::create_folder(&site.data.paths.kubelet_mount()).unwrap();
        let token = crate::steps::cluster_secrets::token_path(&site.secrets);
        durable::write_file(&token, b"abcdef.0123456789abcdef", 0o600).unwrap();
        let config = path(&site.node_context().unwrap(), "config.yaml");
        durable::write_file(&config, b"as it was", 0o644).unwrap();

        assert!(matches!(step().observe(&mut site).unwrap(), ObservedState::Partial(_)));
        let before = step().prepare(&mut site).unwrap();
        assert_eq!(before, json!({"config.yaml": "as it was"}));
        step().act(&mut site, &before).unwrap();
        assert_eq!(step().observe(&mut site).unwrap(), ObservedState::Done);
        assert_eq!(fs_err::read(&config).unwrap(), b"later");
        // The configuration in it contains the cluster's token.
        assert!(!site.data.paths.run().join("kubeadm").exists());
        step().undo(&mut site, &before).unwrap();
        assert_eq!(fs_err::read(&config).unwrap(), b"as it was");
        assert!(!path(&site.node_context().unwrap(), "kubeadm-flags.env").exists(), "it was not there before");
        let ran = kubeadm.ran.lock().unwrap();
        assert_eq!(*ran, ["kubeadm", "kubeadm", "systemctl", "kubeadm", "systemctl"]);
    }
}
