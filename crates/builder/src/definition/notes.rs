//! Release notes: in the definition, or in a file next to it.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use landfall_error_codes::codes;
use landfall_release_document::{NOTES_BYTES, NotesFault, check_notes};
use serde::Deserialize;

use super::Release;
use crate::error::{BuildError, Place, Result};

/// Release notes, as Markdown.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum NotesDefinition {
    /// The text itself.
    Text(String),
    /// A file with the text.
    File(NotesFile),
}

/// A file with notes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotesFile {
    /// Path in the definition's folder.
    pub file: PathBuf,
}

/// Reads the notes of a release and normalizes line ends. Returns an error for notes that a site would not show.
pub(crate) fn expand(path: &Path, release: &mut Release) -> Result<()> {
    let Some(notes) = &release.notes else { return Ok(()) };
    let here = Place::field(path, notes.referenced.line(), "notes");
    let (bytes, place) = match &notes.value {
        NotesDefinition::Text(text) => (text.clone().into_bytes(), here),
        NotesDefinition::File(NotesFile { file }) if is_inside(file) => {
            let file = path.parent().unwrap_or(Path::new("")).join(file);
            (bytes_of(&file, &here)?, Place::file(&file))
        }
        NotesDefinition::File(NotesFile { file }) => {
            let what = format!("`{}` is not the path of a file in the release's folder", file.display());
            return Err(BuildError::at(codes::RELEASE_NOTES, here, what));
        }
    };
    release.notes_text = Some(parse_notes(bytes, &place)?);
    Ok(())
}

/// Returns true if a path stays below its base folder.
fn is_inside(path: &Path) -> bool {
    let mut parts = path.components().filter(|part| *part != Component::CurDir).peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Reads at most one byte more than the limit of notes.
fn bytes_of(file: &Path, here: &Place) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        let what = format!("{} cannot be read", file.display());
        BuildError::at(codes::RELEASE_NOTES, here.clone(), what).because(error)
    };
    let most = u64::try_from(NOTES_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let opened = fs_err::File::open(file).map_err(failed)?;
    opened.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn parse_notes(bytes: Vec<u8>, place: &Place) -> Result<String> {
    let refused = |NotesFault { line, what }: NotesFault| {
        // A line of the definition marks the start of the notes.
        let line = if place.field.is_some() { place.line } else { line };
        BuildError::at(codes::RELEASE_NOTES, Place { line, ..place.clone() }, what)
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text.replace("\r\n", "\n"),
        Err(error) => return check_notes(error.as_bytes()).map(str::to_owned).map_err(refused),
    };
    check_notes(text.as_bytes()).map_err(refused)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "files of a test")]

    use std::io::Write as _;

    use landfall_error_codes::CodedError as _;
    use landfall_test_support::definition as notation;

    use crate::release::read;

    const GOOD: &str = include_str!("good.yaml");

    /// Reads the valid definition with these notes, and a file next to it.
    fn notes(line: &str, file: &[u8]) -> std::result::Result<Option<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            fs_err::File::create(folder.path().join(name)).and_then(|mut made| made.write_all(bytes)).unwrap();
        };
        write("NOTES.md", file);
        notation::write(folder.path(), &GOOD.replacen("counter: 7", &format!("counter: 7\n{line}"), 1));
        let read = read(&folder.path().join("release.yaml"));
        read.map(|definition| definition.release.notes_text).map_err(|error| {
            let folder = format!("{}/", folder.path().display());
            format!("{} {}", error.code().id, error.to_string().replace(&folder, ""))
        })
    }

    #[test]
    fn notes_come_inline_or_from_file() {
        let text = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(notes("", b""), Ok(None));
        assert_eq!(notes("notes: \"# 1.2.3\\n\\n- faster\"", b""), text("# 1.2.3\n\n- faster"));
        assert_eq!(notes("notes: |\n  # 1.2.3\n  - faster", b""), text("# 1.2.3\n- faster\n"));
        assert_eq!(notes("notes: {file: NOTES.md}", b"# 1.2.3\r\n- faster\r\n"), text("# 1.2.3\n- faster\n"));
        assert_eq!(notes("notes: {file: ./NOTES.md}", b"faster"), text("faster"));
    }

    #[test]
    fn invalid_notes_are_located() {
        let refused = |line: &str, file: &[u8]| notes(line, file).unwrap_err();
        let file = "notes: {file: NOTES.md}";
        assert_eq!(
            refused(file, b"a\n\nb\x1b[2J"),
            "LF2027 NOTES.md:3: line 3 of the notes has U+001B, which is invisible"
        );
        assert_eq!(refused(file, b"\xff"), "LF2027 NOTES.md: the notes are not UTF-8");
        assert_eq!(refused(file, &vec![b'a'; (64 << 10) + 1]), "LF2027 NOTES.md: the notes are longer than 64 KiB");
        let inline = refused("notes: \"a\\u202Eb\"", b"");
        assert_eq!(inline, "LF2027 release.yaml:4: notes: line 1 of the notes has U+202E, which is invisible");
        for path in ["../NOTES.md", "/etc/hostname", "more/../NOTES.md", "."] {
            let refused = refused(&format!("notes: {{file: {path}}}"), b"fine");
            assert!(refused.starts_with("LF2027") && refused.ends_with("in the release's folder"), "{refused}");
        }
        assert!(refused("notes: {file: MISSING.md}", b"").ends_with("MISSING.md cannot be read"));
        assert!(refused("notes: {text: fine}", b"").starts_with("LF2001"), "an unknown key");
    }
}
