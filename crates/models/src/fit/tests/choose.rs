//! Tests of the choice: when the fit decides, when a site requests something, and when several models share a host.

use super::*;
use crate::fit::choose::{Choice, RequestedFigures, UsedResources};

fn report(models: Vec<Model>, host: &Host) -> FitReport {
    fit(&ModelsDocument::new(models, Vec::new()), host)
}

fn choose_model(model: Model, host: &Host, request: RequestedFigures) -> Result<Choice, Refusal> {
    let report = report(vec![model], host);
    UsedResources::default().choose(&report, &report.models[0], request)
}

fn of(choice: &Choice) -> (Engine, u32, u64) {
    (choice.engine, choice.tensor_parallel, choice.context)
}

#[test]
fn best_profile_is_default() {
    let large = choose_model(llama_70b(), &gpus("H100", 4, (9, 0)), RequestedFigures::default()).unwrap();
    assert_eq!(of(&large), (Engine::Vllm, 4, 131_072));
    let report = report(vec![llama_7b_q4()], &Host { cores: 8, memory_bytes: 64 * GIB, ..Host::default() });
    let small = UsedResources::default().choose(&report, &report.models[0], RequestedFigures::default()).unwrap();
    assert_eq!((of(&small), small.sequences), ((Engine::LlamaCpp, 0, 4096), 4));
    assert_eq!(small.place, "CPU");
}

#[test]
fn accepted_request_is_fulfilled() {
    let host = gpus("H100", 4, (9, 0));
    let request = RequestedFigures { tensor_parallel: Some(2), context: Some(8192), sequences: Some(500) };
    let choice = choose_model(llama_70b(), &host, request).unwrap();
    assert_eq!((of(&choice), choice.sequences), ((Engine::Vllm, 2, 8192), 500), "vLLM queues");
    let cpu = RequestedFigures { tensor_parallel: Some(0), ..RequestedFigures::default() };
    assert_eq!(choose_model(llama_7b_q4(), &host, cpu).unwrap().place, "CPU");
    let long = RequestedFigures { context: Some(131_072), ..RequestedFigures::default() };
    assert_eq!(choose_model(llama_70b(), &host, long).unwrap().tensor_parallel, 4);
}

#[test]
fn refused_request_has_reason() {
    let host = gpus("H100", 4, (9, 0));
    let refused = |model: Model, request: RequestedFigures| {
        let refusal = choose_model(model, &host, request).unwrap_err();
        (refusal.reason, refusal.text)
    };
    let degree = |degree: u64| RequestedFigures { tensor_parallel: Some(degree), ..RequestedFigures::default() };
    let (reason, text) = refused(llama_70b(), degree(1));
    assert!(reason == Reason::Memory && text.contains("bytes are missing"), "{text}");
    assert_eq!(refused(llama_70b(), degree(3)).0, Reason::Degree);
    assert_eq!(refused(llama_70b(), degree(64)).0, Reason::Degree);
    let (reason, text) =
        refused(llama_70b(), RequestedFigures { tensor_parallel: Some(2), context: Some(131_072), sequences: None });
    assert!(reason == Reason::Context && text.starts_with("a context of 131,072 tokens is asked for"), "{text}");
    assert_eq!(
        refused(llama_8b(), RequestedFigures { context: Some(1 << 20), ..RequestedFigures::default() }).0,
        Reason::Context
    );
    assert_eq!(
        refused(llama_8b(), RequestedFigures { sequences: Some(0), ..RequestedFigures::default() }).0,
        Reason::Context
    );
    // llama.cpp allocates all sequences at its start.
    let host = Host { cores: 8, memory_bytes: 10 * GIB, ..Host::default() };
    let many = RequestedFigures { sequences: Some(64), ..RequestedFigures::default() };
    assert_eq!(choose_model(llama_7b_q4(), &host, many).unwrap_err().reason, Reason::Context);
}

#[test]
fn models_share_host_resources() {
    let report = report(vec![llama_70b(), llama_8b(), llama_8b()], &gpus("H100", 4, (9, 0)));
    let mut taken = UsedResources::default();
    let two = RequestedFigures { tensor_parallel: Some(2), context: Some(4096), sequences: None };
    let mut next = |index: usize, request| taken.choose(&report, &report.models[index], request);
    assert_eq!(next(0, two).unwrap().tensor_parallel, 2);
    assert_eq!(next(1, RequestedFigures::default()).unwrap().tensor_parallel, 1);
    assert_eq!(next(2, RequestedFigures::default()).unwrap().tensor_parallel, 1);
    let refusal = next(2, RequestedFigures::default()).unwrap_err();
    assert_eq!(refusal.text, "GPUs are missing: it needs 1, and other models of the release take 4 of 4");

    let host = Host { cores: 8, memory_bytes: 24 * GIB, ..Host::default() };
    let report = fit(&ModelsDocument::new(vec![llama_7b_q4()], Vec::new()), &host);
    let mut taken = UsedResources::default();
    let places: Vec<bool> =
        (0..4).map(|_| taken.choose(&report, &report.models[0], RequestedFigures::default()).is_ok()).collect();
    assert!(places[0] && !places[3], "{places:?}");
}

#[test]
fn remaining_gpus_maximize_context() {
    // With 32 heads of keys and values, each additional GPU makes room for a longer context.
    let wide = model("wide", "BF16", 16_060_522_496, figures(32, 4096, 32, 32, 131_072));
    let one = RequestedFigures { tensor_parallel: Some(1), ..RequestedFigures::default() };
    for (large, host, best, left) in [
        (llama_70b(), gpus("H100", 4, (9, 0)), (Engine::Vllm, 4, 131_072), (Engine::Vllm, 2, 16_384)),
        (wide, gpus("L4", 4, (8, 9)), (Engine::Vllm, 4, 65_536), (Engine::Vllm, 2, 32_768)),
    ] {
        let report = report(vec![llama_8b(), large], &host);
        let mut taken = UsedResources::default();
        assert_eq!(of(&taken.clone().choose(&report, &report.models[1], RequestedFigures::default()).unwrap()), best);
        taken.choose(&report, &report.models[0], one).unwrap();
        assert_eq!(of(&taken.choose(&report, &report.models[1], RequestedFigures::default()).unwrap()), left);
    }
}

#[test]
fn smaller_requests_leave_memory() {
    let host = Host { cores: 8, memory_bytes: 24 * GIB, ..Host::default() };
    let report = report(vec![llama_7b_q4()], &host);
    let whole = UsedResources::default().choose(&report, &report.models[0], RequestedFigures::default()).unwrap();
    let mut taken = UsedResources::default();
    taken.choose(&report, &report.models[0], RequestedFigures::default()).unwrap();
    assert_eq!(
        taken.choose(&report, &report.models[0], RequestedFigures::default()).unwrap_err().reason,
        Reason::Memory
    );
    let one = RequestedFigures { sequences: Some(1), ..RequestedFigures::default() };
    let small = taken.choose(&report, &report.models[0], one).unwrap();
    // Three fewer sequences, of 4,096 tokens each; a token takes 512 KiB.
    assert_eq!(whole.memory_bytes - small.memory_bytes, 3 * 4096 * (512 << 10));
    let half = RequestedFigures { context: Some(2048), sequences: Some(1), ..RequestedFigures::default() };
    let half = UsedResources::default().choose(&report, &report.models[0], half).unwrap();
    assert_eq!(small.memory_bytes - half.memory_bytes, 2048 * (512 << 10));
    // vLLM takes its share, whatever the request.
    let host = gpus("H100", 1, (9, 0));
    let short = RequestedFigures { context: Some(4096), sequences: Some(1), ..RequestedFigures::default() };
    let (short, whole) =
        (choose_model(llama_8b(), &host, short), choose_model(llama_8b(), &host, RequestedFigures::default()));
    assert_eq!(short.unwrap().memory_bytes, whole.unwrap().memory_bytes);
}

#[test]
fn request_keeps_underlying_refusal() {
    let degree = |degree: u64| RequestedFigures { tensor_parallel: Some(degree), ..RequestedFigures::default() };
    let old = choose_model(llama_8b(), &gpus("L4", 2, (6, 1)), degree(2)).unwrap_err();
    assert_eq!(old.reason, Reason::ComputeCapability, "{}", old.text);
    // If the CPU is requested, the reason concerns the CPU.
    let cpu = choose_model(llama_8b(), &gpus("H100", 1, (9, 0)), degree(0)).unwrap_err();
    assert_eq!(cpu.reason, Reason::Format, "{}", cpu.text);
}
