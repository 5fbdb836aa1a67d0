//! A requirements file for the wheels of a project lock: pip and uv install only from it.

use std::fmt::Write as _;

use landfall_bundle_spec::Sha256;
use landfall_packages::WheelName;

/// Name of the file, next to the wheels.
pub const FILE_NAME: &str = "requirements.txt";

/// Text of the file: each wheel with its version and its hash. The same wheels give the same text.
pub fn export_text<'a>(wheels: impl IntoIterator<Item = (&'a str, Sha256)>) -> String {
    let mut text = "# Made by landfall from the lock of a Python project, for one target.\n".to_owned();
    for (file_name, digest) in wheels {
        // The name of a pinned file is that of a wheel.
        if let Ok(WheelName { project, version }) = WheelName::read(file_name) {
            let hash = digest.to_hex();
            // Writing to a string cannot fail.
            let _infallible = writeln!(text, "{project}=={version} --hash=sha256:{hash}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_become_hashed_requirements() {
        let digest = Sha256([1; 32]);
        let wheels = [
            ("Friendly_Bard-1.0-py3-none-any.whl", digest),
            ("torch-2.9.1+cu128-cp312-cp312-linux_x86_64.whl", digest),
        ];
        let hash = "01".repeat(32);
        let expected = format!(
            "# Made by landfall from the lock of a Python project, for one target.\n\
             friendly-bard==1.0 --hash=sha256:{hash}\n\
             torch==2.9.1+cu128 --hash=sha256:{hash}\n"
        );
        assert_eq!(export_text(wheels), expected);
    }
}
