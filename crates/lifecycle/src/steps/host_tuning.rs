//! Kernel modules and settings that Kubernetes needs, now and after every boot.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::NodeContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::command::HostCommand;
use landfall_host::files;
use landfall_host::files::OwnFile;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostTuning {
    /// Modules to load, now and after every boot. They may already be loaded.
    pub modules: Vec<String>,
    /// Kernel settings by name, such as `net.ipv4.ip_forward`.
    pub settings: BTreeMap<String, String>,
}

/// State before the step.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct EarlierTuning {
    /// Modules that were already loaded, which stay.
    loaded: Vec<String>,
    /// Earlier kernel settings.
    settings: BTreeMap<String, String>,
}

impl HostTuning {
    fn files(&self, context: &NodeContext) -> Vec<OwnFile> {
        let mut files = Vec::new();
        let header = "# Written by Landfall for Kubernetes; `landfall uninstall` removes it.\n";
        if !self.modules.is_empty() {
            let text = format!("{header}{}\n", self.modules.join("\n"));
            files.push(OwnFile::new(context.host.paths.host("/etc/modules-load.d/landfall.conf"), text, 0o644));
        }
        let lines: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        files.push(OwnFile::new(
            context.host.paths.host("/etc/sysctl.d/90-landfall.conf"),
            format!("{header}{}", lines.concat()),
            0o644,
        ));
        files
    }

    fn differing(&self, context: &NodeContext) -> Result<Vec<(&str, &str)>, StepError> {
        let mut differing = Vec::new();
        for (name, value) in &self.settings {
            if current(context, name)?.as_deref() != Some(value) {
                differing.push((name.as_str(), value.as_str()));
            }
        }
        Ok(differing)
    }

    fn unloaded_modules(&self, context: &NodeContext) -> Vec<&String> {
        self.modules.iter().filter(|module| !is_loaded(context, module)).collect()
    }
}

impl Step<NodeContext> for HostTuning {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let files = files::observe(&self.files(context))?;
        let differing = self.differing(context)?;
        let unloaded = self.unloaded_modules(context);
        Ok(match files {
            ObservedState::Done if differing.is_empty() && unloaded.is_empty() => ObservedState::Done,
            ObservedState::Done => ObservedState::Partial(format!(
                "{} settings and {} modules are not in effect",
                differing.len(),
                unloaded.len()
            )),
            other => other,
        })
    }

    fn prepare(&self, context: &mut NodeContext) -> Result<Value, StepError> {
        let mut before = EarlierTuning::default();
        for name in self.settings.keys() {
            if let Some(value) = current(context, name)? {
                before.settings.insert(name.clone(), value);
            }
        }
        before.loaded = self.modules.iter().filter(|module| is_loaded(context, module)).cloned().collect();
        Ok(serde_json::to_value(before).unwrap_or_default())
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        files::write(&self.files(context))?;
        for module in self.unloaded_modules(context) {
            context.host.run(&HostCommand::new("/sbin/modprobe").argument(module))?;
        }
        for (name, value) in self.differing(context)? {
            set(context, name, value)?;
        }
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        let before: EarlierTuning = serde_json::from_value(before.clone()).unwrap_or_default();
        files::remove(&self.files(context))?;
        for (name, value) in &before.settings {
            // A value that an administrator has set since then stays.
            let is_own = current(context, name)?.as_ref() == self.settings.get(name);
            if is_own && self.settings.get(name) != Some(value) {
                set(context, name, value)?;
            }
        }
        for module in self.modules.iter().filter(|module| !before.loaded.contains(module)) {
            if is_loaded(context, module) {
                // Software that was added later may use the module. A loaded module does no harm.
                let _ = context.host.run(&HostCommand::new("/sbin/modprobe").argument("-r").argument(module));
            }
        }
        Ok(())
    }
}

fn is_loaded(context: &NodeContext, module: &str) -> bool {
    context.host.paths.host("/sys/module").join(module.replace('-', "_")).exists()
}

fn setting_path(context: &NodeContext, name: &str) -> PathBuf {
    context.host.paths.host("/proc/sys").join(name.replace('.', "/"))
}

fn current(context: &NodeContext, name: &str) -> Result<Option<String>, StepError> {
    Ok(files::read_text(&setting_path(context, name))?.map(|text| text.trim().to_owned()))
}

fn set(context: &NodeContext, name: &str, value: &str) -> Result<(), StepError> {
    use std::io::Write;
    let path = setting_path(context, name);
    // Kernel settings are not files on a disk: they need no sync and cannot be replaced by a rename.
    fs_err::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| {
            StepError::new(codes::NODE_FILE, format!("cannot set the kernel setting {name} to {value}")).because(error)
        })
}
