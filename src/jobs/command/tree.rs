//! The processes of a command, read from `/proc`: its group and everything that descends from it; and how they are
//! ended. Knows nothing of what they do.

use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    parent: u32,
    group: u32,
    /// Ticks since the machine started: with it a number that was given to another process is recognised.
    pub(super) start: u64,
    /// CPU ticks so far, in user and kernel mode.
    pub(super) ticks: u64,
}

/// The fields of `/proc/PID/stat`; none of a process that ended and is not waited for yet. The name in parentheses may
/// hold anything.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    Some(Process {
        pid,
        parent: u32::try_from(number(4)?).ok()?,
        group: u32::try_from(number(5)?).ok()?,
        start: number(22)?,
        ticks: number(14)? + number(15)?,
    })
}

fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
        })
        .collect()
}

/// The living processes of the group that `leader` leads, and all that descend from them.
pub(super) fn of(leader: u32) -> Vec<Process> {
    belonging(leader, all())
}

fn belonging(leader: u32, all: Vec<Process>) -> Vec<Process> {
    let mut known: HashSet<u32> = all
        .iter()
        .filter(|process| process.group == leader || process.pid == leader)
        .map(|process| process.pid)
        .collect();
    loop {
        let before = known.len();
        known.extend(
            all.iter()
                .filter(|process| known.contains(&process.parent))
                .map(|process| process.pid)
                .collect::<Vec<_>>(),
        );
        if known.len() == before {
            break;
        }
    }
    all.into_iter()
        .filter(|process| known.contains(&process.pid))
        .collect()
}

/// How many processes live in the group.
fn members(leader: u32) -> usize {
    all()
        .iter()
        .filter(|process| process.group == leader)
        .count()
}

/// Signals every process of the group that `leader` leads.
pub(super) fn signal(leader: u32, signal: Signal) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // a group that is gone needs no signal
        let _ = kill_process_group(group, signal);
    }
}

/// Ends what is left in the group: TERM (unless `asked` already), `grace`, KILL. Answers how many there were.
pub(super) fn end(leader: u32, asked: Option<Instant>, grace: Duration) -> usize {
    let left = members(leader);
    if left == 0 {
        return 0;
    }
    let since = asked.unwrap_or_else(|| {
        signal(leader, Signal::TERM);
        Instant::now()
    });
    while members(leader) > 0 {
        if since.elapsed() >= grace {
            signal(leader, Signal::KILL);
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    left
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "12 (a) (b c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 999 1 2";
        let process = parse(12, stat).unwrap();
        assert_eq!((process.parent, process.group), (1, 77));
        assert_eq!((process.ticks, process.start), (200, 999));
        assert_eq!(parse(12, &stat.replace(" S ", " Z ")), None);
    }

    #[test]
    fn a_tree_is_the_group_and_what_descends_from_it() {
        let process = |pid, parent, group| Process {
            pid,
            parent,
            group,
            start: 0,
            ticks: 0,
        };
        let all = vec![
            process(10, 1, 10),
            process(11, 10, 10),
            process(12, 11, 12),
            process(13, 12, 13),
            process(14, 1, 10),
            process(20, 1, 20),
        ];
        let pids: Vec<u32> = belonging(10, all).iter().map(|one| one.pid).collect();
        assert_eq!(pids, [10, 11, 12, 13, 14]);
    }
}
