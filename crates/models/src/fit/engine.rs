//! Requirements of engines: the format of weights, the degree of tensor parallelism, the GPU and its driver.

use landfall_gpu_facts::cuda::{CodeFit, CudaFit, code_fit, cuda_fit, supports_device};
use landfall_gpu_facts::version::ComputeCapability;
use schemars::JsonSchema;
use serde::Serialize;

use super::host::{GpuGroup, Host};
use super::report::{Reason, Refusal};
use crate::architecture::{Architecture, Quantization};
use crate::document::EngineImage;

/// Program that runs models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Engine {
    /// vLLM, for safetensors on GPUs.
    Vllm,
    /// Ollama, for GGUF on one GPU.
    Ollama,
    /// llama.cpp or Ollama, for GGUF on the CPU.
    LlamaCpp,
    /// Component that mounts the model: encoders are small enough for a library.
    Component,
}

impl Engine {
    /// Display name of the engine.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM",
            Self::Ollama => "Ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::Component => "component",
        }
    }

    /// Returns the engine in an image, by the last part of its repository name.
    pub fn of_image(reference: &str) -> Option<Self> {
        let untagged = reference.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let name = untagged.split(':').next().unwrap_or_default();
        [("vllm", Self::Vllm), ("ollama", Self::Ollama), ("llama", Self::LlamaCpp)]
            .into_iter()
            .find_map(|(word, engine)| name.contains(word).then_some(engine))
    }
}

/// Proposed degrees of tensor parallelism: numbers of GPUs that are usually linked with one another.
pub const DEGREES: [u32; 4] = [1, 2, 4, 8];

/// Returns an error for a degree that vLLM does not support, or that is not proposed.
pub fn check_degree(model: &Architecture, group: &GpuGroup, degree: u32) -> Result<(), Refusal> {
    let refused = |reason, text: String| Err(Refusal::new(reason, text));
    if degree > 1 && group.mig_device.is_some() {
        return refused(Reason::MigDevice, "MIG devices cannot work on one model together".to_owned());
    }
    if !model.heads.is_multiple_of(degree) {
        return refused(
            Reason::Heads,
            format!("{} attention heads cannot be divided among {degree} GPUs", model.heads),
        );
    }
    let kv_heads = model.kv_heads;
    if model.latent.is_none() && !kv_heads.is_multiple_of(degree) && !degree.is_multiple_of(kv_heads) {
        return refused(
            Reason::Heads,
            format!("{kv_heads} key-value heads can neither be divided among {degree} GPUs nor be repeated evenly"),
        );
    }
    if !DEGREES.contains(&degree) {
        return refused(Reason::Degree, format!("only 1, 2, 4 or 8 GPUs are joined, not {degree}"));
    }
    check_groups(model, degree)
}

/// Checks that weights which share a scale stay on one GPU.
fn check_groups(model: &Architecture, degree: u32) -> Result<(), Refusal> {
    let group = model.quantization.as_ref().map_or(0, |quantization| quantization.group);
    if degree == 1 || group == 0 || model.intermediate == 0 {
        return Ok(());
    }
    if model.intermediate.is_multiple_of(degree) && (model.intermediate / degree).is_multiple_of(group) {
        return Ok(());
    }
    let text = format!(
        "a layer's width of {} on {degree} GPUs would divide groups of {group} quantized weights",
        model.intermediate
    );
    Err(Refusal::new(Reason::QuantizationGroups, text))
}

/// Returns the oldest device on which vLLM computes with such weights, by the table of quantizations in its
/// documentation; Ampere if the table has no entry.
fn oldest_device(quantization: Option<&Quantization>) -> ComputeCapability {
    match quantization.map(|quantization| (quantization.method.as_str(), quantization.bits)) {
        None | Some(("gptq" | "bitsandbytes", _)) => ComputeCapability::new(7, 0),
        Some(("awq" | "fp8" | "compressed-tensors", _)) => ComputeCapability::new(7, 5),
        Some(("modelopt", 8) | ("FP8", _)) => ComputeCapability::new(8, 9),
        Some(_) => ComputeCapability::new(8, 0),
    }
}

/// Families of encoders that vLLM does not run.
const NOT_VLLM: [&str; 6] = ["mpnet", "electra", "deberta", "deberta-v2", "distilbert", "albert"];

/// Returns an error for a family that vLLM does not run.
pub fn check_family(model: &Architecture) -> Result<(), Refusal> {
    if !NOT_VLLM.contains(&model.family.as_str()) {
        return Ok(());
    }
    let text = format!("vLLM does not run {}: the component that mounts the model does, on the CPU", model.family);
    Err(Refusal::new(Reason::Format, text))
}

/// Returns an error for a GPU that is too old for the weights. A GPU with an unknown compute capability passes.
pub fn check_device(model: &Architecture, group: &GpuGroup) -> Result<(), Refusal> {
    let (oldest, Some(found)) = (oldest_device(model.quantization.as_ref()), group.capability) else { return Ok(()) };
    if found >= oldest {
        return Ok(());
    }
    let weights = model.quantization.as_ref().map_or("vLLM", |quantization| quantization.method.as_str());
    let text = format!("{weights} needs compute capability {oldest}, and the GPU has {found}");
    Err(Refusal::new(Reason::ComputeCapability, text))
}

/// Returns an error if the release has images of the engine and none of them runs on these GPUs with this driver.
pub fn check_images(engine: Engine, images: &[EngineImage], group: &GpuGroup, host: &Host) -> Result<(), Refusal> {
    let mut refusal = None;
    for image in images.iter().filter(|image| Engine::of_image(&image.reference) == Some(engine)) {
        match check_image(image, group, host) {
            Ok(()) => return Ok(()),
            Err(refused) => refusal = Some(refused),
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// Returns an error for an image that does not run on these GPUs with this driver. Unknown values pass.
pub fn check_image(image: &EngineImage, group: &GpuGroup, host: &Host) -> Result<(), Refusal> {
    let cuda = image.cuda;
    let driver_fit = host.driver.as_ref().map_or(CudaFit::Full, |driver| cuda_fit(cuda, driver, host.cuda));
    if let (CudaFit::TooOld { oldest: [branch, release, patch] }, Some(driver)) = (driver_fit, &host.driver) {
        let text = format!("CUDA {cuda} needs driver {branch}.{release:02}.{patch:02}, and {driver} is loaded");
        return Err(Refusal::new(Reason::Driver, text));
    }
    let Some(device) = group.capability else { return Ok(()) };
    if supports_device(cuda, device) == Some(false) {
        let text = format!("CUDA {cuda} no longer supports compute capability {device}");
        return Err(Refusal::new(Reason::ComputeCapability, text));
    }
    let codes = image.codes();
    if !codes.is_empty() && code_fit(&codes, device, driver_fit) == CodeFit::Nothing {
        let text = format!("the image has no code for compute capability {device}");
        return Err(Refusal::new(Reason::Image, text));
    }
    Ok(())
}
