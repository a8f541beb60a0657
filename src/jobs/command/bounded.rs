//! A short look with another program (`git`, an interpreter): its output, if it ends well in time and is not too long.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Runs `command` for `limit` at most; its standard output when it succeeded and said at most `most` bytes.
pub(super) fn output(command: &mut Command, limit: Duration, most: usize) -> Option<Vec<u8>> {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let stdout = child.stdout.take()?;
    let (sender, said) = channel();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(most as u64 + 1).read_to_end(&mut bytes);
        // nobody waits any more: it took too long
        let _ = sender.send(read.ok().map(|_| bytes));
    });
    let said = match reader {
        Ok(_) => said.recv_timeout(limit).ok().flatten(),
        Err(_) => None,
    };
    let whole = said.filter(|bytes| bytes.len() <= most);
    while whole.is_some() && begun.elapsed() < limit {
        match child.try_wait() {
            Ok(Some(status)) => return whole.filter(|_| status.success()),
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(_) => return None,
        }
    }
    // too long in one sense or the other; one that is gone already needs no signal
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn shell(script: &str, limit: Duration, most: usize) -> Option<String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        output(&mut command, limit, most).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn only_a_good_end_in_time_and_in_bounds_is_an_answer() {
        let patient = Duration::from_secs(10);
        assert_eq!(shell("echo a", patient, 10).as_deref(), Some("a\n"));
        assert_eq!(shell("echo a; exit 1", patient, 10), None);
        assert_eq!(shell("echo too long", patient, 4), None);
        assert_eq!(shell("exec sleep 600", Duration::from_millis(50), 4), None);
    }
}
