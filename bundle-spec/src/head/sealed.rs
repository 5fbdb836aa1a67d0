//! `landfall.json` and its signers: read, then trusted, and only then interpreted.
//!
//! [`Sealed`] → [`Signed`] → [`Verified`]. The signatures cover bytes, so they are checked before these bytes are
//! interpreted. Then the bundle's requirements are read from the part that every version understands
//! ([`Announcement`]). Only a bundle that this version understands is parsed strictly. So a bundle of a later format
//! can name its requirements, and an installer can hand over to the program in that bundle.

use std::io::Read;
use std::ops::Range;

use super::area::Area;
use super::contents::{Opened, Verified};
use super::document::{Announcement, FileDigest, LANDFALL_DOCUMENT_NAME, Program};
use super::reader::Head;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::trust::{KeyId, Revocation, Role, Root, TrustAnchor, TrustedRoot, walk};

/// The beginning of a head: `landfall.json`, signatures and roots, none of them trusted yet.
#[derive(Debug)]
pub struct Sealed<R> {
    head: Head<R>,
    landfall: Range<usize>,
    area: Area,
}

/// The basis of trust, after it was checked.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub(super) trusted: TrustedRoot,
    pub(super) signers: Vec<KeyId>,
    pub(super) revocation: Option<Revocation>,
}

impl<R: Read> Sealed<R> {
    /// Reads `landfall.json` and the signature and trust area, without parsing `landfall.json`. Afterwards, the source
    /// is at the header of `blobs.json`.
    pub fn read(source: R) -> Result<Self> {
        let mut head = Head::new(source);
        let landfall = head.first()?;
        let area = head.area()?;
        Ok(Self { head, landfall, area })
    }

    /// SHA-256 of `landfall.json`: the id of the bundle.
    pub fn id(&self) -> Sha256 {
        FileDigest::of(self.message()).sha256
    }

    /// Walks from the anchor to the effective root, and checks every signature by a key of its release role.
    pub fn trust(mut self, anchor: &TrustAnchor) -> Result<Signed<R>> {
        let seal = match self.seal(anchor) {
            Ok(seal) => seal,
            Err(refusal) => return Err(self.area.explain(refusal)),
        };
        let announced = Announcement::read(self.message())?;
        let signed = Signed { sealed: self, seal, announced };
        signed.seal.revocation.as_ref().map_or(Ok(()), |revocation| signed.check_revoked(revocation))?;
        Ok(signed)
    }

    /// Reads the rest of the head without trusting anything; for inspection only.
    pub fn look(mut self) -> Result<Opened> {
        self.area.check_understood()?;
        let contents = self.head.rest(self.landfall)?;
        Ok(Opened { contents, area: self.area })
    }

    fn message(&self) -> &[u8] {
        &self.head.bytes[self.landfall.clone()]
    }

    fn seal(&self, anchor: &TrustAnchor) -> Result<Seal> {
        let (name, message) = (LANDFALL_DOCUMENT_NAME, self.message());
        if self.area.signatures.is_empty() {
            return Err(Error::Unsigned { name: name.to_owned() });
        }
        let trusted = walk(anchor, &self.area.roots)?;
        if let Some(other) = self.area.signatures.iter().find(|file| !file.is_of(message)) {
            return Err(Error::BadSignature { name: name.to_owned(), key: other.key() });
        }
        let signatures: Vec<_> = self.area.signatures.iter().map(|file| (file.key(), file.signature())).collect();
        let signers = trusted.root().verify(Role::Release, name, message, &signatures)?;
        let revocation = self.revocation(trusted.root())?;
        Ok(Seal { trusted, signers, revocation })
    }

    /// Returns the revocation if the effective root trusts it. An older bundle at a site with a newer root carries a
    /// revocation by keys that are no longer effective. It must be valid for the bundle's own newest root, and has no
    /// effect.
    fn revocation(&self, root: &Root) -> Result<Option<Revocation>> {
        let Some(revocation) = &self.area.revocation else { return Ok(None) };
        match (revocation.verify(root), self.area.roots.last()) {
            (Ok(_), _) => Ok(Some(revocation.clone())),
            (Err(_), Some(last)) if last.number() < root.number() => revocation.verify(last).map(|_| None),
            (Err(refusal), _) => Err(refusal),
        }
    }
}

/// A head with a correctly signed `landfall.json`; the bundle may need a newer Landfall. Of its payload, only the newer
/// program is accessible.
#[derive(Debug)]
pub struct Signed<R> {
    sealed: Sealed<R>,
    seal: Seal,
    announced: Announcement,
}

impl<R: Read> Signed<R> {
    /// Reads the rest of the head. Returns an error for requirements that this version does not know.
    pub fn into_verified(self) -> Result<Verified> {
        self.check_requirements()?;
        self.strict()
    }

    /// Like [`Signed::into_verified`], for the writer, which knows the requirements because it wrote them.
    pub(super) fn strict(mut self) -> Result<Verified> {
        self.sealed.area.check_understood()?;
        let contents = self.sealed.head.rest(self.sealed.landfall)?;
        Ok(Verified::new(contents, self.seal))
    }

    /// Returns an error for requirements that this version does not know.
    pub fn check_requirements(&self) -> Result<()> {
        self.announced.check()
    }

    /// Returns an error if this verified revocation names the bundle. The bundle's own revocation was already checked.
    pub fn check_revoked(&self, revocation: &Revocation) -> Result<()> {
        revocation.check(&self.announced.name, &self.announced.version, self.sealed.id())
    }

    /// SHA-256 of `landfall.json`: the id of the bundle.
    pub fn id(&self) -> Sha256 {
        self.sealed.id()
    }

    /// Name and version of the release, as signed.
    pub fn announced_release(&self) -> (&str, &str) {
        (&self.announced.name, &self.announced.version)
    }

    /// The program `landfall` in the bundle, with its offset from the first byte of the stream.
    pub fn program(&self) -> Option<Program> {
        let program = self.announced.program?;
        let offset = self.sealed.head.area_end().checked_add(program.offset)?;
        Some(Program { offset, ..program })
    }

    /// The effective root, and the start of the chain of trust.
    pub const fn trusted_root(&self) -> &TrustedRoot {
        &self.seal.trusted
    }

    /// The revocation in the bundle, if the effective root trusts it.
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.seal.revocation.as_ref()
    }
}

impl Opened {
    /// Reads exactly the head from a stream. Checks its structure and the digests of its documents; trusts nothing.
    /// Afterwards, the stream is at the first byte after the head.
    pub fn read(source: impl Read) -> Result<Self> {
        Sealed::read(source)?.look()
    }

    /// Reads a `.head` file: only the head.
    pub fn read_file(bytes: &[u8]) -> Result<Self> {
        read_whole(bytes, |rest| Self::read(rest))
    }
}

impl Verified {
    /// Reads exactly the head from a stream: signatures first, then the requirements, then everything else. Afterwards,
    /// the stream is at the first byte after the head.
    pub fn read(source: impl Read, anchor: &TrustAnchor) -> Result<Self> {
        Sealed::read(source)?.trust(anchor)?.into_verified()
    }

    /// Reads a `.head` file: only the head.
    pub fn read_file(bytes: &[u8], anchor: &TrustAnchor) -> Result<Self> {
        read_whole(bytes, |rest| Self::read(rest, anchor))
    }

    /// Reads back a head that was just written, whatever its requirements.
    pub(super) fn read_own(bytes: &[u8], anchor: &TrustAnchor) -> Result<Self> {
        read_whole(bytes, |rest| Sealed::read(rest)?.trust(anchor)?.strict())
    }
}

fn read_whole<T>(bytes: &[u8], read: impl FnOnce(&mut &[u8]) -> Result<T>) -> Result<T> {
    let mut rest = bytes;
    let head = read(&mut rest)?;
    if rest.is_empty() { Ok(head) } else { Err(Error::TrailingData { place: "the head".to_owned() }) }
}
