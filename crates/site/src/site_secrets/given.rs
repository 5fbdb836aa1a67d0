//! Choice of the value of each secret of a release: a supplied one, or the site's existing one. All missing and invalid
//! values are found at once, before anything changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_engine::step::StepError;
use landfall_error_codes::{Code, codes};
use landfall_release_document::{ComponentEntry, ReleaseDocument, SiteSecret, SiteSecretValue};
use landfall_suggestion::nearest;
use serde_json::Value;
use zeroize::Zeroizing;

use super::sources::{BroughtSecrets, SecretQuestion, Source, ValueReadError, read};
use super::store::{SecretKey, SecretStore, StoredValue};
use super::value::{Circumstances, check};
use super::{SecretName, SecretNumbers};
use crate::configuration::{ConfigurationError, Problem, SecretSource};
use crate::findings::Finding;

/// Inputs for choosing the secrets of a release.
pub struct SecretInputs<'a> {
    /// The release.
    pub release: &'a ReleaseDocument,
    /// Values that the site sets.
    pub values: &'a BTreeMap<String, Value>,
    /// Files in a site configuration; `None` if no configuration was supplied.
    pub configured: Option<&'a BTreeMap<String, SecretSource>>,
    /// Secrets that a person supplies separately.
    pub brought: &'a BroughtSecrets,
    /// The site's existing values; `None` before an install.
    pub kept: Option<KeptSecrets<'a>>,
    /// Time by which certificates are judged.
    pub now: Timestamp,
}

/// Existing values of a site.
pub struct KeptSecrets<'a> {
    /// Files of the values.
    pub store: SecretStore,
    /// Numbers of the values.
    pub numbers: SecretNumbers,
    /// Files that the site's settings name. A missing one has already been used.
    pub sources: &'a BTreeMap<String, SecretSource>,
}

/// Chosen values of secrets. No `Debug`: values must not reach a log.
#[derive(Default)]
pub struct GivenSecrets {
    /// Number of each secret's value. A secret with a finding has the number that it would get.
    pub numbers: SecretNumbers,
    /// Values that the site does not have yet.
    pub new: NewSecrets,
    /// A blocker for each missing or invalid secret, otherwise passed findings.
    pub findings: Vec<Finding>,
}

/// Supplied values that are in no file of the site yet. No `Debug`: they must not reach a log.
#[derive(Default)]
pub struct NewSecrets(Vec<(SecretKey, StoredValue)>);

impl NewSecrets {
    /// Writes the values. On the disk on return. Called before the first record of the operation that uses them.
    pub fn store(&self, store: &SecretStore) -> Result<(), StepError> {
        self.0.iter().try_for_each(|(key, value)| store.write(key, value))
    }
}

/// Source of a secret's value.
enum ChosenValue {
    /// Existing value with this number.
    Kept(u64),
    /// New value.
    New(Zeroizing<Vec<u8>>),
}

/// A secret of a release.
struct RequestedSecret<'a> {
    asked: &'a SecretInputs<'a>,
    component: &'a ComponentEntry,
    secret: &'a SiteSecret,
}

impl SecretInputs<'_> {
    /// Fails for names that the release does not know, each with the nearest known one.
    pub fn refuse_unknown(&self) -> Result<(), ConfigurationError> {
        let known: Vec<&str> = self.secrets().map(|wanted| wanted.secret.name.as_str()).collect();
        let arguments =
            self.brought.arguments.iter().map(|argument| (format!("--secret {}", argument.name), &argument.name));
        let configured = self.configured.into_iter().flat_map(BTreeMap::keys).chain(self.brought.sent.keys());
        let named = arguments.chain(configured.map(|name| (format!("secrets.{name}"), name)));
        let unknown = named.filter(|(_, name)| !known.contains(&name.as_str()));
        let problems: Vec<Problem> = unknown
            .map(|(path, name)| {
                let message = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("the release asks for no such secret; did you mean `{near}`?"),
                    None if known.is_empty() => "the release asks for no secrets".to_owned(),
                    None => format!("the release asks for no such secret, only for {}", known.join(", ")),
                };
                Problem { path, message }
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(ConfigurationError::new(codes::SITE_SECRET_UNKNOWN, "the given secrets", problems))
    }

    /// Chooses each secret's value. Reads files, and prompts for a password if nothing else gives it. Changes nothing.
    pub fn choose_secrets(&self) -> GivenSecrets {
        let mut given = GivenSecrets::default();
        for wanted in self.secrets() {
            let known = wanted.known_number();
            let number = match wanted.find() {
                Ok(ChosenValue::Kept(number)) => number,
                Ok(ChosenValue::New(value)) => {
                    let number = known.unwrap_or_default().saturating_add(1);
                    let stored = StoredValue { kind: wanted.secret.value.kind().to_owned(), value };
                    given.new.0.push((SecretKey { secret: wanted.name(), number }, stored));
                    number
                }
                Err(finding) => {
                    given.findings.push(*finding);
                    known.unwrap_or(1)
                }
            };
            given.numbers.insert(wanted.name(), number);
        }
        if given.findings.is_empty() && !given.numbers.is_empty() {
            let names: Vec<&str> = given.numbers.keys().map(|(_, name)| name.as_str()).collect();
            let message = "The secrets that the release asks for are given";
            given.findings.push(Finding::passed(codes::SITE_SECRET_MISSING, message, names.join(", "), String::new()));
        }
        given
    }

    fn secrets(&self) -> impl Iterator<Item = RequestedSecret<'_>> {
        self.release.components.iter().flat_map(move |component| {
            component.site_secrets.iter().map(move |secret| RequestedSecret { asked: self, component, secret })
        })
    }
}

impl RequestedSecret<'_> {
    fn name(&self) -> SecretName {
        (self.component.namespace.clone(), self.secret.name.clone())
    }

    /// Returns the number of the site's existing value.
    fn known_number(&self) -> Option<u64> {
        self.asked.kept.as_ref()?.numbers.get(&self.name()).copied()
    }

    fn find(&self) -> Result<ChosenValue, Box<Finding>> {
        let configured = self.configured_source();
        match self.asked.brought.source(&self.secret.name, configured) {
            None => self.kept_or_asked(),
            Some(Source::Terminal) => self.read_typed(),
            Some(Source::Sent(sent)) => self.judge_value(Zeroizing::new(sent.bytes().to_vec())),
            Some(Source::Files(files)) => match read(&files) {
                Ok(value) => self.judge_value(value),
                Err(ValueReadError::Missing(_)) if self.has_served() => self.kept_or_asked(),
                Err(unread) => Err(self.unfit(&unread.to_string())),
            },
        }
    }

    fn configured_source(&self) -> Option<&SecretSource> {
        self.asked.configured?.get(&self.secret.name)
    }

    /// Returns true if the site already has the value of the configured file, which may be missing now.
    fn has_served(&self) -> bool {
        let name = &self.secret.name;
        let former = self.asked.kept.as_ref().and_then(|kept| kept.sources.get(name));
        !self.asked.brought.names(name) && self.known_number().is_some() && former == self.configured_source()
    }

    fn kept_or_asked(&self) -> Result<ChosenValue, Box<Finding>> {
        match (&self.asked.kept, self.known_number()) {
            (Some(kept), Some(number)) => {
                self.check_kept(&kept.store, number).map_err(|why| self.unfit(&why)).map(|()| ChosenValue::Kept(number))
            }
            _ if self.asked.brought.ask.is_some() && self.is_typed() => self.read_typed(),
            _ => Err(self.missing()),
        }
    }

    /// Returns true if a person can type it.
    fn is_typed(&self) -> bool {
        matches!(self.secret.value, SiteSecretValue::Password(_))
    }

    fn read_typed(&self) -> Result<ChosenValue, Box<Finding>> {
        let Some(ask) = self.asked.brought.ask.filter(|_| self.is_typed()) else {
            return Err(self.unfit("only a password can be typed, and only at a terminal: name a file"));
        };
        let question = SecretQuestion {
            name: &self.secret.name,
            component: &self.component.name,
            meaning: &self.secret.meaning,
            needed: self.secret.value.describe_requirements(),
        };
        let typed = ask(&question).map_err(|error| self.unfit(&format!("no password was read: {error}")))?;
        self.judge_value(Zeroizing::new(typed.as_bytes().to_vec()))
    }

    /// Compares a supplied value with the site's existing one.
    fn judge_value(&self, value: Zeroizing<Vec<u8>>) -> Result<ChosenValue, Box<Finding>> {
        check(self.secret, &value, self.circumstances(Some(self.asked.now))).map_err(|why| self.unfit(&why))?;
        let known = self.asked.kept.as_ref().zip(self.known_number()).and_then(|(kept, number)| {
            // A damaged file is replaced.
            let stored = kept.store.read(&SecretKey { secret: self.name(), number }).ok()??;
            Some(number).filter(|_| stored.kind == self.secret.value.kind() && *stored.value == *value)
        });
        Ok(known.map_or(ChosenValue::New(value), ChosenValue::Kept))
    }

    /// Fails if the site's existing value does not match the release's declaration. An ended certificate is not a
    /// reason, because the value does not change.
    fn check_kept(&self, store: &SecretStore, number: u64) -> Result<(), String> {
        let stored = store.expect(&SecretKey { secret: self.name(), number }).map_err(|error| error.to_string())?;
        let kind = self.secret.value.kind();
        if stored.kind != kind {
            return Err(format!(
                "the site has given a value of the kind {}, and the release asks for {kind}",
                stored.kind
            ));
        }
        check(self.secret, &stored.value, self.circumstances(None))
    }

    fn circumstances(&self, now: Option<Timestamp>) -> Circumstances<'_> {
        Circumstances { now, declared: &self.asked.release.values, set: self.asked.values }
    }

    fn finding(&self, code: Code, measured: String) -> Finding {
        Finding::new(code, measured, self.secret.value.describe_requirements())
    }

    fn missing(&self) -> Box<Finding> {
        let SiteSecret { name, meaning, .. } = self.secret;
        let typed =
            if self.is_typed() { " `landfall install` and `landfall upgrade` ask for it at a terminal." } else { "" };
        let fix = format!(
            "Add `--secret {name}=FILE`, or `secrets: {{{name}: {{fromFile: /PATH}}}}` to the site \
             configuration.{typed}"
        );
        let measured = format!("{name} of {}: {meaning}", self.component.name);
        Box::new(self.finding(codes::SITE_SECRET_MISSING, measured).fix(fix))
    }

    fn unfit(&self, why: &str) -> Box<Finding> {
        let SiteSecret { name, .. } = self.secret;
        let fix = format!("Give another value: `--secret {name}=FILE`.");
        let measured = format!("{name} of {}: {why}", self.component.name);
        Box::new(self.finding(codes::SITE_SECRET_UNFIT, measured).fix(fix))
    }
}
