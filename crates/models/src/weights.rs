//! The size of a model's weights, by the type of their numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::shorten;

/// Stands for all unknown types.
pub const OTHER_TYPE: &str = "other";

/// Returns the reason why a model with such a tensor has no figures.
pub fn unknown_type(tensor: &str, kind: &str) -> String {
    format!("the tensor {:?} has the unknown type {}", shorten(tensor), shorten(kind))
}

/// The total of the tensors of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightTotal {
    /// Number of tensors.
    pub tensors: u64,
    /// Total bytes of the tensors.
    pub bytes: u64,
}

/// The tensors of a model, by the name of their type in the format, such as `BF16` or `Q4_K`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weights(pub BTreeMap<String, WeightTotal>);

impl Weights {
    /// Adds one tensor.
    pub fn add(&mut self, kind: &str, bytes: u64) {
        self.add_total(kind, WeightTotal { tensors: 1, bytes });
    }

    /// Adds the tensors of another file.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(kind, total)| self.add_total(kind, *total));
    }

    fn add_total(&mut self, kind: &str, more: WeightTotal) {
        let total = self.0.entry(kind.to_owned()).or_default();
        total.tensors = total.tensors.saturating_add(more.tensors);
        total.bytes = total.bytes.saturating_add(more.bytes);
    }

    /// Total bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.0.values().fold(0, |sum, total| sum.saturating_add(total.bytes))
    }

    /// Total bytes of the tensors of a type.
    pub fn bytes_of(&self, kind: &str) -> u64 {
        self.0.get(kind).map_or(0, |total| total.bytes)
    }

    /// Type with the most bytes; `None` if there are no tensors.
    pub fn main_type(&self) -> Option<&str> {
        self.0.iter().max_by_key(|(_, total)| total.bytes).map(|(kind, _)| kind.as_str())
    }
}
