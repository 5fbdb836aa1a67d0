//! Invented npm packages: tarballs that npm installs, and hostile ones.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// Returns the `package.json` of a package, with the fields of `more`.
pub fn package_json(name: &str, version: &str, more: &Value) -> Vec<u8> {
    let mut fields = json!({ "name": name, "version": version, "main": "index.js", "license": "MIT" });
    for (field, value) in more.as_object().into_iter().flatten() {
        fields[field] = value.clone();
    }
    fields.to_string().into_bytes()
}

/// Returns a package with one module, which exports its version: its path in a registry's folders, and its bytes.
pub fn package(name: &str, version: &str, more: &Value) -> (String, Vec<u8>) {
    let module = format!("module.exports = '{version}';\n");
    let package_json = package_json(name, version, more);
    let file = super::name::tarball_of(name, version);
    let files: [(&str, &[u8]); 2] = [("package/index.js", module.as_bytes()), ("package/package.json", &package_json)];
    (file, archive(&files))
}

/// Returns a tarball of these files.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let members: Vec<_> = files.iter().map(|(path, content)| (EntryType::Regular, *path, *content)).collect();
    archive_of(&members)
}

/// Returns a tarball of these members, with any type and any name.
///
/// # Panics
///
/// Panics if a path has more than a hundred bytes.
pub fn archive_of(members: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (kind, path, content) in members {
        let mut header = Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // Paths may lead anywhere here; they are checked elsewhere.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).expect("memory takes it");
    }
    compress(&tar.into_inner().expect("memory takes it"))
}

/// Returns the bytes, compressed with gzip.
///
/// # Panics
///
/// Never: it is written to memory.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).expect("memory takes it");
    gzip.finish().expect("memory takes it")
}
