//! Known secret values, and the forms in which they appear in logs and documents.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::parts::parts;
use super::patterns::Patterns;

/// Minimum length of a value that is searched for. Shorter ones occur in every text; they are found only through a name
/// next to them.
const SHORTEST: usize = 6;

/// Maximum length of a text that is searched for as a whole; a longer value is searched for in pieces of this length.
const LONGEST: usize = 4096;

/// Known secret values. No `Debug`, because they must not reach a log.
#[derive(Default)]
pub struct KnownValues {
    values: BTreeSet<Vec<u8>>,
    /// Texts that may contain secrets.
    texts: BTreeSet<Vec<u8>>,
    public: BTreeSet<Vec<u8>>,
}

impl KnownValues {
    /// Adds a value: as a whole, without surrounding whitespace, and parts of it that resemble secrets.
    pub fn add(&mut self, value: &[u8]) {
        self.add_one(value);
        self.add_one(value.trim_ascii());
        self.add_parts(value);
    }

    /// Adds only the parts of a text that resemble secrets.
    pub fn add_parts(&mut self, text: &[u8]) {
        self.texts.insert(text.to_vec());
    }

    /// Adds a text that is not secret although a Secret may contain it: the name of a namespace, a Service or a user of
    /// the release.
    pub fn add_public(&mut self, text: &str) {
        self.public.insert(text.as_bytes().to_vec());
    }

    /// Returns true if no values are known.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.texts.is_empty()
    }

    fn add_one(&mut self, value: &[u8]) {
        for piece in value.chunks(LONGEST).filter(|piece| piece.len() >= SHORTEST) {
            self.values.insert(piece.to_vec());
        }
    }

    /// Computes the forms of all values.
    pub(super) fn canonical(mut self, patterns: &Patterns) -> Canonical {
        for text in std::mem::take(&mut self.texts) {
            for part in parts(&text, patterns) {
                self.add_one(&part);
            }
        }
        let values: Vec<_> = self.values.into_iter().filter(|value| !self.public.contains(value)).collect();
        let mut forms = BTreeMap::new();
        // A value is recognized as itself, even if it is also an encoded form of another one.
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

/// Forms, each with the index of its value.
pub(super) struct Canonical {
    values: Vec<Vec<u8>>,
    forms: BTreeMap<Vec<u8>, usize>,
}

impl Canonical {
    pub(super) fn forms(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.forms.keys()
    }

    /// Length of the longest value in bytes. Its forms in base64 and hexadecimal are at most twice as long.
    pub(super) fn longest(&self) -> usize {
        self.values.iter().map(Vec::len).max().unwrap_or_default()
    }

    pub(super) fn count(&self) -> usize {
        self.values.len()
    }

    /// The value of a form.
    pub(super) fn of_form(&self, form: &[u8]) -> Option<&[u8]> {
        self.forms.get(form).map(|index| self.values[*index].as_slice())
    }
}

/// Forms of a value. Other escaped forms are decoded before values are searched for.
fn forms_of(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![STANDARD_NO_PAD.encode(value).into_bytes(), URL_SAFE_NO_PAD.encode(value).into_bytes()];
    for shift in 0..3 {
        forms.extend(within_base64(value, shift));
    }
    forms.push(hex::encode(value).into_bytes());
    forms.push(hex::encode_upper(value).into_bytes());
    // A space in an encoded form; quotes in SQL and YAML, in CSV, and in a shell.
    for (plain, written) in [(b' ', "+"), (b'\'', "''"), (b'"', "\"\""), (b'\'', "'\\''")] {
        if value.contains(&plain) {
            forms.push(value.split(|byte| *byte == plain).collect::<Vec<_>>().join(written.as_bytes()));
        }
    }
    forms
}

/// Characters that occur in the base64 of any longer text in which the value starts `shift` bytes after a multiple of
/// three. At each end, at most four bits are in a character that depends on neighboring bytes.
fn within_base64(value: &[u8], shift: usize) -> [Vec<u8>; 2] {
    let mut longer = vec![0; shift];
    longer.extend_from_slice(value);
    let (from, to) = ((shift * 8).div_ceil(6), longer.len() * 8 / 6);
    let core = |text: String| text.as_bytes().get(from..to).unwrap_or_default().to_vec();
    [core(STANDARD_NO_PAD.encode(&longer)), core(URL_SAFE_NO_PAD.encode(&longer))]
}
