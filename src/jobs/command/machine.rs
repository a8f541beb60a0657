//! System metrics of a run: the machine's under the names and in the units that MLflow's client uses, and those of the
//! command's own processes beside them. Samples are seldom and read from `/proc`; GPUs only where there is a driver.

use super::tree::{self, Process};
use crate::domain::metric::Metric;
use crate::domain::{Clock as _, SystemClock, Timestamp};
use crate::jobs::JobCtx;
use nvml_wrapper::Nvml;
use nvml_wrapper::enums::device::UsedGpuMemory;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// MLflow's switch: `false` wants no system metrics.
pub(super) const SWITCH: &str = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING";
/// MLflow's interval, in seconds.
const INTERVAL: &str = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL";
/// MLflow's interval unless it is set. The first samples come sooner (1 s, 2 s, 4 s, …), so that short runs have some.
const USUAL: Duration = Duration::from_secs(10);
/// Samples of a long run are written so many together.
const BATCH: usize = 3;
/// A run is young, and each of its samples is written at once, for so long.
const YOUNG: Duration = Duration::from_secs(60);
/// The unit of CPU times in `/proc`: Linux shows every architecture of today 100 ticks a second.
const TICKS_PER_SECOND: f64 = 100.0;
/// MLflow's megabyte.
const MEGABYTE: f64 = 1e6;

/// Whether MLflow's switch says no.
pub(super) fn switched_off(environment: &BTreeMap<String, String>) -> bool {
    environment
        .get(SWITCH)
        .is_some_and(|value| matches!(value.to_lowercase().as_str(), "false" | "0"))
}

/// Measures from time to time, and says it to the job.
pub(super) struct Meter {
    interval: Duration,
    begun: Instant,
    due: Instant,
    step: i64,
    waiting: Vec<Metric>,
    samples: usize,
    /// Busy and all ticks of the machine's cores when it was last looked at.
    cpu: Option<(u64, u64)>,
    /// Bytes received and sent since the machine started, when the run began.
    network: Option<(u64, u64)>,
    /// Every process of the command that was seen, by number and start: ticks and bytes read and written when last seen.
    seen: HashMap<(u32, u64), (u64, u64, u64)>,
    /// Ticks of those, and when.
    ticks: (u64, Instant),
    nvml: Option<Nvml>,
}

impl Meter {
    /// For a command with this environment; none when it wants no system metrics.
    pub(super) fn new(environment: &BTreeMap<String, String>) -> Option<Self> {
        if switched_off(environment) {
            return None;
        }
        let interval = environment
            .get(INTERVAL)
            .and_then(|value| value.trim().parse::<f64>().ok())
            .filter(|seconds| *seconds >= 0.1 && *seconds <= 86_400.0)
            .map_or(USUAL, Duration::from_secs_f64);
        let now = Instant::now();
        Some(Self {
            interval,
            begun: now,
            due: now + interval.min(Duration::from_secs(1)),
            step: 0,
            waiting: Vec::new(),
            samples: 0,
            cpu: cpu_ticks(),
            network: network_bytes(),
            seen: HashMap::new(),
            ticks: (0, now),
            nvml: std::path::Path::new("/proc/driver/nvidia")
                .exists()
                .then(|| Nvml::init().ok())
                .flatten(),
        })
    }

    /// Measures when it is time to; `leader` leads the command's processes. What cannot be said is left out: it must
    /// not stop the command.
    pub(super) fn look(&mut self, leader: u32, ctx: &mut JobCtx) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        let age = now.duration_since(self.begun);
        self.due = now + self.interval.min(age.max(Duration::from_secs(1)));
        let at = SystemClock.now();
        self.sample(leader, at);
        self.samples += 1;
        if age < YOUNG || self.samples >= BATCH {
            self.flush(ctx);
        }
    }

    /// Says what was measured and not said yet.
    pub(super) fn flush(&mut self, ctx: &mut JobCtx) {
        self.samples = 0;
        if !self.waiting.is_empty() {
            let _ = ctx.points(std::mem::take(&mut self.waiting));
        }
    }

    fn sample(&mut self, leader: u32, at: Timestamp) {
        let mut values: Vec<(String, f64)> = Vec::new();
        let mut put = |name: &str, value: f64| {
            if value.is_finite() {
                values.push((format!("system/{name}"), (value * 10.0).round() / 10.0));
            }
        };
        if let Some(now) = cpu_ticks() {
            if let Some(before) = self.cpu
                && now.1 > before.1
            {
                let busy = now.0.saturating_sub(before.0) as f64;
                put(
                    "cpu_utilization_percentage",
                    100.0 * busy / (now.1 - before.1) as f64,
                );
            }
            self.cpu = Some(now);
        }
        if let Some((used, total)) = memory_bytes() {
            put("system_memory_usage_megabytes", used as f64 / MEGABYTE);
            put(
                "system_memory_usage_percentage",
                100.0 * used as f64 / total.max(1) as f64,
            );
        }
        if let Ok(disk) = rustix::fs::statvfs("/") {
            let used = disk.f_blocks.saturating_sub(disk.f_bfree) as f64 * disk.f_frsize as f64;
            let free = disk.f_bavail as f64 * disk.f_frsize as f64;
            put("disk_usage_percentage", 100.0 * used / (used + free));
            put("disk_usage_megabytes", used / MEGABYTE);
            put("disk_available_megabytes", free / MEGABYTE);
        }
        if let (Some(now), Some(begun)) = (network_bytes(), self.network) {
            put(
                "network_receive_megabytes",
                now.0.saturating_sub(begun.0) as f64 / MEGABYTE,
            );
            put(
                "network_transmit_megabytes",
                now.1.saturating_sub(begun.1) as f64 / MEGABYTE,
            );
        }
        let processes = tree::of(leader);
        if !processes.is_empty() {
            self.count(&processes);
            let now = Instant::now();
            let ticks: u64 = self.seen.values().map(|(ticks, _, _)| ticks).sum();
            let seconds = now.duration_since(self.ticks.1).as_secs_f64().max(0.001);
            let spent = ticks.saturating_sub(self.ticks.0) as f64 / TICKS_PER_SECOND;
            put("process_cpu_utilization_percentage", 100.0 * spent / seconds);
            self.ticks = (ticks, now);
            let resident: u64 = processes.iter().map(|one| resident(one.pid)).sum();
            put("process_memory_usage_megabytes", resident as f64 / MEGABYTE);
            let (read, written) = self.seen.values().fold((0, 0), |sum, (_, read, written)| {
                (sum.0 + read, sum.1 + written)
            });
            put("process_disk_read_megabytes", read as f64 / MEGABYTE);
            put("process_disk_write_megabytes", written as f64 / MEGABYTE);
            put("process_count", processes.len() as f64);
        }
        if let Some(nvml) = &self.nvml {
            gpus(nvml, &processes, &mut put);
        }
        let step = self.step;
        self.step += 1;
        self.waiting
            .extend(values.into_iter().map(|(key, value)| Metric {
                key,
                value,
                timestamp: at,
                step,
            }));
    }

    /// Remembers what each process has used: what ended keeps its share.
    fn count(&mut self, processes: &[Process]) {
        for process in processes {
            let (read, written) = disk_bytes(process.pid);
            let known = self
                .seen
                .entry((process.pid, process.start))
                .or_insert((0, 0, 0));
            *known = (process.ticks, known.1.max(read), known.2.max(written));
        }
    }
}

/// What every GPU does, and how much of its memory is the command's.
fn gpus(nvml: &Nvml, processes: &[Process], put: &mut impl FnMut(&str, f64)) {
    let mut own = 0;
    let count = nvml.device_count().unwrap_or_default();
    for index in 0..count {
        let Ok(device) = nvml.device_by_index(index) else {
            continue;
        };
        if let Ok(memory) = device.memory_info() {
            let used = memory.used as f64;
            put(
                &format!("gpu_{index}_memory_usage_percentage"),
                100.0 * used / memory.total.max(1) as f64,
            );
            put(
                &format!("gpu_{index}_memory_usage_megabytes"),
                used / MEGABYTE,
            );
        }
        if let Ok(rates) = device.utilization_rates() {
            put(
                &format!("gpu_{index}_utilization_percentage"),
                f64::from(rates.gpu),
            );
        }
        if let Ok(milliwatts) = device.power_usage() {
            put(
                &format!("gpu_{index}_power_usage_watts"),
                f64::from(milliwatts) / 1000.0,
            );
            if let Ok(limit) = device.enforced_power_limit() {
                put(
                    &format!("gpu_{index}_power_usage_percentage"),
                    100.0 * f64::from(milliwatts) / f64::from(limit.max(1)),
                );
            }
        }
        for process in device.running_compute_processes().unwrap_or_default() {
            if let UsedGpuMemory::Used(bytes) = process.used_gpu_memory
                && processes.iter().any(|one| one.pid == process.pid)
            {
                own += bytes;
            }
        }
    }
    if count > 0 {
        put("process_gpu_memory_usage_megabytes", own as f64 / MEGABYTE);
    }
}

/// Busy and all ticks of all cores since the machine started.
fn cpu_ticks() -> Option<(u64, u64)> {
    busy_and_all(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// Waiting for a disk is idle; time of guests is counted in that of their hosts already.
fn busy_and_all(stat: &str) -> Option<(u64, u64)> {
    let numbers: Vec<u64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .take(8)
        .map_while(|number| number.parse().ok())
        .collect();
    let all: u64 = numbers.iter().sum();
    let idle = numbers.get(3)? + numbers.get(4).unwrap_or(&0);
    Some((all - idle, all))
}

/// Bytes of memory in use (not available without swapping), and all there are.
fn memory_bytes() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (total, available) = (kibibytes("MemTotal:")?, kibibytes("MemAvailable:")?);
    Some((total.saturating_sub(available) * 1024, total * 1024))
}

/// Bytes received and sent over every network device since the machine started.
fn network_bytes() -> Option<(u64, u64)> {
    Some(received_and_sent(
        &std::fs::read_to_string("/proc/net/dev").ok()?,
    ))
}

fn received_and_sent(text: &str) -> (u64, u64) {
    text.lines()
        .filter_map(|line| {
            let (_, numbers) = line.split_once(':')?;
            let numbers: Vec<&str> = numbers.split_whitespace().collect();
            Some((
                numbers.first()?.parse::<u64>().ok()?,
                numbers.get(8)?.parse::<u64>().ok()?,
            ))
        })
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Resident memory of a process, bytes; 0 when it is gone.
fn resident(pid: u32) -> u64 {
    let kibibytes = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
    kibibytes.unwrap_or_default() * 1024
}

/// Bytes that a process had read from and written to disks; 0 when that may not be known.
fn disk_bytes(pid: u32) -> (u64, u64) {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/io")) else {
        return (0, 0);
    };
    let bytes = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|number| number.trim().parse().ok())
            .unwrap_or_default()
    };
    (bytes("read_bytes:"), bytes("write_bytes:"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::job_folder::JobFolder;
    use std::sync::Arc;

    #[test]
    fn waiting_for_a_disk_is_idle() {
        let stat = "cpu  100 5 45 700 50 10 20 70 30 0\ncpu0 1 2 3\n";
        assert_eq!(busy_and_all(stat), Some((250, 1000)));
    }

    #[test]
    fn network_devices_are_summed() {
        let text = "Inter-|   Receive\n face |bytes packets\n    lo: 10 1 0 0 0 0 0 0 20 1 0\n  eth0:5 1 0 0 0 0 0 0 7 1\n";
        assert_eq!(received_and_sent(text), (15, 27));
    }

    #[test]
    fn a_sample_has_mlflows_names_and_is_written_at_once_in_a_young_run() {
        let root = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(root.path());
        let mut ctx = JobCtx::open(&folder, Arc::default()).unwrap();
        let environment = [(INTERVAL.to_owned(), "0.1".to_owned())].into();
        let mut meter = Meter::new(&environment).unwrap();
        meter.due = Instant::now();
        meter.look(std::process::id(), &mut ctx);
        let said = std::fs::read_to_string(folder.events()).unwrap();
        assert_eq!(said.lines().count(), 1);
        for name in [
            "system/system_memory_usage_megabytes",
            "system/system_memory_usage_percentage",
            "system/disk_usage_percentage",
            "system/disk_usage_megabytes",
            "system/disk_available_megabytes",
            "system/network_receive_megabytes",
            "system/network_transmit_megabytes",
            "system/process_cpu_utilization_percentage",
            "system/process_memory_usage_megabytes",
            "system/process_count",
        ] {
            assert!(said.contains(&format!("\"{name}\"")), "{name}: {said}");
        }
    }

    #[test]
    fn mlflows_switch_turns_it_off() {
        let environment = [(SWITCH.to_owned(), "False".to_owned())].into();
        assert!(Meter::new(&environment).is_none());
    }
}
