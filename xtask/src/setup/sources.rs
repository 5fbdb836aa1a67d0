//! Parser of apt's source lists, in the one-line and the deb822 format (`sources.list(5)`).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A URL in apt's configuration that delivers binary packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// URL as written, without expansion of apt's variables.
    pub address: String,
    /// Suites, such as `bookworm`.
    pub suites: Vec<String>,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// Keyring file that the source itself names, if any.
    pub keyring: Option<PathBuf>,
}

/// Reads every file that apt would read, in apt's order.
pub fn read_all() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let main = Path::new("/etc/apt/sources.list");
    if main.exists() {
        sources.extend(parse_lines(&read(main)?));
    }
    let folder = Path::new("/etc/apt/sources.list.d");
    if folder.is_dir() {
        let mut paths: Vec<PathBuf> =
            folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
        paths.sort();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("list") => sources.extend(parse_lines(&read(&path)?)),
                Some("sources") => sources.extend(parse_stanzas(&read(&path)?)),
                _ => {}
            }
        }
    }
    Ok(sources)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Parses the one-line format: `deb [options] address suite component…`.
pub fn parse_lines(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (address, suite) = (words.next()?, words.next()?);
    let keyring = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")).and_then(keyring);
    Some(Source { address, suites: vec![suite], components: words.collect(), keyring })
}

/// Parses the deb822 format: stanzas of `Field: values`, continued on indented lines, separated by empty lines.
pub fn parse_stanzas(text: &str) -> Vec<Source> {
    let mut stanzas = vec![Vec::<(String, String)>::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.trim().is_empty() {
            stanzas.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanzas.last_mut().and_then(|stanza| stanza.last_mut()) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let (Some((name, value)), Some(stanza)) = (line.split_once(':'), stanzas.last_mut()) {
            stanza.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    stanzas.iter().flat_map(|stanza| stanza_sources(stanza)).collect()
}

fn stanza_sources(stanza: &[(String, String)]) -> Vec<Source> {
    let value = |name: &str| stanza.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str());
    let words = |name: &str| value(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let enabled =
        !matches!(value("enabled").to_ascii_lowercase().as_str(), "no" | "false" | "without" | "off" | "disable");
    if !enabled || !words("types").iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let source = |address| Source {
        address,
        suites: words("suites"),
        components: words("components"),
        keyring: keyring(value("signed-by")),
    };
    words("uris").into_iter().map(source).collect()
}

/// Returns a keyring's path. Fingerprints and inline keys are left to apt's own keyrings.
fn keyring(value: &str) -> Option<PathBuf> {
    let path = value.split([',', ' ', '\n']).next().filter(|path| path.starts_with('/'))?;
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_format_is_parsed() {
        let text = "# comment\ndeb-src http://a/debian bookworm main\n\
                    deb http://a/debian bookworm main contrib # tail\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://b/debian bookworm-updates main\n";
        let sources = parse_lines(text);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].components, ["main", "contrib"]);
        assert_eq!(sources[0].keyring, None);
        assert_eq!(sources[1].suites, ["bookworm-updates"]);
        assert_eq!(sources[1].keyring.as_deref(), Some(Path::new("/k.gpg")));
    }

    #[test]
    fn stanza_format_is_parsed() {
        let text = "Types: deb deb-src\n# inside\nURIs: http://a/debian\n http://b/debian\nSuites: bookworm\n\
                    Components: main\nSigned-By: /k.gpg\n\nEnabled: no\nTypes: deb\nURIs: http://c/\nSuites: x\n";
        let sources = parse_stanzas(text);
        let addresses: Vec<&str> = sources.iter().map(|source| source.address.as_str()).collect();
        assert_eq!(addresses, ["http://a/debian", "http://b/debian"]);
        assert_eq!(sources[1].keyring.as_deref(), Some(Path::new("/k.gpg")));
    }

    #[test]
    fn inline_key_is_no_path() {
        let text = "Types: deb\nURIs: http://a/debian\nSuites: s\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n";
        assert_eq!(parse_stanzas(text)[0].keyring, None);
    }
}
