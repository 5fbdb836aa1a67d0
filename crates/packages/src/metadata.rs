//! Core metadata of a wheel: the three fields that an index needs.

use crate::error::WheelFault;
use crate::limits;
use crate::name::is_name;

/// The fields of `METADATA` that an index states, or that must match the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// `Name`, as written.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Requires-Python`, if present.
    pub requires_python: Option<String>,
}

impl Metadata {
    /// Reads the fields, which end at the first empty line. Returns an error for a field that occurs twice, because
    /// readers disagree about which one is effective.
    pub fn read(bytes: &[u8]) -> Result<Self, WheelFault> {
        let (mut name, mut version, mut requires_python) = (None, None, None);
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (field, value) = (&line[..colon], &line[colon + 1..]);
            let kept = match field.to_ascii_lowercase().as_slice() {
                b"name" => &mut name,
                b"version" => &mut version,
                b"requires-python" => &mut requires_python,
                _ => continue,
            };
            let field = String::from_utf8_lossy(field);
            if kept.replace(plain(&field, value)?).is_some() {
                return Err(WheelFault::Metadata(format!("has the field {field} twice")));
            }
        }
        let missing = |field| WheelFault::Metadata(format!("has no field {field}"));
        let name = name.ok_or_else(|| missing("Name"))?;
        if !is_name(&name) {
            return Err(WheelFault::Metadata("has a field Name that is not the name of a package".to_owned()));
        }
        let version = version.ok_or_else(|| missing("Version"))?;
        if !is_version(&version) {
            return Err(WheelFault::Metadata("has a field Version that is not a version".to_owned()));
        }
        Ok(Self { name, version, requires_python: requires_python.filter(|text| !text.is_empty()) })
    }
}

/// Returns the value of a field: printable ASCII of limited length.
fn plain(field: &str, value: &[u8]) -> Result<String, WheelFault> {
    let value = value.trim_ascii();
    if value.len() > limits::FIELD_BYTES || !is_printable(value) {
        let what = format!("has a field {field} with more than {} plain characters", limits::FIELD_BYTES);
        return Err(WheelFault::Metadata(what));
    }
    Ok(String::from_utf8_lossy(value).into_owned())
}

/// Returns true if all bytes are visible ASCII characters or spaces.
pub fn is_printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
}

/// Returns true if a text may be a version: PEP 440 allows no other characters.
pub fn is_version(text: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._+!-".contains(&byte);
    !text.is_empty() && text.len() <= limits::FIELD_BYTES && text.bytes().all(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Metadata::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn fields_end_at_empty_line() {
        let text = "Metadata-Version: 2.4\r\nname: Small.Wheel\r\nVERSION: 1.0\r\nRequires-Python: >=3.9,<4\r\n\r\n\
            Name: other\n";
        let read = Metadata::read(text.as_bytes()).unwrap();
        assert_eq!((read.name.as_str(), read.version.as_str()), ("Small.Wheel", "1.0"));
        assert_eq!(read.requires_python.as_deref(), Some(">=3.9,<4"));
        assert_eq!(Metadata::read(b"Name: a\nVersion: 1\nRequires-Python:\n").unwrap().requires_python, None);
        // A continuation line of another field is not a field.
        assert!(Metadata::read(b"Name: a\nVersion: 1\nLicense: x\n  Name: b\n").is_ok());
    }

    #[test]
    fn ambiguous_metadata_is_refused() {
        assert!(refusal("Name: a\nName: b\nVersion: 1\n").contains("has the field Name twice"));
        assert!(refusal("Version: 1\n").contains("has no field Name"));
        assert!(refusal("Name: a\n\nVersion: 1\n").contains("has no field Version"));
        assert!(refusal("Name: ../a\nVersion: 1\n").contains("not the name of a package"));
        assert!(refusal("Name: a\nVersion: 1 2\n").contains("not a version"));
        assert!(refusal(&format!("Name: a\nVersion: 1\nRequires-Python: {}\n", ">".repeat(300))).contains("plain"));
        assert!(refusal("Name: a\nVersion: 1\nRequires-Python: \u{202e}\n").contains("plain"));
    }
}
