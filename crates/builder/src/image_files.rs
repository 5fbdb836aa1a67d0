//! File tree of an image: its layers applied in order, including their deletions.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use landfall_inventory::read::{FileContents, package_of};
use landfall_media::store::ContentStore;

use crate::error::Result;
use crate::fetched::FetchedImage;
use crate::layers::listing;
use crate::layers::listing::{Entry, LayerListing, ListedEntry, plain};

/// Maximum number of links on the way to a file, as in Linux.
const MOST_LINKS: usize = 40;

/// All files of an image by absolute path, and the packages that its files record.
#[derive(Default)]
pub struct ImageFiles {
    files: BTreeMap<PathBuf, Node>,
    found: Vec<FileContents>,
}

/// A node of the tree.
struct Node {
    entry: Entry,
    /// Index of the packages that the file records.
    found: Option<usize>,
}

impl ImageFiles {
    /// Applies the layers of an image, base first.
    pub fn read(image: &FetchedImage, store: &ContentStore) -> Result<Self> {
        let mut files = Self::default();
        for layer in &image.manifest.layers {
            files.add(listing::of(layer, store)?);
        }
        Ok(files)
    }

    /// Adds a layer: its deletions are applied before its files.
    pub fn add(&mut self, mut layer: LayerListing) {
        let mut brought = Vec::new();
        for ListedEntry { path, entry } in layer.entries {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == ".wh..wh..opq" {
                self.remove_below(self.place(&path).parent().unwrap_or(Path::new("/")));
            } else if let Some(removed) = name.strip_prefix(".wh.") {
                let removed = self.place(&path).with_file_name(removed);
                self.remove_below(&removed);
                self.files.remove(&removed);
            } else {
                brought.push((path, entry));
            }
        }
        for (path, entry) in brought {
            let found = path.to_str().and_then(|path| layer.found.remove(path)).map(|found| {
                self.found.push(found);
                self.found.len() - 1
            });
            let path = self.place(&path);
            if !matches!(entry, Entry::Folder) {
                self.remove_below(&path);
            }
            self.files.insert(path, Node { entry, found });
        }
    }

    fn remove_below(&mut self, folder: &Path) {
        // Paths are sorted by component, so the content of a folder directly follows it.
        let after = self.files.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
        let below: Vec<_> = after.map(|(path, _)| path).take_while(|path| path.starts_with(folder)).cloned().collect();
        for path in below {
            self.files.remove(&path);
        }
    }

    /// Paths that result from following links, starting with `path` itself; the last one contains no link. Empty
    /// after too many links.
    fn follow_links(&self, path: &Path) -> Vec<PathBuf> {
        let mut passed = vec![plain(path)];
        while let Some(next) = passed.last().and_then(|path| self.next(path)) {
            if passed.len() > MOST_LINKS {
                return Vec::new();
            }
            passed.push(next);
        }
        passed
    }

    /// The path after its first link is followed; `None` without links.
    fn next(&self, path: &Path) -> Option<PathBuf> {
        let ancestors: Vec<&Path> = path.ancestors().collect();
        let (at, target) =
            ancestors.iter().rev().find_map(|ancestor| match self.files.get(*ancestor).map(|node| &node.entry) {
                Some(Entry::Link(target)) => Some((*ancestor, target)),
                _ => None,
            })?;
        let rest = path.strip_prefix(at).unwrap_or(Path::new(""));
        Some(plain(&at.parent().unwrap_or(Path::new("/")).join(target).join(rest)))
    }

    /// Real path of a layer's entry: links in its folder are followed.
    fn place(&self, path: &Path) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
        self.follow_links(parent).pop().map_or_else(|| path.to_owned(), |parent| parent.join(name))
    }

    /// Returns true if a path leads to a file through links, or if a link leads to a hidden path.
    pub fn has(&self, path: &Path, is_hidden: impl Fn(&Path) -> bool) -> bool {
        let followed = self.follow_links(path);
        let is_file = |path: &PathBuf| self.files.get(path).is_some_and(|node| node.entry == Entry::File);
        followed.iter().any(|path| is_hidden(path)) || followed.last().is_some_and(is_file)
    }

    /// Packages that files record, each with the path of its file and the paths of links to it.
    pub fn packages(&self) -> impl Iterator<Item = (String, FileContents)> {
        let own = self.files.iter().filter_map(|(path, node)| Some((path.clone(), self.found.get(node.found?)?)));
        let links = self.files.iter().filter(|(_, node)| matches!(node.entry, Entry::Link(_)));
        let linked = links.filter_map(|(path, _)| {
            // Packages built from one source share a folder in /usr/share/doc through links.
            let path = if path.ends_with("copyright") { path.clone() } else { path.join("copyright") };
            package_of(path.to_str()?)?;
            let node = self.files.get(self.follow_links(&path).last()?)?;
            Some((path, self.found.get(node.found?)?))
        });
        own.chain(linked).map(|(path, found)| (path.display().to_string(), found.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linked_packages_share_license_files() {
        let listed = |path: &str, entry| ListedEntry { path: path.into(), entry };
        let says = FileContents::License("MIT".to_owned());
        let entries = vec![
            listed("/usr/share/doc/base/copyright", Entry::File),
            listed("/usr/share/doc/twin", Entry::Link("base".into())),
            listed("/usr/share/doc/file/copyright", Entry::Link("/usr/share/doc/base/copyright".into())),
            listed("/usr/share/doc/astray", Entry::Link("nowhere".into())),
            listed("/usr/share/base", Entry::Link("doc/base".into())),
        ];
        let found = BTreeMap::from([("/usr/share/doc/base/copyright".to_owned(), says.clone())]);
        let mut files = ImageFiles::default();
        files.add(LayerListing { entries, found });
        let path = |name: &str| (format!("/usr/share/doc/{name}/copyright"), says.clone());
        assert_eq!(files.packages().collect::<Vec<_>>(), ["base", "file", "twin"].map(path));
    }
}
