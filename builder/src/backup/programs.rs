//! Whether the programs of backup rules are in the images in which they run: one that is missing would be found at the site, by the first
//! backup. The layers must be in the store.

use std::collections::{BTreeMap, btree_map};
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::store::ContentStore;
use serde_json::Value;

use super::{BackupDefinition, Component};
use crate::definition::Definition;
use crate::error::{BuildError, Result};
use crate::fetch::FetchedImage;
use crate::image_files::ImageFiles;
use crate::render::Rendered;
use crate::workloads;

/// Where a container looks for programs if neither its image nor its pod says so: what containerd sets.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// By this shell a stream's program shows that its output is whole.
const SHELL: &str = "sh";

/// Refuses a rule of which a program is not in its container's image. A folder that a volume hides is not judged.
pub fn check(
    definition: &Definition,
    components: &[Rendered],
    images: &[FetchedImage],
    store: &ContentStore,
) -> Result<()> {
    let mut known: BTreeMap<Sha256, ImageFiles> = BTreeMap::new();
    for rendered in components {
        let component = Component::new(&definition.path, &definition.release, rendered.index);
        for declared in component.rules() {
            let Some(container) = container(component, declared.definition, &rendered.objects) else { continue };
            let reference = container["image"].as_str().unwrap_or_default();
            // Rendering has bound each image to its digest.
            let Some(image) = images.iter().find(|image| reference.ends_with(&image.pin.digest.to_hex())) else {
                continue;
            };
            let files = match known.entry(image.pin.digest) {
                btree_map::Entry::Occupied(files) => files.into_mut(),
                btree_map::Entry::Vacant(place) => place.insert(ImageFiles::read(image, store)?),
            };
            let search = Search { files, path: path_of(container, image), container };
            for program in programs(declared.definition) {
                if search.lacks(program) {
                    let (component, rule) = (&component.definition.name.value, &declared.definition.name);
                    let what = format!(
                        "the rule `{}` of `{component}` runs `{program}`, which the image {} does not have",
                        rule.value, image.pin.reference
                    );
                    let place = declared.place(rule.referenced.line(), "name");
                    return Err(BuildError::at(codes::RULE_PROGRAM, place, what));
                }
            }
        }
    }
    Ok(())
}

fn container<'a>(component: Component<'_>, rule: &BackupDefinition, objects: &'a [Value]) -> Option<&'a Value> {
    let workload = workloads::find(&component.definition.name.value, objects, &rule.workload.value).ok()?;
    workloads::container(workload, rule.container.as_ref().map(|name| name.value.as_str())).ok()
}

/// The first word of each program of a rule, and the shell that runs those whose output is a stream.
fn programs(rule: &BackupDefinition) -> impl Iterator<Item = &str> {
    let log = rule.log.iter().flat_map(|log| [&log.keep, &log.save, &log.saved, &log.load, &log.recover]);
    let marker = rule.marker.iter().flat_map(|marker| [&marker.write, &marker.read]);
    let checks = rule.checks.iter().map(|check| &check.arguments);
    let all = [&rule.save, &rule.load].into_iter().chain(log).chain(marker).chain(checks);
    std::iter::once(SHELL).chain(all.filter_map(|arguments| arguments.value.first().map(String::as_str)))
}

/// Where a container looks for programs.
fn path_of(container: &Value, image: &FetchedImage) -> String {
    let own = container["env"].as_array().into_iter().flatten().find(|variable| variable["name"] == "PATH");
    let configured = image.configuration.config.iter().flat_map(|config| config.env.iter().flatten());
    let of_image = || configured.into_iter().find_map(|variable| variable.strip_prefix("PATH="));
    own.and_then(|variable| variable["value"].as_str()).or_else(of_image).unwrap_or(PATH).to_owned()
}

/// A search for programs in a container.
struct Search<'a> {
    files: &'a ImageFiles,
    path: String,
    container: &'a Value,
}

impl Search<'_> {
    /// Whether a program is certainly not there.
    fn lacks(&self, program: &str) -> bool {
        let candidates: Vec<PathBuf> = if program.starts_with('/') {
            vec![PathBuf::from(program)]
        } else if program.contains('/') {
            // Relative to a folder that only the pod knows.
            return false;
        } else {
            self.path.split(':').map(|folder| Path::new("/").join(folder).join(program)).collect()
        };
        !candidates.iter().any(|path| self.files.has(path, |path| self.is_hidden(path)))
    }

    /// Whether a volume is mounted over a path.
    fn is_hidden(&self, path: &Path) -> bool {
        let mounts = self.container["volumeMounts"].as_array().into_iter().flatten();
        mounts.filter_map(|mount| mount["mountPath"].as_str()).any(|mount| path.starts_with(mount))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::listing;

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
    fn programs_are_found_through_links_and_not_where_a_layer_removed_them() {
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
