//! `documents/models.json`: the models of a release and the engines that it includes, as a site reads it.

use landfall_bundle_spec::{Error, read_typed, to_canonical};
use landfall_gpu_facts::cuda::Code;
use landfall_gpu_facts::version::{ComputeCapability, CudaVersion};
use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::limits;
use crate::weights::Weights;

/// The `type` of the document.
pub const MODELS_DOCUMENT_TYPE: &str = "landfall.dev/models/1";

/// Name of the document in the bundle's head.
pub const MODELS_DOCUMENT_NAME: &str = "documents/models.json";

/// Maximum number of devices for which an image is compiled.
const MOST_CODES: usize = 64;

/// The models of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsDocument {
    /// Always [`MODELS_DOCUMENT_TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// The models, in the order of the release's artifacts.
    pub models: Vec<Model>,
    /// Images built with CUDA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<EngineImage>,
}

/// A model of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name of its artifact. If the artifact has several models, followed by `/` and the path of this one.
    pub name: String,
    /// Format of its weights.
    pub format: WeightsFormat,
    /// Number of files that hold the weights.
    pub files: u32,
    /// Size of its tensors, by type.
    pub weights: Weights,
    /// Figures that determine its memory.
    pub figures: Figures,
}

/// The format of a model's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsFormat {
    /// The safetensors format, with a `config.json` next to the weights.
    Safetensors,
    /// The GGUF format, which has everything in one file.
    Gguf,
}

/// The figures that determine a model's memory, if known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figures {
    /// Its figures.
    Known(Box<Architecture>),
    /// Reason why they are unknown, in words.
    Unknown(String),
}

/// An image built with CUDA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineImage {
    /// Full upstream reference.
    pub reference: String,
    /// Version of CUDA with which it was built.
    pub cuda: CudaVersion,
    /// Devices for which it was compiled, such as `9.0`, `9.0a` or `12.0+PTX`; empty if it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
}

impl ModelsDocument {
    /// Creates a document with these models and images.
    pub fn new(models: Vec<Model>, images: Vec<EngineImage>) -> Self {
        Self { document_type: MODELS_DOCUMENT_TYPE.to_owned(), models, images }
    }

    /// Reads the bytes of [`MODELS_DOCUMENT_NAME`] from a head, and checks every figure.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let document: Self = read_typed(MODELS_DOCUMENT_NAME, MODELS_DOCUMENT_TYPE, bytes)?;
        document.check().map_err(|reason| Error::InvalidDocument {
            name: MODELS_DOCUMENT_NAME.to_owned(),
            source: reason.into(),
        })?;
        Ok(document)
    }

    /// Returns the canonical bytes of the document.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        to_canonical(MODELS_DOCUMENT_NAME, self)
    }

    fn check(&self) -> Result<(), String> {
        if self.models.len().max(self.images.len()) > limits::MODELS {
            return Err(format!("it has more than {} models or images", limits::MODELS));
        }
        self.models.iter().try_for_each(Model::check)?;
        self.images.iter().try_for_each(EngineImage::check)
    }
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    let is_good = (1..=limits::TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_good { Ok(()) } else { Err(format!("{what} is empty, too long, or has control characters")) }
}

impl Model {
    fn check(&self) -> Result<(), String> {
        check_text("the name of a model", &self.name)?;
        let largest = landfall_bundle_spec::limits::BLOB_BYTES;
        if self.weights.0.len() > 64 || self.weights.0.values().any(|total| total.bytes > largest) {
            return Err(format!("the weights of {} are absurd", self.name));
        }
        self.weights.0.keys().try_for_each(|kind| check_text("a type of weights", kind))?;
        match &self.figures {
            Figures::Known(architecture) => {
                check_text("the family of a model", &architecture.family)?;
                if let Some(quantization) = &architecture.quantization {
                    check_text("the quantization of a model", &quantization.method)?;
                }
                architecture.check().map_err(|reason| format!("{}: {reason}", self.name))
            }
            Figures::Unknown(reason) => check_text("the reason of unknown figures", reason),
        }
    }

    /// Returns the quantization, or else the type of most weights, in one or two words.
    pub fn quantization(&self) -> String {
        let main = || self.weights.main_type().unwrap_or("none").to_ascii_lowercase();
        match &self.figures {
            Figures::Known(architecture) => match &architecture.quantization {
                Some(quantization) if quantization.bits > 0 && self.format == WeightsFormat::Safetensors => {
                    format!("{} {}-bit", quantization.method, quantization.bits)
                }
                Some(quantization) => quantization.method.clone(),
                None => main(),
            },
            Figures::Unknown(_) => main(),
        }
    }
}

impl EngineImage {
    /// The machine code and PTX in the image; a word that is not understood contributes none.
    pub fn codes(&self) -> Vec<Code> {
        self.code.iter().filter_map(|word| codes_of(word)).flatten().collect()
    }

    fn check(&self) -> Result<(), String> {
        check_text("the reference of an image", &self.reference)?;
        match self.code.iter().find(|word| codes_of(word).is_none()) {
            Some(word) => {
                Err(format!("{:?} is not a device that an image is compiled for", crate::names::shorten(word)))
            }
            None if self.code.len() > MOST_CODES => {
                Err(format!("an image is compiled for more than {MOST_CODES} devices"))
            }
            None => Ok(()),
        }
    }
}

/// Returns the meaning of a word of `TORCH_CUDA_ARCH_LIST`: machine code, and also PTX if it ends in `+PTX`. Returns
/// `None` if it is not understood.
pub fn codes_of(word: &str) -> Option<Vec<Code>> {
    let (device, has_ptx) = match word.strip_suffix("+PTX") {
        Some(device) => (device, true),
        None => (word, false),
    };
    // `9.0a` runs only on that device; `10.0f` runs on its family, as plain machine code does.
    let (number, is_own) = match device.strip_suffix('a') {
        Some(number) => (number, true),
        None => (device.strip_suffix('f').unwrap_or(device), false),
    };
    let capability: ComputeCapability = number.parse().ok()?;
    let machine = if is_own { Code::MachineOfArchitecture(capability) } else { Code::Machine(capability) };
    let ptx = if is_own { Code::PtxOfArchitecture(capability) } else { Code::Ptx(capability) };
    Some(if has_ptx { vec![machine, ptx] } else { vec![machine] })
}

/// Returns the CUDA facts in an image's environment, or `None` if the image was not built with CUDA.
pub fn engine_image(reference: &str, environment: &[String]) -> Option<EngineImage> {
    let variable =
        |name: &str| environment.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    let mut numbers = variable("CUDA_VERSION").split('.');
    let cuda = format!("{}.{}", numbers.next()?, numbers.next()?).parse().ok()?;
    let words = variable("TORCH_CUDA_ARCH_LIST").split([' ', ';', ',']).filter(|word| !word.is_empty());
    let code: Vec<_> = words.map(str::to_owned).collect();
    // A list that is only partly understood would refuse devices for which the image has code.
    let is_understood = code.len() <= MOST_CODES && code.iter().all(|word| codes_of(word).is_some());
    let code = if is_understood { code } else { Vec::new() };
    Some(EngineImage { reference: reference.to_owned(), cuda, code })
}

#[cfg(test)]
mod tests;
