//! Checks programs for the node: each is statically linked, or needs only glibc, whose version the host reports. A
//! release cannot rely on any other library of a host.

pub mod elf;

use std::collections::BTreeMap;
use std::path::Path;

use landfall_error_codes::codes;
use landfall_media::store::ContentStore;
use landfall_release_document::{ArtifactEntry, ArtifactKind, GPU_GLIBC};
use object::ReadCache;
use object::elf::{EM_AARCH64, EM_X86_64};

use self::elf::{AllowedLibraries, ElfError, Glibc, Needs};
use crate::error::{BuildError, Place, Result};
use crate::pins::ArtifactPin;

/// The glibc version that programs for the node need, by the name of their artifact. Returns an error for a program
/// with other requirements.
///
/// The blobs must be in the store; `pins` are those of the artifacts, in the same order.
pub fn check(
    artifacts: &[ArtifactEntry],
    pins: &[ArtifactPin],
    store: &ContentStore,
) -> Result<BTreeMap<String, Glibc>> {
    let mut newest = BTreeMap::new();
    let for_nodes = artifacts.iter().zip(pins).filter(|(artifact, _)| artifact.kind == ArtifactKind::Node);
    for (artifact, pin) in for_nodes {
        for file in &artifact.files {
            let refused = |what: String| {
                let what = format!("{} of {} {what}", file.path, artifact.reference);
                BuildError::at(codes::NODE_PROGRAM_DYNAMIC, place(pin, &file.path), what)
            };
            match needs(&store.path(file.blob.digest)) {
                Ok(Needs::Nothing) => {}
                Ok(Needs::Glibc(version)) => {
                    let found = newest.entry(artifact.name.clone()).or_insert(version);
                    *found = version.max(*found);
                }
                Ok(Needs::Other(needs)) => return Err(refused(format!("needs {needs} of the host"))),
                Err(error) => return Err(refused("is a program that cannot be read".to_owned()).because(error)),
            }
        }
    }
    Ok(newest)
}

/// Returns an error for an installer that cannot run at a site: not a program, for another CPU, or with requirements
/// for its host.
pub fn check_installer(path: &Path, platform: &str) -> Result<()> {
    let refused = |what: String| BuildError::at(codes::INSTALLER_UNFIT, Place::file(path), what);
    check_processor(path, platform)?;
    match needs(path) {
        Ok(Needs::Nothing) => Ok(()),
        Ok(Needs::Glibc(version)) => Err(refused(format!("needs glibc {version} of the host"))),
        Ok(Needs::Other(needs)) => Err(refused(format!("needs {needs} of the host"))),
        Err(error) => Err(refused("cannot be read as a program".to_owned()).because(error)),
    }
}

/// Returns an error for a GPU program that cannot run at a site: not a program, for another CPU, or with other
/// requirements.
///
/// Allowed are the glibc version that preflight requires of a host, and GCC's library that comes with it. A static
/// program could not load the driver's library.
pub fn check_gpu_program(path: &Path, platform: &str) -> Result<()> {
    let refused = |what: String| BuildError::at(codes::INSTALLER_UNFIT, Place::file(path), what);
    let newest = Glibc::from(GPU_GLIBC);
    check_processor(path, platform)?;
    let needs =
        opened(path).map_err(ElfError::from).and_then(|program| elf::needs(&program, AllowedLibraries::Unwinding));
    match needs {
        Ok(Needs::Glibc(version)) if version <= newest => Ok(()),
        Ok(Needs::Glibc(version)) => {
            Err(refused(format!("needs glibc {version} of the host, where {newest} is the newest")))
        }
        Ok(Needs::Nothing) => {
            Err(refused("is linked statically, and cannot load the library of the driver".to_owned()))
        }
        Ok(Needs::Other(needs)) => Err(refused(format!("needs {needs} of the host"))),
        Err(error) => Err(refused("cannot be read as a program".to_owned()).because(error)),
    }
}

/// Returns an error for a file that is not a program, or that is for a CPU other than the platform's.
fn check_processor(path: &Path, platform: &str) -> Result<()> {
    let refused = |what: String| BuildError::at(codes::INSTALLER_UNFIT, Place::file(path), what);
    let machine = machine(path).map_err(|error| refused("cannot be read as a program".to_owned()).because(error))?;
    let wanted = if platform == "linux/arm64" { EM_AARCH64 } else { EM_X86_64 };
    match machine {
        Some(found) if found == wanted => Ok(()),
        Some(found) => {
            let name = match found {
                EM_X86_64 => "linux/amd64".to_owned(),
                EM_AARCH64 => "linux/arm64".to_owned(),
                other => format!("processor number {other}"),
            };
            Err(refused(format!("is a program for {name}, but the release is for {platform}")))
        }
        None => Err(refused("is not a program for Linux".to_owned())),
    }
}

/// Machine type of a program; `None` if the file is not a program.
fn machine(path: &Path) -> Result<Option<u16>, ElfError> {
    elf::machine(&opened(path)?)
}

/// Place in the lock of an artifact's file.
fn place(pin: &ArtifactPin, path: &str) -> Place {
    match pin {
        ArtifactPin::Manifest(pin) => pin.place.clone(),
        ArtifactPin::Files(pin) => {
            let file = pin.files.iter().find(|file| file.take.paths().any(|taken| taken == path));
            file.map_or_else(|| pin.place.clone(), |file| file.place.clone())
        }
    }
}

/// Requirements of a file for its host.
fn needs(path: &Path) -> Result<Needs, ElfError> {
    elf::needs(&opened(path)?, AllowedLibraries::Nothing)
}

/// Opens a file so that only requested parts are read.
fn opened(path: &Path) -> std::io::Result<ReadCache<std::fs::File>> {
    Ok(ReadCache::new(fs_err::File::open(path)?.into_file()))
}

/// A minimal program with these segments, as type and content.
#[cfg(test)]
pub fn program(segments: &[(u32, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    let field = |bytes: &mut Vec<u8>, value: u64, length: usize| bytes.extend(&value.to_le_bytes()[..length]);
    // Type, machine, version; entry point, program headers, section headers; flags; sizes and counts.
    for (value, length) in
        [(2, 2), (62, 2), (1, 4), (0, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (segments.len() as u64, 2)]
    {
        field(&mut bytes, value, length);
    }
    bytes.resize(64, 0);
    let mut at = 64 + 56 * segments.len() as u64;
    for (kind, content) in segments {
        let length = content.len() as u64;
        for (value, length) in
            [(u64::from(*kind), 4), (4, 4), (at, 8), (0, 8), (0, 8), (length, 8), (length, 8), (8, 8)]
        {
            field(&mut bytes, value, length);
        }
        at += length;
    }
    for (_, content) in segments {
        bytes.extend_from_slice(content);
    }
    bytes
}

/// A program for this dynamic linker, whose sections name these libraries and symbol versions.
#[cfg(test)]
pub fn linked_program(linker: &str, libraries: &[&str], versions: &[&str]) -> Vec<u8> {
    use object::elf::{DT_NEEDED, DT_NULL, PT_DYNAMIC, PT_INTERP, SHT_DYNAMIC, SHT_GNU_VERNEED, SHT_STRTAB};

    let field = |bytes: &mut Vec<u8>, value: u64, length: usize| bytes.extend(&value.to_le_bytes()[..length]);
    let mut names = vec![0];
    let mut name = |text: &str| {
        let at = names.len() as u64;
        names.extend([text.as_bytes(), b"\0"].concat());
        at
    };
    let mut dynamic = Vec::new();
    for library in libraries {
        dynamic.extend(DT_NEEDED.to_le_bytes());
        field(&mut dynamic, name(library), 8);
    }
    dynamic.extend(DT_NULL.to_le_bytes());
    field(&mut dynamic, 0, 8);
    // One library with all versions: its structure version, count and name; offset of the versions; no next entry.
    let mut needed = Vec::new();
    for (value, length) in [(1, 2), (versions.len() as u64, 2), (0, 4), (16, 4), (0, 4)] {
        field(&mut needed, value, length);
    }
    for (index, version) in versions.iter().enumerate() {
        let next = if index + 1 == versions.len() { 0 } else { 16 };
        for (value, length) in [(0, 4), (0, 2), (2, 2), (name(version), 4), (next, 4)] {
            field(&mut needed, value, length);
        }
    }
    let mut bytes = program(&[(PT_INTERP, &[linker.as_bytes(), b"\0"].concat()), (PT_DYNAMIC, &dynamic)]);
    let mut headers = vec![0; 64];
    for (kind, content, link) in [(SHT_STRTAB, &names, 0), (SHT_DYNAMIC, &dynamic, 1), (SHT_GNU_VERNEED, &needed, 1)] {
        // Name, type, flags, address; offset, size; link, information; alignment, entry size.
        let (at, length) = (bytes.len() as u64, content.len() as u64);
        for (value, width) in
            [(0, 4), (u64::from(kind), 4), (0, 8), (0, 8), (at, 8), (length, 8), (link, 4), (0, 4), (1, 8), (0, 8)]
        {
            field(&mut headers, value, width);
        }
        bytes.extend_from_slice(content);
    }
    // Offset of the section headers, their size, and their number.
    let at = (bytes.len() as u64).to_le_bytes();
    bytes[40..48].copy_from_slice(&at);
    bytes[58..62].copy_from_slice(&[64, 0, 4, 0]);
    // Index of the section that holds section names: the string table starts with an empty string.
    bytes[62..64].copy_from_slice(&[1, 0]);
    bytes.extend(headers);
    bytes
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;
    use object::elf::{DT_NEEDED, DT_NULL, DT_SONAME, PT_DYNAMIC, PT_INTERP, PT_LOAD};

    use super::*;

    /// Requirements of a file with this content.
    fn of(bytes: &[u8]) -> Result<Needs, ElfError> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        durable::write_file(&path, bytes, 0o755).expect("file");
        needs(&path)
    }

    /// Entries of a dynamic section.
    fn dynamic(tags: &[i64]) -> Vec<u8> {
        tags.iter().flat_map(|tag| [tag.to_le_bytes(), 1_i64.to_le_bytes()].concat()).collect()
    }

    #[test]
    fn dynamic_dependencies_are_detected() {
        let linker = "/lib64/ld-linux-x86-64.so.2";
        let found = of(&program(&[(PT_LOAD, b"code"), (PT_INTERP, format!("{linker}\0").as_bytes())]));
        assert_eq!(found.expect("read"), Needs::Other(format!("the dynamic linker {linker}")));
        let entries = dynamic(&[DT_NEEDED, DT_SONAME, DT_NEEDED, DT_NULL]);
        let found = of(&program(&[(PT_DYNAMIC, &entries)])).expect("read");
        assert_eq!(found, Needs::Other("2 shared libraries".to_owned()));
    }

    #[test]
    fn newest_glibc_version_is_found() {
        let needs = |linker: &str, libraries: &[&str], versions: &[&str]| match of(&linked_program(
            linker, libraries, versions,
        )) {
            Ok(Needs::Glibc(version)) => format!("glibc {version}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        let (linker, versions) = ("/lib64/ld-linux-x86-64.so.2", ["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4"]);
        assert_eq!(needs(linker, &["libc.so.6", "libresolv.so.2"], &versions), "glibc 2.34");
        assert_eq!(needs("/lib/ld-linux-aarch64.so.1", &["libc.so.6"], &["GLIBC_2.17"]), "glibc 2.17");
        assert_eq!(needs(linker, &["libc.so.6"], &["GLIBC_2.2.5", "GLIBC_ABI_DT_RELR"]), "glibc 2.36");
        for (linker, libraries, versions, expected) in [
            (linker, &["libc.so.6", "libseccomp.so.2"], &versions[..], "the library libseccomp.so.2"),
            (linker, &["libc.so.6", "libm.so.6"], &["GLIBC_PRIVATE"][..], "symbols of the version GLIBC_PRIVATE"),
            (linker, &["libc.so.6", "libm.so.6"], &[][..], "the dynamic linker /lib64/ld-linux-x86-64.so.2"),
            (
                "/lib/ld-musl-x86_64.so.1",
                &["libc.so.6", "libm.so.6"],
                &versions[..],
                "the dynamic linker /lib/ld-musl-x86_64.so.1",
            ),
        ] {
            assert_eq!(needs(linker, libraries, versions), format!("Other({expected:?})"));
        }
    }

    #[test]
    fn static_programs_need_nothing() {
        // A static position-independent program also has a dynamic section.
        let entries = dynamic(&[DT_SONAME, DT_NULL]);
        let this = fs_err::read(std::env::current_exe().expect("this program")).expect("its bytes");
        for bytes in [&program(&[(PT_LOAD, b"code"), (PT_DYNAMIC, &entries)]), &b"#!/bin/sh\n".to_vec(), &vec![], &this]
        {
            assert_eq!(of(bytes).expect("read"), Needs::Nothing);
        }
    }

    #[test]
    fn bundled_landfall_must_run_on_site() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("landfall");
        let good = program(&[(PT_LOAD, b"code")]);
        let mut for_arm = good.clone();
        for_arm[18..20].copy_from_slice(&EM_AARCH64.to_le_bytes());
        let dynamic = program(&[(PT_INTERP, b"/lib64/ld-linux-x86-64.so.2\0")]);
        let for_glibc = linked_program("/lib64/ld-linux-x86-64.so.2", &["libc.so.6"], &["GLIBC_2.34"]);
        let check = |bytes: &[u8], platform: &str| {
            durable::write_file(&path, bytes, 0o755).expect("file");
            check_installer(&path, platform).map_err(|error| error.to_string())
        };
        check(&good, "linux/amd64").expect("fits");
        check(&for_arm, "linux/arm64").expect("fits");
        for (bytes, platform, said) in [
            (&for_arm, "linux/amd64", "for linux/arm64, but the release is for linux/amd64"),
            (&good, "linux/arm64", "for linux/amd64, but the release is for linux/arm64"),
            (&dynamic, "linux/amd64", "needs the dynamic linker"),
            (&for_glibc, "linux/amd64", "needs glibc 2.34 of the host"),
            (&b"#!/bin/sh\n".to_vec(), "linux/amd64", "is not a program for Linux"),
        ] {
            let refused = check(bytes, platform).expect_err(said);
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn gpu_program_needs_supported_glibc() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("landfall-gpu");
        let linked = |libraries: &[&str], version: &str| {
            linked_program("/lib64/ld-linux-x86-64.so.2", libraries, &["GLIBC_2.2.5", "GCC_3.0", version])
        };
        let check = |bytes: &[u8]| {
            durable::write_file(&path, bytes, 0o755).expect("file");
            check_gpu_program(&path, "linux/amd64").map_err(|error| error.to_string())
        };
        check(&linked(&["libc.so.6", "libgcc_s.so.1"], "GLIBC_2.34")).expect("fits");
        check(&linked(&["libc.so.6"], "GLIBC_2.17")).expect("fits");
        for (bytes, said) in [
            (linked(&["libc.so.6"], "GLIBC_2.36"), "needs glibc 2.36 of the host, where 2.34 is the newest"),
            (linked(&["libc.so.6", "libnuma.so.1"], "GLIBC_2.34"), "libnuma.so.1"),
            (program(&[(PT_LOAD, b"code")]), "is linked statically"),
            (b"#!/bin/sh\n".to_vec(), "is not a program for Linux"),
        ] {
            let refused = check(&bytes).expect_err(said);
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn truncated_program_is_error() {
        let whole = program(&[(PT_LOAD, b"code"), (PT_INTERP, b"/lib/ld.so\0")]);
        for (length, part) in
            [(20, "header"), (64, "program header"), (100, "program header"), (whole.len() - 1, "interpreter segment")]
        {
            let refused = of(&whole[..length]).expect_err(part).to_string();
            assert!(refused.starts_with(&format!("Invalid ELF {part} ")), "{length} bytes: {refused}");
        }
    }
}
