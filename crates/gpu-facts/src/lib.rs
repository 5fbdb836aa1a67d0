//! Facts about a host's GPUs: the facts, a runner for the program that collects them within limits, and judgments.
//!
//! Facts come in three layers, which distinguish "no GPU", "GPU without driver" and "driver loaded, device lost". They
//! are the PCI bus as the kernel lists it ([`hardware`]), the driver as the kernel shows it ([`driver`]), and NVML's
//! answers ([`nvml`]). The first two need no library, and this crate reads them ([`look`]). The third needs glibc and
//! the driver's own library, which may hang or crash. So a separate program, `landfall-gpu`, reads it and is run by
//! [`probe()`].

pub mod cdi;
pub mod child;
pub mod cuda;
pub mod driver;
pub mod error;
pub mod hardware;
pub mod judge;
pub mod look;
pub mod mig;
pub mod nvml;
pub mod probe;
pub mod reading;
pub mod report;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod schema;
pub mod version;

pub use error::{GpuError, Result};
pub use judge::{HostState, Needs, host_state};
pub use probe::{Outcome, Probe, probe};
pub use reading::{Absence, AbsenceReason, Reading};
pub use report::{GpuReport, NvmlState};
pub use schema::SCHEMA;
