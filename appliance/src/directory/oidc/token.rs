//! Verification of a token, as a function of its text, the provider's keys and the time.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::super::error::DirectoryError;
use super::super::settings::OidcSettings;
use super::VouchedUser;

/// Signature algorithms with a key that only the provider has. `none` and those with a shared secret are not among
/// them.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Maximum difference between the provider's clock and this host's, in seconds.
pub const LEEWAY: u64 = 60;
/// Maximum size of a token, in bytes. One with a thousand groups is smaller.
const LIMIT: usize = 256 << 10;
/// Maximum number of groups examined.
const MOST_GROUPS: usize = 5000;

/// The provider's public keys. Unsupported ones are left out.
#[derive(Debug, Default)]
pub struct Keys(Vec<Jwk>);

/// A set of keys as received.
#[derive(Deserialize)]
pub struct SentKeys {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a set.
    pub fn read(sent: SentKeys) -> Self {
        let keys = sent.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Self(keys.filter(|key| key.common.public_key_use != Some(PublicKeyUse::Encryption)).collect())
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the keys with which such a token may be signed.
    fn fitting(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<DecodingKey> {
        let fits = |key: &&Jwk| {
            let is_named = id.is_none_or(|id| key.common.key_id.as_deref() == Some(id));
            is_named && key.common.key_algorithm.is_none_or(|own| own == algorithm.into())
        };
        let keys = self.0.iter().filter(fits).filter_map(|key| DecodingKey::from_jwk(key).ok());
        keys.filter(|key| key.family() == algorithm.family()).collect()
    }
}

/// Required content of a token.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedClaims<'a> {
    pub issuer: &'a str,
    pub client: &'a str,
    pub nonce: &'a str,
}

/// Result of verifying a token.
#[derive(Debug)]
pub enum Verdict {
    /// The token is the provider's, for this console and this sign-in.
    Sound(Claims),
    /// None of the known keys signed it.
    UnknownKey,
    /// The token proves nothing.
    Refused(String),
}

impl Verdict {
    /// Returns the claims of a valid token.
    pub fn claims(self) -> Result<Claims, DirectoryError> {
        match self {
            Self::Sound(claims) => Ok(claims),
            Self::UnknownKey => Err(DirectoryError::refused("none of the provider's keys signed the token")),
            Self::Refused(why) => Err(DirectoryError::Refused(why)),
        }
    }
}

/// Verifies a token.
pub fn verify(token: &str, keys: &Keys, expected: &ExpectedClaims<'_>) -> Verdict {
    if token.len() > LIMIT {
        return Verdict::Refused("the token is too long".to_owned());
    }
    let Ok(header) = decode_header(token) else {
        return Verdict::Refused("the token cannot be read, or is not signed".to_owned());
    };
    if !ALGORITHMS.contains(&header.alg) {
        return Verdict::Refused("the token is not signed with a key of the provider".to_owned());
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client]);
    for key in keys.fitting(header.alg, header.kid.as_deref()) {
        match decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(data) => return judge(data.claims, expected),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
            Err(error) => return Verdict::Refused(reason(error.kind())),
        }
    }
    Verdict::UnknownKey
}

/// Checks what the library does not.
fn judge(claims: Map<String, Value>, expected: &ExpectedClaims<'_>) -> Verdict {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let nonce = text("nonce").unwrap_or_default();
    let is_several = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    let is_for_another = match text("azp") {
        Some(party) => party != expected.client,
        None => is_several || claims.contains_key("azp"),
    };
    let now = jsonwebtoken::get_current_timestamp();
    let is_of_the_future = claims.get("iat").and_then(Value::as_u64).is_some_and(|issued| issued > now + LEEWAY);
    if text("iss") != Some(expected.issuer) {
        Verdict::Refused(reason(&ErrorKind::InvalidIssuer))
    } else if is_for_another {
        Verdict::Refused(reason(&ErrorKind::InvalidAudience))
    } else if is_of_the_future {
        Verdict::Refused(reason(&ErrorKind::ImmatureSignature))
    } else if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        Verdict::Refused("the token belongs to another sign-in".to_owned())
    } else if text("sub").is_none_or(str::is_empty) {
        Verdict::Refused("the token names no person".to_owned())
    } else {
        Verdict::Sound(Claims(claims))
    }
}

fn reason(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::InvalidIssuer => "the token is another provider's".to_owned(),
        ErrorKind::InvalidAudience => "the token is for another program".to_owned(),
        ErrorKind::ExpiredSignature => {
            "the token has ended: compare the provider's clock with the one of this host".to_owned()
        }
        ErrorKind::ImmatureSignature => {
            "the token is not valid yet: compare the provider's clock with the one of this host".to_owned()
        }
        ErrorKind::MissingRequiredClaim(name) => format!("the token has no usable claim {name}"),
        other => format!("the token cannot be verified: {other:?}"),
    }
}

/// Claims of a valid token.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Returns the user that it names, by the claims of the settings.
    pub fn vouched_user(&self, settings: &OidcSettings) -> Result<VouchedUser, DirectoryError> {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str);
        let missing = || DirectoryError::Refused(format!("the token has no claim {} with a name", settings.name));
        let name = text(&settings.name).filter(|name| !name.is_empty()).ok_or_else(missing)?;
        if settings.name == "email" && self.0.get("email_verified").is_some_and(|value| value.as_bool() != Some(true)) {
            return Err(DirectoryError::refused("the provider has not verified the person's address"));
        }
        Ok(VouchedUser {
            subject: text("sub").unwrap_or_default().to_owned(),
            name: name.to_owned(),
            groups: self.groups(&settings.groups)?,
            proven: self.0.get("auth_time").and_then(Value::as_u64),
        })
    }

    /// Returns a claim that is a list of names, or one name. A missing claim means no groups.
    fn groups(&self, claim: &str) -> Result<Vec<String>, DirectoryError> {
        let wrong = || DirectoryError::Refused(format!("the claim {claim} is no list of names"));
        let groups = match self.0.get(claim) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) if all.len() <= MOST_GROUPS => {
                let names = all.iter().map(|group| group.as_str().map(str::to_owned).ok_or_else(wrong));
                names.collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong()),
        };
        Ok(groups)
    }
}
