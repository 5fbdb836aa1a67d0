//! Secrets that are recognized by their own form: PEM keys, URLs, web tokens, keys of services.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::patterns::{Decision, Haystack, LIMIT, MatchResult};

/// Maximum length of user and password in a URL.
const LONGEST_USER: usize = 1024;

/// Number of characters of a service's key that are judged.
const LONGEST_JUDGED: usize = 64;

/// Prefixes that ordinary names also have. No key contains a separator after one.
const PREFIXES_OF_NAMES: [&[u8]; 7] = [b"npm_", b"hf_", b"r8_", b"gsk_", b"glc_", b"sbp_", b"ntn_"];

/// Words in the first line of PEM, one of which marks a key.
const KEYS: [&[u8]; 3] = [b"PRIVATE KEY", b"SECRET KEY", b"STATIC KEY"];

impl Haystack<'_> {
    pub(super) fn pem(&self, start: usize, end: usize) -> Decision<MatchResult> {
        let dashes = &self.bytes[start..end];
        let dashes = &dashes[..dashes.len() - b"BEGIN ".len()];
        let closing = if dashes.ends_with(b" ") { b" ----".as_slice() } else { b"-----".as_slice() };
        let Some(label) = self.find(end, 64, closing)? else { return Some(MatchResult::Nothing) };
        let upper = self.bytes[end..label].to_ascii_uppercase();
        if !KEYS.iter().any(|key| upper.windows(key.len()).any(|window| window == *key)) {
            return Some(MatchResult::Nothing);
        }
        let last_line = [dashes, b"END "].concat();
        let Some(last) = self.find(label + closing.len(), LIMIT, &last_line)? else {
            // The end is missing: everything that may belong to the key is redacted.
            return Some(MatchResult::Secret(start, self.bytes.len().min(label + closing.len() + LIMIT)));
        };
        let begin = last + last_line.len();
        let closed = self.find(begin, 64, closing)?.map_or(begin, |at| at + closing.len());
        Some(MatchResult::Secret(start, closed))
    }

    pub(super) fn encoded_pem(&self, start: usize) -> Decision<MatchResult> {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
        let label_end = self.run_within(start, 96, is_base64)?;
        let label = &self.bytes[start..start + (label_end - start) / 4 * 4];
        let label = STANDARD_NO_PAD.decode(label).unwrap_or_default().to_ascii_uppercase();
        if !KEYS.iter().any(|key| label.windows(key.len()).any(|window| window == *key)) {
            return Some(MatchResult::Nothing);
        }
        // Lines of base64, with escaped or unescaped line breaks.
        let mut end = self.run(start, is_base64)?;
        while end - start < LIMIT {
            let next = self.run_within(end, 24, |byte| byte.is_ascii_whitespace())?;
            let after = self.run(next, is_base64)?;
            if next == end || after - next < 24 {
                break;
            }
            end = after;
        }
        Some(MatchResult::Secret(start, end))
    }

    pub(super) fn putty(&self, end: usize) -> Decision<MatchResult> {
        let from = self.run(end, |byte| byte.is_ascii_whitespace() || byte.is_ascii_digit())?;
        let closed = self.find(from, LIMIT, b"Private-")?.unwrap_or_else(|| self.bytes.len().min(from + LIMIT));
        Some(if closed > from { MatchResult::Secret(from, closed) } else { MatchResult::Nothing })
    }

    pub(super) fn url(&self, from: usize) -> Decision<MatchResult> {
        let is_member = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\`,".contains(&byte);
        let end = self.run_within(from, LONGEST_USER, |byte| is_member(byte) && !b"/?#".contains(&byte))?;
        let authority = &self.bytes[from..end];
        if let Some(at) = authority.iter().rposition(|byte| *byte == b'@') {
            return Some(user(from, &authority[..at]));
        }
        // A password with an unescaped slash, unless the text before the slash is a host with a port.
        let Some(colon) = authority.iter().position(|byte| *byte == b':') else { return Some(MatchResult::Nothing) };
        let is_port = authority[colon + 1..].iter().all(u8::is_ascii_digit) && authority.len() - colon <= 6;
        if is_port || authority.starts_with(b"[") {
            return Some(MatchResult::Nothing);
        }
        let end = self.run_within(end, LONGEST_USER, |byte| is_member(byte) && byte != b'@')?;
        Some(if self.byte(end)? == Some(b'@') { user(from, &self.bytes[from..end]) } else { MatchResult::Nothing })
    }

    pub(super) fn jwt(&self, start: usize) -> Decision<MatchResult> {
        let is_member = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let is_within_word = start > 0 && is_member(self.bytes[start - 1]);
        let mut at = start;
        if is_within_word || self.byte(start + 2)? != Some(b'J') || self.byte(start)? != Some(b'e') {
            return Some(MatchResult::Nothing);
        }
        for is_last in [false, false, true] {
            let end = self.run(at, is_member)?;
            if is_last {
                // Even without its signature, its claims are readable.
                return Some(MatchResult::Secret(start, end));
            }
            if end - at < 6 || self.byte(end)? != Some(b'.') {
                return Some(MatchResult::Nothing);
            }
            at = end + 1;
        }
        Some(MatchResult::Nothing)
    }

    pub(super) fn prefixed_value(&self, start: usize, prefix: &[u8], least: usize) -> Decision<MatchResult> {
        let is_within_word = start > 0 && self.bytes[start - 1].is_ascii_alphanumeric();
        let from = start + prefix.len();
        if is_within_word || self.bytes.get(start..from) != Some(prefix) {
            return Some(MatchResult::Nothing);
        }
        let is_dotted = prefix.contains(&b'.') || prefix == b"K10";
        let is_member = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let is_dotted_part = |byte: u8| is_dotted && b".:".contains(&byte);
        // The prefix decides, so that words that only look similar cost little time.
        let seen = self.run_within(from, least.max(LONGEST_JUDGED), |byte| is_member(byte) || is_dotted_part(byte))?;
        let value = &self.bytes[from..seen];
        // Ordinary names consist of words; keys contain digits. Some prefixes are shared with names, as in
        // `npm_config_user_agent`.
        let is_random = value.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            && !(PREFIXES_OF_NAMES.contains(&prefix) && value.iter().take(least).any(|byte| b"_-".contains(byte)));
        if value.len() < least || !is_random {
            return Some(MatchResult::Nothing);
        }
        Some(MatchResult::Secret(start, self.run(seen, |byte| is_member(byte) || is_dotted_part(byte))?))
    }

    pub(super) fn hook(&self, from: usize) -> Decision<MatchResult> {
        let is_member = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-@:".contains(&byte);
        let end = self.run_within(from, LONGEST_USER, is_member)?;
        Some(if end - from >= 20 { MatchResult::Secret(from, end) } else { MatchResult::Nothing })
    }

    pub(super) fn bearer(&self, from: usize) -> Decision<MatchResult> {
        let end = self.run(from, |byte| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(&byte))?;
        Some(if end - from >= 8 { MatchResult::Secret(from, end) } else { MatchResult::Nothing })
    }

    pub(super) fn basic(&self, from: usize) -> Decision<MatchResult> {
        let end = self.run(from, |byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))?;
        let is_pair = STANDARD_NO_PAD.decode(&self.bytes[from..end]).is_ok_and(|pair| pair.contains(&b':'));
        Some(if is_pair { MatchResult::Secret(from, end) } else { MatchResult::Nothing })
    }

    pub(super) fn signature(&self, from: usize) -> Decision<MatchResult> {
        let end =
            self.run_within(from, LONGEST_USER, |byte| byte.is_ascii_alphanumeric() || b"%+/=_-".contains(&byte))?;
        Some(if end - from >= 20 { MatchResult::Secret(from, end) } else { MatchResult::Nothing })
    }

    pub(super) fn cookie(&self, end: usize) -> Decision<MatchResult> {
        let name_end = self.run_within(end, 64, |byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))?;
        if self.byte(name_end)? != Some(b'=') {
            return Some(MatchResult::Nothing);
        }
        let from = name_end + 1;
        let end = self.run(from, |byte| byte.is_ascii_graphic() && !b";,\"'\\<>".contains(&byte))?;
        Some(if end > from { MatchResult::Secret(from, end) } else { MatchResult::Nothing })
    }
}

/// The secret in the user part of a URL: the password, or a long user name without password.
fn user(from: usize, user: &[u8]) -> MatchResult {
    match user.iter().position(|byte| *byte == b':') {
        Some(colon) if colon + 1 < user.len() => MatchResult::Secret(from + colon + 1, from + user.len()),
        None if user.len() >= 20 => MatchResult::Secret(from, from + user.len()),
        _ => MatchResult::Nothing,
    }
}
