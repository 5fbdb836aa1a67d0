//! The fit: for each model and each group of GPUs, and for the CPU, how the model runs there, or why it does not. It is
//! a pure function: nothing is measured or guessed, and unknown values are reported as such.

mod choose;
pub mod cpu;
pub mod engine;
pub mod gpu;
pub mod host;
pub mod report;
pub mod size;
mod table;
pub mod text;

pub use choose::{Choice, RequestedFigures, UsedResources};
pub use engine::Engine;
pub use host::{GpuGroup, Host, ProfileSize};
pub use report::{
    DegreeFit, FitReport, GpuSummary, HostSummary, ImageFit, ImagePlace, MigProfileFit, ModelFit, PlaceFit, Profile,
    Reason, Refusal,
};
pub use table::table;

use crate::document::{EngineImage, Figures, Model, ModelsDocument};

/// Computes how the models of a release run on a host.
pub fn fit(document: &ModelsDocument, host: &Host) -> FitReport {
    FitReport {
        host: summary(host),
        models: document.models.iter().map(|model| model_fit(model, host, &document.images)).collect(),
        images: document.images.iter().map(|image| image_fit(image, host)).collect(),
    }
}

fn summary(host: &Host) -> HostSummary {
    let gpus = host.groups.iter().map(|group| GpuSummary {
        place: group.name(),
        count: group.count,
        memory_bytes: group.memory_bytes,
        compute_capability: group.capability.map(|capability| capability.to_string()),
    });
    HostSummary {
        cores: host.cores,
        memory_bytes: host.memory_bytes,
        driver: host.driver.as_ref().map(ToString::to_string),
        cuda: host.cuda.map(|cuda| cuda.to_string()),
        gpus: gpus.collect(),
        notes: host.notes.clone(),
    }
}

fn model_fit(model: &Model, host: &Host, images: &[EngineImage]) -> ModelFit {
    let (family, context, places) = match &model.figures {
        Figures::Known(figures) => {
            let on_gpus = gpu::OnGpus::new(model, figures);
            let places = host.groups.iter().map(|group| on_gpus.fit(group, host, images));
            let places = places.chain([cpu::fit(model, figures, host)]).collect();
            (Some(figures.family.clone()), Some(figures.context), places)
        }
        Figures::Unknown(reason) => (None, None, unknown(reason, host)),
    };
    ModelFit {
        name: model.name.clone(),
        family,
        quantization: model.quantization(),
        weights_bytes: model.weights.bytes(),
        context,
        places,
    }
}

/// Returns the result for a model with unknown figures: it cannot be computed for any place.
fn unknown(reason: &str, host: &Host) -> Vec<PlaceFit> {
    let names = host.groups.iter().map(GpuGroup::name).chain(["CPU".to_owned()]);
    let place = |place| PlaceFit {
        place,
        profile: None,
        refusal: Some(Refusal::new(Reason::Figures, format!("its figures are not known: {reason}"))),
        mig: None,
        degrees: Vec::new(),
    };
    names.map(place).collect()
}

fn image_fit(image: &EngineImage, host: &Host) -> ImageFit {
    let places = host
        .groups
        .iter()
        .map(|group| ImagePlace { place: group.name(), refusal: engine::check_image(image, group, host).err() });
    ImageFit { reference: image.reference.clone(), cuda: image.cuda.to_string(), places: places.collect() }
}

#[cfg(test)]
mod tests;
