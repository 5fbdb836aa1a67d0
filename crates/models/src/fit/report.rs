//! The result of a fit, in the form that `landfall models fit --json` prints.

use schemars::JsonSchema;
use serde::Serialize;

use super::engine::Engine;

/// Fit of each model on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FitReport {
    /// Resources of the host.
    pub host: HostSummary,
    /// Fit of each model.
    pub models: Vec<ModelFit>,
    /// Fit of images with CUDA on each group of GPUs.
    pub images: Vec<ImageFit>,
}

/// Resources of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostSummary {
    /// Number of processor cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Version of NVIDIA's driver.
    pub driver: Option<String>,
    /// Newest CUDA version that the driver supports.
    pub cuda: Option<String>,
    /// Groups of equal GPUs.
    pub gpus: Vec<GpuSummary>,
    /// Reasons why GPUs cannot be used, for people.
    pub notes: Vec<String>,
}

/// Group of equal GPUs or MIG devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpuSummary {
    /// Group in words.
    pub place: String,
    /// Number of GPUs or MIG devices.
    pub count: u32,
    /// Memory of each that programs can use, in bytes.
    pub memory_bytes: u64,
    /// Compute capability of the group.
    pub compute_capability: Option<String>,
}

/// Fit of a model on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelFit {
    /// Name of the model.
    pub name: String,
    /// Family of the model, such as `llama`, if its figures are known.
    pub family: Option<String>,
    /// Quantization, or type of most weights.
    pub quantization: String,
    /// Size of its weights in files, in bytes.
    pub weights_bytes: u64,
    /// Maximum number of tokens of a sequence.
    pub context: Option<u64>,
    /// Fit on each group of GPUs, then on the CPU.
    pub places: Vec<PlaceFit>,
}

/// Fit of a model on a group of GPUs, or on the CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceFit {
    /// Place in words: `4 × NVIDIA L4`, or `CPU`.
    pub place: String,
    /// Best profile for this place.
    pub profile: Option<Profile>,
    /// Reason why the model does not run there.
    pub refusal: Option<Refusal>,
    /// Fit on a part of an undivided GPU.
    pub mig: Option<MigProfileFit>,
    /// All degrees of tensor parallelism that were considered.
    pub degrees: Vec<DegreeFit>,
}

/// Way in which a model runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Program that runs the model.
    pub engine: Engine,
    /// Number of GPUs that work on it together; 0 on the CPU.
    pub tensor_parallel: u32,
    /// Number of such programs for which the place has room.
    pub copies: u32,
    /// Maximum number of tokens of a sequence.
    pub context: u64,
    /// Number of sequences of that length that one program holds concurrently.
    pub sequences: u64,
    /// Number of sequences of at most 4,096 tokens that one program holds concurrently.
    pub short_sequences: u64,
    /// Number of tokens in the KV cache; null for an encoder.
    pub kv_cache_tokens: Option<u64>,
    /// Size of a token in the KV cache, in bytes on each GPU.
    pub kv_bytes_per_token: u64,
    /// Bytes of weights on each GPU, or in memory.
    pub weights_bytes: u64,
    /// Memory that one program takes, in bytes on each GPU or of the host: a limit must allow it.
    pub memory_bytes: u64,
    /// Arguments or variables of the engine that set these figures.
    pub settings: Vec<String>,
}

/// Degree of tensor parallelism.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DegreeFit {
    /// Number of GPUs.
    pub degree: u32,
    /// Profile of the model on these GPUs.
    pub profile: Option<Profile>,
    /// Reason why the model does not run on them.
    pub refusal: Option<Refusal>,
}

/// Smallest part of an undivided GPU on which a model is useful.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigProfileFit {
    /// Name of the profile, such as `1g.18gb`.
    pub name: String,
    /// Number of instances that fit on one GPU.
    pub instances: u32,
    /// Maximum number of tokens of a sequence.
    pub context: u64,
    /// Number of concurrent sequences of that length.
    pub sequences: u64,
    /// Number of tokens in the KV cache; null for an encoder.
    pub kv_cache_tokens: Option<u64>,
}

/// Fit of an image with CUDA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageFit {
    /// Reference of the image.
    pub reference: String,
    /// CUDA version with which it was built.
    pub cuda: String,
    /// Fit on each group of GPUs.
    pub places: Vec<ImagePlace>,
}

/// Fit of an image on a group of GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePlace {
    /// Group in words.
    pub place: String,
    /// Reason why the image does not run there; null if it runs.
    pub refusal: Option<Refusal>,
}

/// Reason why a model or an image does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Kind of the reason.
    pub reason: Reason,
    /// Reason for people.
    pub text: String,
    /// Needed bytes, if memory is the reason.
    pub needed_bytes: Option<u64>,
    /// Available bytes, if memory is the reason.
    pub available_bytes: Option<u64>,
}

/// Kind of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The figures of the model are not known.
    Figures,
    /// No engine for this place reads the weights.
    Format,
    /// Weights and overhead do not fit.
    Memory,
    /// Weights fit, but too few tokens do.
    Context,
    /// Attention heads cannot be divided.
    Heads,
    /// GPUs are not joined in that number.
    Degree,
    /// Groups of quantized weights would be divided.
    QuantizationGroups,
    /// MIG devices are not joined.
    MigDevice,
    /// The GPU is too old for the weights or the image.
    ComputeCapability,
    /// The driver is too old for the image.
    Driver,
    /// The image has no code for the GPU.
    Image,
}

impl Refusal {
    /// Creates a refusal with a reason in words.
    pub fn new(reason: Reason, text: String) -> Self {
        Self { reason, text, needed_bytes: None, available_bytes: None }
    }

    /// Creates a refusal due to a lack of memory.
    pub fn of_memory(reason: Reason, text: String, needed_bytes: u64, available_bytes: u64) -> Self {
        Self { reason, text, needed_bytes: Some(needed_bytes), available_bytes: Some(available_bytes) }
    }

    /// Returns true if more memory would help.
    pub fn is_memory(&self) -> bool {
        matches!(self.reason, Reason::Memory | Reason::Context)
    }
}
