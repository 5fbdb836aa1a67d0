//! GPUs of the host and models of the release, from the host's status: this page makes no additional requests.

use askama::Template;
use axum::extract::State;
use landfall_documents::status::{GpuHolder, GpuStatus, GpusStatus, ModelFigure, ModelStatus, StatusReport};

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::units::{NOT_MEASURED, bytes, count};
use super::{PageResult, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::Topic;

struct View {
    facts: Result<HostGpus, Trouble>,
}

struct HostGpus {
    gpus: Option<GpusStatus>,
    models: Vec<ModelStatus>,
}

#[derive(Template)]
#[template(path = "gpus.html")]
struct GpusPage {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "gpus_live.html")]
struct GpusFragment {
    view: View,
}

/// Returns the mark of the driver.
fn mark(reason: Option<&String>) -> Mark {
    if reason.is_none() { How::Good.mark("Ready") } else { How::Bad.mark("Not usable") }
}

/// Returns the mark of a GPU: one without a model does not answer.
fn gpu_mark(gpu: &GpuStatus) -> Mark {
    match (&gpu.model, gpu.problems.is_empty()) {
        (None, _) => How::Bad.mark("No answer"),
        (Some(_), false) => How::Attention.mark("Look at it"),
        (Some(_), true) => How::Good.mark("Ready"),
    }
}

fn or_unknown(text: Option<&str>) -> &str {
    text.unwrap_or("unknown")
}

/// Formats memory, as in `2.0 GiB of 22.5 GiB`.
fn memory(gpu: &GpuStatus) -> String {
    let text = |count: Option<u64>| count.map_or_else(|| NOT_MEASURED.to_owned(), bytes);
    match (gpu.used_bytes, gpu.total_bytes) {
        (None, None) => NOT_MEASURED.to_owned(),
        (used, total) => format!("{} of {}", text(used), text(total)),
    }
}

/// Describes a holder, as in `vllm, process 4242, pod inference/vllm-0: 2.0 GiB`.
fn held_by(holder: &GpuHolder) -> String {
    let program = holder.program.as_deref().unwrap_or("a program that cannot be seen");
    let pod = holder.pod.as_ref().map(|pod| format!(", pod {pod}")).unwrap_or_default();
    let used = holder.used_bytes.map_or_else(|| NOT_MEASURED.to_owned(), bytes);
    format!("{program}, process {}{pod}: {used}", holder.pid)
}

/// Parses a time of a document for display.
fn moment(text: &str) -> Option<Moment> {
    Moment::read(Some(text))
}

/// Returns the mark of a model.
fn model_mark(model: &ModelStatus) -> Mark {
    if model.profile.is_some() { How::Good.mark("Fits") } else { How::Bad.mark("Does not fit") }
}

/// Describes a figure, as in `context 8192 tokens, set by the site`.
fn figure(figure: &ModelFigure) -> String {
    let value = figure.value;
    let what = match figure.name.as_str() {
        "tensorParallel" if value == 0 => "on the CPU".to_owned(),
        "tensorParallel" => format!("on {}", count(usize::try_from(value).unwrap_or(usize::MAX), "GPU")),
        "context" => format!("context {value} tokens"),
        "sequences" => format!("{value} sequences at once"),
        "memoryBytes" => format!("memory {}", bytes(value)),
        other => format!("{other} {value}"),
    };
    if figure.set_by_site { format!("{what}, set by the site") } else { what }
}

async fn view(context: &Context) -> View {
    let status = context.site.read::<StatusReport>(Topic::Status).await;
    let found = |status: Option<StatusReport>| {
        let (gpus, models) = status.map(|status| (status.gpus, status.models)).unwrap_or_default();
        HostGpus { gpus, models }
    };
    View { facts: status.map(found).map_err(Trouble::from) }
}

pub async fn show(State(context): State<Context>, caller: Caller) -> PageResult {
    // Reading the page's data also updates what the navigation knows.
    let view = view(&context).await;
    let frame = Frame::new(&context, &caller, Place::Gpus, "GPUs and models");
    draw(&GpusPage { frame, view })
}

pub async fn live(State(context): State<Context>) -> PageResult {
    draw(&GpusFragment { view: view(&context).await })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Site, until, words_of};

    fn gpus() -> Value {
        json!({
            "driver": "580.95.05",
            "reason": null,
            "devices": [
                { "index": 0, "model": "NVIDIA L4", "totalBytes": 24_u64 << 30, "usedBytes": 2_u64 << 30, "parts": [],
                    "holders": [{ "pid": 4242, "program": "vllm", "usedBytes": null, "pod": "inference/vllm-0" }],
                    "problems": [] },
                { "index": 1, "model": null, "totalBytes": null, "usedBytes": null, "parts": [], "holders": [],
                    "problems": ["does not answer <now>"] },
            ],
            "offered": { "nvidia.com/gpu": 2 },
            "differences": [],
            "asOf": "2026-11-20T08:00:00Z",
            "ageSeconds": 0,
        })
    }

    #[tokio::test]
    async fn gpu_page_shows_holders_and_problems() {
        let site = Site::begin().await;
        site.host.status.lock().unwrap()["gpus"] = gpus();
        let vera = site.sign_in("vera").await;
        until(async || vera.get("/gpus").await.body.contains("NVIDIA L4")).await;
        let page = vera.get("/gpus").await.body;
        insta::assert_snapshot!(words_of(&page));
        assert!(!page.contains("<now>"), "a problem became markup: {page}");
        let live = words_of(&vera.get("/live/gpus").await.body);
        assert!(words_of(&page).ends_with(&live), "{live}");
        assert!(vera.get("/node").await.has("href", "/gpus"), "the navigation does not lead there");
        assert_eq!(vera.get("/api/v1/gpus").await.json(), gpus());
    }

    #[tokio::test]
    async fn model_page_shows_fit() {
        let site = Site::begin().await;
        site.host.status.lock().unwrap()["models"] = json!([
            { "name": "llama", "quantization": "BF16", "weightsBytes": 16_u64 << 30, "reason": null,
                "profile": "vLLM on 2 × NVIDIA L4, tensor-parallel degree 2",
                "figures": [{ "name": "tensorParallel", "value": 2, "setBySite": false },
                    { "name": "context", "value": 8192, "setBySite": true }] },
            { "name": "large", "quantization": "BF16", "weightsBytes": 140_u64 << 30, "figures": [], "profile": null,
                "reason": "it does not run on CPU <yet>" },
        ]);
        let vera = site.sign_in("vera").await;
        until(async || vera.get("/gpus").await.body.contains("llama")).await;
        let page = vera.get("/gpus").await.body;
        insta::assert_snapshot!(words_of(&page));
        assert!(!page.contains("<yet>"), "a reason became markup: {page}");
        assert!(vera.get("/node").await.has("href", "/gpus"), "the navigation does not lead there");
    }

    #[test]
    fn figures_name_origin() {
        let of = |name: &str, value, set_by_site| figure(&ModelFigure { name: name.to_owned(), value, set_by_site });
        assert_eq!(of("tensorParallel", 0, false), "on the CPU");
        assert_eq!(of("tensorParallel", 1, true), "on 1 GPU, set by the site");
        assert_eq!(of("memoryBytes", 3 << 30, false), "memory 3.0 GiB");
        assert_eq!(of("ofLater", 7, false), "ofLater 7");
    }

    #[tokio::test]
    async fn host_without_gpus_hides_page() {
        let site = Site::begin().await;
        let vera = site.sign_in("vera").await;
        assert!(!vera.get("/node").await.has("href", "/gpus"));
        insta::assert_snapshot!(words_of(&vera.get("/gpus").await.body));
        assert_eq!(vera.get("/api/v1/gpus").await.status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn missing_figure_is_not_zero() {
        let mut read: GpusStatus = serde_json::from_value(gpus()).unwrap();
        assert_eq!(memory(&read.devices[1]), "not measured");
        read.devices[0].used_bytes = None;
        assert_eq!(memory(&read.devices[0]), "not measured of 24.0 GiB");
    }
}
