//! Invented wheels: archives that pip installs, and hostile ones.

use std::io::Write as _;

use rawzip::{CompressionMethod, ZipArchiveWriter};

/// The file `WHEEL` of a wheel of pure Python.
const WHEEL: &str = "Wheel-Version: 1.0\nGenerator: landfall\nRoot-Is-Purelib: true\nTag: py3-none-any\n";

/// Returns the core metadata of a package.
pub fn metadata(name: &str, version: &str, more: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}\nA package for tests.\n")
}

/// Returns the file name and the bytes of a wheel with one module, `NAME.py`, whose `METADATA` has the fields of
/// `more`. `name` is a module's name.
pub fn wheel(name: &str, version: &str, more: &str) -> (String, Vec<u8>) {
    let info = format!("{name}-{version}.dist-info");
    let module = format!("VERSION = \"{version}\"\n");
    let metadata = metadata(name, version, more);
    let record = format!("{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");
    let files = [
        (format!("{name}.py"), module),
        (format!("{info}/METADATA"), metadata),
        (format!("{info}/WHEEL"), WHEEL.to_owned()),
        (format!("{info}/RECORD"), record),
    ];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    (format!("{name}-{version}-py3-none-any.whl"), archive(&files))
}

/// Returns an archive of these files, compressed where that makes them smaller.
///
/// # Panics
///
/// Never: it is written to memory.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (path, content) in files {
        let is_long = content.len() > 100;
        let method = if is_long { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
        let file = archive.new_file(path).compression_method(method);
        let (mut entry, config) = file.start().expect("memory takes it");
        let descriptor = if is_long {
            let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
            let mut writer = config.wrap(encoder);
            writer.write_all(content).expect("memory takes it");
            let (encoder, descriptor) = writer.finish().expect("memory takes it");
            encoder.finish().expect("memory takes it");
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).expect("memory takes it");
            writer.finish().expect("memory takes it").1
        };
        entry.finish(descriptor).expect("memory takes it");
    }
    archive.finish().expect("memory takes it");
    bytes
}
