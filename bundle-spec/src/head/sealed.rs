//! `landfall.json` and who signed it: read, trusted and only then understood.
//!
//! [`Sealed`] → [`Signed`] → [`Verified`]. The signatures cover bytes, so they are checked before these bytes are
//! interpreted. Then a bundle's requirements are read, from the part that every version understands ([`Announcement`]).
//! Only a bundle that this version understands is parsed strictly. A bundle of a later format thus names what it needs,
//! and an installer can hand over to the program that it carries.

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

/// The basis of trust, once it was checked.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub(super) trusted: TrustedRoot,
    pub(super) signers: Vec<KeyId>,
    pub(super) revocation: Option<Revocation>,
}

impl<R: Read> Sealed<R> {
    /// Reads `landfall.json` and the signature and trust area, and parses nothing of `landfall.json`. The source then
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

    /// Walks from the anchor to the root that counts and checks every signature by a key of its release role.
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

    /// Reads the rest of the head without trusting anything: for inspection only.
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

    /// The revocation, if the root that counts trusts it. An older bundle at a site with a newer root carries one by
    /// keys that no longer count: it must be valid for the bundle's own newest root, and has no effect.
    fn revocation(&self, root: &Root) -> Result<Option<Revocation>> {
        let Some(revocation) = &self.area.revocation else { return Ok(None) };
        match (revocation.verify(root), self.area.roots.last()) {
            (Ok(_), _) => Ok(Some(revocation.clone())),
            (Err(_), Some(last)) if last.number() < root.number() => revocation.verify(last).map(|_| None),
            (Err(refusal), _) => Err(refusal),
        }
    }
}

/// A head whose `landfall.json` is correctly signed, and whose bundle may need a newer Landfall. Of its payload, only
/// the newer program is accessible.
#[derive(Debug)]
pub struct Signed<R> {
    sealed: Sealed<R>,
    seal: Seal,
    announced: Announcement,
}

impl<R: Read> Signed<R> {
    /// Reads the rest of the head of a bundle that this version understands; refuses requirements that this version
    /// does not know.
    pub fn understood(self) -> Result<Verified> {
        self.check_requirements()?;
        self.strict()
    }

    /// The same for the writer, who knows what the bundle requires because it wrote it.
    pub(super) fn strict(mut self) -> Result<Verified> {
        self.sealed.area.check_understood()?;
        let contents = self.sealed.head.rest(self.sealed.landfall)?;
        Ok(Verified::new(contents, self.seal))
    }

    /// Refuses requirements that this version does not know.
    pub fn check_requirements(&self) -> Result<()> {
        self.announced.check()
    }

    /// Refuses a bundle that this verified revocation names. The one that the bundle carries was already checked.
    pub fn check_revoked(&self, revocation: &Revocation) -> Result<()> {
        revocation.check(&self.announced.name, &self.announced.version, self.sealed.id())
    }

    /// SHA-256 of `landfall.json`: the id of the bundle.
    pub fn id(&self) -> Sha256 {
        self.sealed.id()
    }

    /// Name and version of the release, as they are signed.
    pub fn announced(&self) -> (&str, &str) {
        (&self.announced.name, &self.announced.version)
    }

    /// The `landfall` that the bundle carries, its offset counted from the first byte of the stream.
    pub fn program(&self) -> Option<Program> {
        let program = self.announced.program?;
        let offset = self.sealed.head.area_end().checked_add(program.offset)?;
        Some(Program { offset, ..program })
    }

    /// The root that counts, and where its trust began.
    pub const fn trusted(&self) -> &TrustedRoot {
        &self.seal.trusted
    }

    /// The revocation that the bundle carries, where the root that counts trusts it.
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.seal.revocation.as_ref()
    }
}

impl Opened {
    /// Reads exactly the head from a stream, which then is at the first byte after it. Checks its structure and the
    /// digests of its documents; trusts nothing.
    pub fn read(source: impl Read) -> Result<Self> {
        Sealed::read(source)?.look()
    }

    /// Reads a `.head` file: the head and nothing after it.
    pub fn read_file(bytes: &[u8]) -> Result<Self> {
        whole(bytes, |rest| Self::read(rest))
    }
}

impl Verified {
    /// Reads exactly the head from a stream, which then is at the first byte after it: signatures first, then what the
    /// bundle requires of its reader, then everything else.
    pub fn read(source: impl Read, anchor: &TrustAnchor) -> Result<Self> {
        Sealed::read(source)?.trust(anchor)?.understood()
    }

    /// Reads a `.head` file: the head and nothing after it.
    pub fn read_file(bytes: &[u8], anchor: &TrustAnchor) -> Result<Self> {
        whole(bytes, |rest| Self::read(rest, anchor))
    }

    /// Reads back a head that was just written, whatever it requires of readers.
    pub(super) fn read_own(bytes: &[u8], anchor: &TrustAnchor) -> Result<Self> {
        whole(bytes, |rest| Sealed::read(rest)?.trust(anchor)?.strict())
    }
}

fn whole<T>(bytes: &[u8], read: impl FnOnce(&mut &[u8]) -> Result<T>) -> Result<T> {
    let mut rest = bytes;
    let head = read(&mut rest)?;
    if rest.is_empty() { Ok(head) } else { Err(Error::TrailingData { place: "the head".to_owned() }) }
}
