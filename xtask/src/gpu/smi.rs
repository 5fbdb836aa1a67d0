//! Output of `nvidia-smi`, NVIDIA's own program, with which that of `landfall-gpu` is compared.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use landfall_gpu_facts::hardware::PciAddress;
use roxmltree::{Document, Node, ParsingOptions};

/// Text that `nvidia-smi` prints for a field that a GPU does not have.
pub const NONE: &str = "N/A";

/// Text that it prints for a field that the driver no longer reports.
const DEPRECATED: &str = "Requested functionality has been deprecated";

/// The document of `nvidia-smi -q -x`.
#[derive(Debug)]
pub struct Smi {
    /// Version of the driver.
    pub driver_version: String,
    /// Newest CUDA version that the driver supports.
    pub cuda_version: String,
    /// GPUs of the machine.
    pub gpus: Vec<SmiGpu>,
}

/// One GPU of the document.
#[derive(Debug)]
pub struct SmiGpu {
    fields: BTreeMap<String, String>,
    /// Fields of each process that uses its memory.
    pub processes: Vec<BTreeMap<String, String>>,
    /// Number of its MIG devices.
    pub mig_devices: usize,
}

impl Smi {
    /// Reads the document.
    pub fn read(text: &str) -> Result<Self> {
        // The document names its document type, which is not read.
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).context("nvidia-smi printed no XML")?;
        let root = document.root_element();
        let top = leaves(root);
        let value = |name: &str| top.get(name).cloned().with_context(|| format!("nvidia-smi printed no {name}"));
        let gpus: Vec<_> = children(root, "gpu").map(SmiGpu::read).collect();
        let counted = value("attached_gpus")?;
        ensure!(counted == gpus.len().to_string(), "nvidia-smi counts {counted} GPUs and prints {}", gpus.len());
        Ok(Self { driver_version: value("driver_version")?, cuda_version: value("cuda_version")?, gpus })
    }

    /// Returns the GPU at this address, in the notation of `landfall-gpu`.
    pub fn at(&self, address: &str) -> Option<&SmiGpu> {
        let is_at = |gpu: &&SmiGpu| {
            let found = gpu.field("pci/pci_bus_id").parse::<PciAddress>();
            found.is_ok_and(|found| found.to_string() == address)
        };
        self.gpus.iter().find(is_at)
    }
}

impl SmiGpu {
    fn read(gpu: Node<'_, '_>) -> Self {
        let processes = children(gpu, "processes").flat_map(|all| children(all, "process_info")).map(leaves).collect();
        let mig_devices = children(gpu, "mig_devices").flat_map(|all| children(all, "mig_device")).count();
        Self { fields: leaves(gpu), processes, mig_devices }
    }

    /// Returns a field by its path below the GPU, such as `fb_memory_usage/total`.
    pub fn field(&self, path: &str) -> &str {
        self.fields.get(path).map_or(NONE, String::as_str)
    }

    /// Returns the number at the beginning of a field, without its unit.
    pub fn number(&self, path: &str) -> Option<f64> {
        number(self.field(path))
    }
}

/// Parses the number at the beginning of a text such as `143771 MiB`.
pub fn number(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

fn children<'a, 'input>(of: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    of.children().filter(move |child| child.has_tag_name(name))
}

/// Returns every element without child elements, by its path. Only the first element with a path is included.
fn leaves(of: Node<'_, '_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for element in of.descendants().filter(|node| node.is_element() && *node != of) {
        if element.children().any(|child| child.is_element()) {
            continue;
        }
        let mut path: Vec<&str> =
            element.ancestors().take_while(|node| *node != of).map(|node| node.tag_name().name()).collect();
        path.reverse();
        let text = element.text().unwrap_or_default().trim();
        let text = if text == DEPRECATED { NONE } else { text };
        found.entry(path.join("/")).or_insert_with(|| text.to_owned());
    }
    found
}

/// A MIG profile as listed by `nvidia-smi mig -lgip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmiProfile {
    /// Name of the profile, such as `1g.18gb`.
    pub name: String,
    /// Number, maximum count, memory in GiB, and multiprocessors.
    pub numbers: [String; 4],
}

/// Returns the profiles of the GPU with this index.
pub fn profiles(table: &str, gpu: u32) -> Vec<SmiProfile> {
    let index = gpu.to_string();
    let read = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let ["|", of, "MIG", name, id, instances, memory, _peer, multiprocessors, ..] = words[..] else { return None };
        let (_free, total) = instances.split_once('/')?;
        let numbers = [id, total, memory, multiprocessors].map(str::to_owned);
        (of == index).then(|| SmiProfile { name: name.to_owned(), numbers })
    };
    table.lines().filter_map(read).collect()
}
