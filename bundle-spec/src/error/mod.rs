//! Why a bundle is refused, or cannot be written.

use crate::digest::Sha256;
use crate::trust::KeyId;
use landfall_error_codes::{Code, Coded, codes};

/// The result of everything in this crate that can refuse.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a bundle is refused, or cannot be written. Each variant has its own code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside something.
    #[error("the bundle ends inside {place}")]
    Truncated {
        /// What was being read.
        place: String,
    },
    /// The first bytes are not those of any bundle.
    #[error("{place} is not a Landfall bundle: it does not begin with landfall.json")]
    NotABundle {
        /// What was read.
        place: String,
    },
    /// `format` is not one that this reader knows.
    #[error("landfall.json has format {format}; this Landfall reads format {known}", known = crate::head::FORMAT)]
    UnknownFormat {
        /// What the bundle says, as text.
        format: String,
    },
    /// `requires` names something unknown.
    #[error("landfall.json requires `{feature}`, which Landfall understands from version {landfall}")]
    UnknownRequirement {
        /// What is required.
        feature: String,
        /// First version that understands it.
        landfall: String,
    },
    /// More bytes than expected.
    #[error("data follows the end of {place}")]
    TrailingData {
        /// What should have ended.
        place: String,
    },
    /// A header differs from the one that the format prescribes.
    #[error("the archive's header of {name} is not the one the format prescribes")]
    DamagedHeader {
        /// The file of the archive.
        name: String,
    },
    /// A document of the head does not match its digest.
    #[error("{name} does not match its digest in landfall.json")]
    DamagedDocument {
        /// The file of the archive.
        name: String,
    },
    /// A chunk does not match its chaining value, or a small blob its root.
    #[error("{name} is damaged between bytes {offset} and {end}")]
    DamagedChunk {
        /// The file of the archive.
        name: String,
        /// First byte of the chunk in the blob.
        offset: u64,
        /// First byte after the chunk in the blob.
        end: u64,
    },
    /// The chaining values do not add up to the root.
    #[error("chunks.b3 does not belong to {name}")]
    DamagedChunkList {
        /// The file of the archive, or `blobs.json` where the number of values is wrong.
        name: String,
    },
    /// A name occurs twice in a JSON object.
    #[error("the name `{field}` occurs twice in {name}")]
    DuplicateName {
        /// The document.
        name: String,
        /// The name that occurs twice.
        field: String,
    },
    /// JSON that is valid but not in its canonical encoding.
    #[error("{name} is not canonical JSON")]
    NotCanonical {
        /// The document.
        name: String,
    },
    /// Not JSON, or fields that its type does not allow.
    #[error("{name} is not valid")]
    InvalidDocument {
        /// The document.
        name: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The `type` of a document is not the one its place requires.
    #[error("{name} has the type `{found}`; its place requires `{expected}`")]
    WrongType {
        /// The document.
        name: String,
        /// Its type.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// Above a limit of the format.
    #[error("{what} is above the limit of {limit}")]
    TooLarge {
        /// What, with its value.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// Padding or end blocks that are not zero.
    #[error("the padding after {name} is not zero")]
    DamagedPadding {
        /// The file of the archive before it.
        name: String,
    },
    /// A file of the head that does not belong there, or not in this order.
    #[error("{name} is out of place; the format expects {expected}")]
    MisplacedFile {
        /// The file that is there.
        name: String,
        /// What should.
        expected: String,
    },
    /// `blobs.json` and `landfall.json` disagree.
    #[error("blobs.json adds up to {computed} bytes; landfall.json says {stated}")]
    WrongLength {
        /// From `blobs.json` to the end, by the signed list.
        computed: u64,
        /// What `landfall.json` says.
        stated: u64,
    },
    /// The source failed.
    #[error("{place} cannot be read")]
    Unreadable {
        /// What was being read.
        place: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A value that cannot be written.
    #[error("{what}")]
    InvalidContents {
        /// Which value, and why.
        what: String,
    },
    /// No split is possible.
    #[error("the bundle cannot be split into parts of {part_bytes} bytes: {reason}")]
    PartSize {
        /// The requested size.
        part_bytes: u64,
        /// Why not.
        reason: String,
    },
    /// Text that is not a fingerprint.
    #[error("`{text}` is not a fingerprint of the form sha256:<64 lower-case hexadecimal digits>")]
    FingerprintMalformed {
        /// What was typed.
        text: String,
    },
    /// No root document of the chain is the trusted one.
    #[error("no root document of the bundle has the trusted fingerprint {trusted}: {found}")]
    FingerprintWrong {
        /// What the first one has, or that there is none.
        found: String,
        /// The fingerprint that was given.
        trusted: String,
    },
    /// No signature at all.
    #[error("{name} has no signature")]
    Unsigned {
        /// The document.
        name: String,
    },
    /// A signature by a key that has no such role.
    #[error("{name} is signed by key {key}, which root document {root} does not name for the role {role}")]
    UnknownKey {
        /// The document.
        name: String,
        /// The signer.
        key: KeyId,
        /// Number of the root document.
        root: u64,
        /// The role that is required.
        role: &'static str,
    },
    /// Signatures by keys that have no such role, in an envelope that names them otherwise.
    #[error("{name} is signed by {found}, which root document {root} does not name for the role {role}")]
    UnknownSigner {
        /// The document.
        name: String,
        /// What the envelope calls the signer.
        found: String,
        /// Number of the root document.
        root: u64,
        /// The role that is required.
        role: &'static str,
    },
    /// A signature that does not match.
    #[error("the signature of {name} by key {key} does not match")]
    BadSignature {
        /// The document.
        name: String,
        /// The signer.
        key: KeyId,
    },
    /// Too few signers.
    #[error(
        "{name} is signed by {found} of the {threshold} keys that root document {root} requires for the role {role}"
    )]
    ThresholdNotMet {
        /// The document.
        name: String,
        /// Distinct keys that signed.
        found: usize,
        /// How many are required.
        threshold: usize,
        /// Number of the root document.
        root: u64,
        /// The role that is required.
        role: &'static str,
    },
    /// The chain has a gap, or a step that is not correctly signed.
    #[error("the chain of root documents breaks at {name}: {reason}")]
    BadRootChain {
        /// The document.
        name: String,
        /// In a few words.
        reason: String,
    },
    /// Same number, other bytes.
    #[error("{name} differs from the trusted root document of the same number")]
    RootDiffers {
        /// The document.
        name: String,
    },
    /// A root document that contradicts itself.
    #[error("{name} contradicts itself: {reason}")]
    InvalidRoot {
        /// The document.
        name: String,
        /// In a few words.
        reason: String,
    },
    /// Not a Sigstore bundle in the canonical encoding.
    #[error("{name} is not a Sigstore bundle in the form that the format allows: {reason}")]
    InvalidSignature {
        /// The file.
        name: String,
        /// In a few words.
        reason: String,
    },
    /// Not a public key of an accepted kind.
    #[error("{name} is not a P-256 or Ed25519 public key in its canonical encoding")]
    InvalidPublicKey {
        /// Which key.
        name: String,
    },
    /// A private key that cannot be read or used.
    #[error("the private key cannot be {action}")]
    PrivateKey {
        /// `read`, `made`, `encrypted` or `used to sign`.
        action: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The password does not open the private key.
    #[error("the password does not open the private key")]
    WrongPassword,
    /// The chain begins after the trusted document: the steps in between are missing.
    #[error(
        "the bundle's chain of root documents begins with number {first}; the trusted root document has number {trusted}"
    )]
    ChainTooYoung {
        /// Number of the chain's first document.
        first: u64,
        /// Number of the trusted document.
        trusted: u64,
    },
    /// Another revocation of the same number.
    #[error("{name} differs from the known revocation of the same number, {number}")]
    RevocationDiffers {
        /// The document.
        name: String,
        /// Its number.
        number: u64,
    },
    /// A revocation that contradicts itself.
    #[error("{name} contradicts itself: {reason}")]
    InvalidRevocation {
        /// The document.
        name: String,
        /// In a few words.
        reason: String,
    },
    /// The release is revoked.
    #[error("{release} is revoked by revocation {number}: {reason}")]
    Revoked {
        /// Name and version.
        release: String,
        /// Number of the revocation.
        number: u64,
        /// The vendor's reason.
        reason: String,
    },
    /// A file or output that holds no signature by any of the keys.
    #[error("{name} holds no signature of {document} by a key that may sign it")]
    ForeignSignature {
        /// The file or command.
        name: String,
        /// What should be signed.
        document: String,
    },
    /// The provenance of another build.
    #[error("{name} is about the bundle {found}, and this one has the id {id}")]
    ForeignProvenance {
        /// The file.
        name: String,
        /// The bundle that it is about.
        found: String,
        /// Id of the bundle.
        id: Sha256,
    },
    /// The writer received no root document.
    #[error("the bundle needs at least one root document")]
    RootMissing,
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::Truncated { .. } => codes::TRUNCATED,
            Self::NotABundle { .. } => codes::NOT_A_BUNDLE,
            Self::UnknownFormat { .. } => codes::UNKNOWN_FORMAT,
            Self::UnknownRequirement { .. } => codes::UNKNOWN_REQUIREMENT,
            Self::TrailingData { .. } => codes::TRAILING_DATA,
            Self::DamagedHeader { .. } => codes::DAMAGED_HEADER,
            Self::DamagedDocument { .. } => codes::DAMAGED_DOCUMENT,
            Self::DamagedChunk { .. } => codes::DAMAGED_CHUNK,
            Self::DamagedChunkList { .. } => codes::DAMAGED_CHUNK_LIST,
            Self::DuplicateName { .. } => codes::DUPLICATE_NAME,
            Self::NotCanonical { .. } => codes::NOT_CANONICAL,
            Self::InvalidDocument { .. } => codes::INVALID_DOCUMENT,
            Self::WrongType { .. } => codes::WRONG_TYPE,
            Self::TooLarge { .. } => codes::TOO_LARGE,
            Self::DamagedPadding { .. } => codes::DAMAGED_PADDING,
            Self::MisplacedFile { .. } => codes::MISPLACED_FILE,
            Self::WrongLength { .. } => codes::WRONG_LENGTH,
            Self::Unreadable { .. } => codes::UNREADABLE,
            Self::InvalidContents { .. } => codes::INVALID_CONTENTS,
            Self::PartSize { .. } => codes::PART_SIZE,
            Self::FingerprintMalformed { .. } => codes::FINGERPRINT_MALFORMED,
            Self::FingerprintWrong { .. } => codes::FINGERPRINT_WRONG,
            Self::Unsigned { .. } => codes::UNSIGNED,
            Self::UnknownKey { .. } => codes::UNKNOWN_KEY,
            Self::BadSignature { .. } => codes::BAD_SIGNATURE,
            Self::ThresholdNotMet { .. } => codes::THRESHOLD_NOT_MET,
            Self::BadRootChain { .. } => codes::BAD_ROOT_CHAIN,
            Self::RootDiffers { .. } => codes::ROOT_DIFFERS,
            Self::InvalidRoot { .. } => codes::INVALID_ROOT,
            Self::InvalidSignature { .. } => codes::INVALID_SIGNATURE,
            Self::InvalidPublicKey { .. } => codes::INVALID_PUBLIC_KEY,
            Self::PrivateKey { .. } => codes::PRIVATE_KEY,
            Self::WrongPassword => codes::PASSWORD,
            Self::ChainTooYoung { .. } => codes::CHAIN_TOO_YOUNG,
            Self::RevocationDiffers { .. } => codes::REVOCATION_DIFFERS,
            Self::InvalidRevocation { .. } => codes::INVALID_REVOCATION,
            Self::Revoked { .. } => codes::REVOKED,
            Self::ForeignSignature { .. } => codes::FOREIGN_SIGNATURE,
            Self::UnknownSigner { .. } => codes::PROVENANCE_SIGNER,
            Self::ForeignProvenance { .. } => codes::PROVENANCE_FOREIGN,
            Self::RootMissing => codes::ROOT_MISSING,
        }
    }
}

#[cfg(test)]
mod tests;
