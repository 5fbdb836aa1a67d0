//! Key pairs in cosign's form, and the canonical encoding of a public key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pem_rfc7468::LineEnding;
use sha2::{Digest, Sha256};
use sigstore::crypto::signing_key::ecdsa::{ECDSAKeys, EllipticCurve};
use sigstore::crypto::signing_key::ed25519::Ed25519Keys;
use sigstore::crypto::signing_key::{
    COSIGN_PRIVATE_KEY_PEM_LABEL, SIGSTORE_PRIVATE_KEY_PEM_LABEL, SigStoreKeyPair, SigStoreSigner, kdf,
};
use sigstore::crypto::{CosignVerificationKey, Signature, SigningScheme};
use sigstore::errors::SigstoreError;

use crate::error::{Error, Result};
use crate::key_id::KeyId;

/// First bytes of the DER of every P-256 public key; 64 bytes of the point follow.
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// First bytes of the DER of every Ed25519 public key; 32 bytes follow.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Offset of the algorithm's name in the DER of a public key, after the outer length.
const ALGORITHM_OFFSET: usize = 2;

/// Length in bytes of the algorithm's name: P-256, Ed25519.
const ALGORITHM_BYTES: [usize; 2] = [21, 7];

const PUBLIC_KEY_PEM_LABEL: &str = "PUBLIC KEY";

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256, signatures in ASN.1 DER; cosign makes such keys.
    EcdsaP256,
    /// Ed25519 over the message itself.
    Ed25519,
}

impl KeyKind {
    const fn scheme(self) -> SigningScheme {
        match self {
            Self::EcdsaP256 => SigningScheme::ECDSA_P256_SHA256_ASN1,
            Self::Ed25519 => SigningScheme::ED25519,
        }
    }
}

/// A public key in its canonical encoding, so that one key cannot count as two.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    der: Vec<u8>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}", self.kind, self.id())
    }
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`. `name` identifies the key in errors.
    pub fn from_der(name: &str, der: &[u8]) -> Result<Self> {
        let kind = if der.starts_with(&P256_PREFIX) && der.len() == P256_PREFIX.len() + 64 {
            KeyKind::EcdsaP256
        } else if der.starts_with(&ED25519_PREFIX) && der.len() == ED25519_PREFIX.len() + 32 {
            KeyKind::Ed25519
        } else {
            return Err(Error::InvalidPublicKey { name: name.to_owned() });
        };
        Ok(Self { kind, der: der.to_vec() })
    }

    /// Reads a `SubjectPublicKeyInfo` of any kind. Returns `None` for a kind that this version does not know, so that
    /// one newer key does not make a whole document unreadable. Returns an error for a key of a known kind in another
    /// encoding.
    pub(super) fn recognize(name: &str, der: &[u8]) -> Result<Option<Self>> {
        let algorithm = der.get(ALGORITHM_OFFSET..).unwrap_or_default();
        let known = [&P256_PREFIX[..], &ED25519_PREFIX[..]]
            .iter()
            .zip(ALGORITHM_BYTES)
            .any(|(prefix, length)| algorithm.starts_with(&prefix[ALGORITHM_OFFSET..ALGORITHM_OFFSET + length]));
        if known { Self::from_der(name, der).map(Some) } else { Ok(None) }
    }

    /// Reads a PEM file such as `cosign.pub`.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self> {
        match pem_rfc7468::decode_vec(pem.as_bytes()) {
            Ok((PUBLIC_KEY_PEM_LABEL, der)) => Self::from_der(name, &der),
            _ => Err(Error::InvalidPublicKey { name: name.to_owned() }),
        }
    }

    /// Returns the PEM file that cosign and openssl read.
    pub fn to_pem(&self) -> String {
        // A key of a known kind always fits.
        pem_rfc7468::encode_string(PUBLIC_KEY_PEM_LABEL, LineEnding::LF, &self.der).unwrap_or_default()
    }

    /// The bytes of the `SubjectPublicKeyInfo`.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Algorithm of the key.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Id of the key.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.der)
    }

    /// Returns the `keyid` of the key in DSSE's reference implementation, and so in cosign: its fingerprint as OpenSSH
    /// prints it. Neither verifies an envelope with another `keyid`.
    pub fn envelope_key_id(&self) -> String {
        let (point, curve) = (&self.der[P256_PREFIX.len() - 1..], &b"nistp256"[..]);
        let fields: &[&[u8]] = match self.kind {
            KeyKind::EcdsaP256 => &[b"ecdsa-sha2-nistp256", curve, point],
            KeyKind::Ed25519 => &[b"ssh-ed25519", &self.der[ED25519_PREFIX.len()..]],
        };
        let mut hasher = Sha256::new();
        for field in fields {
            // A field has fewer than 100 bytes.
            hasher.update(u32::try_from(field.len()).unwrap_or_default().to_be_bytes());
            hasher.update(field);
        }
        format!("SHA256:{}", STANDARD_NO_PAD.encode(hasher.finalize()))
    }

    /// Returns true if this key made the signature of this message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        CosignVerificationKey::from_der(&self.der, &self.kind.scheme())
            .and_then(|key| key.verify_signature(Signature::Raw(signature), message))
            .is_ok()
    }
}

/// A private key. It leaves this type only in encrypted form.
pub struct SigningKey {
    signer: SigStoreSigner,
    pair: SigStoreKeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({:?})", self.public)
    }
}

impl SigningKey {
    /// Generates a key from the operating system's random numbers.
    pub fn generate(kind: KeyKind) -> Result<Self> {
        let pair = match kind {
            KeyKind::EcdsaP256 => ECDSAKeys::new(EllipticCurve::P256).map(SigStoreKeyPair::ECDSA),
            KeyKind::Ed25519 => Ed25519Keys::new().map(SigStoreKeyPair::ED25519),
        };
        Self::from_pair(pair.map_err(|source| private_key_error("made", source))?)
    }

    /// Reads a key file in cosign's form (`ENCRYPTED SIGSTORE PRIVATE KEY`; scrypt and `NaCl`'s secretbox).
    pub fn from_encrypted_pem(pem: &[u8], password: &[u8]) -> Result<Self> {
        let unreadable =
            |source: pem_rfc7468::Error| Error::PrivateKey { action: "read", source: source.to_string().into() };
        let (label, contents) = pem_rfc7468::decode_vec(pem).map_err(unreadable)?;
        if ![COSIGN_PRIVATE_KEY_PEM_LABEL, SIGSTORE_PRIVATE_KEY_PEM_LABEL].contains(&label) {
            let what = format!("a `{label}` where an `{SIGSTORE_PRIVATE_KEY_PEM_LABEL}` is expected");
            return Err(Error::PrivateKey { action: "read", source: what.into() });
        }
        let der = kdf::decrypt(&contents, password).map_err(|source| match source {
            // The library returns this error for a ciphertext that the password does not decrypt.
            SigstoreError::PrivateKeyEncryptError(_) => Error::WrongPassword,
            source => private_key_error("read", source),
        })?;
        Self::from_pair(SigStoreKeyPair::from_der(&der).map_err(|source| private_key_error("read", source))?)
    }

    /// Returns the key file, encrypted as cosign does it.
    pub fn to_encrypted_pem(&self, password: &[u8]) -> Result<String> {
        let pem = self
            .pair
            .private_key_to_encrypted_pem(password)
            .map_err(|source| private_key_error("encrypted", source))?;
        Ok(pem.to_string())
    }

    /// The public key.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.signer.sign(message).map_err(|source| private_key_error("used to sign", source))
    }

    fn from_pair(pair: SigStoreKeyPair) -> Result<Self> {
        let der = pair.public_key_to_der().map_err(|source| private_key_error("read", source))?;
        let public = PublicKey::from_der("the public half of the private key", &der)?;
        let signer =
            pair.to_sigstore_signer(&public.kind.scheme()).map_err(|source| private_key_error("read", source))?;
        Ok(Self { signer, pair, public })
    }
}

fn private_key_error(action: &'static str, source: SigstoreError) -> Error {
    Error::PrivateKey { action, source: source.into() }
}
