//! A tiny but complete and genuinely signed bundle for tests, and [`Forgery`], which breaks it in one way.

mod forgery;

pub use forgery::Forgery;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::blobs::{BlobEntry, BlobsDocument, Place};
use crate::chunks::{BlobHasher, BlobSums};
use crate::digest::Sha256;
use crate::error::Result;
use crate::head::{FileDigest, Identity, NewDocument, SignedHead, UnsignedHead, Verified};
use crate::json;
use crate::layout::SegmentKind;
use crate::provenance::{ExternalParameters, Material, Statement};
use crate::trust::{KeyKind, Role, Root, RootContents, SigningKey, TrustAnchor, UnsignedRoot};

/// A release document with only the required fields.
const RELEASE: &str = concat!(
    r#"{"artifacts":[],"assembled":false,"components":[],"counter":1,"images":[],"name":"sample","node_packs":[],"#,
    r#""platform":"linux/amd64","requirements":{"cores":1,"data_bytes":0,"memory_bytes":0},"#,
    r#""type":"landfall.dev/release/1","values":[],"version":"1.0.0"}"#,
);

/// An index without entries.
const INDEX: &[u8] = br#"{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#;

/// Stand-in for the program `landfall`.
const PROGRAM: &[u8] = b"#!/bin/sh\nexit 0\n";

/// A vendor with one key and root document 1.
#[derive(Debug)]
pub struct Vendor {
    /// The key with all roles.
    pub key: SigningKey,
    /// Root document 1.
    pub root: Root,
}

impl Vendor {
    /// Generates a key of this kind and a development root for it.
    pub fn new(kind: KeyKind) -> Result<Self> {
        let key = SigningKey::generate(kind)?;
        Self::with(&RootContents::single(key.public(), true), key)
    }

    /// Like [`Vendor::new`], with a root for production.
    pub fn production(kind: KeyKind) -> Result<Self> {
        let key = SigningKey::generate(kind)?;
        Self::with(&RootContents::single(key.public(), false), key)
    }

    /// Like [`Vendor::new`], with a development root as a later version might write it: see [`root_of_the_future`].
    pub fn of_the_future(kind: KeyKind) -> Result<Self> {
        let key = SigningKey::generate(kind)?;
        let mut root = root_of_the_future(&key)?;
        root.sign(&key)?;
        Ok(Self { root: root.finish(None)?, key })
    }

    fn with(contents: &RootContents, key: SigningKey) -> Result<Self> {
        let mut root = UnsignedRoot::new(contents)?;
        root.sign(&key)?;
        Ok(Self { root: root.finish(None)?, key })
    }

    /// The trust anchor for a site.
    pub fn anchor(&self) -> TrustAnchor {
        TrustAnchor::Root(self.root.bytes().to_vec())
    }
}

/// Creates an unsigned development root document 1 for one key, as a later version might write it. Every role also has
/// two keys of unknown kinds, and there are an unknown role and an unknown field.
pub fn root_of_the_future(key: &SigningKey) -> Result<UnsignedRoot> {
    let plain = UnsignedRoot::new(&RootContents::single(key.public(), true))?;
    let mut signed = json::parse("a root document", plain.message(), json::Numbers::Integers)?;
    let der = b"a key of a later kind";
    let unknown = FileDigest::of(der).sha256.to_hex();
    signed["keys"][&unknown] = STANDARD.encode(der).into();
    signed["keys"]["0".repeat(64)] = serde_json::json!({ "kind": "ml-dsa-65", "key": "AAAA" });
    for role in Role::ALL {
        let mut keys = vec![key.public().id().to_string(), unknown.clone(), "0".repeat(64)];
        keys.sort();
        signed["roles"][role.name()]["keys"] = keys.into();
    }
    signed["roles"]["mirror"] = serde_json::json!({ "keys": [unknown], "threshold": 1, "expires": "2030-01-01" });
    signed["expires"] = "2030-01-01T00:00:00Z".into();
    UnsignedRoot::of(1, &signed)
}

/// Returns a vendor's statement about a bundle that was built from these materials.
pub fn statement(bundle: &Verified, materials: Vec<Material>) -> Statement {
    let identity = bundle.identity();
    let given = ExternalParameters {
        name: identity.name,
        version: identity.version,
        counter: identity.counter,
        platform: "linux/amd64".to_owned(),
        built_at: identity.built_at,
        definition: Material::new("release.yaml", Sha256([1; 32])),
        lock: Material::new("images.lock", Sha256([2; 32])),
    };
    Statement::new(bundle.id(), "0.1.0", given, materials)
}

/// A bundle in memory.
#[derive(Debug)]
pub struct Sample {
    /// The head.
    pub head: SignedHead,
    /// Contents of every entry, in order.
    pub contents: Vec<Vec<u8>>,
}

impl Sample {
    /// Creates the smallest bundle with all kinds of contents: two documents, the three placed files and two blobs.
    pub fn tiny(vendor: &Vendor) -> Result<Self> {
        Self::with_blobs(vendor, vec![b"{}".to_vec(), vec![7; 600]])
    }

    /// Creates a bundle with these blobs, which must all differ.
    pub fn with_blobs(vendor: &Vendor, blobs: Vec<Vec<u8>>) -> Result<Self> {
        Self::signed_by(&[&vendor.key], std::slice::from_ref(&vendor.root), blobs)
    }

    /// Creates a bundle with these blobs and this chain of roots, signed by these keys.
    pub fn signed_by(keys: &[&SigningKey], roots: &[Root], blobs: Vec<Vec<u8>>) -> Result<Self> {
        Self::of(keys, roots, [PROGRAM.to_vec(), INDEX.to_vec()], blobs)
    }

    /// Creates a bundle with this index and these blobs, which may contradict each other.
    pub fn with_index(vendor: &Vendor, index: Vec<u8>, blobs: Vec<Vec<u8>>) -> Result<Self> {
        Self::of(&[&vendor.key], std::slice::from_ref(&vendor.root), [PROGRAM.to_vec(), index], blobs)
    }

    /// Creates the smallest bundle, with this program as `landfall`.
    pub fn carrying(vendor: &Vendor, program: Vec<u8>) -> Result<Self> {
        let blobs = vec![b"{}".to_vec(), vec![7; 600]];
        Self::of(&[&vendor.key], std::slice::from_ref(&vendor.root), [program, INDEX.to_vec()], blobs)
    }

    fn of(keys: &[&SigningKey], roots: &[Root], placed: [Vec<u8>; 2], blobs: Vec<Vec<u8>>) -> Result<Self> {
        let [program, index] = placed;
        let mut contents = vec![program, br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(), index];
        contents.extend(blobs);
        let sums: Vec<BlobSums> = contents.iter().map(|bytes| sums(bytes)).collect();
        let entries = sums.iter().enumerate().map(|(index, sums)| match Place::ALL.get(index) {
            Some(place) => BlobEntry::with_place(sums, "application/octet-stream", *place),
            None => BlobEntry::blob(sums, "application/octet-stream"),
        });
        let identity = Identity {
            name: "sample".to_owned(),
            version: "1.0.0".to_owned(),
            counter: 1,
            built_at: "2026-11-20T08:16:00Z".to_owned(),
        };
        let document =
            |name: &str, bytes: &[u8]| NewDocument { name: format!("documents/{name}"), bytes: bytes.to_vec() };
        let documents = vec![document("site.schema.json", b"{}"), document("release.json", RELEASE.as_bytes())];
        let values: Vec<&[_]> = sums.iter().map(|sums| sums.chunks.as_slice()).collect();
        let mut head = UnsignedHead::new(&identity, documents, &BlobsDocument::new(entries.collect())?, &values)?;
        for key in keys {
            head.sign(key)?;
        }
        Ok(Self { head: head.finish(roots)?, contents })
    }

    /// Returns the whole stream.
    pub fn stream(&self) -> Vec<u8> {
        let layout = self.head.verified_head().layout();
        let mut stream = Vec::new();
        for segment in layout.segments() {
            match segment.kind {
                SegmentKind::Head => stream.extend_from_slice(self.head.bytes()),
                SegmentKind::Header(entry) => stream.extend_from_slice(&layout.entries()[entry].header()),
                SegmentKind::Contents(entry) => stream.extend_from_slice(&self.contents[entry]),
                SegmentKind::Padding(_) | SegmentKind::End => {
                    stream.resize(stream.len() + usize::try_from(segment.length).unwrap_or_default(), 0);
                }
            }
        }
        stream
    }
}

fn sums(bytes: &[u8]) -> BlobSums {
    let mut hasher = BlobHasher::new();
    hasher.update(bytes);
    hasher.finish()
}
