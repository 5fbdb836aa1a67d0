//! Names of a bundle's files. They help people; parts are recognized by their contents.

use crate::digest::Sha256;

/// Number of hexadecimal digits of the bundle's id in its file names.
const ID_DIGITS: usize = 12;

/// The common stem of the names of all files of a bundle: `NAME-VERSION-ID12`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleName(String);

/// The kind of a file, according to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// `….head`: only the head.
    Head,
    /// `….landfall`: the whole bundle.
    Whole,
    /// `….landfall.001` and higher: a part, counted from 1.
    Part(usize),
    /// `….delta`: a whole delta.
    Delta,
    /// `….delta.001` and higher: a part of a delta, counted from 1.
    DeltaPart(usize),
}

impl BundleName {
    /// Creates the name of a bundle from its release and its id.
    pub fn new(release: &str, version: &str, id: Sha256) -> Self {
        Self(format!("{release}-{version}-{}", short_id(id)))
    }

    /// Returns the stem `NAME-VERSION-ID12`.
    pub fn stem(&self) -> &str {
        &self.0
    }

    /// Returns the name of a file of the bundle.
    pub fn file(&self, kind: FileKind) -> String {
        match kind {
            FileKind::Head => format!("{}.head", self.0),
            FileKind::Whole => format!("{}.landfall", self.0),
            FileKind::Part(number) => format!("{}.landfall.{number:03}", self.0),
            FileKind::Delta => format!("{}.delta", self.0),
            FileKind::DeltaPart(number) => format!("{}.delta.{number:03}", self.0),
        }
    }

    /// Returns the name of the file with the build's provenance.
    pub fn provenance(&self) -> String {
        format!("{}.provenance.json", self.0)
    }

    /// Returns the names of this many parts of a bundle; a single part is the whole bundle.
    pub fn parts(&self, count: usize) -> Vec<String> {
        match count {
            0 | 1 => vec![self.file(FileKind::Whole)],
            _ => (1..=count).map(|number| self.file(FileKind::Part(number))).collect(),
        }
    }

    /// Returns the name of the handbook beside the bundle: a page for browsers, which no signature covers.
    pub fn handbook(&self) -> String {
        format!("{}.handbook.html", self.0)
    }

    /// Returns the name of the transfer sheet beside the bundle.
    pub fn transfer_sheet(&self) -> String {
        format!("{}.html", self.0)
    }

    /// Returns the names of this many parts of a delta; a single part is the whole delta.
    pub fn delta_parts(&self, count: usize) -> Vec<String> {
        match count {
            0 | 1 => vec![self.file(FileKind::Delta)],
            _ => (1..=count).map(|number| self.file(FileKind::DeltaPart(number))).collect(),
        }
    }

    /// Returns the shell command that extracts the program `landfall` from the bundle, in one file or in parts. It
    /// needs only `cat` and tar.
    pub fn take_out_command(&self) -> String {
        format!("cat {}.landfall* | tar --extract --occurrence landfall", self.0)
    }

    /// Parses a file name. Returns `None` for foreign files, including hidden ones: macOS writes `._NAME` next to each
    /// file on a stick. The result is only a hint: contents decide.
    pub fn parse(file: &str) -> Option<(Self, FileKind)> {
        if let Some(stem) = file.strip_suffix(".head") {
            return Self::stem_of(stem).map(|name| (name, FileKind::Head));
        }
        if let Some(stem) = file.strip_suffix(".landfall") {
            return Self::stem_of(stem).map(|name| (name, FileKind::Whole));
        }
        if let Some(stem) = file.strip_suffix(".delta") {
            return Self::stem_of(stem).map(|name| (name, FileKind::Delta));
        }
        let (rest, digits) = file.rsplit_once('.')?;
        let number = digits.parse().ok().filter(|number| *number > 0 && format!("{number:03}") == digits)?;
        let (stem, kind) = match rest.rsplit_once('.')? {
            (stem, "landfall") => (stem, FileKind::Part(number)),
            (stem, "delta") => (stem, FileKind::DeltaPart(number)),
            _ => return None,
        };
        Self::stem_of(stem).map(|name| (name, kind))
    }

    fn stem_of(stem: &str) -> Option<Self> {
        let (release, id) = stem.rsplit_once('-')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_named = !release.is_empty() && !release.starts_with('.');
        (is_named && id.len() == ID_DIGITS && id.bytes().all(is_digit)).then(|| Self(stem.to_owned()))
    }
}

/// Returns the first 12 hexadecimal digits of a bundle's id.
pub fn short_id(id: Sha256) -> String {
    let mut text = id.to_hex();
    text.truncate(ID_DIGITS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_names_round_trip() {
        let name = BundleName::new("starter", "1.0.0-rc.1", Sha256([0xab; 32]));
        assert_eq!(name.parts(1), ["starter-1.0.0-rc.1-abababababab.landfall"]);
        assert_eq!(name.parts(2)[1], "starter-1.0.0-rc.1-abababababab.landfall.002");
        assert_eq!(name.provenance(), "starter-1.0.0-rc.1-abababababab.provenance.json");
        assert_eq!(name.handbook(), "starter-1.0.0-rc.1-abababababab.handbook.html");
        assert_eq!(name.transfer_sheet(), "starter-1.0.0-rc.1-abababababab.html");
        assert_eq!(name.delta_parts(1), ["starter-1.0.0-rc.1-abababababab.delta"]);
        assert_eq!(name.delta_parts(2)[1], "starter-1.0.0-rc.1-abababababab.delta.002");
        let numbered = [FileKind::Part(1), FileKind::Part(999), FileKind::DeltaPart(1), FileKind::DeltaPart(999)];
        for kind in [FileKind::Head, FileKind::Whole, FileKind::Delta].into_iter().chain(numbered) {
            assert_eq!(BundleName::parse(&name.file(kind)), Some((name.clone(), kind)));
        }
        for foreign in [
            "SHA256SUMS",
            "a-abababababab.provenance.json",
            "x.landfall",
            "a-abababababab.landfall.1",
            "a-abababababab.landfall.000",
            "a-abababababab.delta.2",
            "a-abababababab.other.002",
            "-.head",
            "._starter-1.0.0-abababababab.landfall",
        ] {
            assert_eq!(BundleName::parse(foreign), None, "{foreign}");
        }
    }
}
