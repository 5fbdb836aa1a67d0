//! Document of `landfall facts`, and the reader of its files in the current or an older form.

use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use landfall_engine::step::StepError;
use landfall_error_codes::cases::{self, Case};
use serde_json::{Map, Value};

use super::Facts;

/// Value of the document's field `kind`.
pub const KIND: &str = "facts";

/// Version of the document's form. Since 2 it has GPUs; since 3 processor, security, clock, C library, speeds and
/// times, and the destinations of closed chains. Since 4 it has listening and endpoint security programs, kinds and
/// options of filesystems, the kernel's build and settings, drift and hardware clock. Since 5 it records whether disks
/// rotate.
pub const SCHEMA: u32 = 5;

/// Oldest form that is still read; facts that it lacks are unknown.
const OLDEST_SCHEMA: u32 = 1;

/// Maximum size of a facts file: far above that of a host with many GPUs, addresses and firewall chains.
const FILE_BYTES: u64 = 16 << 20;

/// Reason why bytes are not the facts of a host.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The file has too many bytes.
    #[error("is larger than {limit} MiB", limit = FILE_BYTES >> 20)]
    TooLarge,
    /// The file is another kind of document.
    #[error("is not a document of the kind {kind}", kind = KIND)]
    Kind,
    /// The form is unknown.
    #[error("has {0}, and this landfall reads {oldest} to {newest}", oldest = OLDEST_SCHEMA, newest = SCHEMA)]
    Schema(String),
    /// The form of its GPU part is unknown.
    #[error("has facts about GPUs of schema {0}, and this landfall reads {known}", known = landfall_gpu_facts::SCHEMA)]
    GpuSchema(String),
    /// A field is missing, unknown or invalid, or the file is not JSON.
    #[error("does not hold the facts of a host")]
    Fields(#[from] serde_json::Error),
}

impl FactsError {
    /// Returns the error case.
    fn case(&self) -> Case {
        match self {
            Self::TooLarge | Self::Kind | Self::Fields(_) => cases::FACTS_OTHER,
            Self::Schema(_) | Self::GpuSchema(_) => cases::FACTS_FORM,
        }
    }
}

impl Facts {
    /// Reads the output of `landfall facts` from a host, in this form or an older one. Unknown fields are refused,
    /// because they may matter.
    pub fn read(path: &Path) -> Result<Self, StepError> {
        let failed = |case: Case, what: &str| StepError::of(case, format!("{} {what}", path.display()));
        let unreadable = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => failed(cases::FACTS_MISSING, "does not exist"),
            _ => failed(cases::FACTS_UNREADABLE, "cannot be read").because(error),
        };
        let mut bytes = Vec::new();
        let file = fs_err::File::open(path).map_err(unreadable)?;
        // One extra byte shows that the file is too long.
        file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::parse(&bytes).map_err(|unread| {
            let failure = failed(unread.case(), &unread.to_string());
            match unread {
                FactsError::Fields(error) => failure.because(error),
                _ => failure,
            }
        })
    }

    /// Parses the bytes of such a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, FactsError> {
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES) {
            return Err(FactsError::TooLarge);
        }
        let mut fields: Map<String, Value> = serde_json::from_slice(bytes)?;
        let (kind, schema) = (fields.remove("kind"), fields.remove("schema"));
        if kind != Some(KIND.into()) {
            return Err(FactsError::Kind);
        }
        let number = schema.as_ref().and_then(Value::as_u64);
        if !number.is_some_and(|number| (u64::from(OLDEST_SCHEMA)..=u64::from(SCHEMA)).contains(&number)) {
            let found = schema.map_or_else(|| "no schema".to_owned(), |schema| format!("schema {schema}"));
            return Err(FactsError::Schema(found));
        }
        let gpus = fields.get("gpus").and_then(|gpus| gpus.get("schema"));
        if let Some(other) = gpus.filter(|schema| schema.as_u64() != Some(u64::from(landfall_gpu_facts::SCHEMA))) {
            return Err(FactsError::GpuSchema(other.to_string()));
        }
        Ok(serde_json::from_value(Value::Object(fields))?)
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;

    use super::super::{ProbedGpus, collect, sample};
    use super::*;
    use crate::paths::SitePaths;

    /// Change of a document.
    type Change = fn(&mut Value);

    #[test]
    fn own_facts_round_trip() {
        let paths = SitePaths::default();
        let facts = collect(&paths, &ProbedGpus::now(&paths)).unwrap();
        assert!(facts.cores > 0 && facts.memory_bytes > 0 && !facts.filesystems.is_empty());
        assert!(facts.filesystems.iter().all(|filesystem| filesystem.total_bytes >= filesystem.free_bytes));
        assert!([1, 2].contains(&facts.cgroups.version));
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |change: fn(&mut Value)| {
            let mut document = serde_json::to_value(&facts).unwrap();
            (document["kind"], document["schema"]) = (KIND.into(), SCHEMA.into());
            change(&mut document);
            serde_json::to_writer(
                fs_err::OpenOptions::new().write(true).truncate(true).open(file.path()).unwrap(),
                &document,
            )
            .unwrap();
            Facts::read(file.path()).map_err(|error| error.to_string())
        };
        assert_eq!(read(|_| {}).unwrap(), facts);
        let others: [(Change, &str); 5] = [
            (|one| one["kind"] = "status".into(), "is not a document of the kind facts"),
            (|one| one["schema"] = 6.into(), "has schema 6, and this landfall reads 1 to 5"),
            (|one| one["schema"] = Value::Null, "has schema null, and this landfall reads 1 to 5"),
            (|one| one["gpus"]["schema"] = 7.into(), "has facts about GPUs of schema 7, and this landfall reads 1"),
            (|one| one["surprise"] = true.into(), "does not hold the facts of a host"),
        ];
        for (other, said) in others {
            let refused = read(other).unwrap_err();
            assert!(refused.ends_with(said), "{refused}");
        }
    }

    #[test]
    fn unreadable_facts_have_specific_hints() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            landfall_media::durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
            path
        };
        for (path, case) in [
            (folder.path().join("nope.json"), cases::FACTS_MISSING),
            (folder.path().to_owned(), cases::FACTS_UNREADABLE),
            (file("text.json", "nothing"), cases::FACTS_OTHER),
            (file("status.json", r#"{"kind": "status", "schema": 1}"#), cases::FACTS_OTHER),
            (file("newer.json", r#"{"kind": "facts", "schema": 99}"#), cases::FACTS_FORM),
        ] {
            let error = Facts::read(&path).unwrap_err();
            assert_eq!(error.code(), case.code(), "{error}");
            assert_eq!(CodedError::hint(&error).as_deref(), Some(case.next), "{error}");
        }
    }

    #[test]
    fn endless_file_is_refused() {
        let error = Facts::read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(error, "/dev/zero is larger than 16 MiB");
    }

    /// A customer's file may contain any bytes: it is read, or refused with a reason on one line.
    #[test]
    fn damaged_facts_are_refused_or_read() {
        let mut document = serde_json::to_value(sample::sample()).unwrap();
        (document["kind"], document["schema"]) = (KIND.into(), SCHEMA.into());
        let whole = serde_json::to_vec(&document).unwrap();
        assert_eq!(Facts::parse(&whole).unwrap(), sample::sample());
        for at in 0..whole.len() {
            let cut = Facts::parse(&whole[..at]);
            assert!(matches!(&cut, Err(FactsError::Fields(error)) if error.is_eof()), "cut after {at} bytes: {cut:?}");
            for byte in [b'9', b'"', 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                if let Err(refused) = Facts::parse(&damaged) {
                    assert_eq!(refused.to_string().lines().count(), 1, "{refused}");
                }
            }
        }
        let deep = "[".repeat(1_000_000);
        for hostile in [deep.clone(), format!("{{\"kind\":{deep}"), format!("{{\"kind\":\"facts\",\"schema\":{deep}")] {
            assert!(matches!(Facts::parse(hostile.as_bytes()), Err(FactsError::Fields(_))));
        }
    }

    /// Removes fields of an object; all of them must exist.
    fn remove(object: &mut Value, fields: &[&str]) {
        for field in fields {
            assert!(object.as_object_mut().unwrap().remove(*field).is_some(), "{field}");
        }
    }

    /// Returns the document of the sample in an older form, without the fields that this form lacks.
    fn older(schema: u64) -> Value {
        let mut document = serde_json::to_value(sample::sample()).unwrap();
        (document["kind"], document["schema"]) = (KIND.into(), schema.into());
        let since_4 = ["missingKernelOptions", "kernelSettings", "clockDriftPpb", "aheadOfHardwareClockSeconds"];
        remove(&mut document, &since_4);
        remove(&mut document["network"], &["listeners", "legacyFilterUnread"]);
        remove(&mut document["security"], &["endpointPrograms"]);
        remove(&mut document["filesystems"][0], &["kind", "options"]);
        if schema < 3 {
            remove(&mut document, &["cpu", "security", "clockSource", "timeProgram", "glibc", "speeds", "stepTimes"]);
            remove(&mut document["network"], &["mtu"]);
            document["network"]["closedChains"] = serde_json::json!([
                {"filter": "nftables", "name": "inet filter forward", "hook": "forward", "accepts": ["cni0"]}
            ]);
        }
        if schema < 2 {
            remove(&mut document, &["gpus"]);
        }
        document
    }

    #[test]
    fn older_facts_are_still_read() {
        for schema in [3, 2, 1] {
            let found = Facts::parse(&serde_json::to_vec(&older(schema)).unwrap()).unwrap();
            assert_eq!((found.missing_kernel_options, found.filesystems[0].kind.as_str()), (None, ""), "{schema}");
            if schema == 3 {
                assert_eq!(found.security.unwrap().endpoint_programs, None);
                continue;
            }
            assert_eq!((found.gpus, found.cpu, found.security), (None, None, None));
            assert_eq!((found.speeds, found.network.mtu), (None, None));
            assert_eq!(found.network.closed_chains[0].accepts_to, None, "it is unknown, not empty");
        }
    }
}
