//! Values of secrets: bounded, checked, and split into the keys of their Secret. Errors quote no value.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_release_document::{
    AuthoritiesValue, FileValue, PasswordValue, SiteSecret, SiteSecretValue, SiteValue, TlsValue,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::certificates::{Certificates, key_of};

/// Mark that Windows editors write before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Keys of a Secret. No `Debug`: they must not reach a log.
pub(crate) type Data = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Returns the keys of a Secret with this value, including fixed ones. Fails with the reason why the value does not
/// match the declaration. Deterministic.
pub fn data(secret: &SiteSecret, value: &[u8]) -> Result<Data, String> {
    let mut data: Data = match &secret.value {
        SiteSecretValue::Password(wanted) => [(wanted.key.clone(), password(wanted, value)?)].into(),
        SiteSecretValue::File(wanted) => [(wanted.key.clone(), file(wanted, value)?)].into(),
        SiteSecretValue::Tls(_) => {
            let certificates = Certificates::read(value)?;
            let key = key_of(&certificates, value)?;
            let chain = Zeroizing::new(certificates.pem()?);
            [(TlsValue::CERTIFICATE.to_owned(), chain), (TlsValue::KEY.to_owned(), key)].into()
        }
        SiteSecretValue::Authorities(AuthoritiesValue { key }) => {
            let certificates = Certificates::read(value)?;
            certificates.expect_authorities()?;
            [(key.clone(), Zeroizing::new(certificates.pem()?))].into()
        }
    };
    let fixed = secret.fixed.iter();
    data.extend(fixed.map(|(key, text)| (key.clone(), Zeroizing::new(text.clone().into_bytes()))));
    Ok(data)
}

/// Further conditions for a value: the time, and the site's values.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// Time by which certificates are judged; `None` if they are not judged.
    pub(super) now: Option<Timestamp>,
    /// Values that the release declares.
    pub(super) declared: &'a [SiteValue],
    /// Values that the site sets.
    pub(super) set: &'a BTreeMap<String, Value>,
}

/// Fails with the reason why a value does not match the declaration in these circumstances.
pub(super) fn check(secret: &SiteSecret, value: &[u8], circumstances: Circumstances<'_>) -> Result<(), String> {
    data(secret, value)?;
    match &secret.value {
        SiteSecretValue::Password(_) | SiteSecretValue::File(_) => Ok(()),
        SiteSecretValue::Authorities(_) => expect_valid(&Certificates::read(value)?, circumstances.now),
        SiteSecretValue::Tls(TlsValue { names }) => {
            let certificates = Certificates::read(value)?;
            expect_valid(&certificates, circumstances.now)?;
            names.iter().filter_map(|name| circumstances.text(name)).try_for_each(|name| certificates.expect_name(name))
        }
    }
}

fn expect_valid(certificates: &Certificates, now: Option<Timestamp>) -> Result<(), String> {
    now.map_or(Ok(()), |now| certificates.expect_valid(now))
}

impl Circumstances<'_> {
    /// Returns the text of a site's value; `None` if neither the site nor the release sets one.
    fn text(&self, name: &str) -> Option<&str> {
        let default = || self.declared.iter().find(|value| value.name == name)?.default.as_ref();
        self.set.get(name).or_else(default)?.as_str()
    }
}

fn password(wanted: &PasswordValue, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = std::str::from_utf8(value).map_err(|_| "it is not text in UTF-8".to_owned())?;
    // Editors end a file with a line end, which is not part of a password.
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.starts_with(BYTE_ORDER_MARK) {
        return Err("it begins with a byte order mark: save the file as UTF-8 without one".to_owned());
    }
    if line.chars().any(char::is_control) {
        return Err("it is more than one line, or has a control character".to_owned());
    }
    check_length(line.chars().count(), wanted.minimum, wanted.maximum)?;
    if let Some(pattern) = &wanted.pattern {
        let unusable = |_| "the release's pattern for it cannot be used".to_owned();
        let schema = json!({ "type": "string", "pattern": pattern });
        let validator = jsonschema::validator_for(&schema).map_err(unusable)?;
        if !validator.is_valid(&json!(line)) {
            return Err("it does not match the release's pattern".to_owned());
        }
    }
    Ok(Zeroizing::new(line.as_bytes().to_vec()))
}

fn file(wanted: &FileValue, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    check_length(value.len(), wanted.minimum, wanted.maximum)?;
    Ok(Zeroizing::new(value.to_vec()))
}

fn check_length(length: usize, minimum: u64, maximum: u64) -> Result<(), String> {
    match u64::try_from(length).unwrap_or(u64::MAX) {
        0 => Err("it is empty".to_owned()),
        length if length < minimum => Err("it is too short".to_owned()),
        length if length > maximum => Err("it is too long".to_owned()),
        _ => Ok(()),
    }
}
