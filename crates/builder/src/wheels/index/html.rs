//! A page in HTML (PEP 503): one anchor per file.

use std::collections::BTreeMap;

use html5gum::{HtmlString, Spanned, Token, Tokenizer};
use url::Url;

use super::IndexFile;
use super::sha256;

/// Maximum length of an anchor's text, in bytes.
const NAME_BYTES: usize = 512;

/// Meta tag with the version of the protocol.
const VERSION: &[u8] = b"pypi:repository-version";

type Attributes = BTreeMap<HtmlString, Spanned<HtmlString, ()>>;

/// Files of a page, and the base of its links. Returns an error text for an invalid page.
pub fn read(bytes: &[u8], mut base: Url) -> Result<(Vec<IndexFile>, Url), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let (mut files, mut open): (Vec<IndexFile>, Option<IndexFile>) = (Vec::new(), None);
    for Ok(token) in Tokenizer::new(text) {
        match token {
            Token::StartTag(tag) if tag.name.as_slice() == b"a" => {
                files.extend(open.take().and_then(finish_file));
                open = to_index_file(&tag.attributes);
            }
            Token::StartTag(tag) if tag.name.as_slice() == b"base" => {
                base = value(&tag.attributes, b"href").and_then(|href| base.join(&href).ok()).unwrap_or(base);
            }
            Token::StartTag(tag) if tag.name.as_slice() == b"meta" => check_version(&tag.attributes)?,
            Token::EndTag(tag) if tag.name.as_slice() == b"a" => files.extend(open.take().and_then(finish_file)),
            Token::String(text) => {
                if let Some(file) = open.as_mut().filter(|file| file.file_name.len() + text.len() <= NAME_BYTES) {
                    file.file_name.push_str(&String::from_utf8_lossy(&text));
                }
            }
            _ => {}
        }
    }
    files.extend(open.and_then(finish_file));
    Ok((files, base))
}

fn value(attributes: &Attributes, name: &[u8]) -> Option<String> {
    attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn check_version(attributes: &Attributes) -> Result<(), String> {
    let is_version = attributes.get(&b"name"[..]).is_some_and(|name| name.as_slice() == VERSION);
    let version = value(attributes, b"content").filter(|_| is_version).unwrap_or_else(|| "1.0".to_owned());
    if version.split('.').next() == Some("1") {
        return Ok(());
    }
    Err(format!("is of the version {} of the protocol, not 1", version.escape_default()))
}

/// The file of an anchor, before its text is read.
fn to_index_file(attributes: &Attributes) -> Option<IndexFile> {
    let href = value(attributes, b"href")?;
    let digits = href
        .split_once('#')
        .and_then(|(_, fragment)| fragment.split('&').find_map(|part| part.strip_prefix("sha256=")));
    Some(IndexFile {
        file_name: String::new(),
        sha256: digits.and_then(sha256),
        size: None,
        requires_python: value(attributes, b"data-requires-python"),
        is_yanked: attributes.contains_key(&b"data-yanked"[..]),
        address: href,
    })
}

/// A file with its name; `None` for an anchor without text.
fn finish_file(file: IndexFile) -> Option<IndexFile> {
    let file_name = file.file_name.trim().to_owned();
    (!file_name.is_empty()).then_some(IndexFile { file_name, ..file })
}
