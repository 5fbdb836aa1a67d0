use landfall_gpu_facts::GpuReport;
use landfall_gpu_facts::version::{ComputeCapability, CudaVersion};
use proptest::prelude::*;

use super::gpu::OnGpus;
use super::*;
use crate::architecture::{Architecture, ModelKind, Quantization, Window};
use crate::document::WeightsFormat;
use crate::weights::Weights;

mod choose;

const GIB: u64 = 1 << 30;

/// Returns the host that the stored facts of a machine describe.
fn machine(name: &str) -> Host {
    let path = format!("{}/../gpu-facts/testdata/machines/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let report = GpuReport::read(&std::fs::read(path).expect("facts")).expect("report");
    Host::of(16, 64 * GIB, Some(&report))
}

/// Returns a host with this many GPUs, with the memory of those in the stored machines.
fn gpus(model: &str, count: u32, capability: (u32, u32)) -> Host {
    let (machine_name, name) =
        if model == "L4" { ("two-l4", "NVIDIA L4") } else { ("h100-nvswitch", "NVIDIA H100 80GB HBM3") };
    let mut host = machine(machine_name);
    assert_eq!(host.groups[0].model, name);
    host.groups[0].count = count;
    host.groups[0].capability = Some(ComputeCapability::new(capability.0, capability.1));
    host.notes.clear();
    host
}

fn figures(layers: u32, hidden: u32, heads: u32, kv_heads: u32, context: u64) -> Architecture {
    Architecture {
        family: "llama".to_owned(),
        kind: ModelKind::Decoder,
        layers,
        hidden,
        heads,
        kv_heads,
        head_dim: 128,
        value_dim: 128,
        context,
        vocabulary: 128_256,
        intermediate: 0,
        experts: None,
        window: None,
        latent: None,
        quantization: None,
    }
}

fn model(name: &str, kind: &str, bytes: u64, figures: Architecture) -> Model {
    let mut weights = Weights::default();
    weights.add(kind, bytes);
    let format = if kind.starts_with('Q') { WeightsFormat::Gguf } else { WeightsFormat::Safetensors };
    Model { name: name.to_owned(), format, files: 1, weights, figures: Figures::Known(Box::new(figures)) }
}

/// Llama 3.1 with 8 and 70 billion weights in bfloat16: the figures are from their `config.json`, the bytes from their
/// index.
fn llama_8b() -> Model {
    model("llama-8b", "BF16", 16_060_522_496, figures(32, 4096, 32, 8, 131_072))
}

fn llama_70b() -> Model {
    model("llama-70b", "BF16", 141_107_412_992, figures(80, 8192, 64, 8, 131_072))
}

/// Llama 2 with 7 billion weights in `Q4_0`.
fn llama_7b_q4() -> Model {
    let figures = Architecture { vocabulary: 32_000, ..figures(32, 4096, 32, 32, 4096) };
    model("llama-7b-q4", "Q4_0", 3_825_806_912, figures)
}

fn known_figures(model: &Model) -> &Architecture {
    let Figures::Known(figures) = &model.figures else { panic!("figures") };
    figures
}

fn on(model: &Model, host: &Host) -> PlaceFit {
    OnGpus::new(model, known_figures(model)).fit(&host.groups[0], host, &[])
}

fn near(found: u64, published: u64) -> bool {
    found.abs_diff(published) * 100 <= published * 3
}

#[test]
fn published_cases_match_within_three_percent() {
    let one = on(&llama_8b(), &gpus("H100", 1, (9, 0))).profile.expect("fits");
    assert!(near(one.kv_cache_tokens.expect("cache"), 444_000), "{one:?}");
    assert_eq!((one.tensor_parallel, one.context), (1, 131_072));
    let cut = on(&llama_8b(), &gpus("L4", 1, (8, 9))).profile.expect("fits");
    assert!(near(cut.context, 16_000), "{cut:?}");
    let four = on(&llama_70b(), &gpus("H100", 4, (9, 0))).profile.expect("fits");
    assert_eq!((four.tensor_parallel, four.context, four.copies), (4, 131_072, 1));
    assert!(near(four.kv_cache_tokens.expect("cache"), 463_000), "{four:?}");
    let two = on(&llama_70b(), &gpus("H100", 2, (9, 0))).profile.expect("fits");
    assert_eq!(two.tensor_parallel, 2);
    assert!(near(two.context, 16_000), "{two:?}");
    let quantized = llama_7b_q4();
    let cpu = cpu::profile(
        &quantized,
        known_figures(&quantized),
        &Host { cores: 8, memory_bytes: 10 * GIB, ..Host::default() },
        4096,
    );
    let cpu = cpu.expect("fits");
    assert_eq!((cpu.context, cpu.sequences), (4096, 1));
    // 5.6 GiB.
    assert!(near(cpu.memory_bytes, 56 * GIB / 10), "{cpu:?}");
}

#[test]
fn three_gpus_cannot_split_64_heads() {
    let host = gpus("H100", 3, (9, 0));
    let model = llama_70b();
    let refusal = OnGpus::new(&model, known_figures(&model)).profile(&host.groups[0], 3).expect_err("refused");
    assert_eq!(
        (refusal.reason, refusal.text.as_str()),
        (Reason::Heads, "64 attention heads cannot be divided among 3 GPUs")
    );
    // Two of the three GPUs still run it.
    let place = on(&model, &host);
    assert_eq!(place.degrees.iter().map(|degree| degree.degree).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(place.profile.expect("fits").tensor_parallel, 2);
    let refusal =
        OnGpus::new(&llama_8b(), &figures(2, 512, 12, 12, 2048)).profile(&host.groups[0], 3).expect_err("refused");
    assert_eq!(refusal.reason, Reason::Degree);
}

#[test]
fn oversized_model_is_refused_with_bytes() {
    let refusal = on(&llama_70b(), &gpus("L4", 2, (8, 9))).refusal.expect("refused");
    assert_eq!(refusal.reason, Reason::Memory);
    // 141,107,412,992 / 2 + 3 GiB, against 0.90 × 23,616,028,672.
    assert_eq!((refusal.needed_bytes, refusal.available_bytes), (Some(73_774_931_968), Some(21_254_425_740)));
    insta::assert_snapshot!(refusal.text, @"weights and overhead need 68.7 GiB, and 19.8 GiB are available: 52,520,506,228 bytes are missing");
    // Weights fit, but keys and values of the minimum context do not.
    let tight = model("tight", "BF16", 19_000_000_000, figures(32, 4096, 32, 32, 131_072));
    let refusal = on(&tight, &gpus("L4", 1, (8, 9))).refusal.expect("refused");
    assert_eq!(refusal.reason, Reason::Context);
    insta::assert_snapshot!(refusal.text, @"with keys and values of 2,048 tokens it needs 20.7 GiB, and 19.8 GiB are available: 966,799,732 bytes are missing");
    let small = Host { memory_bytes: 6 * GIB, ..Host::default() };
    let quantized = llama_7b_q4();
    assert_eq!(
        cpu::fit(&quantized, known_figures(&quantized), &small).refusal.expect("refused").reason,
        Reason::Memory
    );
    let plain = cpu::fit(&llama_8b(), known_figures(&llama_8b()), &machine("none")).refusal.expect("refused");
    assert_eq!(plain.reason, Reason::Format);
}

#[test]
fn old_gpus_are_refused() {
    let volta = gpus("H100", 1, (7, 0));
    let plain = on(&llama_8b(), &volta).profile.expect("plain weights run");
    assert!(plain.settings.contains(&"--dtype=half".to_owned()), "{plain:?}");
    let quantization = |method: &str| Some(Quantization { method: method.to_owned(), bits: 4, group: 128 });
    let awq = Architecture { quantization: quantization("awq"), ..known_figures(&llama_8b()).clone() };
    let awq = model("awq", "I32", 6_000_000_000, awq);
    assert_eq!(on(&awq, &volta).refusal.expect("refused").reason, Reason::ComputeCapability);
    let image = |cuda: (u32, u32), code: &[&str]| EngineImage {
        reference: "docker.io/vllm/vllm-openai:v0.20.0".to_owned(),
        cuda: CudaVersion::new(cuda.0, cuda.1),
        code: code.iter().map(|word| (*word).to_owned()).collect(),
    };
    let with = |host: &Host, images: &[EngineImage]| {
        let model = llama_8b();
        OnGpus::new(&model, known_figures(&model))
            .fit(&host.groups[0], host, images)
            .refusal
            .map(|refusal| (refusal.reason, refusal.text))
    };
    let mut old = gpus("H100", 1, (9, 0));
    (old.driver, old.cuda) = (Some("575.57.08".parse().expect("driver")), Some(CudaVersion::new(12, 9)));
    let said = [
        with(&old, &[image((13, 0), &[])]),
        with(&volta, &[image((13, 0), &[])]),
        with(&gpus("H100", 1, (9, 0)), &[image((12, 9), &["8.0", "8.9"])]),
    ];
    insta::assert_debug_snapshot!(said, @r#"
    [
        Some(
            (
                Driver,
                "CUDA 13.0 needs driver 580.65.06, and 575.57.08 is loaded",
            ),
        ),
        Some(
            (
                ComputeCapability,
                "CUDA 13.0 no longer supports compute capability 7.0",
            ),
        ),
        Some(
            (
                Image,
                "the image has no code for compute capability 9.0",
            ),
        ),
    ]
    "#);
    // One matching image of two suffices, and images of other engines are ignored.
    assert_eq!(with(&old, &[image((13, 0), &[]), image((12, 9), &["9.0"])]), None);
    let other = EngineImage { reference: "docker.io/a/trainer:1".to_owned(), ..image((13, 0), &[]) };
    assert_eq!(with(&old, &[other]), None);
}

#[test]
fn quantization_groups_stay_whole() {
    let quantization = Some(Quantization { method: "gptq".to_owned(), bits: 4, group: 128 });
    let figures = Architecture { quantization, intermediate: 18_944, ..figures(28, 3584, 32, 8, 32_768) };
    let model = model("gptq", "I32", 6_000_000_000, figures);
    let host = gpus("H100", 8, (9, 0));
    let by_degree: Vec<_> =
        on(&model, &host).degrees.into_iter().map(|fit| (fit.degree, fit.refusal.map(|no| no.reason))).collect();
    // 18,944 = 4 × 37 × 128.
    assert_eq!(by_degree, [(1, None), (2, None), (4, None), (8, Some(Reason::QuantizationGroups))]);
}

#[test]
fn expert_blocks_stay_whole() {
    let quantization = Some(Quantization { method: "fp8".to_owned(), bits: 8, group: 128 });
    let figures = Architecture { quantization, intermediate: 1536, ..figures(94, 4096, 64, 4, 40_960) };
    let model = model("fp8", "F8_E4M3", 30_000_000_000, figures);
    let place = on(&model, &gpus("H100", 8, (9, 0)));
    let refused: Vec<_> = place.degrees.iter().filter(|fit| fit.refusal.is_some()).map(|fit| fit.degree).collect();
    // 1,536 = 4 × 3 × 128.
    assert_eq!(refused, [8]);
}

#[test]
fn unsupported_families_and_devices_are_refused() {
    let mpnet = Architecture { family: "mpnet".to_owned(), kind: ModelKind::Encoder, ..figures(12, 768, 12, 12, 512) };
    let mpnet = model("mpnet", "F32", 400_000_000, mpnet);
    let report = fit(&ModelsDocument::new(vec![mpnet], Vec::new()), &gpus("L4", 1, (8, 9)));
    let [gpu, cpu] = &report.models[0].places[..] else { panic!("two places") };
    assert_eq!(gpu.refusal.as_ref().map(|refusal| refusal.reason), Some(Reason::Format));
    assert_eq!(cpu.profile.as_ref().map(|profile| profile.engine), Some(Engine::Component));
    let modelopt = |bits| {
        let quantization = Some(Quantization { method: "modelopt".to_owned(), bits, group: 0 });
        let figures = Architecture { quantization, ..known_figures(&llama_8b()).clone() };
        on(&model("modelopt", "F8_E4M3", 8_000_000_000, figures), &gpus("H100", 1, (8, 0))).refusal
    };
    assert_eq!(modelopt(8).map(|refusal| refusal.reason), Some(Reason::ComputeCapability));
    assert_eq!(modelopt(0), None);
}

#[test]
fn engines_are_recognized_by_repository() {
    let of = Engine::of_image;
    let digest = format!("docker.io/vllm/vllm-openai:v1@sha256:{}", "0".repeat(64));
    assert_eq!((of(&digest), of("ollama/ollama:0.9")), (Some(Engine::Vllm), Some(Engine::Ollama)));
    assert_eq!((of("a.example:5000/trainer:vllm-1"), of("a.example/trainer@sha256:vllm")), (None, None));
}

#[test]
fn similar_gpus_form_one_group() {
    let path = format!("{}/../gpu-facts/testdata/machines/two-l4.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("facts");
    let changed = text.replacen("\"reservedBytes\": 536870912", "\"reservedBytes\": 536875008", 1);
    assert_ne!(changed, text);
    let before = machine("two-l4").groups[0].memory_bytes;
    let host = Host::of(16, 64 * GIB, Some(&GpuReport::read(changed.as_bytes()).expect("report")));
    assert_eq!((host.groups.len(), host.groups[0].count), (1, 2));
    assert_eq!(host.groups[0].memory_bytes, before - 4096);
}

#[test]
fn attention_windows_allow_more_sequences() {
    let whole = figures(32, 4096, 32, 8, 32_768);
    let windowed = Architecture { window: Some(Window { layers: 32, tokens: 4096 }), ..whole.clone() };
    let host = gpus("L4", 1, (8, 9));
    let of =
        |figures: Architecture| on(&model("mistral", "BF16", 14_483_464_192, figures), &host).profile.expect("fits");
    let (whole, windowed) = (of(whole), of(windowed));
    assert_eq!((whole.context, whole.sequences), (32_768, 1));
    assert_eq!((windowed.context, windowed.sequences), (32_768, 8));
}

#[test]
fn encoders_need_no_cache() {
    let bert = Architecture { kind: ModelKind::Encoder, head_dim: 32, value_dim: 32, ..figures(6, 384, 12, 12, 512) };
    let model = model("minilm", "F32", 90_000_000, bert);
    let report = fit(&ModelsDocument::new(vec![model], Vec::new()), &gpus("L4", 1, (8, 9)));
    let [gpu, cpu] = &report.models[0].places[..] else { panic!("two places") };
    let gpu = gpu.profile.as_ref().expect("fits");
    assert_eq!((gpu.weights_bytes, gpu.kv_cache_tokens, gpu.context), (45_000_000, None, 512));
    let cpu = cpu.profile.as_ref().expect("fits");
    assert_eq!((cpu.engine, cpu.weights_bytes, cpu.context), (Engine::Component, 90_000_000, 512));
}

#[test]
fn host_states_are_reported() {
    let said: Vec<_> = [
        "none",
        "no-driver",
        "jetson",
        "a100-mig",
        "mixed",
        "two-l4",
        "lost",
        "hangs",
        "h100-nvswitch-no-fabric-manager",
    ]
    .into_iter()
    .map(|name| {
        let host = machine(name);
        let groups: Vec<_> =
            host.groups.iter().map(|group| format!("{} {}", group.name(), text::gib(group.memory_bytes))).collect();
        format!("{name}: {groups:?} {:?}", host.notes)
    })
    .collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    none: [] []
    no-driver: [] ["[LF3034] The host has an NVIDIA GPU, but NVIDIA's driver is not loaded. Install NVIDIA's driver for this distribution and reboot; `nouveau` must not hold the GPU."]
    jetson: [] ["the memory of NVIDIA Jetson AGX Orin Developer Kit's own GPU is not known"]
    a100-mig: ["3 × NVIDIA A100-SXM4-40GB MIG 1g.5gb 4.3 GiB"] []
    mixed: ["1 × NVIDIA H200 139.9 GiB", "1 × Tesla V100-PCIE-32GB 31.5 GiB"] []
    two-l4: ["2 × NVIDIA L4 22.0 GiB"] ["programs hold 2.0 GiB of GPU 0: the figures below count all of its memory"]
    lost: ["1 × NVIDIA L4 22.0 GiB"] ["[LF3039] A GPU does not answer. Look for `Xid` in `dmesg`, then power the host off and on; a GPU that is lost again must be replaced."]
    hangs: [] ["[LF3040] NVIDIA's driver fails. Look for `NVRM` in `dmesg`; `nvidia-smi` should answer before Landfall can use the GPUs."]
    h100-nvswitch-no-fabric-manager: [] ["[LF3041] GPUs are connected by NVSwitch, but Fabric Manager is not running. Install NVIDIA's Fabric Manager in exactly the version of the driver, and enable its service."]
    "#);
    assert_eq!(Host::of(1, 1, None).notes.len(), 1);
}

#[test]
fn mig_parts_are_never_joined() {
    let mut host = gpus("H100", 2, (9, 0));
    let profile =
        |name: &str, gib: u64, instances| ProfileSize { name: name.to_owned(), memory_bytes: gib * GIB, instances };
    host.groups[0].profiles = vec![profile("1g.10gb", 9, 7), profile("1g.20gb", 19, 4), profile("3g.40gb", 39, 2)];
    let mig = on(&llama_8b(), &host).mig.expect("a part");
    // 0.90 × 19 GiB leave 143 MiB next to the weights: too few tokens.
    assert_eq!((mig.name.as_str(), mig.instances, mig.context), ("3g.40gb", 2, 131_072));
    // On a part of a GPU, Ollama has the same limits as on a whole one.
    let ollama = on(&llama_7b_q4(), &host).mig.expect("a part");
    assert!(ollama.sequences <= 16);
    assert_eq!(ollama.kv_cache_tokens, Some(ollama.context * ollama.sequences));
    let divided = machine("a100-mig");
    let small = model("small", "BF16", 1_000_000_000, figures(16, 2048, 32, 8, 131_072));
    let place = on(&small, &divided);
    let refused = place.degrees.iter().find(|degree| degree.degree == 2).and_then(|degree| degree.refusal.clone());
    assert_eq!(refused.expect("refused").reason, Reason::MigDevice);
    assert_eq!(place.profile.expect("fits").copies, divided.groups[0].count);
}

#[test]
fn table_names_all_reasons() {
    let unknown = Model { figures: Figures::Unknown("why".to_owned()), ..llama_8b() };
    let image = EngineImage {
        reference: "docker.io/vllm/vllm-openai:v0.20.0".to_owned(),
        cuda: CudaVersion::new(13, 0),
        code: Vec::new(),
    };
    let document = ModelsDocument::new(
        vec![llama_8b(), llama_70b(), llama_7b_q4(), Model { name: "odd".to_owned(), ..unknown }],
        vec![image],
    );
    insta::assert_snapshot!(table(&fit(&document, &gpus("H100", 4, (9, 0)))), @r"
    16 cores, 64.0 GiB of memory, driver 580.159.04, CUDA 13.0
    4 × NVIDIA H100 80GB HBM3, 79.1 GiB each, compute capability 9.0

    model        weights  place                      engine     GPUs  copies  context  at once  KV tokens    memory
    llama-8b     bf16     4 × NVIDIA H100 80GB HBM3  vLLM          1       4  131,072        3    444,622  71.2 GiB
    llama-70b    bf16     4 × NVIDIA H100 80GB HBM3  vLLM          4       1  131,072        3    463,714  71.2 GiB
    llama-7b-q4  q4_0     4 × NVIDIA H100 80GB HBM3  Ollama        1       4    4,096       16     65,536  37.6 GiB
    llama-7b-q4  q4_0     CPU                        llama.cpp     -       1    4,096        4     16,384  11.6 GiB

    At once: sequences of the whole context. Memory: of each GPU, or of the host.

    Settings:
      llama-8b on 4 × NVIDIA H100 80GB HBM3: --tensor-parallel-size=1 --max-model-len=131072 --max-num-seqs=108 --gpu-memory-utilization=0.90
      llama-70b on 4 × NVIDIA H100 80GB HBM3: --tensor-parallel-size=4 --max-model-len=131072 --max-num-seqs=113 --gpu-memory-utilization=0.90
      llama-7b-q4 on 4 × NVIDIA H100 80GB HBM3: OLLAMA_CONTEXT_LENGTH=4096 OLLAMA_NUM_PARALLEL=16
      llama-7b-q4 on CPU: --ctx-size=16384 --parallel=4 --threads=16

    Does not fit:
      llama-8b on CPU: llama.cpp reads GGUF, and the weights are safetensors: ship a GGUF file for hosts without a GPU
      llama-70b on CPU: llama.cpp reads GGUF, and the weights are safetensors: ship a GGUF file for hosts without a GPU
      odd on 4 × NVIDIA H100 80GB HBM3: its figures are not known: why
      odd on CPU: its figures are not known: why

    docker.io/vllm/vllm-openai:v0.20.0 (CUDA 13.0):
      on 4 × NVIDIA H100 80GB HBM3: runs
    ");
    insta::assert_snapshot!(table(&fit(&ModelsDocument::new(vec![llama_8b()], Vec::new()), &machine("none"))), @r"
    16 cores, 64.0 GiB of memory
    no GPU that models can use

    No model fits.

    Does not fit:
      llama-8b on CPU: llama.cpp reads GGUF, and the weights are safetensors: ship a GGUF file for hosts without a GPU
    ");
}

proptest! {
    /// Whatever the figures are, nothing overflows, and no profile exceeds the memory, the context or the heads.
    #[test]
    fn profile_respects_limits(
        layers in 1_u32..200, heads in 1_u32..200, kv_heads in 1_u32..200, context in 1_u64..1 << 32,
        weights in 0_u64..1 << 42, memory in 0_u64..1 << 42, count in 1_u32..17,
    ) {
        let model = model("any", "BF16", weights, figures(layers, 4096, heads, kv_heads, context));
        let mut host = gpus("H100", count, (9, 0));
        host.groups[0].memory_bytes = memory;
        host.memory_bytes = memory;
        let place = on(&model, &host);
        prop_assert!(place.profile.is_some() != place.refusal.is_some());
        for profile in place.degrees.iter().filter_map(|degree| degree.profile.as_ref()) {
            let degree = profile.tensor_parallel;
            prop_assert!(profile.context <= context && profile.sequences >= 1);
            prop_assert!(heads % degree == 0 && degree <= count && [1, 2, 4, 8].contains(&degree));
            let cached = known_figures(&model).sequence_bytes(profile.context, degree) * profile.sequences;
            prop_assert!(profile.weights_bytes + cached + 2 * GIB <= memory);
        }
        if let Ok(profile) = cpu::profile(&model, known_figures(&model), &host, u64::MAX) {
            prop_assert!(profile.memory_bytes <= memory);
        }
    }

    /// More memory never makes a fit worse.
    #[test]
    fn more_memory_never_shortens_context(weights in 0_u64..1 << 38, memory in 0_u64..1 << 38, more in 0_u64..1 << 38) {
        let model = model("any", "BF16", weights, figures(32, 4096, 32, 8, 131_072));
        let mut host = gpus("H100", 1, (9, 0));
        let mut context = |memory| {
            host.groups[0].memory_bytes = memory;
            on(&model, &host).profile.map_or(0, |profile| profile.context)
        };
        prop_assert!(context(memory) <= context(memory + more));
    }
}
