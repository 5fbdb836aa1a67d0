//! How models run on hosts: readers of model files, the figures that they yield, and the fit.
//!
//! ```text
//! safetensors, GGUF, config.json ── collect ── ModelsDocument ──┐
//! facts about GPUs ── Host ─────────────────────────────────────┴── fit ── FitReport
//! ```
//!
//! `landfall build` collects the models, and the bundle's head carries the document. `fit` is a pure function of
//! document and host, so a vendor and a site get the same result. `docs/MODELS.md` has the formulas.

mod architecture;
mod bytes;
mod collect;
mod config;
mod document;
mod error;
pub mod fit;
pub mod folder;
pub mod gguf;
pub mod limits;
mod names;
pub mod ollama;
mod pointer;
pub mod safetensors;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
mod weights;

pub use architecture::{Architecture, Experts, Latent, ModelKind, Quantization, Window};
pub use collect::{ModelFile, ModelSource, models};
pub use config::read_config;
pub use document::{
    EngineImage, Figures, MODELS_DOCUMENT_NAME, MODELS_DOCUMENT_TYPE, Model, ModelsDocument, WeightsFormat,
    engine_image,
};
pub use error::{HeaderError, ModelError};
pub use fit::{FitReport, Host, fit};
pub use pointer::{POINTER_BYTES, is_pointer};
pub use weights::{WeightTotal, Weights};
