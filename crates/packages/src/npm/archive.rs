//! Reader of a tarball: reads `package.json` in its only top folder, whatever the folder's name, and checks whether two
//! other files exist.
//!
//! Threats: a tarball may unpack endlessly. It may have any number of members, names and headers of any length, or two
//! files with one name. An extended header may state a length that contradicts the plain one. So a tarball is read as a
//! stream with a limit. Extended headers are read here within a limit, and one that changes lengths is an error. A path
//! is interpreted as npm does: its first folder is left out.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::ControlFlow;

use flate2::read::GzDecoder;
use landfall_bundle_spec::Sha256;
use tar::{Entry, EntryType, PaxExtensions};

use super::error::NpmFault;
use crate::limits;

const PACKAGE_JSON: &[u8] = b"package.json";

/// File from which npm builds a package that names no script for it.
const GYP: &[u8] = b"binding.gyp";

const SHRINKWRAP: &[u8] = b"npm-shrinkwrap.json";

/// The relevant contents of a tarball.
#[derive(Debug, Default)]
pub struct Contents {
    /// Bytes of `package.json`.
    pub package_json: Vec<u8>,
    /// True if it has a `binding.gyp`.
    pub has_gyp: bool,
    /// True if it contains its own lock.
    pub has_shrinkwrap: bool,
}

/// Reads a tarball to its end.
pub fn contents(tarball: impl Read) -> Result<Contents, NpmFault> {
    let (mut contents, mut count) = (Contents::default(), 0);
    let mut reader = unpacked_reader(tarball);
    let _whole = walk(&mut reader, |path, member| {
        if path == PACKAGE_JSON {
            count += 1;
            contents.package_json = package_json(member)?;
        }
        contents.has_gyp |= path == GYP;
        contents.has_shrinkwrap |= path == SHRINKWRAP;
        Ok(ControlFlow::Continue(()))
    })?;
    // Damage is detected only at the end, where the checksum is.
    io::copy(&mut reader, &mut io::sink())?;
    match count {
        0 => Err(NpmFault::PackageJson("is missing".to_owned())),
        1 => Ok(contents),
        _ => Err(NpmFault::PackageJson("occurs several times".to_owned())),
    }
}

/// Returns the `package.json` of a tarball if it has this digest. The rest of the tarball is not read.
pub fn package_json_with(tarball: impl Read, wanted: Sha256) -> Result<Vec<u8>, NpmFault> {
    let found = package_json_in(tarball)?;
    if Sha256::of(&found) == wanted { Ok(found) } else { Err(NpmFault::Changed) }
}

/// Returns the `package.json` of a tarball whose bytes are already trusted. The rest of the tarball is not read.
///
/// # Errors
///
/// Returns an error if the file is missing or too large, or if the part before it cannot be read.
pub fn package_json_in(tarball: impl Read) -> Result<Vec<u8>, NpmFault> {
    let mut found = None;
    let _rest = walk(&mut unpacked_reader(tarball), |path, member| {
        if path != PACKAGE_JSON {
            return Ok(ControlFlow::Continue(()));
        }
        found = Some(package_json(member)?);
        Ok(ControlFlow::Break(()))
    })?;
    found.ok_or_else(|| NpmFault::PackageJson("is missing".to_owned()))
}

fn package_json(member: &mut dyn Member) -> Result<Vec<u8>, NpmFault> {
    if member.length() > limits::PACKAGE_JSON_BYTES {
        return Err(NpmFault::PackageJson(format!("has more than {} bytes", limits::PACKAGE_JSON_BYTES)));
    }
    read_whole(member)
}

/// A member of a tarball, in the form that visitors get.
trait Member: Read {
    fn length(&self) -> u64;
}

impl<R: Read> Member for Entry<'_, R> {
    fn length(&self) -> u64 {
        self.size()
    }
}

/// Reads all bytes of a member whose length was checked.
fn read_whole(member: &mut dyn Member) -> Result<Vec<u8>, NpmFault> {
    let wanted = member.length();
    let mut bytes = Vec::new();
    member.take(wanted).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == wanted { Ok(bytes) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
}

/// Calls `each` for each regular file, with its path below the first folder, until it returns a break.
fn walk(
    reader: &mut impl Read,
    mut each: impl FnMut(&[u8], &mut dyn Member) -> Result<ControlFlow<()>, NpmFault>,
) -> Result<ControlFlow<()>, NpmFault> {
    let mut archive = tar::Archive::new(reader);
    let mut long_path: Option<Vec<u8>> = None;
    for (number, entry) in archive.entries()?.raw(true).enumerate() {
        if number >= limits::NPM_MEMBERS {
            return Err(NpmFault::Tarball(format!("has more than {} members", limits::NPM_MEMBERS)));
        }
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long_path = Some(trim_name(header(&mut entry)?)),
            EntryType::XHeader => long_path = extended_path(&header(&mut entry)?)?.or(long_path),
            EntryType::XGlobalHeader => {
                if extended_path(&header(&mut entry)?)?.is_some() {
                    return Err(NpmFault::Tarball("gives all of its files one name".to_owned()));
                }
            }
            EntryType::GNUSparse => return Err(NpmFault::Tarball("has a file with holes".to_owned())),
            EntryType::GNULongLink => {}
            EntryType::Regular | EntryType::Continuous => {
                let path = long_path.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                if each(&below(&path), &mut entry)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            // npm leaves out links and devices.
            _ => long_path = None,
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Reads the bytes of a header that is a separate member.
fn header<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, NpmFault> {
    if entry.size() > limits::NPM_HEADER_BYTES {
        return Err(NpmFault::Tarball(format!("has a header of more than {} bytes", limits::NPM_HEADER_BYTES)));
    }
    read_whole(entry)
}

fn trim_name(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

/// Returns the path in an extended header, if any.
fn extended_path(bytes: &[u8]) -> Result<Option<Vec<u8>>, NpmFault> {
    let mut path = None;
    for extension in PaxExtensions::new(bytes) {
        let extension = extension?;
        let key = extension.key_bytes();
        if key == b"size" || key.starts_with(b"GNU.sparse.") {
            return Err(NpmFault::Tarball("has a file whose length two headers state".to_owned()));
        }
        if key == b"path" {
            path = Some(extension.value_bytes().to_owned());
        }
    }
    Ok(path)
}

/// Returns the path below the first folder, without meaningless segments.
fn below(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = path.iter().position(|byte| *byte == b'/') else { return Cow::Borrowed(&path[..0]) };
    let rest = &path[first + 1..];
    let segments: Vec<&[u8]> =
        rest.split(|byte| *byte == b'/').filter(|segment| !matches!(*segment, b"" | b".")).collect();
    if segments.len() == 1 { Cow::Borrowed(segments[0]) } else { Cow::Owned(segments.join(&b'/')) }
}

fn unpacked_reader(tarball: impl Read) -> impl Read {
    BoundedReader { reader: GzDecoder::new(tarball), left: limits::NPM_UNPACKED_BYTES }
}

/// A reader that fails after this many bytes.
struct BoundedReader<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let left = self.left.checked_sub(count as u64);
        self.left = left
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {} bytes", limits::NPM_UNPACKED_BYTES)))?;
        Ok(count)
    }
}
