//! `SHA256SUMS`: one list for the whole folder. Lines for other files stay unchanged, whether they belong to another
//! release or to a customer.

use std::io::Read;
use std::path::Path;

use super::WrittenFile;
use crate::bundle::open_regular;
use crate::durable;
use crate::error::{MediaError, PathContext, Result};

/// Name of the list of digests next to the parts, in the format that `sha256sum --check` reads.
pub const SUMS_NAME: &str = "SHA256SUMS";

/// Maximum bytes of a list that is preserved: enough for tens of thousands of files.
const LIST_LIMIT_BYTES: u64 = 4 << 20;

/// Number of hexadecimal digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;

/// Writes the list: first the lines of all other files, then the lines of these files. Returns its length in bytes. On
/// return, it is on the disk.
pub(super) fn write(folder: &Path, files: &[WrittenFile]) -> Result<usize> {
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    let mut list = lines_of_other_files(folder, &names)?;
    for file in files {
        list.extend(format!("{}  {}\n", file.sha256.to_hex(), file.name).into_bytes());
    }
    durable::write_file(&folder.join(SUMS_NAME), &list, 0o644)?;
    Ok(list.len())
}

/// Removes the lines of these files from the list, if it exists.
pub(super) fn remove(folder: &Path, names: &[&str]) -> Result<()> {
    let path = folder.join(SUMS_NAME);
    let (all, rest) = (lines_of_other_files(folder, &[])?, lines_of_other_files(folder, names)?);
    if rest.len() == all.len() {
        return Ok(());
    }
    if rest.is_empty() {
        durable::remove_file(&path)?;
    } else {
        durable::write_file(&path, &rest, 0o644)?;
    }
    Ok(())
}

/// Returns the lines of the list for other files, each with its line end; empty without a list. Returns an error for a
/// list that cannot be preserved.
pub(super) fn lines_of_other_files(folder: &Path, names: &[&str]) -> Result<Vec<u8>> {
    let path = folder.join(SUMS_NAME);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let too_much = || MediaError::OutputExists(path.clone());
    let (file, length) = open_regular(&path).map_err(|_| too_much())?;
    if length > LIST_LIMIT_BYTES {
        return Err(too_much());
    }
    let mut list = Vec::new();
    file.take(LIST_LIMIT_BYTES).read_to_end(&mut list).at("read", &path)?;
    Ok(without(list, names))
}

/// Returns a list of digests without the lines of these files. Other lines stay unchanged; a last line without a line
/// end gets one.
pub fn without(mut list: Vec<u8>, names: &[&str]) -> Vec<u8> {
    if list.last().is_some_and(|last| *last != b'\n') {
        list.push(b'\n');
    }
    let kept = list.split_inclusive(|byte| *byte == b'\n').filter(|line| !names.iter().any(|name| is_of(line, name)));
    kept.collect::<Vec<_>>().concat()
}

/// Returns true if the line names this file: digest, space, space or `*`, name.
fn is_of(line: &[u8], name: &str) -> bool {
    let Some((digest, rest)) = line.split_at_checked(DIGEST_DIGITS) else { return false };
    let digits = digest.iter().all(u8::is_ascii_hexdigit);
    digits && matches!(rest, [b' ', b' ' | b'*', ..]) && rest[2..].trim_ascii_end() == name.as_bytes()
}
