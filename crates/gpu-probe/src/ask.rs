//! NVML's answers as readings: the value, or the reason for its absence.

use std::str::FromStr;

use landfall_gpu_facts::nvml::Memory;
use landfall_gpu_facts::{Absence, AbsenceReason, Reading};
use nvml_wrapper::Device;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::MemoryInfo;
use nvml_wrapper::structs::device::FieldId;

/// NVML's errors that nvml-wrapper has no name for: the library no longer accepts the arguments of the call.
const ARGUMENT_VERSION_MISMATCH: u32 = 25;
/// The library no longer has the call: drivers since 590 do not report whether a monitor is attached.
const DEPRECATED: u32 = 26;
/// The library no longer finds the device.
const GPU_NOT_FOUND: u32 = 28;

/// Converts an answer to a reading.
pub fn reading<T>(answer: Result<T, NvmlError>) -> Reading<T> {
    match answer {
        Ok(value) => Reading::Value(value),
        Err(error) => Reading::Absent(absence(&error)),
    }
}

/// Converts a text to a reading by parsing it.
pub fn parse_reading<T: FromStr>(answer: Result<String, NvmlError>) -> Reading<T> {
    match reading(answer) {
        Reading::Value(text) => text.parse().map_or_else(
            |_| Reading::Absent(Absence { reason: AbsenceReason::NotUnderstood, detail: Some(text) }),
            Reading::Value,
        ),
        Reading::Absent(absence) => Reading::Absent(absence),
    }
}

/// Converts the reported memory.
pub fn memory(answer: Result<MemoryInfo, NvmlError>) -> Reading<Memory> {
    reading(answer).map(|memory| Memory {
        total_bytes: memory.total,
        reserved_bytes: memory.reserved,
        used_bytes: memory.used,
        free_bytes: memory.free,
    })
}

/// Returns the reason for the absence of a value.
pub fn absence(error: &NvmlError) -> Absence {
    let reason = match error {
        NvmlError::NotSupported | NvmlError::NotFound | NvmlError::VgpuEccNotSupported => AbsenceReason::NotSupported,
        NvmlError::NoPermission | NvmlError::OperatingSystem => AbsenceReason::NotPermitted,
        NvmlError::FailedToLoadSymbol(_)
        | NvmlError::FunctionNotFound
        | NvmlError::UnexpectedVariant(ARGUMENT_VERSION_MISMATCH | DEPRECATED) => AbsenceReason::NotInDriver,
        NvmlError::GpuLost | NvmlError::UnexpectedVariant(GPU_NOT_FOUND) => AbsenceReason::Lost,
        NvmlError::ResetRequired => AbsenceReason::ResetRequired,
        NvmlError::UnexpectedVariant(_) | NvmlError::IncorrectBits(_) | NvmlError::Utf8Error(_) => {
            AbsenceReason::NotUnderstood
        }
        _ => AbsenceReason::Failed,
    };
    let needs_detail = matches!(reason, AbsenceReason::NotUnderstood | AbsenceReason::Failed);
    Absence { reason, detail: needs_detail.then(|| error.to_string()) }
}

/// Reads one of the numbers that NVML identifies by a field ID.
pub fn field(device: &Device<'_>, id: u32) -> Reading<u64> {
    let answer = device.field_values_for(&[FieldId(id)]).and_then(|values| {
        let value = values.into_iter().next().ok_or(NvmlError::NoData)??.value?;
        match value {
            SampleValue::U32(number) => Ok(u64::from(number)),
            SampleValue::U64(number) => Ok(number),
            SampleValue::I64(number) => u64::try_from(number).map_err(|_| NvmlError::NoData),
            SampleValue::F64(_) => Err(NvmlError::NoData),
        }
    });
    reading(answer)
}

/// Reads such a number as true or false.
pub fn flag(device: &Device<'_>, id: u32) -> Reading<bool> {
    field(device, id).map(|number| number != 0)
}
