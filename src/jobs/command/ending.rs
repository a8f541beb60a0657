//! How a command ended, in words: exit status or signal, and whether memory had run out.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// How often the kernel had killed for memory, here and on the whole machine, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Killings {
    /// In the control group of this process (version 2), where there is one.
    group: Option<u64>,
    machine: Option<u64>,
}

impl Killings {
    /// By now.
    pub(super) fn so_far() -> Self {
        let group = std::fs::read_to_string("/proc/self/cgroup")
            .ok()
            .and_then(|text| {
                let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
                let events = format!("/sys/fs/cgroup{}/memory.events", path.trim_end_matches('/'));
                counted(&std::fs::read_to_string(events).ok()?)
            });
        let machine = std::fs::read_to_string("/proc/vmstat")
            .ok()
            .and_then(|text| counted(&text));
        Self { group, machine }
    }

    /// Memory ran out since `before`: here for sure, or somewhere on the machine.
    fn since(self, before: Self) -> Option<&'static str> {
        if self.group > before.group {
            Some("memory ran out (the kernel's out-of-memory killer)")
        } else if self.machine > before.machine {
            Some("the kernel's out-of-memory killer was at work on this machine")
        } else {
            None
        }
    }
}

/// The counter `oom_kill`.
fn counted(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

/// A signal's name.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => "a signal",
    }
}

/// The exit status as shells say it, the signal, and why that is a failure (none: it is not).
pub(super) fn told(
    program: &str,
    ended: ExitStatus,
    before: Killings,
    now: Killings,
) -> (i32, Option<i32>, Option<String>) {
    let killed = |signal: i32| {
        let memory = (signal == 9).then(|| now.since(before)).flatten();
        let why = match (signal, memory) {
            (_, Some(memory)) => format!(": {memory}"),
            (9, None) => ": from outside, by `kill -9` or the like".to_owned(),
            (4 | 6 | 7 | 8 | 11, None) => ": a crash of the program itself".to_owned(),
            _ => String::new(),
        };
        format!("{signal} ({}){why}", signal_name(signal))
    };
    match (ended.code(), ended.signal()) {
        (Some(0), _) => (0, None, None),
        (Some(code), _) => {
            // a shell tells by its own status that a signal killed what it ran
            let inner = match code - 128 {
                signal @ (4 | 6..=9 | 11 | 15) => format!(
                    ": as shells say that signal {} killed what it ran",
                    killed(signal)
                ),
                _ => String::new(),
            };
            let why = format!("`{program}` ended with exit status {code}{inner}");
            (code, None, Some(why))
        }
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            let why = format!("`{program}` was killed by signal {}", killed(signal));
            (128 + signal, Some(signal), Some(why))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn killings(group: u64, machine: u64) -> Killings {
        Killings {
            group: Some(group),
            machine: Some(machine),
        }
    }

    fn words(raw: i32, now: Killings) -> String {
        let before = killings(1, 7);
        told("train", ExitStatus::from_raw(raw), before, now)
            .2
            .unwrap_or_default()
    }

    #[test]
    fn an_end_is_told_with_its_cause() {
        let quiet = killings(1, 7);
        assert_eq!(words(0, quiet), "");
        assert_eq!(words(3 << 8, quiet), "`train` ended with exit status 3");
        assert_eq!(
            words(9, quiet),
            "`train` was killed by signal 9 (SIGKILL): from outside, by `kill -9` or the like"
        );
        assert!(words(9, killings(2, 8)).ends_with("memory ran out (the kernel's out-of-memory killer)"));
        assert!(words(9, killings(1, 8)).contains("at work on this machine"));
        assert!(words(11, quiet).contains("SIGSEGV"));
        assert!(words(137 << 8, killings(2, 8)).contains("memory ran out"));
        let status = told("train", ExitStatus::from_raw(9), quiet, quiet);
        assert_eq!((status.0, status.1), (137, Some(9)));
    }

    #[test]
    fn the_counter_is_read_by_its_name() {
        assert_eq!(counted("low 0\noom 3\noom_kill 2\noom_group_kill 1\n"), Some(2));
    }
}
