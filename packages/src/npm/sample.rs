//! Made-up npm packages: tarballs that npm installs, and such as it must never see.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// The `package.json` of a package, with `more` fields.
pub fn package_json(name: &str, version: &str, more: &Value) -> Vec<u8> {
    let mut fields = json!({ "name": name, "version": version, "main": "index.js", "license": "MIT" });
    for (field, value) in more.as_object().into_iter().flatten() {
        fields[field] = value.clone();
    }
    fields.to_string().into_bytes()
}

/// The path in a registry's folders and the bytes of a package with one module, which exports its version.
pub fn package(name: &str, version: &str, more: &Value) -> (String, Vec<u8>) {
    let module = format!("module.exports = '{version}';\n");
    let package_json = package_json(name, version, more);
    let file = super::name::tarball_of(name, version);
    let files: [(&str, &[u8]); 2] = [("package/index.js", module.as_bytes()), ("package/package.json", &package_json)];
    (file, archive(&files))
}

/// A tarball of these files.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let members: Vec<_> = files.iter().map(|(path, content)| (EntryType::Regular, *path, *content)).collect();
    archive_of(&members)
}

/// A tarball of these members: of any type, under any name.
///
/// # Panics
/// If a path has more than a hundred bytes.
pub fn archive_of(members: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (kind, path, content) in members {
        let mut header = Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // What is checked elsewhere is not checked here: paths may lead anywhere.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).expect("memory takes it");
    }
    packed(&tar.into_inner().expect("memory takes it"))
}

/// The same bytes for gzip to unpack.
///
/// # Panics
/// Never: it is written to memory.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).expect("memory takes it");
    gzip.finish().expect("memory takes it")
}
