//! NVIDIA's programs that give containers access to GPUs, and the parts of `docs/examples/gpu` that contain them.

use anyhow::Result;

use super::Workshop;
use super::debian;
use super::go::{Build, GoModule, Program};
use super::layer::Layer;
use super::node_pack::{FILES, files, program_layer};
use super::oci::{PublishedContent, Settings, artifact, image};

/// NVIDIA's tools that give a container a GPU.
pub const CONTAINER_TOOLKIT: GoModule = GoModule {
    name: "nvidia-container-toolkit",
    upstream: "github.com/NVIDIA/nvidia-container-toolkit",
    stamp: None,
    programs: &[
        Program { package: "github.com/NVIDIA/nvidia-container-toolkit/cmd/nvidia-ctk", file: "nvidia-ctk" },
        Program { package: "github.com/NVIDIA/nvidia-container-toolkit/cmd/nvidia-cdi-hook", file: "nvidia-cdi-hook" },
    ],
    build: Build::LoadingC,
    variables: &[("github.com/NVIDIA/nvidia-container-toolkit/internal/info.version", "{version}")],
};

/// NVIDIA's program that offers GPUs to pods.
pub const DEVICE_PLUGIN: GoModule = GoModule {
    name: "nvidia-device-plugin",
    upstream: "github.com/NVIDIA/k8s-device-plugin",
    stamp: None,
    programs: &[Program {
        package: "github.com/NVIDIA/k8s-device-plugin/cmd/nvidia-device-plugin",
        file: "nvidia-device-plugin",
    }],
    build: Build::LoadingC,
    variables: &[("github.com/NVIDIA/k8s-device-plugin/internal/info.version", "{version}")],
};

/// Returns NVIDIA's parts of `docs/examples/gpu`, in the versions of these recipes.
pub(super) fn example(workshop: &Workshop) -> Result<Vec<PublishedContent>> {
    let (toolkit, device_plugin) = (CONTAINER_TOOLKIT.version(workshop)?, DEVICE_PLUGIN.version(workshop)?);
    let tools = files(workshop, &CONTAINER_TOOLKIT, &["nvidia-ctk", "nvidia-cdi-hook"])?;
    let tools = artifact(
        CONTAINER_TOOLKIT.name,
        format!("example.internal/nvidia-container-toolkit:{}", toolkit.trim_start_matches('v')),
        FILES,
        None,
        tools,
    );
    let base = debian::ensure_base(workshop)?;
    let plugin = program_layer(workshop, &DEVICE_PLUGIN, &["usr/bin/nvidia-device-plugin"])?;
    let on_base = |name, reference: &str, layers: &[Layer]| {
        image(
            name,
            reference.to_owned(),
            layers,
            &Settings { command: &["nvidia-device-plugin"], ..Settings::default() },
        )
    };
    Ok(vec![
        on_base(
            "nvidia-device-plugin",
            &format!("nvcr.io/nvidia/k8s-device-plugin:{device_plugin}"),
            &[base.clone(), plugin],
        ),
        on_base("dcgm-exporter", "nvcr.io/nvidia/k8s/dcgm-exporter:stand-in", &[base]),
        tools,
    ])
}
