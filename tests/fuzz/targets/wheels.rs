//! Wheels, as published; the list of a package index; and clients' requests to one.
#![no_main]

use landfall_bundle_spec::Sha256;
use landfall_packages::http::{Part, has_already, negotiate, part};
use landfall_packages::{Index, Metadata, WheelList, WheelName, inspect, limits, metadata_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len() as u64;
    if let Ok(metadata) = metadata_of(bytes, size) {
        assert!(metadata.len() as u64 <= limits::METADATA_BYTES);
    }
    if let Ok(wheel) = inspect("set/small-1.0-py3-none-any.whl", Sha256([7; 32]), size, bytes) {
        let list = WheelList::new(vec![wheel]).expect("a wheel that was inspected can be listed");
        Index::new(&list).expect("and served");
    }
    let _either = Metadata::read(bytes);
    if let Ok(list) = WheelList::read(bytes) {
        let again = list.to_bytes().expect("a list that was read can be written");
        assert_eq!(WheelList::read(&again).expect("a list that was written can be read"), list);
        Index::new(&list).expect("a list that was read can be served");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(name) = WheelName::read(text) {
        assert!(!text.contains(['/', '\\', '<', '"', '\0']) && !name.project.is_empty());
    }
    let _either = negotiate(Some(text));
    let _either = has_already(Some(text), "\"tag\"");
    if let Part::Bytes(range) = part(Some(text), None, "\"tag\"", 1000) {
        assert!(range.start < range.end && range.end <= 1000);
    }
});
