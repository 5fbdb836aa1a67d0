//! Tests with the output of real machines.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::ProgramOutputs;

/// Real machines whose output is saved, without serial numbers and with a different UUID. Their GPUs were idle, or a
/// process held their memory.
const MACHINES: [&str; 4] = ["h100-idle", "h100-held", "h200-idle", "h200-held"];

fn saved_outputs(machine: &str) -> ProgramOutputs {
    let folder: PathBuf = crate::workspace::root().join("crates/gpu-facts/testdata/real").join(machine);
    ProgramOutputs::from_folder(&folder).unwrap()
}

#[test]
fn recorded_gpus_agree_with_nvidia_smi() {
    for machine in MACHINES {
        let fields = saved_outputs(machine).compare_fields().unwrap();
        let differ: Vec<_> = fields.iter().filter(|field| !field.agrees).collect();
        assert!(differ.is_empty(), "{machine}: {differ:#?}");
        let names: BTreeSet<_> = fields.iter().map(|field| (&field.subject, &field.name)).collect();
        assert_eq!((names.len(), fields.len()), (56, 56), "{machine}: a field is missing or occurs twice");
    }
}

#[test]
fn altered_fields_are_noticed() {
    let machine = saved_outputs("h200-held");
    let fields = machine.compare_fields().unwrap();
    let altered = |path: &str, text: &str| {
        let element = path.rsplit('/').next().unwrap();
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        // Finds the element of this path, after its parents, one by one.
        let mut from = 0;
        for parent in path.split('/') {
            from += text[from..].find(&format!("<{parent}>")).unwrap_or_else(|| panic!("{path}"));
        }
        let from = from + start.len();
        let to = from + text[from..].find(&end).unwrap();
        format!("{}99999 of another{}", &text[..from], &text[to..])
    };
    let mut seen = 0;
    for field in &fields {
        if field.name.contains(' ') || ["processes", "mig_devices", "attached_gpus"].contains(&field.name.as_str()) {
            continue;
        }
        let path = match field.name.as_str() {
            name if name.starts_with("ecc_errors/") => {
                name.replace("/correctable", "/sram_correctable").replace("/uncorrectable", "/dram_uncorrectable")
            }
            name => name.to_owned(),
        };
        let [before, after] = [&machine.before, &machine.after].map(|text| altered(&path, text));
        let changed =
            ProgramOutputs { facts: machine.facts.clone(), before, after, profiles: machine.profiles.clone() };
        let differ: Vec<_> = changed.compare_fields().unwrap().into_iter().filter(|field| !field.agrees).collect();
        assert!(
            differ.iter().any(|differs| differs.name == field.name || field.name == "pci/pci_bus_id"),
            "{path}: {differ:#?}"
        );
        seen += 1;
    }
    assert_eq!(seen, 46);
}

#[test]
fn unmatched_processes_and_profiles_are_noticed() {
    let mut machine = saved_outputs("h200-held");
    machine.before = machine.before.replace("<pid>", "<pid>1");
    machine.profiles = machine.profiles.replace("MIG 2g.35gb", "MIG 2g.36gb");
    let differ = machine.compare_fields().unwrap().into_iter().filter(|field| !field.agrees);
    let names: Vec<_> = differ.map(|field| field.name).collect();
    assert_eq!(names, ["processes", "mig profile 2g.35gb", "mig profile 2g.36gb"]);
}

/// Returns the names of the fields that differ after a change of the document of `landfall-gpu`.
fn differing(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut machine = saved_outputs("h200-held");
    let mut facts = serde_json::from_str(&machine.facts).unwrap();
    change(&mut facts);
    machine.facts = facts.to_string();
    let differ = machine.compare_fields().unwrap().into_iter().filter(|field| !field.agrees);
    differ.map(|field| field.name).collect()
}

#[test]
fn unresponsive_gpu_disagrees() {
    let fails = differing(|facts| {
        let gpu = &mut facts["nvml"]["read"]["gpus"][0];
        let address = gpu["answers"]["pciAddress"].take();
        *gpu = json!({ "fails": { "index": 0, "pciAddress": address, "failure": { "reason": "lost" } } });
    });
    assert_eq!(fails, ["uuid"]);
    assert_eq!(differing(|facts| facts["hardware"]["devices"] = json!([])), ["pci/pci_device_id"]);
}

#[test]
fn profile_memory_is_rounded() {
    // Profiles `2g.12gb` and `4g.24gb` of an A30, and `3g.20gb` of an A100, which lies halfway between two values.
    for (mib, gib) in [(11_968, "11.69"), (24_000, "23.44"), (20_096, "19.62")] {
        let mut machine = saved_outputs("h200-held");
        assert!(machine.facts.contains("\"memoryMib\": 143360") && machine.profiles.contains(" 140.00 "));
        machine.facts = machine.facts.replace("\"memoryMib\": 143360", &format!("\"memoryMib\": {mib}"));
        machine.profiles = machine.profiles.replace(" 140.00 ", &format!(" {gib} "));
        let fields = machine.compare_fields().unwrap();
        let differ: Vec<_> = fields.iter().filter(|field| !field.agrees).collect();
        assert!(differ.is_empty(), "{differ:#?}");
    }
}

#[test]
fn missing_average_power_is_tolerated() {
    let without_average = |text: &str| {
        let (before, readings) = text.split_once("<gpu_power_readings>").unwrap();
        let (average, after) = readings.split_once("</average_power_draw>").unwrap();
        let (state, _watts) = average.split_once("<average_power_draw>").unwrap();
        format!("{before}<gpu_power_readings>{state}<average_power_draw>N/A</average_power_draw>{after}")
    };
    let mut machine = saved_outputs("h200-held");
    (machine.before, machine.after) = (without_average(&machine.before), without_average(&machine.after));
    let fields = machine.compare_fields().unwrap();
    assert!(fields.iter().all(|field| field.agrees), "{fields:#?}");
    assert!(fields.iter().any(|field| field.name == "gpu_power_readings/instant_power_draw"));
}

#[test]
fn attached_display_counts_as_mode() {
    let [deprecated, attached] = [
        "<display_mode>Requested functionality has been deprecated</display_mode>",
        "<display_attached>Yes</display_attached>",
    ];
    for (mode, is_same) in [("Enabled", true), ("Disabled", false)] {
        let mut machine = saved_outputs("h200-held");
        assert!(machine.before.contains(deprecated) && machine.before.contains(attached));
        let mode = format!("<display_mode>{mode}</display_mode>");
        machine.before = machine.before.replace(attached, "").replace(deprecated, &mode);
        let fields = machine.compare_fields().unwrap();
        let differ: Vec<_> = fields.iter().filter(|field| !field.agrees).map(|field| field.name.as_str()).collect();
        assert_eq!(differ, if is_same { vec![] } else { vec!["display_mode"] });
    }
}

#[test]
fn mixed_use_process_is_listed_once() {
    let mut facts: Value = serde_json::from_str(&saved_outputs("h200-held").facts).unwrap();
    let processes = facts["nvml"]["read"]["gpus"][0]["answers"]["processes"]["value"].as_array_mut().unwrap();
    let mut drawing = processes[0].clone();
    drawing["kind"] = json!("graphics");
    processes.push(drawing);
    for (kind, is_same) in [("C+G", true), ("C", false), ("G", false)] {
        let mut machine = saved_outputs("h200-held");
        machine.facts = facts.to_string();
        machine.before = machine.before.replace("<type>C</type>", &format!("<type>{kind}</type>"));
        let fields = machine.compare_fields().unwrap();
        let differ: Vec<_> = fields.iter().filter(|field| !field.agrees).map(|field| field.name.as_str()).collect();
        assert_eq!(differ, if is_same { vec![] } else { vec!["processes"] });
    }
}

#[test]
fn older_gpu_errors_use_totals() {
    let bits = |bits: &str, total: u64| {
        format!(
            "<{bits}><device_memory>{total}</device_memory><register_file>0</register_file><l1_cache>0</l1_cache>\
             <l2_cache>0</l2_cache><texture_memory>N/A</texture_memory><texture_shm>N/A</texture_shm><cbu>N/A</cbu>\
             <total>{total}</total></{bits}>"
        )
    };
    let period = |text: &str, period: &str| {
        let (start, end) = (format!("<{period}>"), format!("</{period}>"));
        let (before, rest) = text.split_once(&start).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        format!("{before}{start}{}{}{end}{after}", bits("single_bit", 7), bits("double_bit", 3))
    };
    for (corrected, expected) in [(7, vec![]), (0, vec!["ecc_errors/volatile/correctable"])] {
        let mut machine = saved_outputs("h200-held");
        machine.before = period(&period(&machine.before, "volatile"), "aggregate");
        let mut facts: Value = serde_json::from_str(&machine.facts).unwrap();
        let ecc = &mut facts["nvml"]["read"]["gpus"][0]["answers"]["ecc"];
        for (name, count) in [("correctedSinceLoad", corrected), ("correctedEver", 7)] {
            ecc[name] = json!({ "value": count });
        }
        for name in ["uncorrectedSinceLoad", "uncorrectedEver"] {
            ecc[name] = json!({ "value": 3 });
        }
        machine.facts = facts.to_string();
        let fields = machine.compare_fields().unwrap();
        let differ: Vec<_> = fields.iter().filter(|field| !field.agrees).map(|field| field.name.as_str()).collect();
        assert_eq!(differ, expected);
    }
}
