//! The kubelet's configuration becomes that of another node pack; undo brings back the files that were there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kubeadm_configuration::KubeadmConfiguration;
use super::kubeadm_phase::Phase;
use super::kubeadm_run::{generated, taken};
use crate::site::Site;
use landfall_agent::units::{KUBELET, systemctl};
use landfall_engine::step::{Observed, Step, StepError};
use landfall_host::files;
use landfall_host::pack::PackId;

/// The files that the kubelet reads when it starts.
const FILES: [&str; 2] = ["config.yaml", "kubeadm-flags.env"];

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeletConfiguration {
    /// The node pack whose kubeadm writes it.
    pub pack: PackId,
    /// From what.
    pub configuration: KubeadmConfiguration,
}

/// The text of each file, by name; a file that does not exist is left out.
type Texts = BTreeMap<String, String>;

fn path(site: &Site, name: &str) -> PathBuf {
    site.paths.kubelet_mount().join(name)
}

fn found(site: &Site) -> Result<Texts, StepError> {
    let mut texts = Texts::new();
    for name in FILES {
        if let Some(text) = files::read_text(&path(site, name))? {
            texts.insert(name.to_owned(), text);
        }
    }
    Ok(texts)
}

/// Writes them, durably, and restarts the kubelet, which reads them only when it starts; fails if it does not start. Pods go on.
fn write(site: &Site, texts: &Texts) -> Result<(), StepError> {
    for (name, text) in texts {
        durable::write_file(&path(site, name), text.as_bytes(), 0o644)?;
    }
    site.run(&systemctl(&["restart", KUBELET])).map(drop)
}

impl KubeletConfiguration {
    fn wanted(&self, site: &Site) -> Result<Texts, StepError> {
        let mut all = generated(site, &self.pack, &self.configuration, Phase::KubeletStart.arguments())?;
        FILES.into_iter().map(|name| Ok((name.to_owned(), taken(&mut all, name)?))).collect()
    }
}

impl Step<Site> for KubeletConfiguration {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let is_there = found(site)? == self.wanted(site)?;
        Ok(if is_there { Observed::Done } else { Observed::Partial("it is as it was before".to_owned()) })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        Ok(json!(found(site)?))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        write(site, &self.wanted(site)?)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        match serde_json::from_value::<Texts>(before.clone()) {
            Ok(texts) if !texts.is_empty() => write(site, &texts),
            _ => Ok(()),
        }
    }
}
