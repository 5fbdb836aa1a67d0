//! The document that `landfall-gpu` prints, and its strict reader.

use serde::{Deserialize, Serialize};

use crate::driver::DriverState;
use crate::error::{GpuError, Result};
use crate::hardware::Hardware;
use crate::nvml::NvmlFacts;
use crate::schema::{SCHEMA, SIZE_LIMIT};

/// The facts of one host's GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuReport {
    /// Schema of the document: [`SCHEMA`].
    pub schema: u32,
    /// The PCI bus, as the kernel lists it.
    pub hardware: Hardware,
    /// NVIDIA's driver, as the kernel shows it.
    pub driver: DriverState,
    /// Outcome of querying NVML.
    pub nvml: NvmlState,
}

/// The outcome of querying NVML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NvmlState {
    /// It was not queried.
    NotAsked(NotAsked),
    /// It could not be loaded or would not start.
    Failed(NvmlFailure),
    /// It did not answer within this many milliseconds.
    TimedOut(u64),
    /// It crashed the process that queried it, or that process gave an invalid answer, described in words.
    Crashed(String),
    /// It answered.
    Read(Box<NvmlFacts>),
}

/// The reason why NVML was not queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotAsked {
    /// NVIDIA's driver is not loaded: starting NVML would try to load it.
    DriverNotLoaded,
    /// The facts are from a file tree, not from this machine.
    OtherRoot,
}

/// The reason why NVML would not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NvmlFailure {
    /// Kind of reason.
    pub kind: NvmlFailureKind,
    /// Message of the loader or the library.
    pub detail: String,
}

/// The kinds of reasons why NVML would not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NvmlFailureKind {
    /// The library is missing or cannot be loaded.
    LibraryMissing,
    /// The kernel driver is not loaded.
    DriverNotLoaded,
    /// This process may not use the driver.
    NotPermitted,
    /// The library and the kernel driver have different versions, as after an update without a reboot.
    VersionMismatch,
    /// A GPU does not answer, which stops the whole library.
    DeviceLost,
    /// Any other reason.
    Other,
}

/// The schema of a document, whatever its other contents.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: Option<serde_json::Number>,
}

impl GpuReport {
    /// Reads the document. Returns an error for a document of another schema, before anything else is read.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > SIZE_LIMIT {
            return Err(GpuError::TooLarge { size_bytes: bytes.len() });
        }
        let schema: SchemaOnly = serde_json::from_slice(bytes).map_err(GpuError::NotADocument)?;
        match schema.schema {
            None => Err(GpuError::NoSchema),
            Some(number) if number.as_u64() != Some(u64::from(SCHEMA)) => {
                Err(GpuError::UnknownSchema { found: number.to_string() })
            }
            Some(_) => serde_json::from_slice(bytes).map_err(GpuError::NotADocument),
        }
    }

    /// Returns the document as JSON for people and programs, with a line break at the end.
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).map_err(GpuError::CannotWrite)?;
        text.push('\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::{CodedError, codes};
    use proptest::prelude::*;

    use super::*;

    fn sample() -> GpuReport {
        GpuReport {
            schema: SCHEMA,
            hardware: Hardware::default(),
            driver: DriverState::default(),
            nvml: NvmlState::NotAsked(NotAsked::DriverNotLoaded),
        }
    }

    #[test]
    fn document_round_trips() {
        let text = sample().to_json().expect("written");
        assert_eq!(GpuReport::read(text.as_bytes()).expect("read"), sample());
    }

    #[test]
    fn unknown_schema_is_refused() {
        for schema in ["0", "2", "1.5", "-1", "99999999999999999999999"] {
            let text = format!(r#"{{"schema": {schema}, "entirely": "different"}}"#);
            let error = GpuReport::read(text.as_bytes()).expect_err(schema);
            assert!(matches!(&error, GpuError::UnknownSchema { .. }), "{schema}: {error:?}");
            assert_eq!(error.code(), codes::GPU_FACTS_SCHEMA);
        }
        let error = GpuReport::read(br#"{"schema": 2}"#).expect_err("newer");
        assert_eq!(error.to_string(), "the GPU facts are of schema 2, and this program reads schema 1");
    }

    #[test]
    fn invalid_documents_are_refused() {
        let unknown = sample().to_json().expect("written").replacen('{', r#"{"surprise": 1,"#, 1);
        let twice = sample().to_json().expect("written").replacen('{', r#"{"schema": 1,"#, 1);
        for text in ["", "null", "[]", r#"{"schema": 1}"#, r#"{"schema": "1"}"#, &unknown, &twice] {
            assert!(matches!(GpuReport::read(text.as_bytes()), Err(GpuError::NotADocument(_))), "{text}");
        }
        assert!(matches!(GpuReport::read(b"{}"), Err(GpuError::NoSchema)));
        let large = vec![b' '; SIZE_LIMIT + 1];
        assert!(matches!(GpuReport::read(&large), Err(GpuError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = GpuReport::read(&bytes);
        }

        #[test]
        fn damaged_document_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = sample().to_json().expect("written").into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = GpuReport::read(&bytes);
        }
    }
}
