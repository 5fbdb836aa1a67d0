//! A definition that is derived from the starter's: its release.yaml, and the own file of each component that differs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Folder of components that only later releases have, and of other manifests for the starter's.
const OWN_FOLDER: &str = "tests/releases";

/// A definition, not yet written.
#[derive(Clone)]
pub struct LaterDefinition {
    release: String,
    /// Own files that differ from the starter's, by component.
    components: BTreeMap<String, String>,
}

impl LaterDefinition {
    /// The definition of 1.0.0.
    pub fn starter() -> Result<Self> {
        Ok(Self {
            release: read(&workspace::root().join("releases/starter/release.yaml"))?,
            components: BTreeMap::new(),
        })
    }

    /// Gives it a version and a counter.
    pub fn number(&mut self, version: &str, counter: u64) -> Result<()> {
        for (key, value) in [("version", version.to_owned()), ("counter", counter.to_string())] {
            let begin = format!("\n{key}: ");
            let (before, rest) = self.release.split_once(&begin).with_context(|| format!("there is no {key}"))?;
            let (_, after) = rest.split_once('\n').context("the line does not end")?;
            self.release = format!("{before}{begin}{value}\n{after}");
        }
        Ok(())
    }

    /// Replaces a text of release.yaml.
    pub fn edit(&mut self, from: &str, to: &str) -> Result<()> {
        self.release = replace_once(&self.release, from, to)?;
        Ok(())
    }

    /// Removes a component of the starter.
    pub fn remove(&mut self, name: &str) -> Result<()> {
        let entry = starter_entry(name);
        let (before, rest) = self.release.split_once(&entry).with_context(|| format!("there is no {name}"))?;
        let (_, after) = rest.split_once('\n').context("the line does not end")?;
        self.release = format!("{before}{after}");
        Ok(())
    }

    /// Adds a component that only later releases have, in a namespace of its name.
    pub fn add(&mut self, name: &str) -> Result<()> {
        let folder = workspace::root().join(OWN_FOLDER).join(name);
        let entry = format!("components:\n  - {{name: {name}, from: {}, namespace: {name}}}\n", folder.display());
        self.edit("components:\n", &entry)
    }

    /// Replaces a text of a component's own file.
    pub fn edit_component(&mut self, name: &str, from: &str, to: &str) -> Result<()> {
        let text = self.component(name)?;
        *text = replace_once(text, from, to)?;
        Ok(())
    }

    /// Adds fields to a component's own file.
    pub fn extend_component(&mut self, name: &str, fields: &str) -> Result<()> {
        self.component(name)?.push_str(fields);
        Ok(())
    }

    /// Lets a component have the manifests of another folder.
    pub fn take_manifests(&mut self, name: &str, folder: &str) -> Result<()> {
        let text = self.component(name)?;
        let (first, rest) = text.split_once('\n').context("the file is empty")?;
        ensure!(first.starts_with("manifests: "), "{first:?} is no folder");
        let folder = workspace::root().join(OWN_FOLDER).join(folder);
        *text = format!("manifests: {}\n{rest}", folder.display());
        Ok(())
    }

    /// The own file of a component, with the folder of its manifests in the first line.
    fn component(&mut self, name: &str) -> Result<&mut String> {
        if !self.components.contains_key(name) {
            let folder = own_folder(name);
            let text = read(&folder.join("component.yaml"))?;
            self.components.insert(name.to_owned(), format!("manifests: {}\n{text}", folder.display()));
        }
        self.components.get_mut(name).context("the component was just read")
    }

    /// Writes it into a folder of this name; returns that folder.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let folder = folder.join(name);
        let mut release = self.release.clone();
        for (component, text) in &self.components {
            write(&folder.join("components").join(component).join("component.yaml"), text)?;
            let entry = format!("from: {},", own_folder(component).display());
            let starters = format!("from: ../../manifests/{component},");
            let own = format!("from: components/{component},");
            release = replace_once(&release.replace(&starters, &entry), &entry, &own)?;
        }
        let root = format!("{}/", workspace::root().display());
        write(&folder.join("release.yaml"), &release.replace("../../", &root))?;
        Ok(folder)
    }
}

/// Folder of a component: the starter's, or that of a component that only later releases have.
fn own_folder(name: &str) -> PathBuf {
    let of_starter = workspace::root().join("manifests").join(name);
    if of_starter.is_dir() { of_starter } else { workspace::root().join(OWN_FOLDER).join(name) }
}

/// Begin of the entry of a component of the starter.
fn starter_entry(name: &str) -> String {
    format!("  - {{name: {name}, from: ../../manifests/{name}, ")
}

fn replace_once(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.matches(from).count() == 1, "a definition of the starter does not have {from:?} exactly once");
    Ok(text.replacen(from, to, 1))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().context("the file has a folder")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
