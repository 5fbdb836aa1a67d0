//! Errors for bundles that are refused or cannot be written.

use crate::digest::Sha256;
use crate::key_id::KeyId;
use landfall_error_codes::{Code, CodedError, codes};

/// The result of fallible functions in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a bundle is refused or cannot be written. Each variant has its own code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end too early.
    #[error("the bundle ends inside {place}")]
    Truncated {
        /// The element that was being read.
        place: String,
    },
    /// The first bytes are not the beginning of a bundle.
    #[error("{place} is not a Landfall bundle: it does not begin with landfall.json")]
    NotABundle {
        /// The source that was read.
        place: String,
    },
    /// This reader does not know the `format`.
    #[error("landfall.json has format {format}; this Landfall reads format {known}", known = crate::format::FORMAT)]
    UnknownFormat {
        /// Value in the bundle, as text.
        format: String,
    },
    /// `requires` names an unknown feature.
    #[error("landfall.json requires `{feature}`, which Landfall understands from version {landfall}")]
    UnknownRequirement {
        /// The required feature.
        feature: String,
        /// First version that supports the feature.
        landfall: String,
    },
    /// There are more bytes than expected.
    #[error("data follows the end of {place}")]
    TrailingData {
        /// The element that should have ended.
        place: String,
    },
    /// A header differs from the one that the format prescribes.
    #[error("the archive's header of {name} is not the one the format prescribes")]
    DamagedHeader {
        /// Name of the file in the archive.
        name: String,
    },
    /// A document of the head does not match its digest.
    #[error("{name} does not match its digest in landfall.json")]
    DamagedDocument {
        /// Name of the file in the archive.
        name: String,
    },
    /// A chunk does not match its chaining value, or a small blob its root.
    #[error("{name} is damaged between bytes {offset} and {end}")]
    DamagedChunk {
        /// Name of the file in the archive.
        name: String,
        /// First byte of the chunk in the blob.
        offset: u64,
        /// First byte after the chunk in the blob.
        end: u64,
    },
    /// The chaining values do not merge into the root.
    #[error("chunks.b3 does not belong to {name}")]
    DamagedChunkList {
        /// Name of the file in the archive, or `blobs.json` if the number of values is wrong.
        name: String,
    },
    /// A name occurs twice in a JSON object.
    #[error("the name `{field}` occurs twice in {name}")]
    DuplicateName {
        /// Name of the document.
        name: String,
        /// The name that occurs twice.
        field: String,
    },
    /// The JSON is valid but not in its canonical encoding.
    #[error("{name} is not canonical JSON")]
    NotCanonical {
        /// Name of the document.
        name: String,
    },
    /// The document is not JSON, or its type does not allow a field.
    #[error("{name} is not valid")]
    InvalidDocument {
        /// Name of the document.
        name: String,
        /// The defect.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The `type` of a document is not the one that its place requires.
    #[error("{name} has the type `{found}`; its place requires `{expected}`")]
    WrongType {
        /// Name of the document.
        name: String,
        /// Type of the document.
        found: String,
        /// The required type.
        expected: &'static str,
    },
    /// A value exceeds a limit of the format.
    #[error("{what} is above the limit of {limit}")]
    TooLarge {
        /// The quantity, with its value.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// Padding or end blocks are not zero.
    #[error("the padding after {name} is not zero")]
    DamagedPadding {
        /// Name of the preceding file in the archive.
        name: String,
    },
    /// A file does not belong in the head, or not at this place.
    #[error("{name} is out of place; the format expects {expected}")]
    MisplacedFile {
        /// Name of the file found there.
        name: String,
        /// The expected file.
        expected: String,
    },
    /// `blobs.json` and `landfall.json` disagree.
    #[error("blobs.json adds up to {computed} bytes; landfall.json says {stated}")]
    WrongLength {
        /// Bytes from `blobs.json` to the end, computed from the signed list.
        computed: u64,
        /// Value in `landfall.json`.
        stated: u64,
    },
    /// The source failed.
    #[error("{place} cannot be read")]
    Unreadable {
        /// The element that was being read.
        place: String,
        /// Error of the source.
        #[source]
        source: std::io::Error,
    },
    /// A value cannot be written.
    #[error("{what}")]
    InvalidContents {
        /// The value and the reason.
        what: String,
    },
    /// The bundle cannot be split as requested.
    #[error("the bundle cannot be split into parts of {part_bytes} bytes: {reason}")]
    PartSize {
        /// The requested size.
        part_bytes: u64,
        /// The reason.
        reason: String,
    },
    /// The text is not a fingerprint.
    #[error("`{text}` is not a fingerprint of the form sha256:<64 lower-case hexadecimal digits>")]
    FingerprintMalformed {
        /// The typed text.
        text: String,
    },
    /// No root document of the chain is the trusted one.
    #[error("no root document of the bundle has the trusted fingerprint {trusted}: {found}")]
    FingerprintWrong {
        /// Description of the first document's fingerprint, or of its absence.
        found: String,
        /// The trusted fingerprint, given by a user.
        trusted: String,
    },
    /// The document has no signature.
    #[error("{name} has no signature")]
    Unsigned {
        /// Name of the document.
        name: String,
    },
    /// The signing key does not have the required role.
    #[error("{name} is signed by key {key}, which root document {root} does not name for the role {role}")]
    UnknownKey {
        /// Name of the document.
        name: String,
        /// Id of the signing key.
        key: KeyId,
        /// Number of the root document.
        root: u64,
        /// The required role.
        role: &'static str,
    },
    /// The signing keys do not have the required role, and the envelope uses other names for them.
    #[error("{name} is signed by {found}, which root document {root} does not name for the role {role}")]
    UnknownSigner {
        /// Name of the document.
        name: String,
        /// The envelope's names for the signers.
        found: String,
        /// Number of the root document.
        root: u64,
        /// The required role.
        role: &'static str,
    },
    /// A signature does not match.
    #[error("the signature of {name} by key {key} does not match")]
    BadSignature {
        /// Name of the document.
        name: String,
        /// Id of the signing key.
        key: KeyId,
    },
    /// There are too few signers.
    #[error(
        "{name} is signed by {found} of the {threshold} keys that root document {root} requires for the role {role}"
    )]
    ThresholdNotMet {
        /// Name of the document.
        name: String,
        /// Number of distinct keys that signed.
        found: usize,
        /// Number of required keys.
        threshold: usize,
        /// Number of the root document.
        root: u64,
        /// The required role.
        role: &'static str,
    },
    /// The chain has a gap, or a step that is not correctly signed.
    #[error("the chain of root documents breaks at {name}: {reason}")]
    BadRootChain {
        /// Name of the document.
        name: String,
        /// The reason, in a few words.
        reason: String,
    },
    /// Two root documents have the same number but different contents.
    #[error("{name} differs from the trusted root document of the same number")]
    RootDiffers {
        /// Name of the document.
        name: String,
    },
    /// A root document contradicts itself.
    #[error("{name} contradicts itself: {reason}")]
    InvalidRoot {
        /// Name of the document.
        name: String,
        /// The reason, in a few words.
        reason: String,
    },
    /// The file is not a Sigstore bundle in the canonical encoding.
    #[error("{name} is not a Sigstore bundle in the form that the format allows: {reason}")]
    InvalidSignature {
        /// Name of the file.
        name: String,
        /// The reason, in a few words.
        reason: String,
    },
    /// The bytes are not a public key of an accepted kind.
    #[error("{name} is not a P-256 or Ed25519 public key in its canonical encoding")]
    InvalidPublicKey {
        /// Name of the key.
        name: String,
    },
    /// A private key cannot be read or used.
    #[error("the private key cannot be {action}")]
    PrivateKey {
        /// `read`, `made`, `encrypted` or `used to sign`.
        action: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The password does not open the private key.
    #[error("the password does not open the private key")]
    WrongPassword,
    /// The chain begins after the trusted document: the steps in between are missing.
    #[error(
        "the bundle's chain of root documents begins with number {first}; \
        the trusted root document has number {trusted}"
    )]
    ChainTooYoung {
        /// Number of the chain's first document.
        first: u64,
        /// Number of the trusted document.
        trusted: u64,
    },
    /// Two revocations have the same number but different contents.
    #[error("{name} differs from the known revocation of the same number, {number}")]
    RevocationDiffers {
        /// Name of the document.
        name: String,
        /// Number of the revocations.
        number: u64,
    },
    /// A revocation contradicts itself.
    #[error("{name} contradicts itself: {reason}")]
    InvalidRevocation {
        /// Name of the document.
        name: String,
        /// The reason, in a few words.
        reason: String,
    },
    /// The release is revoked.
    #[error("{release} is revoked by revocation {number}: {reason}")]
    Revoked {
        /// Name and version of the release.
        release: String,
        /// Number of the revocation.
        number: u64,
        /// The vendor's reason.
        reason: String,
    },
    /// A file or output has no signature by any of the keys.
    #[error("{name} holds no signature of {document} by a key that may sign it")]
    ForeignSignature {
        /// Name of the file or command.
        name: String,
        /// The document to be signed.
        document: String,
    },
    /// The provenance is about another build.
    #[error("{name} is about the bundle {found}, and this one has the id {id}")]
    ForeignProvenance {
        /// Name of the file.
        name: String,
        /// The bundle that the provenance is about.
        found: String,
        /// Id of the bundle.
        id: Sha256,
    },
    /// The writer received no root document.
    #[error("the bundle needs at least one root document")]
    RootMissing,
}

impl CodedError for Error {
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
