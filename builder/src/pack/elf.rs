//! What a program says about itself in its ELF headers. Only what is asked for is read of it.
//!
//! Threats: the bytes come from upstream. Headers may name segments outside of the file, or sizes beyond any memory: the reader
//! compares them with the file before it allocates.

use std::io::{Read, Seek};

use object::elf::{DT_NEEDED, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, FileKind, ReadCache};

/// Why a program cannot be read, in the words of the library that reads it.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The processor of a program; nothing where a file is none.
pub fn machine(data: &ReadCache<impl Read + Seek>) -> Result<Option<u16>, Failed> {
    Ok(match FileKind::parse(data) {
        Ok(FileKind::Elf64) => {
            let header = FileHeader64::<Endianness>::parse(data)?;
            Some(header.e_machine(header.endian()?))
        }
        _ => None,
    })
}

/// What a file needs of its host before it runs, in words; nothing where it is static or no program.
pub fn needs(data: &ReadCache<impl Read + Seek>) -> Result<Option<String>, Failed> {
    match FileKind::parse(data) {
        Ok(FileKind::Elf32) => needs_of::<FileHeader32<Endianness>>(data),
        Ok(FileKind::Elf64) => needs_of::<FileHeader64<Endianness>>(data),
        // A script, a configuration: nothing that is linked.
        _ => Ok(None),
    }
}

fn needs_of<Header: FileHeader<Endian = Endianness>>(
    data: &ReadCache<impl Read + Seek>,
) -> Result<Option<String>, Failed> {
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let mut libraries = 0;
    for segment in header.program_headers(endian, data)? {
        if let Some(linker) = segment.interpreter(endian, data)? {
            return Ok(Some(format!("the dynamic linker {}", String::from_utf8_lossy(linker).escape_default())));
        }
        let dynamic = segment.dynamic(endian, data)?.unwrap_or_default();
        libraries += dynamic.iter().filter(|entry| entry.tag(endian) == DT_NEEDED).count();
    }
    Ok((libraries > 0).then(|| format!("{libraries} shared libraries")))
}
