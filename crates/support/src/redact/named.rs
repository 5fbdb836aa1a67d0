//! Values that belong to a name: `password=…`, `"token": "…"`, `--secret …`, `password: |`.

use super::patterns::{Decision, Haystack, MatchResult};

/// Maximum number of bytes between a name and its value: quotes, spaces, a separator, indentation.
const GAP: usize = 48;

/// Maximum number of bytes before a name in which the dashes of an option, or the rest of the name, are searched for; a
/// stream keeps as many in every encoding.
pub(super) const BEFORE: usize = 40;

/// Words before `token` in names without secrets: tokens of language models, the name of an etcd cluster.
const HARMLESS: [&str; 15] = [
    "eos", "bos", "pad", "unk", "sep", "cls", "mask", "cluster", "image", "stop", "special", "per", "max", "num",
    "continue",
];

/// Words directly before a short name that make it the name of a secret.
const BEFORE_SHORT: [&str; 12] =
    ["db", "user", "root", "admin", "my", "mysql", "smtp", "mail", "ldap", "bind", "require", "redis"];

/// Words after the name of an object in a message, as in `"db-credentials": failed to list`.
const PROSE: [&str; 18] = [
    "failed", "not", "is", "are", "was", "cannot", "unable", "timed", "could", "invalid", "missing", "expired", "no",
    "error", "secret", "secrets", "the", "unknown",
];

/// Form of a value.
enum Style {
    Quoted(u8),
    Bare,
    ToEndOfLine,
}

impl Haystack<'_> {
    pub(super) fn named_value(&self, start: usize, end: usize, to_end_of_line: bool) -> Decision<MatchResult> {
        if self.is_harmless_name(start, end) {
            return Some(MatchResult::Nothing);
        }
        let Some(from) = self.value_after_separator(start, end)? else { return Some(MatchResult::Nothing) };
        if let Some(block) = self.block(from)? {
            return Some(block);
        }
        let Some((from, quote)) = self.quoted_value_start(from)? else { return Some(MatchResult::Nothing) };
        if quote.is_none() && !to_end_of_line && self.byte(from)? == Some(b'[') {
            return self.list(from);
        }
        if quote.is_none() && self.is_structure(from)? {
            return Some(MatchResult::Nothing);
        }
        let style = match quote {
            Some(quote) => Style::Quoted(quote),
            None if to_end_of_line => Style::ToEndOfLine,
            None => Style::Bare,
        };
        let end = self.end_of_value(from, &style)?;
        // Backslashes before an escaped quote belong to the quote.
        let value = self.bytes[from..end].trim_ascii_end();
        let value = &value[..value.iter().rposition(|byte| *byte != b'\\').map_or(0, |last| last + 1)];
        let is_prose = matches!(style, Style::Bare)
            && PROSE.iter().any(|word| word.as_bytes() == value)
            && self.byte(from + value.len())? == Some(b' ');
        Some(if is_prose || self.is_harmless(start, end, value) {
            MatchResult::Nothing
        } else {
            MatchResult::Secret(from, from + value.len())
        })
    }

    /// Judges a short name, such as `pass`: as a separate word, or after a related word.
    pub(super) fn short(&self, start: usize, end: usize) -> Decision<MatchResult> {
        let before = &self.bytes[start.saturating_sub(BEFORE)..start];
        let is_separated = !before.last().is_some_and(u8::is_ascii_alphanumeric);
        let is_hump = self.bytes[start].is_ascii_uppercase() && before.last().is_some_and(u8::is_ascii_lowercase);
        let lower = before.to_ascii_lowercase();
        if !is_separated && !is_hump && !BEFORE_SHORT.iter().any(|word| lower.ends_with(word.as_bytes())) {
            return Some(MatchResult::Nothing);
        }
        // In `PASS: TestName`, the word is a test result.
        let is_verdict = &self.bytes[start..end] == b"PASS" && !before.ends_with(b"_") && self.byte(end)? == Some(b':');
        if is_verdict { Some(MatchResult::Nothing) } else { self.named_value(start, end, false) }
    }

    /// Judges a value after a keyword and a space, in quotes or up to the next space.
    pub(super) fn directive(&self, from: usize) -> Decision<MatchResult> {
        let Some((from, quote)) = self.quoted_value_start(from)? else { return Some(MatchResult::Nothing) };
        let end = self.end_of_value(from, &quote.map_or(Style::Bare, Style::Quoted))?;
        Some(if end > from { MatchResult::Secret(from, end) } else { MatchResult::Nothing })
    }

    fn end_of_value(&self, from: usize, style: &Style) -> Decision<usize> {
        match style {
            Style::Quoted(quote) => self.run(from, |byte| byte != *quote && byte != b'\n'),
            Style::ToEndOfLine => self.run(from, |byte| !b"\n\r\"'".contains(&byte)),
            Style::Bare => self.run(from, |byte| !byte.is_ascii_whitespace() && !b",;&\"'`)}]<>".contains(&byte)),
        }
    }

    fn is_harmless_name(&self, start: usize, end: usize) -> bool {
        let before = self.bytes[start.saturating_sub(BEFORE)..start].to_ascii_lowercase();
        let before = before.strip_suffix(b"_").or(before.strip_suffix(b"-")).unwrap_or(&before);
        let is_token = self.bytes[start..end].eq_ignore_ascii_case(b"token");
        is_token && HARMLESS.iter().any(|word| before.ends_with(word.as_bytes()))
    }

    /// Returns true for words and numbers that are not secrets.
    fn is_harmless(&self, start: usize, end: usize, value: &[u8]) -> bool {
        let name = self.bytes[start..end.min(start + 5)].to_ascii_lowercase();
        let is_word = matches!(
            value,
            b"" | b"null"
                | b"nil"
                | b"true"
                | b"false"
                | b"none"
                | b"<nil>"
                | b"None"
                | b"True"
                | b"False"
                | b"YES"
                | b"NO"
                | b"yes"
                | b"no"
        );
        // `PWD` is a folder in every environment, and numbers after `token` are counts.
        let is_folder = name.starts_with(b"pwd") && value.starts_with(b"/");
        let is_number = value.len() <= 9 && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        let is_count = is_number && (name == *b"token" || name.starts_with(b"pass") && !name.starts_with(b"passw"));
        is_word || is_folder || is_count
    }

    /// Returns true if the value is a structure, or a reference to another place: `{`, `${NAME}`, `$(NAME)`, `$NAME`.
    fn is_structure(&self, from: usize) -> Decision<bool> {
        let Some(first) = self.byte(from)? else { return Some(true) };
        if first == b'$' {
            let second = self.byte(from + 1)?;
            if second.is_some_and(|byte| b"{(".contains(&byte)) {
                return Some(true);
            }
            let name = self.run(from + 1, |byte| byte.is_ascii_uppercase() || byte == b'_')?;
            let end = self.end_of_value(from, &Style::Bare)?;
            return Some(name > from + 2 && name == end);
        }
        Some(b"{[(|>".contains(&first) || first == b'*' && self.byte(from + 1)? == Some(b'*'))
    }

    /// Judges texts in a list; a list of objects is a structure.
    fn list(&self, from: usize) -> Decision<MatchResult> {
        let first = self.run_within(from + 1, GAP, |byte| byte.is_ascii_whitespace())?;
        let is_redacted = self.bytes[first..].starts_with(b"redacted");
        if is_redacted || self.byte(first)?.is_none_or(|byte| b"{[]".contains(&byte)) {
            return Some(MatchResult::Nothing);
        }
        let end = self.run_within(first, 4096, |byte| !b"]{}".contains(&byte))?;
        Some(if self.byte(end)? == Some(b']') { MatchResult::Secret(first, end) } else { MatchResult::Nothing })
    }

    /// Judges a YAML block: the lines below `password: |` that are indented like its first one. The inner result is
    /// `None` if there is no block.
    fn block(&self, from: usize) -> Decision<Option<MatchResult>> {
        let at = self.run_within(from, GAP, |byte| byte == b' ')?;
        if !self.byte(at)?.is_some_and(|byte| b"|>".contains(&byte)) {
            return Some(None);
        }
        let line = self.run_within(at + 1, GAP, |byte| b"+-0123456789 \r".contains(&byte))?;
        if self.byte(line)? != Some(b'\n') {
            return Some(None);
        }
        let first = self.run_within(line, 1024, |byte| b" \r\n".contains(&byte))?;
        let indentation = self.bytes[line..first].iter().rev().take_while(|byte| **byte == b' ').count();
        if indentation == 0 || self.byte(first)?.is_none() {
            return Some(Some(MatchResult::Nothing));
        }
        let mut end = first;
        while end - first < super::patterns::LIMIT {
            end = self.run(end, |byte| byte != b'\n')?;
            let next = self.run_within(end, 1024, |byte| b" \r\n".contains(&byte))?;
            let indented = self.bytes[end..next].iter().rev().take_while(|byte| **byte == b' ').count();
            if indented < indentation || self.byte(next)?.is_none() {
                break;
            }
            end = next;
        }
        Some(Some(MatchResult::Secret(first, end)))
    }

    /// Start of the value that belongs to a name: after `=` or `:`, or in the next argument of an option.
    fn value_after_separator(&self, start: usize, end: usize) -> Decision<Option<usize>> {
        let is_numbered =
            self.byte(end)? == Some(b'_') && self.byte(end + 1)?.is_some_and(|byte| byte.is_ascii_digit());
        let end = self.run_within(end + usize::from(is_numbered), 3, |byte| byte.is_ascii_digit())?;
        let is_plural = self.byte(end)? == Some(b's') && b"deny".contains(&self.bytes[end - 1].to_ascii_lowercase());
        let end = if is_plural { end + 1 } else { end };
        let at = self.run_within(end, GAP, |byte| b" \t\"'\\".contains(&byte))?;
        if self.byte(at)?.is_some_and(|byte| b":=".contains(&byte)) {
            let next = self.byte(at + 1)?;
            // `:=`, `=>`, `==`
            return Some(Some(if next.is_some_and(|byte| b"=>".contains(&byte)) { at + 2 } else { at + 1 }));
        }
        let is_end_of_line = self.byte(at)?.is_some_and(|byte| b"\r\n".contains(&byte));
        if !self.is_option(start) || (at == end && !is_end_of_line) {
            // `PASSWORD 'x'` of SQL.
            let is_sql = self.bytes[start..end].eq_ignore_ascii_case(b"password")
                && at > end + 1
                && self.bytes[end] == b' '
                && self.bytes[at - 1] == b'\'';
            return Some(is_sql.then_some(at - 1));
        }
        // `--password value`, `["--password", "value"]`, or the next item of a YAML list.
        if self.byte(at)? == Some(b',') {
            let next = self.run_within(at + 1, GAP, |byte| byte.is_ascii_whitespace())?;
            return Some(Some(next));
        }
        if is_end_of_line {
            let next = self.run_within(at, GAP, |byte| byte.is_ascii_whitespace())?;
            let is_item = self.byte(next)? == Some(b'-') && self.byte(next + 1)? == Some(b' ');
            return Some(is_item.then_some(next + 2));
        }
        Some(Some(at))
    }

    /// Returns true if a name is that of an option: it follows dashes, with only letters and dashes in between.
    fn is_option(&self, start: usize) -> bool {
        let before = &self.bytes[start.saturating_sub(BEFORE)..start];
        let name = before.iter().rposition(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte));
        let name = name.map_or(before, |at| &before[at + 1..]);
        name.starts_with(b"-")
    }

    /// Start of a value after spaces, backslashes and a quote, with the quote that ends it.
    fn quoted_value_start(&self, from: usize) -> Decision<Option<(usize, Option<u8>)>> {
        let at = self.run_within(from, GAP, |byte| b" \t\\".contains(&byte))?;
        Some(match self.byte(at)? {
            Some(quote) if quote == b'"' || quote == b'\'' => Some((at + 1, Some(quote))),
            Some(byte) if !byte.is_ascii_whitespace() => Some((at, None)),
            _ => None,
        })
    }
}
