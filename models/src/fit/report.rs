//! The result of a fit, in the form that `landfall models fit --json` prints.

use schemars::JsonSchema;
use serde::Serialize;

use super::engine::Engine;

/// How each model runs on a host, or why it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FitReport {
    /// What the host offers.
    pub host: HostSummary,
    /// Each model.
    pub models: Vec<ModelFit>,
    /// Images with CUDA on each group of GPUs.
    pub images: Vec<ImageFit>,
}

/// What a host offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostSummary {
    /// Processor cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The version of NVIDIA's driver.
    pub driver: Option<String>,
    /// The newest CUDA that the driver supports.
    pub cuda: Option<String>,
    /// Groups of equal GPUs.
    pub gpus: Vec<GpuSummary>,
    /// What keeps GPUs from being used, for people.
    pub notes: Vec<String>,
}

/// A group of equal GPUs or MIG devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpuSummary {
    /// The group in words.
    pub place: String,
    /// How many there are.
    pub count: u32,
    /// Memory of each that programs can have, in bytes.
    pub memory_bytes: u64,
    /// Their compute capability.
    pub compute_capability: Option<String>,
}

/// A model on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelFit {
    /// Its name.
    pub name: String,
    /// Its family, such as `llama`, if its figures are known.
    pub family: Option<String>,
    /// Its quantization, or the type of most weights.
    pub quantization: String,
    /// Bytes of its weights in files.
    pub weights_bytes: u64,
    /// The most tokens of a sequence.
    pub context: Option<u64>,
    /// Each group of GPUs, then the CPU.
    pub places: Vec<PlaceFit>,
}

/// A model on a group of GPUs, or on the CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceFit {
    /// The place in words: `4 × NVIDIA L4`, or `CPU`.
    pub place: String,
    /// How it runs there best.
    pub profile: Option<Profile>,
    /// Why it does not run there.
    pub refusal: Option<Refusal>,
    /// The same on a part of an undivided GPU.
    pub mig: Option<MigProfileFit>,
    /// Every degree of tensor parallelism that was considered.
    pub degrees: Vec<DegreeFit>,
}

/// How a model runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The program.
    pub engine: Engine,
    /// GPUs that work on it together; 0 on the CPU.
    pub tensor_parallel: u32,
    /// How many such programs the place has room for.
    pub copies: u32,
    /// Tokens of a sequence, at most.
    pub context: u64,
    /// Sequences of that length that one program holds at once.
    pub sequences: u64,
    /// Sequences of at most 4,096 tokens that one program holds at once.
    pub short_sequences: u64,
    /// Tokens in the KV cache; none for an encoder.
    pub kv_cache_tokens: Option<u64>,
    /// Bytes that a token takes there, on each GPU.
    pub kv_bytes_per_token: u64,
    /// Bytes of weights on each GPU, or in memory.
    pub weights_bytes: u64,
    /// Bytes that one program takes on each GPU, or of memory: what a limit must allow.
    pub memory_bytes: u64,
    /// Arguments or variables of the engine that set all of this.
    pub settings: Vec<String>,
}

/// A degree of tensor parallelism.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DegreeFit {
    /// How many GPUs.
    pub degree: u32,
    /// How the model runs on them.
    pub profile: Option<Profile>,
    /// Why it does not.
    pub refusal: Option<Refusal>,
}

/// The smallest part of an undivided GPU on which a model is of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigProfileFit {
    /// The profile, such as `1g.18gb`.
    pub name: String,
    /// How many fit on one GPU.
    pub instances: u32,
    /// Tokens of a sequence, at most.
    pub context: u64,
    /// Sequences of that length at once.
    pub sequences: u64,
    /// Tokens in the KV cache; none for an encoder.
    pub kv_cache_tokens: Option<u64>,
}

/// An image with CUDA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageFit {
    /// Its reference.
    pub reference: String,
    /// The CUDA that it was built with.
    pub cuda: String,
    /// Each group of GPUs.
    pub places: Vec<ImagePlace>,
}

/// An image on a group of GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePlace {
    /// The group in words.
    pub place: String,
    /// Why it does not run there; none where it does.
    pub refusal: Option<Refusal>,
}

/// Why something does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The kind of reason.
    pub reason: Reason,
    /// The reason for people.
    pub text: String,
    /// Bytes that are needed, where memory is the reason.
    pub needed_bytes: Option<u64>,
    /// Bytes that are available, where memory is the reason.
    pub available_bytes: Option<u64>,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The figures of the model are not known.
    Figures,
    /// No engine for this place reads the weights.
    Format,
    /// Weights and overhead do not fit.
    Memory,
    /// Weights fit, and too few tokens do.
    Context,
    /// Heads cannot be divided.
    Heads,
    /// So many GPUs are not joined.
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

    /// Creates a refusal that is a lack of memory.
    pub fn of_memory(reason: Reason, text: String, needed_bytes: u64, available_bytes: u64) -> Self {
        Self { reason, text, needed_bytes: Some(needed_bytes), available_bytes: Some(available_bytes) }
    }

    /// Returns true if more memory would help.
    pub fn is_memory(&self) -> bool {
        matches!(self.reason, Reason::Memory | Reason::Context)
    }
}
