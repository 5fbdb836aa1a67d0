//! Writer of a head. `UnsignedHead` → `SignedHead`: a head that Landfall's own reader would refuse cannot be written.

use super::CHUNK_LIST_NAME;
use super::area::{revocation_name, root_name, signature_name};
use super::contents::Verified;
use super::document::{
    BundleDocument, FileDigest, Identity, LANDFALL_DOCUMENT_NAME, LANDFALL_DOCUMENT_TYPE, NamedDigest, Program,
    Requirement,
};
use super::reader::program;
use crate::archive::{self, file_bytes};
use crate::blobs::{BLOBS_DOCUMENT_NAME, BlobsDocument, chunk_list_bytes};
use crate::chunks::{ChunkValue, chunk_values_of, root_of_chunks};
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::format::FORMAT;
use crate::layout::Layout;
use crate::trust::{KeyId, Revocation, Root, SignatureFile, SigningKey, TrustAnchor};

/// A small document for the head.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Name, beginning with [`DOCUMENTS_FOLDER`](crate::names::DOCUMENTS_FOLDER); lower-case letters, digits, `.-_` and
    /// `/`, at most 100 bytes.
    pub name: String,
    /// Contents of the document.
    pub bytes: Vec<u8>,
}

/// A head without signatures. It cannot be written.
#[derive(Debug)]
pub struct UnsignedHead {
    document: BundleDocument,
    message: Vec<u8>,
    files: Vec<(String, Vec<u8>)>,
    signatures: Vec<SignatureFile>,
    revocation: Option<Revocation>,
}

impl UnsignedHead {
    /// Binds documents and blobs to `landfall.json`. `chunk_values` has one list per entry of `blobs`, empty up to
    /// 1 MiB, each checked against the entry's root. Documents may come in any order.
    pub fn new(
        identity: &Identity,
        mut documents: Vec<NewDocument>,
        blobs: &BlobsDocument,
        chunk_values: &[&[ChunkValue]],
    ) -> Result<Self> {
        check_chunk_values(blobs, chunk_values)?;
        documents.sort_by(|one, next| one.name.cmp(&next.name));
        let blob_bytes = blobs.to_bytes()?;
        let chunk_bytes = chunk_list_bytes(chunk_values.iter().copied());
        let named = documents.iter().map(|document| {
            let FileDigest { sha256, size } = FileDigest::of(&document.bytes);
            NamedDigest { name: document.name.clone(), sha256, size }
        });
        let mut document = BundleDocument {
            blobs: FileDigest::of(&blob_bytes),
            built_at: identity.built_at.clone(),
            chunks: FileDigest::of(&chunk_bytes),
            counter: identity.counter,
            documents: named.collect(),
            format: FORMAT,
            name: identity.name.clone(),
            payload_bytes: 0,
            program: Program { offset: 0, sha256: Sha256([0; 32]), size: 0 },
            requires: Vec::<Requirement>::new(),
            document_type: LANDFALL_DOCUMENT_TYPE.to_owned(),
            version: identity.version.clone(),
        };
        let mut files = vec![(BLOBS_DOCUMENT_NAME.to_owned(), blob_bytes), (CHUNK_LIST_NAME.to_owned(), chunk_bytes)];
        files.extend(documents.into_iter().map(|document| (document.name, document.bytes)));
        let before_blobs = files.iter().map(|(_, bytes)| file_bytes(bytes.len() as u64)).sum();
        let layout = Layout::new(before_blobs, blobs);
        document.payload_bytes = layout.total_bytes();
        document.program = program(blobs, &layout, 0);
        Ok(Self { message: document.to_bytes()?, document, files, signatures: Vec::new(), revocation: None })
    }

    /// Returns the head with requirements for its readers. Existing signatures are dropped, because they are for other
    /// bytes.
    pub fn requiring(mut self, requires: Vec<Requirement>) -> Result<Self> {
        self.document.requires = requires;
        Ok(Self { message: self.document.to_bytes()?, signatures: Vec::new(), ..self })
    }

    /// Returns the head with the vendor's revocation, which is not part of the signed bytes.
    #[must_use]
    pub fn carrying(self, revocation: Option<Revocation>) -> Self {
        Self { revocation, ..self }
    }

    /// The bytes of `landfall.json`, for external signers.
    pub fn landfall_bytes(&self) -> &[u8] {
        &self.message
    }

    /// SHA-256 of `landfall.json`: the id of the bundle.
    pub fn id(&self) -> Sha256 {
        FileDigest::of(&self.message).sha256
    }

    /// Signs with an available key.
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        let file = SignatureFile::sign(key, &self.message)?;
        self.add(file);
        Ok(())
    }

    /// Adds an external signature. It is checked when the head is completed.
    pub fn add_signature(&mut self, key: KeyId, signature: Vec<u8>) {
        self.add(SignatureFile::new(key, &self.message, signature));
    }

    /// Completes the head with the vendor's chain of root documents. Reads it back as a site that trusts the chain's
    /// first document does. Returns an error for signatures that the last root does not accept.
    pub fn finish(self, roots: &[Root]) -> Result<SignedHead> {
        let first = roots.first().ok_or(Error::RootMissing)?;
        let mut bytes = Vec::new();
        push_file(&mut bytes, LANDFALL_DOCUMENT_NAME, &self.message);
        for file in &self.signatures {
            push_file(&mut bytes, &signature_name(file), &file.to_bytes()?);
        }
        for root in roots {
            push_file(&mut bytes, &root_name(root.number()), root.bytes());
        }
        if let Some(revocation) = &self.revocation {
            push_file(&mut bytes, &revocation_name(), revocation.bytes());
        }
        for (name, contents) in &self.files {
            push_file(&mut bytes, name, contents);
        }
        let verified = Verified::read_own(&bytes, &TrustAnchor::Root(first.bytes().to_vec()))?;
        Ok(SignedHead { verified })
    }

    fn add(&mut self, file: SignatureFile) {
        self.signatures.retain(|other| other.key() != file.key());
        self.signatures.push(file);
        self.signatures.sort_by_key(SignatureFile::key);
    }
}

/// A complete, signed head, verified by reading it back. Its bytes are the beginning of the stream.
#[derive(Debug)]
pub struct SignedHead {
    verified: Verified,
}

impl SignedHead {
    /// The bytes of the head: the beginning of the stream, and all of `NAME.head`.
    pub fn bytes(&self) -> &[u8] {
        self.verified.head_bytes()
    }

    /// The head as a site reads it. Its layout describes the bytes after the head.
    pub const fn verified_head(&self) -> &Verified {
        &self.verified
    }

    /// The head as a site reads it.
    pub fn into_verified(self) -> Verified {
        self.verified
    }
}

fn push_file(bytes: &mut Vec<u8>, name: &str, contents: &[u8]) {
    bytes.extend_from_slice(&archive::header(name, contents.len() as u64, 0o644));
    bytes.extend_from_slice(contents);
    let padding = usize::try_from(archive::padding_bytes(contents.len() as u64)).unwrap_or_default();
    bytes.resize(bytes.len() + padding, 0);
}

fn check_chunk_values(blobs: &BlobsDocument, chunk_values: &[&[ChunkValue]]) -> Result<()> {
    let wrong = |what: String| Err(Error::InvalidContents { what });
    if chunk_values.len() != blobs.entries().len() {
        return wrong(format!("{} lists of chunks for {} blobs", chunk_values.len(), blobs.entries().len()));
    }
    for (entry, values) in blobs.entries().iter().zip(chunk_values) {
        let fits = match chunk_values_of(entry.size) {
            0 => values.is_empty(),
            _ => root_of_chunks(entry.size, values) == Some(entry.blake3),
        };
        if !fits {
            return wrong(format!("the chunks of {} do not merge into its BLAKE3", entry.name()));
        }
    }
    Ok(())
}
