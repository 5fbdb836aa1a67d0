//! Comparison of the GPU fields that both `landfall-gpu` and `nvidia-smi` report.

use std::collections::BTreeSet;
use std::fmt::Display;

use landfall_gpu_facts::hardware::PciDevice;
use landfall_gpu_facts::nvml::{
    ComputeMode, EccMode, FailedGpu, Gpu, GpuEntry, GpuProcess, Mig, NvmlFacts, ProcessKind, Virtualization,
};
use landfall_gpu_facts::{GpuReport, Reading};

use super::smi::{NONE, Smi, SmiGpu, number, profiles};

/// Bytes per MiB.
const MIB: u64 = 1 << 20;

/// Allowed difference of memory while both programs read it, in MiB. The programs themselves use some.
const MEMORY_SLACK: f64 = 16.0;

/// Allowed difference of power between two readings, in watts.
const POWER_SLACK: f64 = 25.0;

/// Allowed difference of a temperature, in degrees Celsius.
const TEMPERATURE_SLACK: f64 = 3.0;

/// Allowed difference of a clock, in megahertz. An idle GPU speeds up when it is read.
const CLOCK_SLACK: f64 = 300.0;

/// Number of characters of a program's name that the kernel keeps.
const NAME_CHARACTERS: usize = 15;

/// One field as reported by both programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Subject of the field: the driver, or the address of a GPU.
    pub subject: String,
    /// Its path in the document of `nvidia-smi`.
    pub name: String,
    /// Value of `landfall-gpu`, in the units of `nvidia-smi`.
    pub landfall: String,
    /// Value of `nvidia-smi`; both values if they changed between its two readings.
    pub nvidia_smi: String,
    /// True if the values are equal, or close enough for a field that varies.
    pub agrees: bool,
}

/// Readings of one machine: a document of `landfall-gpu`, taken between two of `nvidia-smi`.
pub struct Readings<'a> {
    /// The document of `landfall-gpu`.
    pub report: &'a GpuReport,
    /// NVML's part of that document.
    pub nvml: &'a NvmlFacts,
    /// Earlier document of `nvidia-smi`.
    pub before: &'a Smi,
    /// Later document of `nvidia-smi`.
    pub after: &'a Smi,
    /// Table of `nvidia-smi mig -lgip`.
    pub profiles: &'a str,
}

impl Readings<'_> {
    /// Returns the fields that both programs report.
    pub fn compare_fields(&self) -> Vec<Field> {
        let Self { nvml, before, .. } = self;
        let mut fields = vec![
            same("driver", "driver_version", text_of(&nvml.driver_version), &before.driver_version),
            same("driver", "cuda_version", text_of(&nvml.cuda_version), &before.cuda_version),
            same("driver", "attached_gpus", nvml.gpus.len().to_string(), &before.gpus.len().to_string()),
        ];
        for entry in &nvml.gpus {
            match entry {
                GpuEntry::Answers(gpu) => fields.extend(self.of_answering(gpu)),
                GpuEntry::Fails(failed) => fields.push(self.of_failing(failed)),
            }
        }
        fields
    }

    fn of_answering(&self, gpu: &Gpu) -> Vec<Field> {
        let address = text_of(&gpu.pci_address);
        let (Some(before), Some(after)) = (self.before.at(&address), self.after.at(&address)) else {
            return vec![same(&address, "pci/pci_bus_id", address.clone(), NONE)];
        };
        let sides = Sides { subject: address, before, after };
        let mut fields = sides.of_the_gpu(gpu);
        let device = self.report.hardware.devices.iter().find(|device| device.address.to_string() == sides.subject);
        match device {
            Some(device) => fields.extend(sides.of_the_bus(device)),
            None => fields.push(sides.same("pci/pci_device_id", NONE.to_owned())),
        }
        fields.extend(sides.of_profiles(gpu, self.profiles));
        fields
    }

    /// Returns a difference for a GPU that does not answer, because none of its fields can be compared.
    fn of_failing(&self, failed: &FailedGpu) -> Field {
        let address = text_of(&failed.pci_address);
        let uuid = self.before.at(&address).map_or(NONE, |gpu| gpu.field("uuid"));
        same(&address, "uuid", "does not answer".to_owned(), uuid)
    }
}

fn same(subject: &str, name: &str, landfall: String, nvidia_smi: &str) -> Field {
    let agrees = landfall == nvidia_smi;
    Field { subject: subject.to_owned(), name: name.to_owned(), landfall, nvidia_smi: nvidia_smi.to_owned(), agrees }
}

/// Formats a value like `nvidia-smi`.
fn text(value: Option<impl Display>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| value.to_string())
}

/// Formats a reading like `nvidia-smi`.
fn text_of<T: Display>(reading: &Reading<T>) -> String {
    text(reading.value())
}

/// Formats a boolean reading in the words of `nvidia-smi`.
fn either(reading: &Reading<bool>, [yes, no]: [&str; 2]) -> String {
    reading.value().map_or(NONE, |value| if *value { yes } else { no }).to_owned()
}

const ENABLED: [&str; 2] = ["Enabled", "Disabled"];
const YES: [&str; 2] = ["Yes", "No"];

/// Earlier and later report of `nvidia-smi` about one GPU.
struct Sides<'a> {
    subject: String,
    before: &'a SmiGpu,
    after: &'a SmiGpu,
}

impl Sides<'_> {
    fn same(&self, name: &str, landfall: String) -> Field {
        same(&self.subject, name, landfall, self.before.field(name))
    }

    /// Returns a field that varies. It agrees if it lies between the two readings of `nvidia-smi`, or within `slack` of
    /// one.
    fn moving(&self, name: &str, landfall: Option<f64>, slack: f64) -> Field {
        let nvidia_smi = [self.before.number(name), self.after.number(name)];
        let agrees = match (landfall, nvidia_smi) {
            (Some(value), [Some(one), Some(other)]) => {
                (one.min(other) - slack..=one.max(other) + slack).contains(&value)
            }
            (landfall, nvidia_smi) => landfall.is_none() && nvidia_smi == [None, None],
        };
        let shown = |value: Option<f64>| text(value.map(|value| format!("{value:.1}")));
        let [before, after] = nvidia_smi.map(shown);
        let nvidia_smi = if before == after { before } else { format!("{before} … {after}") };
        Field { subject: self.subject.clone(), name: name.to_owned(), landfall: shown(landfall), nvidia_smi, agrees }
    }

    fn of_the_gpu(&self, gpu: &Gpu) -> Vec<Field> {
        let mut fields = vec![
            self.same("product_name", text_of(&gpu.model)),
            self.same("uuid", text_of(&gpu.uuid)),
            self.same("minor_number", text_of(&gpu.minor)),
            self.same("persistence_mode", either(&gpu.persistence, ENABLED)),
            self.display(&gpu.display.is_attached),
            self.same("display_active", either(&gpu.display.is_active, ENABLED)),
            self.same("compute_mode", text_of(&gpu.compute_mode.clone().map(compute_mode))),
            self.same(
                "gpu_virtualization_mode/virtualization_mode",
                text_of(&gpu.virtualization.clone().map(virtualization)),
            ),
        ];
        fields.extend(self.of_division(gpu.mig.value()));
        fields.extend(self.of_memory(gpu));
        fields.extend(self.of_errors(gpu));
        fields.extend(self.of_power_and_clocks(gpu));
        fields.push(self.processes(gpu.processes.value().map(Vec::as_slice).unwrap_or_default()));
        fields
    }

    /// Before driver 575, `nvidia-smi` reports an attached display in another field.
    fn display(&self, is_attached: &Reading<bool>) -> Field {
        let (name, words) = match self.before.field("display_attached") {
            NONE => ("display_mode", ENABLED),
            _ => ("display_attached", YES),
        };
        self.same(name, either(is_attached, words))
    }

    fn of_division(&self, mig: Option<&Mig>) -> [Field; 3] {
        let mode =
            |of: fn(&Mig) -> bool| mig.map_or(NONE, |mig| if of(mig) { ENABLED[0] } else { ENABLED[1] }).to_owned();
        let devices = mig.and_then(|mig| mig.devices.value()).map_or(0, Vec::len);
        [
            self.same("mig_mode/current_mig", mode(|mig| mig.is_enabled)),
            self.same("mig_mode/pending_mig", mode(|mig| mig.is_enabled_after_reset)),
            same(&self.subject, "mig_devices", devices.to_string(), &self.before.mig_devices.to_string()),
        ]
    }

    /// Compares memory, which `nvidia-smi` rounds up to whole MiB.
    fn of_memory(&self, gpu: &Gpu) -> [Field; 4] {
        let memory = gpu.memory.value();
        let mib = |bytes: u64| bytes.div_ceil(MIB);
        let whole = |bytes: Option<u64>| text(bytes.map(|bytes| format!("{} MiB", mib(bytes))));
        let part = |bytes: Option<u64>| bytes.map(|bytes| as_number(mib(bytes)));
        [
            self.same("fb_memory_usage/total", whole(memory.map(|memory| memory.total_bytes))),
            self.same("fb_memory_usage/reserved", whole(memory.map(|memory| memory.reserved_bytes))),
            self.moving("fb_memory_usage/used", part(memory.map(|memory| memory.used_bytes)), MEMORY_SLACK),
            self.moving("fb_memory_usage/free", part(memory.map(|memory| memory.free_bytes)), MEMORY_SLACK),
        ]
    }

    fn of_errors(&self, gpu: &Gpu) -> Vec<Field> {
        let mode = |of: fn(&EccMode) -> bool| either(&gpu.ecc.mode.clone().map(|mode| of(&mode)), ENABLED);
        let (rows, pages) = (&gpu.remapped_rows, &gpu.retired_pages);
        let mut fields = vec![
            self.same("ecc_mode/current_ecc", mode(|mode| mode.is_enabled)),
            self.same("ecc_mode/pending_ecc", mode(|mode| mode.is_enabled_after_reboot)),
            self.same("retired_pages/multiple_single_bit_retirement/retired_count", text_of(&pages.single_bit)),
            self.same("retired_pages/double_bit_retirement/retired_count", text_of(&pages.double_bit)),
            self.same("retired_pages/pending_retirement", either(&pages.is_pending, YES)),
            self.same("remapped_rows/remapped_row_corr", text_of(&rows.correctable)),
            self.same("remapped_rows/remapped_row_unc", text_of(&rows.uncorrectable)),
            self.same("remapped_rows/remapped_row_pending", either(&rows.is_pending, YES)),
            self.same("remapped_rows/remapped_row_failure", either(&rows.has_failed, YES)),
        ];
        for (period, corrected, uncorrected) in [
            ("volatile", &gpu.ecc.corrected_since_load, &gpu.ecc.uncorrected_since_load),
            ("aggregate", &gpu.ecc.corrected_ever, &gpu.ecc.uncorrected_ever),
        ] {
            fields.push(self.errors(period, "correctable", corrected));
            fields.push(self.errors(period, "uncorrectable", uncorrected));
        }
        fields
    }

    /// Compares error counts. `nvidia-smi` counts errors by location and kind, and some drivers have no kinds.
    fn errors(&self, period: &str, kind: &str, landfall: &Reading<u64>) -> Field {
        let places = ["sram", "dram"].map(|place| format!("{place}_{kind}"));
        let kinds = ["_parity", "_secded"].map(|suffix| format!("{}{suffix}", places[0]));
        let counts = places.iter().chain(&kinds).map(|name| self.before.number(&format!("ecc_errors/{period}/{name}")));
        let sum = counts.flatten().reduce(|one, other| one + other);
        // GPUs before Turing count by bits and location, and report their own total.
        let bits = if kind == "correctable" { "single_bit" } else { "double_bit" };
        let sum = sum.or_else(|| self.before.number(&format!("ecc_errors/{period}/{bits}/total")));
        same(&self.subject, &format!("ecc_errors/{period}/{kind}"), text_of(landfall), &text(sum))
    }

    /// Returns the first of these fields that `nvidia-smi` reports. GPUs before Ampere, and A100 and A30, have no
    /// average, and older drivers have only one field.
    fn power_draw(&self) -> String {
        let names = ["average", "instant"].map(|kind| format!("gpu_power_readings/{kind}_power_draw"));
        let known = names.into_iter().find(|name| self.before.number(name).is_some());
        known.unwrap_or_else(|| "gpu_power_readings/power_draw".to_owned())
    }

    fn of_power_and_clocks(&self, gpu: &Gpu) -> Vec<Field> {
        let (power, clocks) = (&gpu.power, &gpu.clocks);
        let watts = |reading: &Reading<u32>| reading.value().map(|milliwatts| f64::from(*milliwatts) / 1000.0);
        let limit = |reading| text(watts(reading).map(|watts| format!("{watts:.2} W")));
        let mut fields = vec![
            self.moving(&self.power_draw(), watts(&power.draw_milliwatts), POWER_SLACK),
            self.same("gpu_power_readings/requested_power_limit", limit(&power.limit_milliwatts)),
            self.same("gpu_power_readings/current_power_limit", limit(&power.enforced_limit_milliwatts)),
            self.same("gpu_power_readings/default_power_limit", limit(&power.default_limit_milliwatts)),
            self.same("gpu_power_readings/min_power_limit", limit(&power.min_limit_milliwatts)),
            self.same("gpu_power_readings/max_power_limit", limit(&power.max_limit_milliwatts)),
        ];
        let now = |reading: &Reading<u32>| reading.value().map(|value| f64::from(*value));
        fields.push(self.moving("temperature/gpu_temp", now(&gpu.temperature.gpu_celsius), TEMPERATURE_SLACK));
        for (name, clock, most) in [
            ("graphics_clock", &clocks.graphics_megahertz, &clocks.max_graphics_megahertz),
            ("sm_clock", &clocks.multiprocessor_megahertz, &clocks.max_multiprocessor_megahertz),
            ("mem_clock", &clocks.memory_megahertz, &clocks.max_memory_megahertz),
        ] {
            fields.push(self.moving(&format!("clocks/{name}"), now(clock), CLOCK_SLACK));
            let most = text(most.value().map(|megahertz| format!("{megahertz} MHz")));
            fields.push(self.same(&format!("max_clocks/{name}"), most));
        }
        fields
    }

    /// Compares processes by PID, kind, name and MiB.
    fn processes(&self, found: &[GpuProcess]) -> Field {
        let mut landfall: Vec<String> = found.iter().filter_map(|process| format_process(process, found)).collect();
        let mut nvidia_smi: Vec<String> = self
            .before
            .processes
            .iter()
            .map(|fields| {
                let field = |name: &str| fields.get(name).map_or(NONE, String::as_str);
                let name = field("process_name").split_ascii_whitespace().next().unwrap_or(NONE);
                let name: String = name.rsplit('/').next().unwrap_or(name).chars().take(NAME_CHARACTERS).collect();
                let used = text(number(field("used_memory")).map(|mib| format!("{mib:.0} MiB")));
                format!("{} {} {name} {used}", field("pid"), field("type"))
            })
            .collect();
        landfall.sort();
        nvidia_smi.sort();
        same(&self.subject, "processes", landfall.join(", "), &nvidia_smi.join(", "))
    }

    fn of_the_bus(&self, device: &PciDevice) -> Vec<Field> {
        let pair = |one: u32, other: u32| format!("{one:04X}{other:04X}");
        let card = device.subsystem_device.zip(device.subsystem_vendor);
        let lanes = |lanes: Option<u32>| text(lanes.map(|lanes| format!("{lanes}x")));
        vec![
            self.same("pci/pci_device_id", pair(device.device.0, device.vendor.0)),
            self.same("pci/pci_sub_system_id", text(card.map(|(device, vendor)| pair(device.0, vendor.0)))),
            self.same("pci/pci_gpu_link_info/link_widths/current_link_width", lanes(device.link_width)),
            self.same("pci/pci_gpu_link_info/link_widths/max_link_width", lanes(device.max_link_width)),
        ]
    }

    /// Compares the GPU's MIG profiles, by number, maximum count, memory in GiB and multiprocessors.
    fn of_profiles(&self, gpu: &Gpu, table: &str) -> Vec<Field> {
        let known = gpu.mig.value().and_then(|mig| mig.profiles.value()).map(Vec::as_slice).unwrap_or_default();
        let listed = profiles(table, gpu.index);
        let names: BTreeSet<String> = known
            .iter()
            .map(|profile| text_of(&profile.name))
            .chain(listed.iter().map(|profile| profile.name.clone()))
            .collect();
        let compared = |name: String| {
            let ours = known.iter().find(|profile| text_of(&profile.name) == name).map(|profile| {
                let memory = format!("{:.2}", as_number(profile.memory_mib) / 1024.0);
                [profile.id.to_string(), profile.max_instances.to_string(), memory, profile.multiprocessors.to_string()]
            });
            let theirs = listed.iter().find(|profile| profile.name == name).map(|profile| profile.numbers.clone());
            let shown = |numbers: Option<[String; 4]>| text(numbers.map(|numbers| numbers.join(" ")));
            same(&self.subject, &format!("mig profile {name}"), shown(ours), &shown(theirs))
        };
        names.into_iter().map(compared).collect()
    }
}

/// Formats a process like `nvidia-smi`. NVML lists a process that both computes and draws twice; here it appears once.
fn format_process(process: &GpuProcess, all: &[GpuProcess]) -> Option<String> {
    let is_also = |kind| all.iter().any(|other| other.pid == process.pid && other.kind == kind);
    let kind = match process.kind {
        ProcessKind::Compute if is_also(ProcessKind::Graphics) => "C+G",
        ProcessKind::Compute => "C",
        ProcessKind::Graphics if is_also(ProcessKind::Compute) => return None,
        ProcessKind::Graphics => "G",
    };
    let used = text(process.used_bytes.value().map(|bytes| format!("{} MiB", bytes / MIB)));
    Some(format!("{} {kind} {} {used}", process.pid, text_of(&process.name)))
}

fn compute_mode(mode: ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Shared => "Default",
        ComputeMode::ExclusiveThread => "Exclusive_Thread",
        ComputeMode::ExclusiveProcess => "Exclusive_Process",
        ComputeMode::Prohibited => "Prohibited",
    }
}

fn virtualization(mode: Virtualization) -> &'static str {
    match mode {
        Virtualization::None => "None",
        Virtualization::PassThrough => "Pass-Through",
        Virtualization::Vgpu => "VGPU",
        Virtualization::HostVgpu => "Host VGPU",
        Virtualization::HostVsga => "Host VSGA",
    }
}

/// Converts MiB to a float. One GPU has few enough for an exact result.
fn as_number(mib: u64) -> f64 {
    f64::from(u32::try_from(mib).unwrap_or(u32::MAX))
}
