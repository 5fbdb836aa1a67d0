//! Tarballs of npm packages, as published; the list of a registry; and clients' requests to one.
#![no_main]

use landfall_bundle_spec::Sha256;
use landfall_packages::http::{NpmForm, negotiate_npm};
use landfall_packages::limits;
use landfall_packages::npm::{
    NpmList, PackageJson, Packument, Registry, Request, base, inspect, manifest, package_json_of, package_of_path,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const BASE: &str = "http://host/npm/";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(package) = inspect("set/any.tgz", Sha256([7; 32]), bytes.len() as u64, bytes) {
        assert!(package.package_json_size <= limits::PACKAGE_JSON_BYTES);
        let found = package_json_of(&package, bytes).expect("what was inspected can be read again");
        let list = NpmList::new(vec![package.clone()]).expect("a package that was inspected can be listed");
        let registry = Registry::new(list).expect("and served");
        let versions = registry.versions(&package.name).expect("by its name");
        for form in [NpmForm::Abbreviated, NpmForm::Full] {
            let document = manifest(&package, &found, form, BASE).expect("it has a document");
            let mut packument = Packument::begin(versions, form);
            packument.add(&package, &document).expect("which fits");
            let packument: Value = serde_json::from_str(&packument.end()).expect("and is JSON");
            let tarball = packument["versions"][&package.version]["dist"]["tarball"].as_str().expect("an address");
            let path = tarball.strip_prefix(BASE).expect("of this registry");
            let Some(Request::Tarball(name, file)) = Request::read(path) else { panic!("{path} is no tarball") };
            assert_eq!(registry.file(name, file), Some(&package));
        }
    }
    let _either = PackageJson::read(bytes);
    if let Ok(list) = NpmList::read(&[bytes.to_vec()]) {
        let again = list.to_parts().expect("a list that was read can be written");
        assert_eq!(
            NpmList::read(&again).expect("a list that was written can be read").packages().len(),
            list.packages().len()
        );
        Registry::new(list).expect("a list that was read can be served");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(Request::Packument(name) | Request::Version(name, _) | Request::Tarball(name, _)) = Request::read(text)
    {
        assert!(!name.is_empty() && !name.contains(['\\', '<', '"', '%', '\0']) && !name.starts_with('.'));
    }
    if let Some(base) = base(text) {
        assert!(!base.contains(['"', '\\', '<', '@', '?', ' ']) && base.is_ascii());
    }
    let _some_or_none = package_of_path(text);
    let _form = negotiate_npm(Some(text));
});
