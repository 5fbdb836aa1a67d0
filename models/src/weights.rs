//! What a model's weights take, by the type of their numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::shortened;

/// Stands for all types that are not known.
pub const OTHER_TYPE: &str = "other";

/// Why a model with such a tensor has no figures.
pub fn unknown_type(tensor: &str, kind: &str) -> String {
    format!("the tensor {:?} has the unknown type {}", shortened(tensor), shortened(kind))
}

/// Tensors of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightTotal {
    /// How many tensors.
    pub tensors: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// All tensors of a model, by the name of their type as the format has it, such as `BF16` or `Q4_K`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weights(pub BTreeMap<String, WeightTotal>);

impl Weights {
    /// Counts one tensor.
    pub fn add(&mut self, kind: &str, bytes: u64) {
        self.add_total(kind, WeightTotal { tensors: 1, bytes });
    }

    /// Counts the tensors of another file.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(kind, total)| self.add_total(kind, *total));
    }

    fn add_total(&mut self, kind: &str, more: WeightTotal) {
        let total = self.0.entry(kind.to_owned()).or_default();
        total.tensors = total.tensors.saturating_add(more.tensors);
        total.bytes = total.bytes.saturating_add(more.bytes);
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.0.values().fold(0, |sum, total| sum.saturating_add(total.bytes))
    }

    /// Bytes of all tensors of a type.
    pub fn bytes_of(&self, kind: &str) -> u64 {
        self.0.get(kind).map_or(0, |total| total.bytes)
    }

    /// The type with the most bytes; none where there are no tensors.
    pub fn main_type(&self) -> Option<&str> {
        self.0.iter().max_by_key(|(_, total)| total.bytes).map(|(kind, _)| kind.as_str())
    }
}
