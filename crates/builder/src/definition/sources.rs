//! The files of a definition, for the places that messages name.

use std::path::{Path, PathBuf};

use serde_saphyr::Location;

use crate::error::Place;

/// Number by which the parser marks locations in the only file, or in the first of several.
const FIRST_SOURCE: u32 = 1;

/// `release.yaml`, and the `component.yaml` of each component that has one, in the order of the components.
#[derive(Debug, Clone)]
pub struct Sources {
    release: SourceFile,
    components: Vec<SourceFile>,
}

/// A file, and where its lists begin in those of the release, or in those of its component.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Number of values of the release before those of this file.
    pub values: usize,
    /// Number of proofs before those of this file.
    pub proofs: usize,
    /// Number of image fields before those of this file.
    pub image_fields: usize,
    /// Number of needed components that the release states for the component of this file.
    pub needs: usize,
    /// Number of reached components that the release states for the component of this file.
    pub reaches: usize,
}

impl SourceFile {
    /// A file whose lists are the first ones.
    pub fn first(path: &Path) -> Self {
        Self { path: path.to_owned(), values: 0, proofs: 0, image_fields: 0, needs: 0, reaches: 0 }
    }

    /// Name of a field of the release in this file.
    fn local(&self, field: &str) -> String {
        let lists = [
            ("values[", self.values),
            ("proofs[", self.proofs),
            ("imageFields[", self.image_fields),
            ("needs[", self.needs),
            ("reaches[", self.reaches),
        ];
        let of_list = lists.into_iter().find_map(|(list, before)| {
            let (index, rest) = field.strip_prefix(list)?.split_once(']')?;
            Some(format!("{list}{}]{rest}", index.parse::<usize>().ok()?.saturating_sub(before)))
        });
        of_list.unwrap_or_else(|| field.to_owned())
    }
}

impl Sources {
    /// The files of a definition.
    pub fn new(release: SourceFile, components: Vec<SourceFile>) -> Self {
        Self { release, components }
    }

    /// Place of a field, given with its name in the release, such as `components[2].backup[0]`.
    pub fn place(&self, at: Location, field: impl AsRef<str>) -> Place {
        let of_component = at.source_id().checked_sub(FIRST_SOURCE + 1).and_then(|index| usize::try_from(index).ok());
        let field = field.as_ref();
        match of_component.and_then(|index| self.components.get(index)) {
            Some(file) => {
                let own = field.strip_prefix("components[").and_then(|rest| rest.split_once("]."));
                Place::field(&file.path, at.line(), file.local(own.map_or(field, |(_, own)| own)))
            }
            None => Place::field(&self.release.path, at.line(), self.release.local(field)),
        }
    }

    /// Place of the own file of a listed component.
    pub fn component_file(&self, index: usize) -> Place {
        Place::file(self.components.get(index).map_or(&self.release.path, |file| &file.path))
    }

    /// Place of a field of `release.yaml` whose line is unknown.
    pub fn release_field(&self, field: &str) -> Place {
        Place { file: Some(self.release.path.clone()), line: None, field: Some(field.to_owned()) }
    }

    /// Paths of all files: first that of the release.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.release).chain(&self.components).map(|file| file.path.as_path())
    }
}
