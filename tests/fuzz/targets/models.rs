//! Headers of model files, `config.json`, and the document about models in a head.
#![no_main]

use landfall_gpu_facts::GpuReport;
use landfall_models::{Figures, Host, Model, ModelsDocument, WeightsFormat, fit, gguf, read_config, safetensors};
use libfuzzer_sys::fuzz_target;

/// A host with GPUs, and one without.
fn hosts() -> [Host; 2] {
    const GPUS: &[u8] = include_bytes!("../../../crates/gpu-facts/testdata/machines/h100-nvswitch.json");
    let report = GpuReport::read(GPUS).expect("stored facts are read");
    [Host::of(8, 1 << 36, Some(&report)), Host::of(1, 0, None)]
}

/// No document that was read makes the fit overflow, and each can be written again.
fn check(document: &ModelsDocument) {
    let again = document.to_bytes().expect("a document that was read can be written");
    assert_eq!(&ModelsDocument::read(&again).expect("a document that was written can be read"), document);
    for host in hosts() {
        fit::table(&fit(document, &host));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len() as u64;
    for file_bytes in [size, size.saturating_mul(1000)] {
        if let Ok(header) = safetensors::read(bytes, file_bytes) {
            assert!(header.weights.bytes() <= file_bytes);
        }
        if let Ok(header) = gguf::read(bytes, file_bytes) {
            assert!(header.weights.bytes() <= file_bytes);
        }
    }
    if let Ok(Ok(architecture)) = read_config(bytes) {
        let model = Model {
            name: "model".to_owned(),
            format: WeightsFormat::Safetensors,
            files: 1,
            weights: Default::default(),
            figures: Figures::Known(Box::new(architecture)),
        };
        let document = ModelsDocument::new(vec![model], Vec::new());
        for host in hosts() {
            fit::table(&fit(&document, &host));
        }
    }
    if let Ok(document) = ModelsDocument::read(bytes) {
        check(&document);
    }
});
