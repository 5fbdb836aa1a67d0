//! Secrets within a value, such as the password in a settings file. The lines of a value are not all secret, because
//! most of them occur in every log. A part counts as secret if a pattern matches, if a name indicates it, or if it
//! looks random.

use serde_json::Value;

use super::names::is_secret_name;
use super::patterns::Patterns;

/// Minimum length of a part that can look random.
const SHORTEST_RANDOM: usize = 12;

/// Minimum length of a key's line.
const SHORTEST_LINE: usize = 12;

/// Number of consecutive letters of one case that no word has.
const LONGER_THAN_WORDS: usize = 24;

/// Secrets in a text, without the text itself.
pub(super) fn parts(text: &[u8], patterns: &Patterns) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    for (start, end) in patterns.secrets(text) {
        let secret = &text[start..end];
        parts.push(secret.to_vec());
        // Lines of a key appear separately if each line of a log starts with a time.
        parts.extend(
            lines(secret).filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with(b"----")).map(<[u8]>::to_vec),
        );
    }
    let is_json = text.trim_ascii_start().first().is_some_and(|first| b"{[".contains(first));
    match serde_json::from_slice::<Value>(text) {
        Ok(json) if is_json => in_json(&json, false, patterns, &mut parts),
        _ if text.contains(&b'\n') => in_lines(text, &mut parts),
        _ => {}
    }
    parts.retain(|part| part.len() < text.trim_ascii().len());
    parts
}

fn in_json(json: &Value, is_named: bool, patterns: &Patterns, found: &mut Vec<Vec<u8>>) {
    match json {
        Value::String(text) => {
            // A document has few strings, and any of them may be the secret, except addresses and paths.
            let is_address = text.starts_with('/') || text.contains("://");
            let is_whole = is_named || (text.len() >= SHORTEST_RANDOM && !is_address);
            if is_whole {
                found.push(text.as_bytes().to_vec());
            }
            if text.len() >= SHORTEST_RANDOM {
                found.extend(parts(text.as_bytes(), patterns));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| in_json(item, is_named, patterns, found)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            in_json(field, is_secret_name(name) || name == "auth" || name == "key", patterns, found);
        }),
        _ => {}
    }
}

fn in_lines(text: &[u8], found: &mut Vec<Vec<u8>>) {
    let mut is_in_block = false;
    for line in lines(text) {
        // PEM blocks: private keys are found by their pattern, and the others are public.
        if line.starts_with(b"-----") {
            is_in_block = line.starts_with(b"-----BEGIN ");
        } else if !is_in_block {
            in_line(line, found);
        }
    }
}

fn in_line(line: &[u8], found: &mut Vec<Vec<u8>>) {
    let separators = b" \t=\"'<>(),;[]{}|:";
    let mut at = 0;
    for word in line.split(|byte| separators.contains(byte)) {
        let is_digest = [b"sha256:".as_slice(), b"sha512:", b"sha1:"].iter().any(|name| line[..at].ends_with(name));
        if !is_digest && looks_random(word) {
            found.push(word.to_vec());
        }
        at += word.len() + 1;
    }
    // `.pgpass`, with the password in its last field; user lists of pgbouncer; `.netrc`.
    let fields: Vec<_> = line.splitn(5, |byte| *byte == b':').collect();
    if let [_, port, _, _, password] = fields[..]
        && (port == b"*" || !port.is_empty() && port.iter().all(u8::is_ascii_digit))
    {
        found.push(password.to_vec());
    }
    let quoted: Vec<_> = line.split(|byte| *byte == b'"').collect();
    if let [b"", _, b" ", password, b""] = quoted[..] {
        found.push(password.to_vec());
    }
    let words: Vec<_> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case(b"password")) {
        found.push(pair[1].to_vec());
    }
    // `user:password`, as in a file of accounts.
    if let ([user, password], [_]) = (&line.splitn(2, |byte| *byte == b':').collect::<Vec<_>>()[..], &words[..])
        && !user.is_empty()
        && !password.starts_with(b"/")
        && password.iter().any(u8::is_ascii_digit)
        && password.iter().any(u8::is_ascii_alphabetic)
        && user.iter().all(u8::is_ascii_alphanumeric)
    {
        found.push(password.to_vec());
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

/// Returns true if a word looks random: its character classes change much more often than those of names, paths and
/// hosts.
pub(super) fn looks_random(word: &[u8]) -> bool {
    if word.starts_with(b"/") || is_uuid(word) {
        return false;
    }
    let is_joint = |byte: &u8| b"-._/@:".contains(byte);
    let longest = word.split(is_joint).map(<[u8]>::len).max().unwrap_or_default();
    let has_random = word.split(is_joint).any(|part| part.len() >= SHORTEST_RANDOM && changes(part) * 4 >= part.len());
    let is_long_word = longest >= LONGER_THAN_WORDS && word.iter().all(u8::is_ascii_lowercase);
    let is_random_whole = word.len() >= 20 && word.split(is_joint).map(changes).sum::<usize>() * 3 >= word.len();
    has_random || is_long_word || is_random_whole
}

/// Number of changes of the character class. An upper-case letter before a lower-case one is normal in names.
fn changes(part: &[u8]) -> usize {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    part.windows(2)
        .map(|pair| (class(pair[0]), class(pair[1])))
        .filter(|(one, next)| one != next && (*one, *next) != (1, 0))
        .count()
}

fn is_uuid(word: &[u8]) -> bool {
    let lengths: Vec<_> = word.split(|byte| *byte == b'-').map(<[u8]>::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}
