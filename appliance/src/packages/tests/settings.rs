//! Tests of settings with which an index does not start.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use landfall_packages::npm::NpmList;
use landfall_packages::sample;

use super::{npm, wheels, write};
use crate::cli::PackagesArguments;
use crate::packages::Settings;

#[test]
fn unusable_index_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let list = wheels::wheel_list(folder.path(), &[sample::wheel("small", "1.0", "")]).to_bytes().unwrap();
    let path = folder.path().join("wheels.json");
    write(&path, &list);
    let digest = Sha256::of(&list).to_string();
    let parts = npm::npm_list(folder.path(), &npm::packages()).to_parts().unwrap();
    let npm_path = folder.path().join("npm.json");
    write(&npm_path, &parts[0]);
    let good = || PackagesArguments {
        folder: folder.path().to_owned(),
        list: Some(path.clone()),
        digest: Some(digest.clone()),
        npm_list: vec![npm_path.clone()],
        npm_digest: Some(NpmList::digest(&parts).to_string()),
        listen: "127.0.0.1:0".to_owned(),
    };
    let checked = Settings::check(good()).unwrap();
    assert_eq!((checked.wheels.unwrap().counts(), checked.npm.unwrap().counts()), ((1, 1), (2, 3)));
    let checked = Settings::check(PackagesArguments { list: None, ..good() }).unwrap();
    assert!(checked.wheels.is_none() && checked.npm.is_some());
    let other = Some(Sha256::of(b"other").to_string());
    for (arguments, said) in [
        (PackagesArguments { folder: "/nonexistent".into(), ..good() }, "--folder"),
        (PackagesArguments { folder: path.clone(), ..good() }, "--folder"),
        (PackagesArguments { list: Some("/nonexistent".into()), ..good() }, "--list"),
        (PackagesArguments { digest: other.clone(), ..good() }, "--digest"),
        (PackagesArguments { npm_list: vec!["/nonexistent".into()], ..good() }, "--npm-list"),
        (PackagesArguments { npm_list: vec![npm_path.clone(); 5], ..good() }, "--npm-list"),
        (PackagesArguments { npm_list: vec![npm_path.clone(); 2], npm_digest: None, ..good() }, "--npm-list"),
        (PackagesArguments { npm_list: vec![path.clone()], npm_digest: None, ..good() }, "--npm-list"),
        (PackagesArguments { npm_digest: other, ..good() }, "--npm-digest"),
        (PackagesArguments { list: None, npm_list: Vec::new(), ..good() }, "--list"),
        (PackagesArguments { listen: "nowhere".to_owned(), ..good() }, "--listen"),
    ] {
        let error = Settings::check(arguments).unwrap_err();
        assert_eq!(error.code(), codes::PACKAGE_INDEX_UNUSABLE);
        assert!(error.to_string().starts_with(said), "{error}");
    }
    write(&path, b"{}");
    let error = Settings::check(PackagesArguments { digest: None, ..good() }).unwrap_err();
    assert!(error.to_string().starts_with("--list"), "{error}");
}
