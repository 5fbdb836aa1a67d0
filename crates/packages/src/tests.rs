//! Tests of whole wheels, lists and pages, including hostile ones.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, CodedError as _, codes};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::sample::{archive, metadata, wheel};

fn inspect_wheel(path: &str, bytes: &[u8]) -> Result<Wheel, PackagesError> {
    inspect(path, Sha256::of(bytes), bytes.len() as u64, bytes)
}

/// Returns the code and the reason for which a wheel is refused.
fn refusal(file_name: &str, files: &[(&str, &[u8])]) -> (Code, String) {
    let error = inspect_wheel(file_name, &archive(files)).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    (error.code(), source)
}

const FILE: &str = "small-1.0-py3-none-any.whl";
const INFO: &str = "small-1.0.dist-info/METADATA";

fn list() -> WheelList {
    let wheels =
        [("small", "1.0", "Requires-Python: >=3.9,<4 & \"x\"\n"), ("small", "1.1", ""), ("Other_One", "2+cpu", "")];
    let wheels = wheels.iter().map(|(name, version, more)| {
        let (file, bytes) = wheel(name, version, more);
        // The compressed bytes of an archive change with the library that made it.
        Wheel { sha256: Sha256([7; 32]), size: 1000, ..inspect_wheel(&format!("set/{file}"), &bytes).unwrap() }
    });
    WheelList::new(wheels.collect()).unwrap()
}

#[test]
fn wheel_is_listed_from_metadata() {
    let (file, bytes) = wheel("small", "1.0", "Requires-Python: >=3.9\n");
    let found = inspect_wheel(&format!("a/{file}"), &bytes).unwrap();
    assert_eq!((found.file_name(), found.version.as_str()), (FILE, "1.0"));
    assert_eq!(found.requires_python.as_deref(), Some(">=3.9"));
    let text = metadata("small", "1.0", "Requires-Python: >=3.9\n");
    assert_eq!(found.metadata, Sha256::of(&text));
    assert_eq!(metadata_of(bytes.as_slice(), bytes.len() as u64).unwrap(), text.into_bytes());
}

#[test]
fn uninstallable_wheels_are_refused() {
    let good = metadata("small", "1.0", "");
    let good = good.as_bytes();
    let (code, why) = refusal(FILE, &[("small.py", b"")]);
    assert_eq!((code, why.as_str()), (codes::WHEEL_METADATA, "its METADATA is missing"));
    let (code, why) = refusal(FILE, &[(INFO, good), ("other-1.0.dist-info/METADATA", good)]);
    assert_eq!((code, why.as_str()), (codes::WHEEL_METADATA, "its METADATA occurs several times"));
    // A copy in a subfolder belongs to another package.
    assert!(refusal(FILE, &[("vendored/small-1.0.dist-info/METADATA", good)]).1.contains("is missing"));
    let (code, why) = refusal(FILE, &[(INFO, metadata("other", "1.0", "").as_bytes())]);
    assert_eq!(
        (code, why.as_str()),
        (codes::WHEEL_DIFFERS, "its file name says small 1.0, and its METADATA other 1.0")
    );
    let (code, _) = refusal(FILE, &[(INFO, metadata("small", "1.1", "").as_bytes())]);
    assert_eq!(code, codes::WHEEL_DIFFERS);
    let (code, why) = refusal(FILE, &[("other-1.0.dist-info/METADATA", good)]);
    assert_eq!(code, codes::WHEEL_DIFFERS);
    assert!(why.contains("is in the folder other-1.0.dist-info"), "{why}");
    let (code, why) = refusal("small.whl", &[(INFO, good)]);
    assert_eq!(code, codes::WHEEL_NAME);
    assert!(why.contains("it needs name, version"), "{why}");
    let not_archive = inspect_wheel(FILE, b"not an archive").unwrap_err();
    assert_eq!(not_archive.code(), codes::WHEEL_ARCHIVE);
}

#[test]
fn huge_metadata_is_refused() {
    let bomb = [metadata("small", "1.0", "").as_bytes(), &vec![b'a'; 64 << 20]].concat();
    let bytes = archive(&[(INFO, &bomb)]);
    assert!(bytes.len() < 1 << 20, "it is small in the archive");
    let error = inspect_wheel(FILE, &bytes).unwrap_err();
    assert_eq!(error.code(), codes::WHEEL_METADATA);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("more than 2097152 bytes"), "{why}");
}

#[test]
fn false_archive_directory_is_refused() {
    let (_, bytes) = wheel("small", "1.0", "");
    let directory = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    let of_metadata = bytes.windows(4).enumerate().filter(|(_, four)| four == b"PK\x01\x02").nth(1).unwrap().0;
    assert!(of_metadata < directory);
    // Offsets of CRC, compressed size and size of the entry in the directory.
    for field in [16, 20, 24] {
        let mut changed = bytes.clone();
        changed[of_metadata + field] ^= 1;
        let error = inspect_wheel(FILE, &changed).unwrap_err();
        assert!([codes::WHEEL_ARCHIVE, codes::WHEEL_METADATA].contains(&error.code()), "{error:?}");
    }
    for length in 0..bytes.len() {
        assert_eq!(inspect_wheel(FILE, &bytes[..length]).unwrap_err().code(), codes::WHEEL_ARCHIVE, "{length} bytes");
    }
}

#[test]
fn pages_match_specifications() {
    let index = Index::new(&list()).unwrap();
    assert_eq!(index.counts(), (2, 3));
    let text = |body: &Body| String::from_utf8(body.bytes.to_vec()).unwrap();
    let pretty =
        |body: &Body| serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text(body)).unwrap()).unwrap();
    let small = index.project("small").unwrap();
    let other = index.project("other-one").unwrap();
    let root = index.projects();
    insta::assert_snapshot!(
        [text(&root.html), pretty(&root.json), text(&small.html), pretty(&small.json), text(&other.html)].join("\n")
    );
    assert!(index.project("Small").is_none() && index.project("missing").is_none());
    assert!(index.wheel("other").is_none());
    assert_eq!(index.wheel(FILE).unwrap().path, format!("set/{FILE}"));
    assert_ne!(small.html.tag, small.json.tag);
}

#[test]
fn altered_list_is_refused() {
    let bytes = list().to_bytes().unwrap();
    assert_eq!(WheelList::read(&bytes).unwrap(), list());
    let text = String::from_utf8(bytes).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        WheelList::read(text.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    for path in ["../small-1.0", "/small-1.0", "set//small-1.0"] {
        let error = refused("set/small-1.0", path).to_string();
        assert!(error.ends_with("is not a relative path"), "{error}");
    }
    assert_eq!(refused("small-1.0-py3-none-any.whl", "small-1.0").code(), codes::WHEEL_NAME);
    let error = refused("\"version\":\"1.0\"", "\"version\":\"<script>\"").to_string();
    assert!(error.ends_with("is no plain text"), "{error}");
    let document = |from: &str, to: &str| match refused(from, to) {
        PackagesError::Document(error) => error.code(),
        other => panic!("{other}"),
    };
    assert_eq!(document("\"type\"", "\"other\":1,\"type\""), codes::INVALID_DOCUMENT);
    assert_eq!(document("wheels/1", "wheels/2"), codes::WRONG_TYPE);
    assert!(matches!(refused("set/small-1.0-", "other/small-1.1-"), PackagesError::Twice { .. }));
    assert!(matches!(WheelList::new(Vec::new()), Err(PackagesError::Empty)));
    let one = list().wheels()[0].clone();
    let many = (0..5000).map(|number| Wheel { path: format!("set/small-{number}-py3-none-any.whl"), ..one.clone() });
    assert!(matches!(WheelList::new(many.collect()), Err(PackagesError::TooMany { wheels: 5000, .. })));
}

proptest! {
    #[test]
    fn altered_wheels_never_panic(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_, mut bytes) = wheel("small", "1.0", "Requires-Python: >=3.9\n");
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _either = inspect_wheel(FILE, &bytes);
        let cut = cut.index(bytes.len());
        let _either = inspect_wheel(FILE, &bytes[cut..]);
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(inspect_wheel(FILE, &bytes).unwrap_err().code(), codes::WHEEL_ARCHIVE);
    }

    #[test]
    fn listed_wheels_are_on_project_pages(
        names in prop::collection::btree_set("[A-Z]?[a-z0-9]{1,6}([._][a-z]{1,3})?", 1..8),
    ) {
        let wheels: Vec<Wheel> = names.iter().map(|name| {
            let (file, bytes) = wheel(name, "1.0+a", "");
            inspect_wheel(&file, &bytes).unwrap()
        }).collect();
        let index = Index::new(&WheelList::new(wheels.clone()).unwrap()).unwrap();
        for wheel in wheels {
            let project = normalize_name(wheel.file_name().split('-').next().unwrap());
            let page = index.project(&project).unwrap();
            let page: Value = serde_json::from_slice(&page.json.bytes).unwrap();
            let file =
                page["files"].as_array().unwrap().iter().find(|file| file["filename"] == wheel.file_name()).unwrap();
            let address = file["url"].as_str().unwrap().replace("%2B", "+");
            prop_assert_eq!(address, format!("../../files/{}", wheel.file_name()));
            prop_assert_eq!(file["hashes"]["sha256"].as_str().unwrap(), wheel.sha256.to_hex());
        }
    }
}
