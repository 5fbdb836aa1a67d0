//! The fit of a model on a group of GPUs.

use super::engine::{DEGREES, Engine, check_degree, check_device, check_family, check_images};
use super::host::{GpuGroup, Host};
use super::report::{DegreeFit, MigProfileFit, PlaceFit, Profile, Reason, Refusal};
use super::size::{self, MOST_OLLAMA_SEQUENCES, MOST_SEQUENCES, Room, SHORT_CONTEXT};
use super::text::{gib, group_digits};
use crate::architecture::Architecture;
use crate::document::{EngineImage, Model, WeightsFormat};

/// Minimum context in tokens at which a part of a GPU is proposed; for a model with a shorter context, that context.
const MIG_CONTEXT: u64 = 8192;

/// Minimum compute capability of GPUs that compute in bfloat16.
const BFLOAT16: landfall_gpu_facts::version::ComputeCapability =
    landfall_gpu_facts::version::ComputeCapability::new(8, 0);

/// A model with its figures, to be placed on GPUs.
#[derive(Debug, Clone, Copy)]
pub struct OnGpus<'a> {
    model: &'a Model,
    figures: &'a Architecture,
    engine: Engine,
}

impl<'a> OnGpus<'a> {
    /// Creates the placement, with the engine that reads the model's weights.
    pub fn new(model: &'a Model, figures: &'a Architecture) -> Self {
        let engine = match model.format {
            WeightsFormat::Safetensors => Engine::Vllm,
            WeightsFormat::Gguf => Engine::Ollama,
        };
        Self { model, figures, engine }
    }

    /// Returns the best degree, and every other one with its result.
    pub fn fit(self, group: &GpuGroup, host: &Host, images: &[EngineImage]) -> PlaceFit {
        let mut place = PlaceFit { place: group.name(), profile: None, refusal: None, mig: None, degrees: Vec::new() };
        let usable = check_images(self.engine, images, group, host).and_then(|()| match self.engine {
            Engine::Vllm => check_family(self.figures).and_then(|()| check_device(self.figures, group)),
            Engine::Ollama | Engine::LlamaCpp | Engine::Component => Ok(()),
        });
        if let Err(refusal) = usable {
            place.refusal = Some(refusal);
            return place;
        }
        place.degrees = self.degrees(group).map(|degree| self.degree_fit(group, degree)).collect();
        let profiles = place.degrees.iter().filter_map(|degree| degree.profile.as_ref());
        // The longest context on the fewest GPUs; the others can run more copies.
        let best = profiles.max_by_key(|profile| (profile.context, std::cmp::Reverse(profile.tensor_parallel)));
        place.profile = best.cloned();
        if place.profile.is_none() {
            let refusals = || place.degrees.iter().filter_map(|degree| degree.refusal.as_ref());
            place.refusal = refusals().rfind(|refusal| refusal.is_memory()).or_else(|| refusals().next()).cloned();
        }
        place.mig = self.mig(group);
        place
    }

    /// Degrees to consider: the usual ones, and all GPUs together. For Ollama, only one GPU is considered.
    fn degrees(self, group: &GpuGroup) -> impl Iterator<Item = u32> {
        let most = if self.engine == Engine::Vllm { group.count } else { 1 };
        let all = (!DEGREES.contains(&most) && most > 0).then_some(most);
        DEGREES.into_iter().filter(move |degree| *degree <= most).chain(all)
    }

    fn degree_fit(self, group: &GpuGroup, degree: u32) -> DegreeFit {
        match self.profile(group, degree) {
            Ok(profile) => DegreeFit { degree, profile: Some(profile), refusal: None },
            Err(refusal) => DegreeFit { degree, profile: None, refusal: Some(refusal) },
        }
    }

    /// Returns how the model runs on `degree` GPUs of a group, or why it does not.
    pub fn profile(self, group: &GpuGroup, degree: u32) -> Result<Profile, Refusal> {
        let figures = self.figures;
        check_degree(figures, group, degree)?;
        let weights = self.weights_bytes();
        let room = Room::on_gpus(weights, group.memory_bytes, degree);
        let Some(free) = room.for_keys_and_values() else { return Err(too_large(room)) };
        let context = size::context(figures, degree, free, u64::MAX).ok_or_else(|| too_short(figures, degree, room))?;
        let most = if self.engine == Engine::Ollama { MOST_OLLAMA_SEQUENCES } else { MOST_SEQUENCES };
        let sequences = size::sequences(figures, degree, free, context, most);
        let short = size::sequences(figures, degree, free, SHORT_CONTEXT.min(context), most);
        // vLLM fills its share of the memory with keys and values; Ollama allocates only the memory of its sequences.
        let cached = figures.sequence_bytes(context, degree).saturating_mul(sequences);
        let memory_bytes = match self.engine {
            Engine::Ollama => room.fixed_bytes.saturating_add(cached),
            Engine::Vllm | Engine::LlamaCpp | Engine::Component => room.available_bytes,
        };
        let tokens = size::tokens(figures, degree, free);
        Ok(Profile {
            engine: self.engine,
            tensor_parallel: degree,
            copies: group.count / degree,
            context,
            sequences,
            short_sequences: short,
            kv_cache_tokens: if self.engine == Engine::Ollama { tokens.map(|_| context * sequences) } else { tokens },
            kv_bytes_per_token: figures.token_bytes(degree),
            weights_bytes: weights.div_ceil(u64::from(degree)),
            memory_bytes,
            settings: self.settings(
                group,
                degree,
                context,
                if self.engine == Engine::Ollama { sequences } else { short },
            ),
        })
    }

    /// Bytes of the weights in memory: vLLM loads 32-bit floats as 16-bit ones.
    fn weights_bytes(self) -> u64 {
        let weights = &self.model.weights;
        let is_shortened = self.engine == Engine::Vllm && self.figures.quantization.is_none();
        let saved = if is_shortened { weights.bytes_of("F32") / 2 } else { 0 };
        weights.bytes() - saved
    }

    fn settings(self, group: &GpuGroup, degree: u32, context: u64, sequences: u64) -> Vec<String> {
        if self.engine == Engine::Ollama {
            return vec![format!("OLLAMA_CONTEXT_LENGTH={context}"), format!("OLLAMA_NUM_PARALLEL={sequences}")];
        }
        let mut settings = vec![
            format!("--tensor-parallel-size={degree}"),
            format!("--max-model-len={context}"),
            format!("--max-num-seqs={sequences}"),
            "--gpu-memory-utilization=0.90".to_owned(),
        ];
        let is_old = group.capability.is_some_and(|capability| capability < BFLOAT16);
        if is_old && self.model.weights.bytes_of("BF16") > 0 {
            settings.push("--dtype=half".to_owned());
        }
        settings
    }

    /// Returns the smallest part of an undivided GPU on which the model is useful.
    fn mig(self, group: &GpuGroup) -> Option<MigProfileFit> {
        group.profiles.iter().find_map(|size| {
            let slice = GpuGroup {
                count: size.instances,
                memory_bytes: size.memory_bytes,
                mig_device: Some(size.name.clone()),
                profiles: Vec::new(),
                ..group.clone()
            };
            let profile = self.profile(&slice, 1).ok()?;
            (profile.context >= MIG_CONTEXT.min(self.figures.context)).then(|| MigProfileFit {
                name: size.name.clone(),
                instances: size.instances,
                context: profile.context,
                sequences: profile.sequences,
                kv_cache_tokens: profile.kv_cache_tokens,
            })
        })
    }
}

/// Returns the reason that weights and overhead exceed the memory.
pub fn too_large(room: Room) -> Refusal {
    let Room { available_bytes, fixed_bytes } = room;
    let missing = fixed_bytes.saturating_sub(available_bytes);
    let text = format!(
        "weights and overhead need {}, and {} are available: {} bytes are missing",
        gib(fixed_bytes),
        gib(available_bytes),
        group_digits(missing)
    );
    Refusal::of_memory(Reason::Memory, text, fixed_bytes, available_bytes)
}

/// Returns the reason that the weights fit, but the minimum context does not.
pub fn too_short(figures: &Architecture, degree: u32, room: Room) -> Refusal {
    let least = size::LEAST_CONTEXT.min(figures.context);
    let needed = room.fixed_bytes.saturating_add(figures.sequence_bytes(least, degree));
    let missing = needed.saturating_sub(room.available_bytes);
    let text = format!(
        "with keys and values of {} tokens it needs {}, and {} are available: {} bytes are missing",
        group_digits(least),
        gib(needed),
        gib(room.available_bytes),
        group_digits(missing)
    );
    Refusal::of_memory(Reason::Context, text, needed, room.available_bytes)
}
