//! Values that are known to be secret, and the forms in which they appear in logs and documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The shortest value that is looked for. Shorter ones are in every text; they are found only by the name beside them.
const SHORTEST: usize = 6;

/// The shortest line, or text in JSON, of a longer value that is looked for by itself.
const SHORTEST_PART: usize = 12;

/// The longest text that is looked for as a whole; a longer value is looked for in pieces of this length.
const LONGEST: usize = 4096;

/// Values that are known to be secret. No `Debug`: they must not reach a log.
#[derive(Default)]
pub struct KnownValues {
    values: BTreeSet<Vec<u8>>,
    public: BTreeSet<Vec<u8>>,
}

impl KnownValues {
    /// Adds a value: as a whole, without space around it, by its lines, and by the texts in it where it is JSON.
    pub fn add(&mut self, value: &[u8]) {
        self.add_one(value, SHORTEST);
        self.add_one(value.trim_ascii(), SHORTEST);
        if value.contains(&b'\n') {
            for line in value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
                // `-----BEGIN` of a key, and a key of YAML, are no secrets.
                if !line.starts_with(b"-----") {
                    self.add_one(line, SHORTEST_PART);
                    self.add_one(after_colon(line), SHORTEST_PART);
                }
            }
        }
        if value.first() == Some(&b'{')
            && let Ok(json) = serde_json::from_slice::<serde_json::Value>(value)
        {
            self.add_texts(&json);
        }
    }

    /// A text that is no secret, although a Secret may hold it: the name of a namespace, a Service or a user of the release.
    pub fn add_public(&mut self, text: &str) {
        self.public.insert(text.as_bytes().to_vec());
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn add_texts(&mut self, json: &serde_json::Value) {
        match json {
            serde_json::Value::String(text) => self.add_one(text.as_bytes(), SHORTEST_PART),
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.add_texts(item)),
            serde_json::Value::Object(fields) => fields.values().for_each(|field| self.add_texts(field)),
            _ => {}
        }
    }

    fn add_one(&mut self, value: &[u8], shortest: usize) {
        if value.len() < shortest {
            return;
        }
        for piece in value.chunks(LONGEST).filter(|piece| piece.len() >= shortest) {
            self.values.insert(piece.to_vec());
        }
    }

    /// The forms of all values.
    pub(super) fn canonical(self) -> Canonical {
        let values: Vec<_> = self.values.into_iter().filter(|value| !self.public.contains(value)).collect();
        let mut forms = BTreeMap::new();
        // A value counts as itself, even where it is a form of another one.
        for (index, value) in values.iter().enumerate() {
            forms.insert(value.clone(), index);
        }
        for (index, value) in values.iter().enumerate() {
            for form in forms_of(value) {
                if form.len() >= SHORTEST && !self.public.contains(&form) {
                    forms.entry(form).or_insert(index);
                }
            }
        }
        Canonical { values, forms }
    }
}

/// What follows the key in a line of YAML.
fn after_colon(line: &[u8]) -> &[u8] {
    let at = line.windows(2).position(|pair| pair == b": ");
    at.map_or(&[], |at| line[at + 2..].trim_ascii())
}

/// Forms, and the value of each.
pub(super) struct Canonical {
    values: Vec<Vec<u8>>,
    forms: BTreeMap<Vec<u8>, usize>,
}

impl Canonical {
    pub(super) fn forms(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.forms.keys()
    }

    pub(super) fn longest(&self) -> usize {
        self.forms.keys().map(Vec::len).max().unwrap_or_default()
    }

    pub(super) fn count(&self) -> usize {
        self.values.len()
    }

    /// The value of which this is a form.
    pub(super) fn of_form(&self, form: &[u8]) -> Option<&[u8]> {
        self.forms.get(form).map(|index| self.values[*index].as_slice())
    }
}

fn forms_of(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![STANDARD_NO_PAD.encode(value).into_bytes(), URL_SAFE_NO_PAD.encode(value).into_bytes()];
    for shift in 0..3 {
        forms.extend(within_base64(value, shift));
    }
    // Characters that programs leave as they are: none but the unreserved ones, those of `encodeURI`, those of a password in a URL of Go's.
    for kept in ["-._~", "-._~!'()*", "-._~$&+,;="] {
        forms.push(percent(value, kept, false));
        forms.push(percent(value, kept, false).to_ascii_lowercase_hex());
    }
    forms.push(percent(value, "-._*", true));
    if let Ok(text) = std::str::from_utf8(value) {
        let escaped = serde_json::Value::from(text).to_string();
        let escaped = &escaped[1..escaped.len() - 1];
        // JSON in a text of JSON, as it is where a log line quotes a request.
        let twice = serde_json::Value::from(escaped).to_string();
        forms.push(escaped.as_bytes().to_vec());
        forms.push(twice.as_bytes()[1..twice.len() - 1].to_vec());
    }
    forms
}

/// The characters that any base64 of a longer text has, in which the value begins `shift` bytes after a multiple of three. At each end,
/// four bits at most are in a character that depends on the bytes around it.
fn within_base64(value: &[u8], shift: usize) -> [Vec<u8>; 2] {
    let mut longer = vec![0; shift];
    longer.extend_from_slice(value);
    let (from, to) = ((shift * 8).div_ceil(6), longer.len() * 8 / 6);
    let core = |text: String| text.as_bytes().get(from..to).unwrap_or_default().to_vec();
    [core(STANDARD_NO_PAD.encode(&longer)), core(URL_SAFE_NO_PAD.encode(&longer))]
}

fn percent(value: &[u8], kept: &str, form: bool) -> Vec<u8> {
    let mut text = String::with_capacity(value.len());
    for byte in value {
        match char::from(*byte) {
            letter if letter.is_ascii_alphanumeric() || kept.contains(letter) => text.push(letter),
            ' ' if form => text.push('+'),
            _ => {
                let _infallible = write!(text, "%{byte:02X}");
            }
        }
    }
    text.into_bytes()
}

trait LowercaseHex {
    /// The same with `%2f` instead of `%2F`.
    fn to_ascii_lowercase_hex(self) -> Self;
}

impl LowercaseHex for Vec<u8> {
    fn to_ascii_lowercase_hex(mut self) -> Self {
        for at in 0..self.len() {
            if self[at] == b'%' {
                let end = self.len().min(at + 3);
                self[at..end].make_ascii_lowercase();
            }
        }
        self
    }
}
