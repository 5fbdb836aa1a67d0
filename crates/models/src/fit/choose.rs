//! The choice of one way to run each model of a release on a host. It is the best one that fits next to the models
//! before it, or the one that a site requests, if the engine accepts it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::cpu::CPU;
use super::engine::Engine;
use super::report::{FitReport, ModelFit, PlaceFit, Profile, Reason, Refusal};
use super::size::Room;
use super::text::{gib, group_digits};

/// A site's request for a model. The fit decides everything that is left open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestedFigures {
    /// Number of GPUs that work on the model together; 0 for the CPU.
    pub tensor_parallel: Option<u64>,
    /// Maximum number of tokens of a sequence.
    pub context: Option<u64>,
    /// Number of sequences that the engine computes at once.
    pub sequences: Option<u64>,
}

/// The chosen way to run a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The group of GPUs in words, or `CPU`.
    pub place: String,
    /// Engine that runs the model.
    pub engine: Engine,
    /// Number of GPUs that work on the model together; 0 on the CPU.
    pub tensor_parallel: u32,
    /// Maximum number of tokens of a sequence.
    pub context: u64,
    /// Number of sequences that the engine computes at once.
    pub sequences: u64,
    /// Bytes used on each GPU, or of the host's memory.
    pub memory_bytes: u64,
}

/// The resources of a host that the models chosen so far use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsedResources {
    /// Number of GPUs used in each group.
    gpus: BTreeMap<String, u32>,
    /// Bytes used of the host's memory.
    memory_bytes: u64,
}

impl UsedResources {
    /// Chooses how this model of the report runs, as a site requests: in the first place with enough room, GPUs before
    /// the CPU. Later choices do not get the room that it uses. If no place is suitable, the error is the refusal of
    /// the first one.
    pub fn choose(
        &mut self,
        report: &FitReport,
        model: &ModelFit,
        request: RequestedFigures,
    ) -> Result<Choice, Refusal> {
        let mut first = None;
        let is_asked = |place: &&PlaceFit| request.tensor_parallel != Some(0) || place.place == CPU;
        for place in model.places.iter().filter(is_asked) {
            match self.on(report, place, request) {
                Ok(choice) => {
                    if choice.tensor_parallel == 0 {
                        self.memory_bytes = self.memory_bytes.saturating_add(choice.memory_bytes);
                    } else {
                        *self.gpus.entry(choice.place.clone()).or_default() += choice.tensor_parallel;
                    }
                    return Ok(choice);
                }
                Err(refusal) => {
                    first.get_or_insert(refusal);
                }
            }
        }
        Err(first.unwrap_or_else(|| Refusal::new(Reason::Figures, "the host has no place for it".to_owned())))
    }

    /// Chooses how the model runs at one place: the best profile, or else the next one that the request and the room
    /// allow.
    fn on(&self, report: &FitReport, place: &PlaceFit, request: RequestedFigures) -> Result<Choice, Refusal> {
        let mut first = None;
        for profile in candidates(place, request.tensor_parallel)? {
            let found = choice(place, profile, request);
            match found.and_then(|choice| self.room(report, place, &choice).map(|()| choice)) {
                Ok(choice) => return Ok(choice),
                Err(refusal) => {
                    first.get_or_insert(refusal);
                }
            }
        }
        Err(first.unwrap_or_else(|| unfit(place)))
    }

    /// Returns an error unless the models before it leave enough room for this choice.
    fn room(&self, report: &FitReport, place: &PlaceFit, choice: &Choice) -> Result<(), Refusal> {
        let needed = choice.tensor_parallel;
        if needed == 0 {
            let available =
                Room::on_cpu(0, report.host.memory_bytes, 0).available_bytes.saturating_sub(self.memory_bytes);
            if choice.memory_bytes <= available {
                return Ok(());
            }
            let (needed, taken) = (choice.memory_bytes, gib(self.memory_bytes));
            let text = format!("it needs {}, and other models of the release take {taken} of the memory", gib(needed));
            return Err(Refusal::of_memory(Reason::Memory, text, needed, available));
        }
        let count = report.host.gpus.iter().find(|gpus| gpus.place == place.place).map_or(0, |gpus| gpus.count);
        let taken = self.gpus.get(&place.place).copied().unwrap_or_default();
        if needed <= count.saturating_sub(taken) {
            return Ok(());
        }
        let text =
            format!("GPUs are missing: it needs {needed}, and other models of the release take {taken} of {count}");
        Err(Refusal::new(Reason::Degree, text))
    }
}

/// Returns the profiles of a place in the order of trial: the best one, then by the longest context on the fewest GPUs.
/// If a site requests a degree, only those of this degree.
fn candidates(place: &PlaceFit, degree: Option<u64>) -> Result<Vec<&Profile>, Refusal> {
    let best = place.profile.as_ref();
    let Some(degree) = degree else {
        let others = place.degrees.iter().filter_map(|fit| fit.profile.as_ref()).filter(|other| Some(*other) != best);
        let mut others: Vec<&Profile> = others.collect();
        others.sort_by_key(|other| (Reverse(other.context), other.tensor_parallel));
        return Ok(best.into_iter().chain(others).collect());
    };
    if degree == 0 && place.degrees.is_empty() {
        return Ok(best.filter(|best| best.tensor_parallel == 0).into_iter().collect());
    }
    match place.degrees.iter().find(|fit| u64::from(fit.degree) == degree) {
        Some(fit) => match (&fit.profile, &fit.refusal) {
            (Some(profile), _) => Ok(vec![profile]),
            (None, refusal) => Err(refusal.clone().unwrap_or_else(|| unfit(place))),
        },
        None if place.profile.is_none() && place.degrees.is_empty() => Err(unfit(place)),
        None => {
            let text = format!("{degree} GPUs are asked for, which {} does not offer to it", place.place);
            Err(Refusal::new(Reason::Degree, text))
        }
    }
}

/// Returns the reason why a place has no profile.
fn unfit(place: &PlaceFit) -> Refusal {
    let unknown = || Refusal::new(Reason::Figures, format!("it does not run on {}", place.place));
    place.refusal.clone().unwrap_or_else(unknown)
}

/// Applies a request to a profile, or returns the reason why it cannot be fulfilled.
fn choice(place: &PlaceFit, profile: &Profile, request: RequestedFigures) -> Result<Choice, Refusal> {
    let context = request.context.unwrap_or(profile.context);
    if context == 0 || context > profile.context {
        let (wanted, most) = (group_digits(context), group_digits(profile.context));
        let text =
            format!("a context of {wanted} tokens is asked for, and up to {most} are possible on {}", place.place);
        return Err(Refusal::new(Reason::Context, text));
    }
    // vLLM queues sequences that do not fit; the other engines allocate all sequences at their start.
    let queues = profile.engine == Engine::Vllm;
    let sequences = request.sequences.unwrap_or(if queues { profile.short_sequences } else { profile.sequences });
    if sequences == 0 {
        return Err(Refusal::new(Reason::Context, "at least one sequence must be possible".to_owned()));
    }
    let tokens = context.saturating_mul(sequences);
    if let Some(room) = profile.kv_cache_tokens.filter(|room| !queues && tokens > *room) {
        let (room, sequences, context) = (group_digits(room), group_digits(sequences), group_digits(context));
        let text = format!(
            "{sequences} sequences of {context} tokens are asked for, and the cache has room for {room} tokens on {}",
            place.place
        );
        return Err(Refusal::new(Reason::Context, text));
    }
    // Allocated memory shrinks with the requested tokens; vLLM always takes its share of the memory.
    let unused = profile.kv_cache_tokens.filter(|_| !queues).map_or(0, |cached| cached.saturating_sub(tokens));
    let saved = profile.kv_bytes_per_token.saturating_mul(unused);
    Ok(Choice {
        place: place.place.clone(),
        engine: profile.engine,
        tensor_parallel: profile.tensor_parallel,
        context,
        sequences,
        memory_bytes: profile.memory_bytes.saturating_sub(saved),
    })
}
