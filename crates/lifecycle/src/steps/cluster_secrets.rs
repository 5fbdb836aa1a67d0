//! Secrets of the cluster itself, generated once on the site: a rerun keeps existing ones. They never leave the site,
//! and the journal holds only their path and digest.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_media::durable;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::context::NodeContext;
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;
use landfall_site::place::Secrets;

/// Size of a secretbox key in bytes.
const KEY_BYTES: usize = 32;

/// Parameters of the step: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSecrets {}

/// Returns the path of the API server's settings for encrypting Secrets at rest.
pub(crate) fn encryption_path(secrets: &Secrets) -> PathBuf {
    secrets.generated().join("encryption.yaml")
}

/// Returns the path of the token with which further nodes join.
pub(crate) fn token_path(secrets: &Secrets) -> PathBuf {
    secrets.generated().join("bootstrap-token")
}

fn draw_token() -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    let mut letters = |count: usize| {
        (0..count).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect::<String>()
    };
    format!("{}.{}\n", letters(6), letters(16))
}

fn draw_encryption() -> String {
    let key: [u8; KEY_BYTES] = rand::rng().random();
    format!(
        "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - {{name: site, secret: {}}}
      - identity: {{}}
",
        STANDARD.encode(key)
    )
}

impl Step<NodeContext> for ClusterSecrets {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let there = [encryption_path(&context.secrets), token_path(&context.secrets)]
            .iter()
            .filter(|path| path.is_file())
            .count();
        Ok(match there {
            0 => ObservedState::Absent,
            1 => ObservedState::Partial("one of two secrets exists".to_owned()),
            _ => ObservedState::Done,
        })
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        durable::create_folder_with_mode(&context.secrets.generated(), 0o700)?;
        let mut written = serde_json::Map::new();
        let draws: [(PathBuf, fn() -> String); 2] =
            [(encryption_path(&context.secrets), draw_encryption), (token_path(&context.secrets), draw_token)];
        for (path, draw) in draws {
            let text = if let Some(text) = files::read_text(&path)? {
                text
            } else {
                let text = draw();
                durable::write_file(&path, text.as_bytes(), 0o600)?;
                text
            };
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            written.insert(path.display().to_string(), json!(format!("sha256:{digest}")));
        }
        Ok(Value::Object(written))
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        durable::remove_file(&encryption_path(&context.secrets))?;
        durable::remove_file(&token_path(&context.secrets))?;
        durable::remove_leftovers(&context.secrets.generated())?;
        files::remove_folder_if_empty(&context.secrets.generated())
    }
}
