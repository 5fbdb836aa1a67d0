//! The files of an image: its layers on one another, with what they remove.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use landfall_inventory::read::Found;
use landfall_media::store::ContentStore;

use crate::error::Result;
use crate::fetch::FetchedImage;
use crate::listing::{self, Entry, LayerListing, Listed, plain};

/// How many links lead to a file at most, as in Linux.
const MOST_LINKS: usize = 40;

/// All files of an image, by absolute path, and what those say that record packages.
#[derive(Default)]
pub struct ImageFiles {
    files: BTreeMap<PathBuf, Node>,
    found: Vec<Found>,
}

/// What is at a path.
struct Node {
    entry: Entry,
    /// Position of what the file says.
    found: Option<usize>,
}

impl ImageFiles {
    /// Puts the layers on one another, base first.
    pub fn read(image: &FetchedImage, store: &ContentStore) -> Result<Self> {
        let mut files = Self::default();
        for layer in &image.manifest.layers {
            files.add(listing::of(layer, store)?);
        }
        Ok(files)
    }

    /// Adds a layer: what it removes goes before what it brings.
    pub fn add(&mut self, mut layer: LayerListing) {
        let mut brought = Vec::new();
        for Listed { path, entry } in layer.entries {
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
        // Paths are in the order of their parts, so what is below a folder follows it.
        let after = self.files.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
        let below: Vec<_> = after.map(|(path, _)| path).take_while(|path| path.starts_with(folder)).cloned().collect();
        for path in below {
            self.files.remove(&path);
        }
    }

    /// The paths that links make of a path, itself first; the last one passes no link. Too many links lead nowhere.
    fn followed(&self, path: &Path) -> Vec<PathBuf> {
        let mut passed = vec![plain(path)];
        while let Some(next) = passed.last().and_then(|path| self.next(path)) {
            if passed.len() > MOST_LINKS {
                return Vec::new();
            }
            passed.push(next);
        }
        passed
    }

    /// What the first link on a path makes of it, if there is one.
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

    /// Where an entry of a layer comes to be: below a link, it is where that leads.
    fn place(&self, path: &Path) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
        self.followed(parent).pop().map_or_else(|| path.to_owned(), |parent| parent.join(name))
    }

    /// Whether there is a file at a path, through links, or a link leads to what is hidden.
    pub fn has(&self, path: &Path, is_hidden: impl Fn(&Path) -> bool) -> bool {
        let followed = self.followed(path);
        let is_file = |path: &PathBuf| self.files.get(path).is_some_and(|node| node.entry == Entry::File);
        followed.iter().any(|path| is_hidden(path)) || followed.last().is_some_and(is_file)
    }

    /// What the files say that record packages, each with its path.
    pub fn found(&self) -> impl Iterator<Item = (String, Found)> {
        let recording = self.files.iter().filter_map(|(path, node)| Some((path, self.found.get(node.found?)?)));
        recording.map(|(path, found)| (path.display().to_string(), found.clone()))
    }
}
