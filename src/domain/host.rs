//! The machine as the dashboard shows it.

use serde::{Deserialize, Serialize};

/// CPU, memory, disk and GPU, measured by the daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostSample {
    /// Host name.
    pub name: String,
    /// Cores.
    pub cores: u32,
    /// Busy share of all cores, 0 to 100.
    pub cpu_percent: f32,
    /// Memory in use, bytes.
    pub memory_used: u64,
    /// Memory there is.
    pub memory_total: u64,
    /// Free bytes where the workspace lies.
    pub disk_free: u64,
    /// Size of that disk.
    pub disk_total: u64,
    /// Received bytes a second.
    pub received_per_s: u64,
    /// Sent bytes a second.
    pub sent_per_s: u64,
    /// Each GPU there is.
    pub gpus: Vec<GpuSample>,
    /// The daemon's own resident memory.
    pub daemon_resident: u64,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuSample {
    /// Product name.
    pub name: String,
    /// Busy share, 0 to 100.
    pub percent: u32,
    /// Memory in use, bytes.
    pub memory_used: u64,
    /// Memory there is.
    pub memory_total: u64,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
}
