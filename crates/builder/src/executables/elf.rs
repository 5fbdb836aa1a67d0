//! Reads the requirements of a program from its ELF headers, and only the parts that are needed.
//!
//! Threats: the bytes come from upstream. Headers may name segments outside of the file, or sizes beyond any memory:
//! the reader compares them with the file before it allocates. Tables may name the same entries repeatedly: the number
//! of names that are read is limited.

use std::fmt;
use std::io::{Read, Seek};

use object::elf::{DT_NEEDED, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, FileKind, ReadCache};

/// Error of the ELF library.
pub type ElfError = Box<dyn std::error::Error + Send + Sync>;

/// Paths of the dynamic linkers of glibc.
const GLIBC_LINKERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// Libraries of glibc, present on each host with glibc.
const GLIBC_LIBRARIES: [&str; 9] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libresolv.so.2",
    "libutil.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

/// GCC's stack unwinding library, on which glibc packages depend, and the prefix of its symbol versions.
const UNWINDING: (&str, &str) = ("libgcc_s.so.1", "GCC_");

/// Entry that stands for packed relocations in a program's symbol versions, and the glibc version that supports them.
const PACKED_RELOCATIONS: (&str, Glibc) = ("GLIBC_ABI_DT_RELR", Glibc(2, 36));

/// Maximum number of libraries, and of symbol versions, that are read of a program.
const NAMES: usize = 4096;

/// A version of glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc(u32, u32);

impl fmt::Display for Glibc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

impl From<(u32, u32)> for Glibc {
    fn from((major, minor): (u32, u32)) -> Self {
        Self(major, minor)
    }
}

impl Glibc {
    /// The glibc version with symbols of a version such as `GLIBC_2.2.5`; `None` if glibc does not promise it, as for
    /// `GLIBC_PRIVATE`.
    fn of_symbols(version: &str) -> Option<Self> {
        if version == PACKED_RELOCATIONS.0 {
            return Some(PACKED_RELOCATIONS.1);
        }
        let mut numbers = version.strip_prefix("GLIBC_")?.split('.').map(|number| number.parse().ok());
        Some(Self(numbers.next()??, numbers.next()??))
    }
}

/// Requirements of a file for its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is statically linked, or not a program.
    Nothing,
    /// Only the libraries of glibc, in this version or a newer one.
    Glibc(Glibc),
    /// Any other requirement, as text.
    Other(String),
}

/// Libraries that a program may be linked with in addition to glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedLibraries {
    /// No other library.
    Nothing,
    /// GCC's stack unwinding library, which Rust programs for glibc need.
    Unwinding,
}

/// Machine type of a program; `None` if the file is not a program.
pub fn machine(data: &ReadCache<impl Read + Seek>) -> Result<Option<u16>, ElfError> {
    Ok(match FileKind::parse(data) {
        Ok(FileKind::Elf64) => {
            let header = FileHeader64::<Endianness>::parse(data)?;
            Some(header.e_machine(header.endian()?))
        }
        _ => None,
    })
}

/// Reads the requirements of a file for its host.
pub fn needs(data: &ReadCache<impl Read + Seek>, beside: AllowedLibraries) -> Result<Needs, ElfError> {
    match FileKind::parse(data) {
        Ok(FileKind::Elf32) => needs_of::<FileHeader32<Endianness>>(data, beside),
        Ok(FileKind::Elf64) => needs_of::<FileHeader64<Endianness>>(data, beside),
        // A script or a configuration file is not linked.
        _ => Ok(Needs::Nothing),
    }
}

fn needs_of<Header: FileHeader<Endian = Endianness>>(
    data: &ReadCache<impl Read + Seek>,
    beside: AllowedLibraries,
) -> Result<Needs, ElfError> {
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let (mut linker, mut libraries) = (None, 0);
    for segment in header.program_headers(endian, data)? {
        if let Some(found) = segment.interpreter(endian, data)? {
            linker = Some(text(found));
        }
        let dynamic = segment.dynamic(endian, data)?.unwrap_or_default();
        libraries += dynamic.iter().filter(|entry| entry.tag(endian) == DT_NEEDED).count();
    }
    let Some(linker) = linker else {
        let other = || Needs::Other(format!("{libraries} shared libraries"));
        return Ok(if libraries > 0 { other() } else { Needs::Nothing });
    };
    let other = Needs::Other(format!("the dynamic linker {linker}"));
    if !GLIBC_LINKERS.contains(&linker.as_str()) {
        return Ok(other);
    }
    let sections = LinkedLibraries::read(header, data)?;
    if sections.libraries.len() != libraries {
        return Ok(other);
    }
    Ok(sections.needs(beside).unwrap_or(other))
}

/// Libraries and symbol versions of a program, as its sections state them.
#[derive(Debug, Default)]
struct LinkedLibraries {
    libraries: Vec<String>,
    versions: Vec<String>,
}

impl LinkedLibraries {
    fn read<Header: FileHeader<Endian = Endianness>>(
        header: &Header,
        data: &ReadCache<impl Read + Seek>,
    ) -> Result<Self, ElfError> {
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let mut linked = Self::default();
        if let Some((entries, strings)) = sections.dynamic(endian, data)? {
            let strings = sections.strings(endian, data, strings)?;
            for entry in entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED).take(NAMES) {
                linked.libraries.push(text(entry.string(endian, strings)?));
            }
        }
        let Some((mut libraries, strings)) = sections.gnu_verneed(endian, data)? else { return Ok(linked) };
        let strings = sections.strings(endian, data, strings)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                if linked.versions.len() == NAMES {
                    return Err("it names too many versions of symbols".into());
                }
                linked.versions.push(text(version.name(endian, strings)?));
            }
        }
        Ok(linked)
    }

    /// The requirement, if it is known: the newest version of glibc, or the first library that is not part of glibc.
    fn needs(&self, beside: AllowedLibraries) -> Option<Needs> {
        let (unwinding, of_unwinding) = UNWINDING;
        let is_allowed = |library: &str| {
            GLIBC_LIBRARIES.contains(&library) || (beside == AllowedLibraries::Unwinding && library == unwinding)
        };
        if let Some(foreign) = self.libraries.iter().find(|library| !is_allowed(library.as_str())) {
            return Some(Needs::Other(format!("the library {foreign}")));
        }
        let mut newest = None;
        let is_skipped = |version: &str| beside == AllowedLibraries::Unwinding && version.starts_with(of_unwinding);
        for version in self.versions.iter().filter(|version| !is_skipped(version.as_str())) {
            let Some(found) = Glibc::of_symbols(version) else {
                return Some(Needs::Other(format!("symbols of the version {version}")));
            };
            newest = newest.max(Some(found));
        }
        newest.map(Needs::Glibc)
    }
}

/// Escapes a name in a program for a message.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_versions_compare_as_numbers() {
        let of = |version: &str| Glibc::of_symbols(version).map(|glibc| glibc.to_string());
        assert_eq!(of("GLIBC_2.2.5").as_deref(), Some("2.2"));
        assert_eq!(of("GLIBC_2.34").as_deref(), Some("2.34"));
        assert_eq!(of("GLIBC_ABI_DT_RELR").as_deref(), Some("2.36"));
        for unknown in ["GLIBC_PRIVATE", "GLIBC_2", "GLIBC_", "GCC_3.0", "2.34", "GLIBC_2.x"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        assert!(Glibc::of_symbols("GLIBC_2.4") < Glibc::of_symbols("GLIBC_2.34"));
    }
}
