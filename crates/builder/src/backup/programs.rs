//! Checks that the programs of backup rules are in the images in which they run. Otherwise, the first backup at the
//! site would find the problem. The layers must be in the store.

use std::collections::{BTreeMap, btree_map};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use landfall_media::store::ContentStore;
use serde_json::Value;

use super::{Component, LocatedRule};
use crate::definition::{BackupDefinition, Definition};
use crate::error::{BuildError, Result};
use crate::fetched::FetchedImage;
use crate::image_files::ImageFiles;
use crate::rendered::RenderedComponent;
use crate::workloads;

/// Default `PATH` of containerd, if neither the image nor the pod sets it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Shell that marks the output of a stream's program as complete.
const SHELL: &str = "sh";

/// Returns an error for a rule with a program that its container's image lacks. Folders under a volume are not checked.
pub fn check(
    definition: &Definition,
    components: &[RenderedComponent],
    images: &[FetchedImage],
    store: &ContentStore,
) -> Result<()> {
    let mut known: BTreeMap<Sha256, ImageFiles> = BTreeMap::new();
    for rendered in components {
        let component = Component::new(&definition.sources, &definition.release, rendered.index);
        for declared in component.rules() {
            let Some(container) = container(component, declared.definition, &rendered.objects) else { continue };
            let reference = container["image"].as_str().unwrap_or_default();
            // Rendering bound each image to its digest.
            let Some(image) = images.iter().find(|image| reference.ends_with(&image.pin.digest.to_hex())) else {
                continue;
            };
            let files = match known.entry(image.pin.digest) {
                btree_map::Entry::Occupied(files) => files.into_mut(),
                btree_map::Entry::Vacant(place) => place.insert(ImageFiles::read(image, store)?),
            };
            let search = Search { files, path: path_of(container, image), container };
            if let Some(program) = programs(declared.definition).find(|program| search.lacks(program)) {
                let what = format!("runs `{program}`, which the image {} does not have", image.pin.reference);
                return Err(declared.unfit(codes::RULE_PROGRAM, &what));
            }
            if let Some((variable, parameter)) = unset(declared.definition, container, environment_of(image)) {
                let what = format!("reads the variable {variable}, which neither the container nor its image sets");
                return Err(declared
                    .unfit(codes::RELEASE_INVALID, &what)
                    .hint(format!("Set `with: {{{parameter}: …}}`.")));
            }
        }
    }
    Ok(())
}

impl LocatedRule<'_> {
    /// Error for a rule whose programs cannot run in its container.
    fn unfit(&self, code: Code, what: &str) -> BuildError {
        let (component, rule) = (&self.component.definition.name.value, &self.definition.name);
        let preset = self.definition.preset.as_ref();
        let by = preset.map(|preset| format!(" (preset `{}`)", preset.name.value)).unwrap_or_default();
        let place = self.place(rule.referenced, "name");
        BuildError::at(code, place, format!("the rule `{}` of `{component}`{by} {what}", rule.value))
    }
}

/// A variable that a preset reads but that is definitely not set, with the parameter that sets it instead.
fn unset<'a>(rule: &'a BackupDefinition, container: &Value, of_image: &[String]) -> Option<(&'a str, &'a str)> {
    // Variables from a whole ConfigMap or Secret are unknown.
    if container["envFrom"].as_array().is_some_and(|from| !from.is_empty()) {
        return None;
    }
    let mut needed = rule.preset.iter().flat_map(|preset| &preset.needs.variables);
    let is_set = |variable: &str| {
        let own = container["env"].as_array().into_iter().flatten().any(|set| set["name"] == variable);
        own || of_image.iter().any(|set| set.split_once('=').is_some_and(|(name, _)| name == variable))
    };
    needed.find(|(variable, _)| !is_set(variable)).map(|(variable, parameter)| (variable.as_str(), parameter.as_str()))
}

fn container<'a>(component: Component<'_>, rule: &BackupDefinition, objects: &'a [Value]) -> Option<&'a Value> {
    let workload = workloads::find(&component.definition.name.value, objects, &rule.workload.value).ok()?;
    workloads::container(workload, rule.container.as_ref().map(|name| name.value.as_str())).ok()
}

/// Program names of a rule: the first word of each command, the shell for streams, and the programs in scripts of a
/// preset.
fn programs(rule: &BackupDefinition) -> impl Iterator<Item = &str> {
    let of_preset = rule.preset.iter().flat_map(|preset| &preset.needs.programs).map(String::as_str);
    let log = rule.log.iter().flat_map(|log| [&log.keep, &log.save, &log.saved, &log.load, &log.recover]);
    let hold = rule.hold.iter().flat_map(|hold| [&hold.begin, &hold.end]);
    let marker = rule.counts.iter().chain(rule.marker.iter().flat_map(|marker| [&marker.write, &marker.read]));
    let checks = rule.checks.iter().map(|check| &check.arguments);
    let all = [&rule.save, &rule.load].into_iter().chain(log).chain(hold).chain(marker).chain(checks);
    let first = all.filter_map(|arguments| arguments.value.first().map(String::as_str));
    std::iter::once(SHELL).chain(first).chain(of_preset)
}

/// Variables that an image sets, as `NAME=VALUE`.
fn environment_of(image: &FetchedImage) -> &[String] {
    let configured = image.configuration.config.as_ref().and_then(|config| config.env.as_deref());
    configured.unwrap_or_default()
}

/// Value of `PATH` in a container.
fn path_of(container: &Value, image: &FetchedImage) -> String {
    let own = container["env"].as_array().into_iter().flatten().find(|variable| variable["name"] == "PATH");
    let of_image = || environment_of(image).iter().find_map(|variable| variable.strip_prefix("PATH="));
    own.and_then(|variable| variable["value"].as_str()).or_else(of_image).unwrap_or(PATH).to_owned()
}

/// A search for programs in a container.
struct Search<'a> {
    files: &'a ImageFiles,
    path: String,
    container: &'a Value,
}

impl Search<'_> {
    /// Returns true if a program is definitely missing.
    fn lacks(&self, program: &str) -> bool {
        let candidates: Vec<PathBuf> = if program.starts_with('/') {
            vec![PathBuf::from(program)]
        } else if program.contains('/') {
            // The path is relative to the working folder, which only the pod knows.
            return false;
        } else {
            self.path.split(':').map(|folder| Path::new("/").join(folder).join(program)).collect()
        };
        !candidates.iter().any(|path| self.files.has(path, |path| self.is_hidden(path)))
    }

    /// Returns true if a volume is mounted over a path.
    fn is_hidden(&self, path: &Path) -> bool {
        let mounts = self.container["volumeMounts"].as_array().into_iter().flatten();
        mounts.filter_map(|mount| mount["mountPath"].as_str()).any(|mount| path.starts_with(mount))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::layers::listing;

    fn layer(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, kind, target) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(0);
            header.set_mode(0o755);
            if target.is_empty() {
                archive.append_data(&mut header, path, std::io::empty()).expect("entry");
            } else {
                archive.append_link(&mut header, path, target).expect("link");
            }
        }
        archive.into_inner().expect("archive")
    }

    #[test]
    fn preset_variables_must_be_set() {
        let text = include_str!("../definition/good.yaml").replacen(
            "    needs: [network]\n",
            "    needs: [network]\n    data: kept\n    backup:\n      - name: rows\n        workload: \
             StatefulSet/database\n        volume: data\n        preset: postgresql\n        with: {user: app}\n",
            1,
        );
        let definition = crate::proofs::tests::read_text(&text).expect("good");
        let rule = definition.release.components.iter().find_map(|component| component.rules.first()).expect("rule");
        let of_image = ["PGDATA=/data".to_owned()];
        let of_pod = json!({"env": [{"name": "POSTGRES_DB", "valueFrom": {}}]});
        assert_eq!(unset(rule, &of_pod, &of_image), None);
        assert_eq!(unset(rule, &json!({}), &of_image), Some(("POSTGRES_DB", "database")));
        assert_eq!(unset(rule, &of_pod, &[]), Some(("PGDATA", "data")));
        assert_eq!(unset(rule, &json!({"envFrom": [{"secretRef": {}}]}), &[]), None);
        for program in ["sh", "pg_basebackup", "psql"] {
            assert!(programs(rule).any(|known| known == program), "{program}");
        }
    }

    #[test]
    fn programs_resolve_links_and_whiteouts() {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        let mut files = ImageFiles::default();
        let base = [
            ("usr/bin/", Directory, ""),
            ("usr/bin/busybox", Regular, ""),
            ("bin", Symlink, "usr/bin"),
            ("usr/bin/sh", Symlink, "/bin/busybox"),
            ("usr/bin/ash", Link, "usr/bin/busybox"),
            ("opt/tool/run", Regular, ""),
            ("opt/old", Regular, ""),
            ("opt/gone/run", Regular, ""),
            ("loop", Symlink, "loop"),
        ];
        files.add(listing::read(&layer(&base)[..]).expect("layer"));
        let later = [
            ("opt/.wh.old", Regular, ""),
            ("opt/tool/.wh..wh..opq", Regular, ""),
            ("opt/tool/new", Regular, ""),
            ("bin/tool", Regular, ""),
            ("data", Symlink, "/scripts"),
            ("opt/gone", Symlink, "/usr"),
        ];
        files.add(listing::read(&layer(&later)[..]).expect("layer"));
        for there in ["/bin/sh", "/usr/bin/ash", "/bin/busybox", "/opt/tool/../tool/new", "/bin/tool", "/usr/bin/tool"]
        {
            assert!(files.has(Path::new(there), |_| false), "{there}");
        }
        for missing in ["/opt/gone/run", "/opt/old", "/opt/tool/run", "/usr/bin", "/loop", "/bin/bash", "/"] {
            assert!(!files.has(Path::new(missing), |_| false), "{missing}");
        }
        let container = json!({"volumeMounts": [{"mountPath": "/scripts"}]});
        let search = Search { files: &files, path: "/nowhere:/bin".to_owned(), container: &container };
        let lacking = ["sh", "bash", "/bin/sh", "/bin/bash", "/scripts/save", "./save", "/data/save"]
            .map(|program| search.lacks(program));
        assert_eq!(lacking, [false, true, false, true, false, false, false]);
    }
}
