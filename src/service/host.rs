//! The machine, and what each job takes of it: measured while somebody looks, never kept. Between looks it costs
//! nothing.

use crate::domain::host::{GpuSample, HostSample};
use crate::domain::job::Job;
use crate::domain::{Event, JobId};
use crate::service::Core;
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use sysinfo::{MemoryRefreshKind, Networks, System};

/// A sample older than this is measured again.
const FRESH: Duration = Duration::from_secs(1);
/// How often it is measured while somebody looks.
const PERIOD: Duration = Duration::from_secs(2);
/// Nobody looks any more when nobody asked for this long.
const ATTENTION: Duration = Duration::from_secs(6);

/// In what a model is made, as (what, value): this program and the compiler that built it, the machine, its system.
/// What cannot be found out is left out.
pub fn environment() -> Vec<(&'static str, String)> {
    let program = format!("{} {}", env!("CARGO_PKG_VERSION"), env!("TRAINYARD_COMMIT"));
    let system = match (System::long_os_version(), System::kernel_version()) {
        (Some(system), Some(kernel)) => Some(format!("{system}, kernel {kernel}")),
        (system, kernel) => system.or(kernel),
    };
    [
        ("trainyard", Some(program)),
        ("host", System::host_name()),
        ("os", system),
        ("architecture", Some(std::env::consts::ARCH.to_owned())),
        ("rustc", option_env!("TRAINYARD_RUSTC").map(str::to_owned)),
    ]
    .into_iter()
    .filter_map(|(what, value)| Some((what, value.filter(|value| !value.is_empty())?)))
    .collect()
}

/// See the module's text.
pub struct Host {
    meter: Mutex<Meter>,
    asked: Condvar,
}

struct Meter {
    system: System,
    networks: Networks,
    /// Opened with the first look; none where no driver is.
    nvml: Option<Option<Nvml>>,
    sample: Option<(Instant, HostSample)>,
    asked: Option<Instant>,
    stopped: bool,
    /// CPU ticks of each job's processes when they were last counted, and what followed.
    usage: HashMap<JobId, Usage>,
}

#[derive(Clone, Copy)]
struct Usage {
    at: Instant,
    ticks: u64,
    percent: f32,
    memory: u64,
}

impl Default for Host {
    /// Takes the first counts, so that the first look has something to compare with.
    fn default() -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        Self {
            meter: Mutex::new(Meter {
                system,
                networks: Networks::new_with_refreshed_list(),
                nvml: None,
                sample: None,
                asked: None,
                stopped: false,
                usage: HashMap::new(),
            }),
            asked: Condvar::new(),
        }
    }
}

impl Host {
    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine now (a second old at most), and keeps it measured for a few seconds more.
    pub fn sample(&self, core: &Core) -> HostSample {
        let mut meter = self.meter();
        meter.asked = Some(Instant::now());
        self.asked.notify_all();
        meter.fresh(core.workspace.root())
    }

    /// Measures while somebody looks, and says so on the bus; returns after [`Host::stop`].
    pub fn run(&self, core: &Core) {
        let mut meter = self.meter();
        loop {
            if meter.stopped {
                return;
            }
            let wanted = meter.asked.is_some_and(|asked| asked.elapsed() < ATTENTION);
            if wanted {
                meter = self
                    .asked
                    .wait_timeout_while(meter, PERIOD, |meter| !meter.stopped)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                if !meter.stopped {
                    meter.fresh(core.workspace.root());
                    drop(meter);
                    core.bus.emit(Event::HostSampled);
                    meter = self.meter();
                }
            } else {
                meter = self
                    .asked
                    .wait(meter)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Ends [`Host::run`].
    pub fn stop(&self) {
        self.meter().stopped = true;
        self.asked.notify_all();
    }

    /// CPU (percent of one core) and resident memory (bytes) of the processes of each running job: those in the session
    /// that its worker leads.
    pub fn usage(&self, running: &[Job]) -> Vec<(JobId, f32, u64)> {
        let mut meter = self.meter();
        let groups: HashMap<u32, JobId> = running
            .iter()
            .filter_map(|job| Some((job.pid?, job.id)))
            .collect();
        meter
            .usage
            .retain(|id, _| running.iter().any(|job| job.id == *id));
        let stale = groups.values().any(|id| {
            meter
                .usage
                .get(id)
                .is_none_or(|usage| usage.at.elapsed() >= FRESH)
        });
        if stale {
            let now = Instant::now();
            for (id, (ticks, memory)) in group_usage(&groups) {
                let before = meter.usage.get(&id).copied();
                let percent = before.map_or(0.0, |before| {
                    let seconds = now.duration_since(before.at).as_secs_f32();
                    let ticks = ticks.saturating_sub(before.ticks) as f32;
                    100.0 * ticks / TICKS_PER_SECOND / seconds.max(0.001)
                });
                let usage = Usage {
                    at: now,
                    ticks,
                    percent,
                    memory,
                };
                meter.usage.insert(id, usage);
            }
        }
        let mut usage: Vec<(JobId, f32, u64)> = meter
            .usage
            .iter()
            .map(|(id, usage)| (*id, usage.percent, usage.memory))
            .collect();
        usage.sort_by_key(|(id, _, _)| *id);
        usage
    }
}

impl Meter {
    fn fresh(&mut self, workspace: &Path) -> HostSample {
        if let Some((at, sample)) = &self.sample
            && at.elapsed() < FRESH
        {
            return sample.clone();
        }
        let seconds = self
            .sample
            .as_ref()
            .map(|(at, _)| at.elapsed().as_secs_f64());
        self.system.refresh_cpu_usage();
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        self.networks.refresh(true);
        // the counts before the first look are of an unknown time
        let rate =
            |bytes: u64| seconds.map_or(0, |seconds| (bytes as f64 / seconds.max(0.001)) as u64);
        let (mut received, mut sent) = (0, 0);
        for (name, network) in &self.networks {
            if name != "lo" {
                received += network.received();
                sent += network.transmitted();
            }
        }
        let disk = rustix::fs::statvfs(workspace).ok();
        let sample = HostSample {
            name: System::host_name().unwrap_or_default(),
            cores: self.system.cpus().len() as u32,
            cpu_percent: self.system.global_cpu_usage(),
            memory_used: self.system.used_memory(),
            memory_total: self.system.total_memory(),
            disk_free: disk
                .as_ref()
                .map_or(0, |disk| disk.f_bavail * disk.f_frsize),
            disk_total: disk
                .as_ref()
                .map_or(0, |disk| disk.f_blocks * disk.f_frsize),
            received_per_s: rate(received),
            sent_per_s: rate(sent),
            gpus: self.gpus(),
            daemon_resident: resident("self").unwrap_or_default(),
        };
        self.sample = Some((Instant::now(), sample.clone()));
        sample
    }

    /// Every GPU that answers; none without a driver.
    fn gpus(&mut self) -> Vec<GpuSample> {
        let nvml = self.nvml.get_or_insert_with(|| {
            Path::new("/proc/driver/nvidia")
                .exists()
                .then(|| Nvml::init().ok())
                .flatten()
        });
        let Some(nvml) = nvml else {
            return Vec::new();
        };
        (0..nvml.device_count().unwrap_or_default())
            .filter_map(|index| {
                let device = nvml.device_by_index(index).ok()?;
                let memory = device.memory_info().ok()?;
                Some(GpuSample {
                    name: device.name().ok()?,
                    percent: device.utilization_rates().ok()?.gpu,
                    memory_used: memory.used,
                    memory_total: memory.total,
                    temperature: device.temperature(TemperatureSensor::Gpu).ok(),
                })
            })
            .collect()
    }
}

/// The unit of CPU times in `/proc`: Linux shows every architecture of today 100 ticks a second.
const TICKS_PER_SECOND: f32 = 100.0;

/// Resident memory of a process, bytes.
fn resident(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// CPU ticks and resident bytes of the sessions of `groups`, summed: a worker leads its own, and a command has a process
/// group of its own in it.
fn group_usage(groups: &HashMap<u32, JobId>) -> HashMap<JobId, (u64, u64)> {
    let mut sums: HashMap<JobId, (u64, u64)> = HashMap::new();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return sums;
    };
    for entry in processes.flatten() {
        let name = entry.file_name();
        let Some(pid) = name
            .to_str()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            continue;
        };
        let Some((group, ticks)) = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|stat| session_and_ticks(&stat))
        else {
            continue;
        };
        if let Some(id) = groups.get(&group) {
            let sum = sums.entry(*id).or_default();
            sum.0 += ticks;
            sum.1 += resident(pid).unwrap_or_default();
        }
    }
    sums
}

/// Session (field 6) and CPU ticks in user and kernel mode (fields 14 and 15) of `/proc/PID/stat`; the name in
/// parentheses may hold anything.
fn session_and_ticks(stat: &str) -> Option<(u32, u64)> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some((u32::try_from(number(6)?).ok()?, number(14)? + number(15)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "12 (a) (b c) S 1 66 77 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 999 1 2";
        assert_eq!(session_and_ticks(stat), Some((77, 200)));
    }

    #[test]
    fn own_memory_is_measured() {
        assert!(resident("self").unwrap() > 100_000);
    }
}
