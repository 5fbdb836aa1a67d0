//! Debian's `copyright` files, which contain the licenses that a package's database lacks. Their form is Debian's
//! "Machine-readable debian/copyright file" 1.0. Older files are prose that refers to the texts in
//! `/usr/share/common-licenses`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, BufRead};

use super::lines;
use crate::limits;

/// Folder in which Debian keeps the texts of common licenses.
const TEXTS: &str = "/usr/share/common-licenses/";

/// Names of the first field of a machine-readable file.
const FORMAT: [&str; 2] = ["format", "format-specification"];

/// License families whose names in Debian omit `.0`, and end with `+` if later versions are allowed.
const GNU: [&str; 4] = ["AGPL-", "GFDL-", "GPL-", "LGPL-"];

/// Returns the package to which a file `/usr/share/doc/NAME/copyright` belongs.
pub fn package_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/usr/share/doc/")?.strip_suffix("/copyright")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Returns the licenses of all files of a package, all of which apply, in SPDX's terms where they exist.
pub fn license(file: impl BufRead) -> io::Result<Option<String>> {
    let mut reading = CopyrightReader::default();
    lines::each_line(file, |line| reading.line(line))?;
    reading.end_paragraph();
    // Prose names the text of a license. It does not say whether later versions are allowed, or which files the license
    // covers.
    let texts: Vec<_> = reading.texts.into_iter().collect();
    Ok(match reading.is_structured {
        Some(true) => join_licenses(&reading.licenses),
        _ => super::license(&texts.join(", ")).and_then(|texts| super::license(&format!("texts: {texts}"))),
    })
}

/// The state of reading a file.
#[derive(Default)]
struct CopyrightReader {
    /// True if the file is machine-readable; unknown before its first line.
    is_structured: Option<bool>,
    /// License of the current paragraph.
    license: Option<String>,
    /// True if the current paragraph is about files, rather than only the text of a license.
    is_of_files: bool,
    /// Licenses of files.
    licenses: BTreeSet<String>,
    /// Common texts named in prose.
    texts: BTreeSet<String>,
}

impl CopyrightReader {
    /// Reads a line. Returns true to continue.
    fn line(&mut self, line: &str) -> bool {
        if line.trim().is_empty() {
            self.end_paragraph();
            return true;
        }
        let field = line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
        let is_structured = *self
            .is_structured
            .get_or_insert_with(|| field.as_ref().is_some_and(|(name, _)| FORMAT.contains(&name.as_str())));
        match field {
            _ if !is_structured => self.prose(line),
            Some((name, _)) if name == "files" || FORMAT.contains(&name.as_str()) => self.is_of_files = true,
            Some((name, value)) if name == "license" && !value.is_empty() => self.license = Some(in_spdx(value)),
            _ => {}
        }
        self.licenses.len().max(self.texts.len()) <= limits::LICENSES
    }

    fn prose(&mut self, line: &str) {
        for (_, rest) in line.match_indices(TEXTS).map(|(at, text)| line.split_at(at + text.len())) {
            let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || ".+-".contains(letter);
            let name = rest.split(|letter| !is_of_name(letter)).next().unwrap_or_default().trim_end_matches(['.', '-']);
            if !name.is_empty() {
                self.texts.insert(name.to_owned());
            }
        }
    }

    fn end_paragraph(&mut self) {
        let license = self.license.take().filter(|license| self.is_of_files && crate::package::is_text(license));
        match license {
            Some(choice) if choice.contains(" OR ") => drop(self.licenses.insert(choice)),
            Some(all) => self.licenses.extend(all.split(" AND ").map(str::to_owned)),
            None => {}
        }
        self.is_of_files = false;
    }
}

/// Converts Debian's name of a license, or several joined by `and` and `or`, to SPDX's terms. Each part between commas
/// is grouped.
fn in_spdx(license: &str) -> String {
    let words = |group: &str| group.split_whitespace().map(word_in_spdx).map(Cow::into_owned).collect::<Vec<_>>();
    let groups: Vec<_> = license.split(',').map(words).filter(|group| !group.is_empty()).collect();
    let mut whole = String::new();
    for group in &groups {
        let (link, terms) = match group[0].as_str() {
            link @ ("AND" | "OR") => (link, &group[1..]),
            _ => ("AND", &group[..]),
        };
        if terms.is_empty() {
            continue;
        }
        let terms = terms.join(" ");
        let is_choice = groups.len() > 1 && terms.contains(" OR ");
        let terms = if is_choice { format!("({terms})") } else { terms };
        whole = if whole.is_empty() { terms } else { format!("{whole} {link} {terms}") };
    }
    whole
}

fn word_in_spdx(word: &str) -> Cow<'_, str> {
    Cow::Borrowed(match word {
        "and" => "AND",
        "or" => "OR",
        "Expat" => "MIT",
        "Apache-2" => "Apache-2.0",
        "BSD-2-clause" => "BSD-2-Clause",
        "BSD-3-clause" => "BSD-3-Clause",
        "BSD-4-clause" => "BSD-4-Clause",
        "zlib" | "ZLIB" => "Zlib",
        _ => return gnu_in_spdx(word).map_or(Cow::Borrowed(word), Cow::Owned),
    })
}

/// Converts `GPL-2+` to `GPL-2.0-or-later`, and `GPL-2` to `GPL-2.0-only`.
fn gnu_in_spdx(word: &str) -> Option<String> {
    let family = GNU.iter().find(|family| word.starts_with(**family))?;
    let version = word.strip_prefix(family)?;
    let (version, which) = version.strip_suffix('+').map_or((version, "only"), |version| (version, "or-later"));
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let is_number = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(major) && is_number(minor)).then(|| format!("{family}{major}.{minor}-{which}"))
}

/// Joins the licenses, as many as fit into a line.
fn join_licenses(licenses: &BTreeSet<String>) -> Option<String> {
    let term = |license: &String| if license.contains(" OR ") { format!("({license})") } else { license.clone() };
    let terms: Vec<_> = if let [only] = &licenses.iter().collect::<Vec<_>>()[..] {
        vec![(*only).clone()]
    } else {
        licenses.iter().map(term).collect()
    };
    let whole = terms.join(" AND ");
    if whole.len() <= limits::TEXT_BYTES {
        return (!whole.is_empty()).then_some(whole);
    }
    (1..terms.len())
        .rev()
        .map(|kept| format!("{} and {} more", terms[..kept].join(" AND "), terms.len() - kept))
        .find(|line| line.len() <= limits::TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn license_in(text: &str) -> Option<String> {
        license(text.as_bytes()).expect("bytes in memory")
    }

    #[test]
    fn licenses_become_spdx_expressions() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
            Source: somewhere\n\n\
            Files: *\nCopyright: 2020 A\nLicense: GPL-2+\n\nFiles: lib/*\nLicense: Expat or LGPL-2.1\n Text: License: \
            x\n\n\
            Files: debian/*\nLicense: Expat, and GPL-2+\n\nLicense: GPL-2+\n On Debian systems, \
            /usr/share/common-licenses/GPL-2 has it.\n\n\
            License: unused\n Text.\n";
        assert_eq!(license_in(text).as_deref(), Some("GPL-2.0-or-later AND MIT AND (MIT OR LGPL-2.1-only)"));
        assert_eq!(license_in("Format: x\nLicense: zlib\n").as_deref(), Some("Zlib"), "the header is about all files");
        assert_eq!(license_in("Format: x\n\nFiles: *\nLicense:\n GPL-2\n"), None);
    }

    #[test]
    fn comma_ends_choice() {
        for (debian, spdx) in [
            ("Expat, and GPL-2+", "MIT AND GPL-2.0-or-later"),
            ("GPL-2+ or Artistic, and BSD-3-clause", "(GPL-2.0-or-later OR Artistic) AND BSD-3-Clause"),
            ("GPL-2, or Expat", "GPL-2.0-only OR MIT"),
            ("zlib,", "Zlib"),
            ("zlib, Expat and ISC", "Zlib AND MIT AND ISC"),
        ] {
            assert_eq!(in_spdx(debian), spdx);
        }
    }

    #[test]
    fn prose_names_license_texts() {
        let text = "This is Debian's package of x.\nLicense: see below\n\nOn Debian systems, the texts are in \
            `/usr/share/common-licenses/GPL-2' and /usr/share/common-licenses/LGPL-2.1.\nAll are in \
            /usr/share/common-licenses/ itself.\n";
        assert_eq!(license_in(text).as_deref(), Some("texts: GPL-2, LGPL-2.1"));
        assert_eq!(license_in("Do what you want.\n"), None);
        assert_eq!(license_in(""), None);
    }

    #[test]
    fn debian_names_become_spdx_names() {
        for (debian, spdx) in [
            ("GPL-3", "GPL-3.0-only"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("LGPL-2.1+ and BSD-3-clause", "LGPL-2.1-or-later AND BSD-3-Clause"),
            ("GPL-2+ with OpenSSL exception", "GPL-2.0-or-later with OpenSSL exception"),
            ("GFDL-NIV-1.3+", "GFDL-NIV-1.3+"),
            ("public-domain", "public-domain"),
            ("GPL-any", "GPL-any"),
        ] {
            assert_eq!(in_spdx(debian), spdx);
        }
    }

    #[test]
    fn joined_licenses_fit_limit() {
        let names = |count: usize| (0..count).map(|index| format!("license-{index:03}")).collect::<BTreeSet<_>>();
        let line = join_licenses(&names(100)).expect("a line");
        assert!(line.len() <= limits::TEXT_BYTES && line.ends_with(" and 85 more"), "{line}");
        assert_eq!(join_licenses(&BTreeSet::from(["a".repeat(limits::TEXT_BYTES), "b".to_owned()])), None);
    }

    #[test]
    fn package_follows_copyright_path() {
        assert_eq!(package_of("/usr/share/doc/libc6/copyright"), Some("libc6"));
        for path in [
            "/usr/share/doc/libc6/a/copyright",
            "/usr/share/doc//copyright",
            "/usr/share/doc/copyright",
            "/doc/a/copyright",
        ] {
            assert_eq!(package_of(path), None, "{path}");
        }
    }
}
