//! Values of secrets that a person gave the console, until an approved change uses them: only in memory, limited in
//! number, for an hour.
//!
//! A change names a value by a random ID. The plan contains only the number of the value, so the plans for two
//! different values would have the same digest. Therefore the approved digest also covers the IDs.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_peer::{KeptSecret, Problem, Refusal, SECRET_BYTES, SECRET_LIFE, SecretRequest};
use landfall_site::site_secrets::SentSecret;
use zeroize::Zeroizing;

use super::child::refusal;
use crate::commands::resolved_change::SecretText;

/// Maximum number of values, and of plans; the oldest is dropped for a new one.
const MOST: usize = 16;

/// Domain separator of the digest for a plan with secrets, so that it cannot equal any other digest.
const DOMAIN: &str = "landfall.dev/approval-of-secrets/1";

/// A value. No `Debug`, because it must not reach a log.
struct StoredSecret {
    id: String,
    name: String,
    value: Zeroizing<String>,
    since: Instant,
}

/// A plan with secrets.
struct BoundPlan {
    /// Digest that a person approves.
    digest: Sha256,
    /// Digest that the process that starts the change compares.
    inner: Sha256,
}

/// The kept values.
#[derive(Default)]
pub(super) struct Vault {
    kept: Mutex<VecDeque<StoredSecret>>,
    bound: Mutex<VecDeque<BoundPlan>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn push<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= MOST {
        list.pop_front();
    }
    list.push_back(item);
}

impl Vault {
    /// Keeps a value.
    pub(super) fn keep(&self, request: SecretRequest) -> Result<KeptSecret, Problem> {
        let (name, value) = (request.name, Zeroizing::new(request.value));
        if value.is_empty() || value.len() > SECRET_BYTES {
            let what = format!("a value of a secret has 1 to {SECRET_BYTES} bytes here");
            return Err(*refusal(422, codes::SITE_SECRET_UNFIT, what).problem);
        }
        let id = SentSecret::new_id();
        push(&mut lock(&self.kept), StoredSecret { id: id.clone(), name, value, since: Instant::now() });
        Ok(KeptSecret { id })
    }

    /// Values of these secrets for a process. Returns a refusal if one is no longer kept.
    pub(super) fn secrets(&self, secrets: &BTreeMap<String, String>) -> Result<BTreeMap<String, SecretText>, Refusal> {
        let kept = lock(&self.kept);
        let gone = || {
            let refused = *refusal(404, codes::PLAN_UNKNOWN, "the host no longer keeps the value of a secret").problem;
            let hint = Some("Give the value again, and approve the plan that is made of it.".to_owned());
            Refusal::from(Problem { hint, ..refused })
        };
        let value_of = |(name, id): (&String, &String)| {
            let found = kept.iter().find(|one| one.id == *id && one.name == *name);
            let found = found.filter(|one| one.since.elapsed() < SECRET_LIFE).ok_or_else(gone)?;
            Ok((name.clone(), SecretText(found.value.clone())))
        };
        secrets.iter().map(value_of).collect()
    }

    /// The digest that a person approves for a plan with these secrets; without secrets, that of the plan itself.
    pub(super) fn bind(&self, inner: Sha256, secrets: &BTreeMap<String, String>) -> Sha256 {
        if secrets.is_empty() {
            return inner;
        }
        let mut text = format!("{DOMAIN}\n{inner}");
        for (name, id) in secrets {
            let _infallible = write!(text, "\n{name} {id}");
        }
        let digest = Sha256::of(text);
        push(&mut lock(&self.bound), BoundPlan { digest, inner });
        digest
    }

    /// The digest that the process that starts the change compares, from the approved one.
    pub(super) fn unbind(&self, approved: Sha256) -> Sha256 {
        let bound = lock(&self.bound);
        bound.iter().find(|bound| bound.digest == approved).map_or(approved, |bound| bound.inner)
    }

    /// Removes the values of a started change: they are now among the site's secrets.
    pub(super) fn forget(&self, secrets: &BTreeMap<String, String>) {
        lock(&self.kept).retain(|one| !secrets.values().any(|id| *id == one.id));
    }

    /// Removes expired values.
    pub(super) fn tend(&self) {
        self.forget_older_than(SECRET_LIFE);
    }

    fn forget_older_than(&self, life: Duration) {
        lock(&self.kept).retain(|one| one.since.elapsed() < life);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "canary-of-a-vault";

    fn request(name: &str, value: &str) -> SecretRequest {
        let [by, correlation, name, value] = ["ada", "c", name, value].map(str::to_owned);
        SecretRequest { by, correlation, name, value }
    }

    fn secret_ids(name: &str, id: &str) -> BTreeMap<String, String> {
        [(name.to_owned(), id.to_owned())].into()
    }

    fn input(vault: &Vault, secrets: &BTreeMap<String, String>) -> Result<String, String> {
        let found = vault.secrets(secrets).map_err(|refusal| refusal.problem.code.unwrap().to_string());
        found.map(|secrets| serde_json::to_string(&secrets).unwrap())
    }

    #[test]
    fn secret_needs_matching_name_and_id() {
        let vault = Vault::default();
        let KeptSecret { id } = vault.keep(request("directory", VALUE)).unwrap();
        assert!(landfall_peer::is_id(&id) && !id.contains("canary"));
        let secrets = secret_ids("directory", &id);
        assert_eq!(input(&vault, &secrets).unwrap(), format!(r#"{{"directory":"{VALUE}"}}"#));
        assert_eq!(input(&vault, &secret_ids("mail", &id)).unwrap_err(), "LF4805", "it is of another secret");
        assert_eq!(input(&vault, &secret_ids("directory", "0000000f")).unwrap_err(), "LF4805");
        vault.tend();
        assert!(input(&vault, &secrets).is_ok());
        vault.forget(&secrets);
        assert_eq!(input(&vault, &secrets).unwrap_err(), "LF4805");
        let KeptSecret { id } = vault.keep(request("directory", VALUE)).unwrap();
        vault.forget_older_than(Duration::ZERO);
        assert_eq!(input(&vault, &secret_ids("directory", &id)).unwrap_err(), "LF4805");
    }

    #[test]
    fn secrets_distinguish_plan_digests() {
        let (vault, inner) = (Vault::default(), Sha256::of("a plan"));
        assert_eq!(vault.bind(inner, &BTreeMap::new()), inner);
        let [one, other] = ["0000000a", "0000000b"].map(|id| vault.bind(inner, &secret_ids("directory", id)));
        assert!(one != other && one != inner);
        assert_eq!([one, other, inner].map(|digest| vault.unbind(digest)), [inner; 3]);
    }

    #[test]
    fn secrets_are_bounded() {
        let vault = Vault::default();
        for value in [String::new(), "x".repeat(SECRET_BYTES + 1)] {
            assert_eq!(
                vault.keep(request("directory", &value)).unwrap_err().code.as_deref(),
                Some(codes::SITE_SECRET_UNFIT.id)
            );
        }
        let ids: Vec<_> = (0..=MOST).map(|_| vault.keep(request("directory", VALUE)).unwrap().id).collect();
        assert_eq!(input(&vault, &secret_ids("directory", &ids[0])).unwrap_err(), "LF4805");
        assert!(input(&vault, &secret_ids("directory", &ids[1])).is_ok());
    }
}
