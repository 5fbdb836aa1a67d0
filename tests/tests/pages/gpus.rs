//! The GPU page: on a host without GPUs, and on one where a GPU is in use and another one does not answer.

use anyhow::{Result, ensure};
use landfall_test_browser::{ENTER, expect_no_faults, until};
use serde_json::{Value, json};

use super::appearance::Findings;
use super::browser;
use super::console::Console;

/// Selector of the navigation entry.
const ENTRY: &str = "nav a[href='/gpus']";

fn gpus() -> Value {
    let holder = json!({ "pid": 4242, "program": "vllm", "usedBytes": 2_u64 << 30, "pod": "inference/vllm-0" });
    json!({
        "driver": "580.95.05",
        "reason": null,
        "devices": [
            { "index": 0, "model": "NVIDIA L4", "totalBytes": 24_u64 << 30, "usedBytes": 2_u64 << 30, "parts": [],
                "holders": [holder], "problems": [] },
            { "index": 1, "model": null, "totalBytes": null, "usedBytes": null, "parts": [], "holders": [],
                "problems": ["does not answer"] },
        ],
        "offered": { "nvidia.com/gpu": 2 },
        "differences": [],
        "asOf": "2026-11-20T08:00:00Z",
        "ageSeconds": 0,
    })
}

fn models() -> Value {
    let figures = json!([{ "name": "tensorParallel", "value": 2, "setBySite": false }]);
    json!([
        { "name": "llama", "quantization": "BF16", "weightsBytes": 16_u64 << 30, "figures": figures, "reason": null,
            "profile": "vLLM on 2 × NVIDIA L4, tensor-parallel degree 2, context 131072, 64 sequences at once" },
        { "name": "large", "quantization": "BF16", "weightsBytes": 140_u64 << 30, "figures": [], "profile": null,
            "reason": "it does not run on CPU" },
    ])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: run by `cargo xtask test --only pages`"]
async fn existing_gpus_are_shown() -> Result<()> {
    let console = Console::begin().await?;
    let mut findings = Findings::begin()?;
    let browser = browser::begin_as_administrator(&console).await?;
    browser.open("/node").await?;
    ensure!(browser.count(ENTRY).await? == 0, "the navigation leads to GPUs that the host does not have");
    browser.open("/gpus").await?;
    browser.expect("#live", "The host reports no GPU").await?;
    findings.look(&browser, "/gpus without a GPU", None).await?;

    console.host.site.facts().status["gpus"] = gpus();
    console.host.site.facts().status["models"] = models();
    until("the navigation leads to the GPUs", async || {
        browser.open("/node").await?;
        Ok(browser.count(ENTRY).await? == 1)
    })
    .await?;
    browser.find(ENTRY).await?.focus().await?;
    browser.press(ENTER).await?;
    browser.expect_path("/gpus").await?;
    for words in [
        "580.95.05",
        "NVIDIA L4",
        "2.0 GiB of 24.0 GiB",
        "pod inference/vllm-0",
        "No answer",
        "not measured",
        "on 2 GPUs",
        "Does not fit",
    ] {
        browser.expect("#live", words).await?;
    }
    findings.look(&browser, "/gpus", None).await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    findings.judge(6)
}
