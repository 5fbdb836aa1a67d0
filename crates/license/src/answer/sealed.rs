//! An answer with its signature, in the form of the other signed documents: the signed text has a single
//! representation.

use std::collections::BTreeMap;

use landfall_bundle_spec::to_canonical;
use landfall_bundle_spec::trust::{Envelope, KeyId, PublicKey};
use serde::Deserialize as _;
use serde_json::Value;

use super::{ANSWER_TYPE, Answer, AnswerError, Question, Subject};

/// Maximum size of an answer in bytes.
pub const ANSWER_BYTES: usize = 4 << 10;

/// Name of an answer in errors.
const NAME: &str = "the answer";

/// An answer that is not verified yet. It must not be used before it is opened.
#[derive(Debug, Clone)]
pub struct SealedAnswer {
    envelope: Envelope,
    content: Value,
}

/// An answer that is being signed.
#[derive(Debug, Clone)]
pub struct UnsignedAnswer(Vec<u8>);

impl Answer {
    /// Encodes the signed part.
    pub fn to_unsigned(&self) -> Result<UnsignedAnswer, AnswerError> {
        to_canonical(NAME, self).map(UnsignedAnswer).map_err(form)
    }
}

impl UnsignedAnswer {
    /// The bytes that the site's key signs.
    pub fn message(&self) -> &[u8] {
        &self.0
    }

    /// Adds the signature by the key with this id. [`SealedAnswer::open`] checks it.
    pub fn seal(self, key: KeyId, signature: Vec<u8>) -> Result<SealedAnswer, AnswerError> {
        let envelope = Envelope::write(NAME, self.0, BTreeMap::from([(key, signature)])).map_err(form)?;
        SealedAnswer::read(envelope.bytes())
    }
}

fn form(error: landfall_bundle_spec::Error) -> AnswerError {
    AnswerError::Form(Box::new(error))
}

impl SealedAnswer {
    /// Reads canonical bytes without interpreting the answer.
    pub fn read(bytes: &[u8]) -> Result<Self, AnswerError> {
        if bytes.len() > ANSWER_BYTES {
            let what = format!("has {} bytes, more than {ANSWER_BYTES}", bytes.len());
            return Err(AnswerError::Content(what));
        }
        let (envelope, content) = Envelope::read(NAME, ANSWER_TYPE, bytes).map_err(form)?;
        Ok(Self { envelope, content })
    }

    /// The bytes of the answer, which are JSON.
    pub fn bytes(&self) -> &[u8] {
        self.envelope.bytes()
    }

    /// Returns the answer to this question, or an error if the site's key did not sign it.
    pub fn open(&self, key: &PublicKey, question: &Question) -> Result<Answer, AnswerError> {
        let answer = self.reopen(key, &question.subject)?;
        if answer.nonce != question.nonce {
            return Err(AnswerError::OtherQuestion("nonce"));
        }
        Ok(answer)
    }

    /// Opens an answer that was opened before and kept. Its nonce and its age are not checked.
    pub(super) fn reopen(&self, key: &PublicKey, subject: &Subject) -> Result<Answer, AnswerError> {
        let id = key.id();
        let signatures = self.envelope.signatures();
        let [(signer, signature)] = signatures.as_slice() else { return Err(AnswerError::Signature) };
        if *signer != id || !key.verifies(self.envelope.message(), signature) {
            return Err(AnswerError::Signature);
        }
        let answer = Answer::deserialize(&self.content);
        let answer = answer.map_err(|error| AnswerError::Content(format!("lacks what belongs to it: {error}")))?;
        let order = [answer.issued, answer.valid_until, answer.grace_until];
        if !order.is_sorted() {
            return Err(AnswerError::Content("ends before it was given".to_owned()));
        }
        if answer.subject != *subject {
            return Err(AnswerError::OtherQuestion("subject"));
        }
        Ok(answer)
    }
}
