//! The signature and trust area: `signatures/…`, then `trust/…`. It is read before anything else is trusted.
//!
//! A file in this area that this version does not understand, or that is out of place, is recorded and otherwise
//! ignored. The head stays readable. A caller that continues with the rest of the head then gets an error
//! ([`Area::check_understood`]). A bundle of a later format is handed over before that.

use crate::error::{Error, Result};
use crate::limits;
use crate::trust::{REVOCATION_FILE_NAME, Revocation, Root, SignatureFile, root_file_name, signature_file_name};

const SIGNATURES_FOLDER: &str = "signatures/";
const TRUST_FOLDER: &str = "trust/";

/// The signatures, root documents and revocation of the area.
#[derive(Debug, Default)]
pub(super) struct Area {
    pub(super) signatures: Vec<SignatureFile>,
    pub(super) roots: Vec<Root>,
    pub(super) revocation: Option<Revocation>,
    /// Deferred error for the first file that differs from this version's format.
    problem: Option<Error>,
    signature_files: usize,
    trust_files: usize,
    trust_bytes: u64,
}

impl Area {
    /// Returns true if a file of the head belongs to the area.
    pub(super) fn holds(name: &str) -> bool {
        name.starts_with(SIGNATURES_FOLDER) || name.starts_with(TRUST_FOLDER)
    }

    /// Returns an error, before the file is read, if the file is too large or there are too many files.
    pub(super) fn admit(&mut self, name: &str, size: u64) -> Result<()> {
        let above = |what: String, limit: u64| Err(Error::TooLarge { what, limit });
        if size > limits::AREA_FILE_BYTES {
            return above(format!("{name} ({size} bytes)"), limits::AREA_FILE_BYTES);
        }
        if name.starts_with(SIGNATURES_FOLDER) {
            self.signature_files += 1;
            if self.signature_files > limits::SIGNATURES {
                return above("the number of signatures".to_owned(), limits::SIGNATURES as u64);
            }
            return Ok(());
        }
        self.trust_files += 1;
        self.trust_bytes += size;
        // The revocation is allowed in addition to the roots.
        if self.trust_files > limits::ROOTS + 1 {
            return above("the number of root documents".to_owned(), limits::ROOTS as u64);
        }
        if self.trust_bytes > limits::TRUST_BYTES {
            return above(format!("the size of all files below {TRUST_FOLDER}"), limits::TRUST_BYTES);
        }
        Ok(())
    }

    /// Adds a file. If the file is not understood, its error is recorded as a problem.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        if let Err(problem) = self.try_add(name, bytes) {
            self.problem.get_or_insert(problem);
        }
    }

    /// Returns the most useful explanation when trust is refused: an unreadable file explains more than a missing one.
    pub(super) fn explain(&mut self, refusal: Error) -> Error {
        self.problem.take().unwrap_or(refusal)
    }

    /// Returns an error for the first file that differs from this version's format.
    pub(super) fn check_understood(&mut self) -> Result<()> {
        self.problem.take().map_or(Ok(()), Err)
    }

    fn try_add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if name.starts_with(SIGNATURES_FOLDER) {
            return self.add_signature(name, bytes);
        }
        let revocation = revocation_name();
        if self.revocation.is_some() {
            return Err(misplaced_file(name, format!("nothing after {revocation}")));
        }
        if name == revocation {
            self.revocation = Some(Revocation::read(name, bytes)?);
            return Ok(());
        }
        self.add_root(name, bytes)
    }

    fn add_signature(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.trust_files > 0 {
            return Err(misplaced_file(name, format!("signatures before all of {TRUST_FOLDER}")));
        }
        let file = SignatureFile::read(name, bytes)?;
        if self.signatures.last().is_some_and(|last| last.key() >= file.key()) {
            return Err(misplaced_file(name, "signatures in the order of their key ids".to_owned()));
        }
        self.signatures.push(file);
        Ok(())
    }

    fn add_root(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        // The first root may have any number; the others follow without a gap.
        let next = self.roots.last().and_then(|last| last.number().checked_add(1));
        if let Some(expected) = next.map(root_name).filter(|expected| expected != name) {
            return Err(misplaced_file(name, format!("{expected}, or the end of {TRUST_FOLDER}")));
        }
        let root = Root::read(name, bytes)?;
        if root_name(root.number()) != name {
            return Err(misplaced_file(name, root_name(root.number())));
        }
        self.roots.push(root);
        Ok(())
    }
}

/// Name of a signature in the head.
pub(super) fn signature_name(signature: &SignatureFile) -> String {
    signature_file_name(signature.key())
}

/// Name of a root document in the head.
pub(super) fn root_name(number: u64) -> String {
    format!("{TRUST_FOLDER}{}", root_file_name(number))
}

/// Name of the revocation in the head.
pub(super) fn revocation_name() -> String {
    format!("{TRUST_FOLDER}{REVOCATION_FILE_NAME}")
}

fn misplaced_file(name: &str, expected: String) -> Error {
    Error::MisplacedFile { name: name.to_owned(), expected }
}
