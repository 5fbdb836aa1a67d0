//! File names of wheels, as specified by PEP 427.

use crate::error::WheelFault;
use crate::limits;
use crate::name::{is_name, normalize_name};

/// The parts of a wheel's file name, such as `numpy-2.5.5-cp313-cp313-manylinux_2_28_x86_64.whl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Name of the package, normalized.
    pub project: String,
    /// Version, as in the file name.
    pub version: String,
}

impl WheelName {
    /// Ending of every wheel.
    pub const ENDING: &'static str = ".whl";

    /// Parses a file name, without a folder.
    pub fn read(file_name: &str) -> Result<Self, WheelFault> {
        let wrong = |why| Err(WheelFault::FileName(why));
        if file_name.len() > limits::FILE_NAME_BYTES {
            return wrong("it is too long");
        }
        let Some(stem) = file_name.strip_suffix(Self::ENDING) else { return wrong("it does not end with .whl") };
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._+!-".contains(&byte);
        if !stem.bytes().all(is_usual) {
            return wrong("it has characters other than letters, digits and `._+!-`");
        }
        let parts: Vec<&str> = stem.split('-').collect();
        if !matches!(parts.len(), 5 | 6) || parts.iter().any(|part| part.is_empty()) {
            return wrong("it needs name, version, perhaps a build, Python, ABI and platform, with `-` between");
        }
        if parts.len() == 6 && !parts[2].as_bytes()[0].is_ascii_digit() {
            return wrong("its build does not begin with a digit");
        }
        if !is_name(parts[0]) {
            return wrong("it does not begin with the name of a package");
        }
        Ok(Self { project: normalize_name(parts[0]), version: parts[1].to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wheel_names_are_parsed() {
        let read = |name| WheelName::read(name).map(|read| (read.project, read.version)).ok();
        let of = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(read("numpy-2.5.5-cp313-cp313-manylinux_2_28_x86_64.whl"), of("numpy", "2.5.5"));
        assert_eq!(read("Zope.Interface-7.0-1build-py2.py3-none-any.whl"), of("zope-interface", "7.0"));
        assert_eq!(read("torch-2.9.1+cu128-cp313-cp313-linux_x86_64.whl"), of("torch", "2.9.1+cu128"));
        for wrong in [
            "",
            ".whl",
            "requirements.txt",
            "numpy-2.5.5.tar.gz",
            "numpy-2.5.5-cp313-any.whl",
            "numpy--cp313-none-any.whl",
            "numpy-1-b-py3-none-any.whl",
            "../numpy-1-py3-none-any.whl",
            "_numpy-1-py3-none-any.whl",
            "num py-1-py3-none-any.whl",
            "num\"py-1-py3-none-any.whl",
            "numpy-1-py3-none-any.whl\0",
            "numpy-1-py3-none-any.WHL",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        let long = WheelName::read(&format!("{}-1-py3-none-any.whl", "a".repeat(300)));
        assert!(matches!(long, Err(WheelFault::FileName("it is too long"))), "{long:?}");
    }

    proptest! {
        #[test]
        fn wheel_names_contain_no_markup(name in "\\PC{0,60}|[a-z0-9._/-]{1,30}-1-py3-none-any.whl") {
            if WheelName::read(&name).is_ok() {
                prop_assert!(!name.contains(['/', '\\', '<', '>', '"', '&', '%', '#', '?']) && !name.starts_with('.'));
            }
        }
    }
}
