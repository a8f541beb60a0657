//! The dashboard on a terminal: it opens, every pane shows, it ends cleanly, and what works behind it goes on.

use crate::house::{House, number, signal, state, text, until};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::Signal;
use std::io::{Read as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A dashboard on a pseudo-terminal of 100 by 30.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    master: Option<Box<dyn MasterPty + Send>>,
    reader: Option<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
}

impl Terminal {
    /// Opens it, and the dashboard on it.
    pub fn open(house: &House) -> Self {
        let size = PtySize {
            rows: 30,
            cols: 100,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_trainyard"));
        command.cwd(house.path(""));
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("TRAINYARD_USER", "eve");
        for name in ["TRAINYARD_SERVER", "TRAINYARD_TOKEN", "NO_COLOR"] {
            command.env_remove(name);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(30, 100, 0)));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // an error is the end of the terminal
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..count]);
                if closed.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self {
            child,
            keys: pair.master.take_writer().unwrap(),
            screen,
            master: Some(pair.master),
            reader: Some(reader),
            closing,
        }
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Closes the terminal under the dashboard. The kernel hangs up when nobody has the other side open any more: the
    /// reader's turn ends with the next bytes, which a key makes the dashboard send.
    fn close(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.press("?");
        self.reader.take().unwrap().join().unwrap();
        self.keys = Box::new(std::io::sink());
        drop(self.master.take());
    }

    /// What is on the screen.
    pub fn picture(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Looks until all of `parts` are on the screen.
    pub fn shows(&self, parts: &[&str]) {
        let end = Instant::now() + Duration::from_secs(60);
        while !parts.iter().all(|part| self.picture().contains(part)) {
            assert!(
                Instant::now() < end,
                "not shown: {parts:?} in\n{}",
                self.picture()
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits for its end: whether it was a good one, and how long it took.
    fn end(&mut self) -> (bool, Duration) {
        let began = Instant::now();
        let status = until("the dashboard ends", || self.child.try_wait().unwrap());
        (status.success(), began.elapsed())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A workspace with a champion that serves, and a command at work.
fn busy() -> House {
    let more =
        "trainer = { kind = \"logistic\" }\ngate = { metric = \"accuracy\", at_least = 0.9 }";
    let house = House::with("penguins", "csv", "species", more);
    house.done(&["train", "penguins", "--promote"]);
    house.done(&[
        "run",
        "--detach",
        "--",
        "sh",
        "-c",
        "while [ ! -f go ]; do sleep 0.05; done",
    ]);
    house.job("command", "running");
    house
}

#[test]
fn all_six_panes_show_and_q_leaves_the_daemon_at_work() {
    let house = busy();
    let daemon = house.daemon();
    let run = house.json(&["runs", "list"]);
    let name = text(&run["rows"][0]["name"]);
    let mut terminal = Terminal::open(&house);
    terminal.shows(&["1 Runs", "2 Registry", "6 Jobs", &name]);
    for (key, parts) in [
        ("2", &["penguins", "v1", "champion"][..]),
        ("3", &["┌ Features"]),
        ("4", &["┌ Drift"]),
        ("5", &["penguins", "v1"]),
        ("6", &["1 running", "train", "validate penguins"]),
        ("1", &[&name]),
    ] {
        terminal.press(key);
        terminal.shows(parts);
    }
    terminal.press("q");
    let (well, _) = terminal.end();
    assert!(well, "{}", terminal.picture());
    assert!(!terminal.screen.lock().unwrap().screen().alternate_screen());
    assert_eq!(house.daemon(), daemon);
    house.job("command", "running");
}

#[test]
fn a_terminal_that_is_closed_ends_the_dashboard_and_nothing_else() {
    let house = busy();
    let daemon = house.daemon();
    let job = house.job("command", "running");
    for hangup in ["signal", "close"] {
        let mut terminal = Terminal::open(&house);
        terminal.shows(&["1 Runs", "6 Jobs"]);
        if hangup == "signal" {
            let pid = i32::try_from(terminal.child.process_id().unwrap()).unwrap();
            signal(pid, Signal::HUP);
        } else {
            terminal.close();
        }
        let (_, took) = terminal.end();
        // a second is the limit on a machine with time; tests share theirs
        assert!(took < Duration::from_secs(5), "{hangup}: {took:?}");
        assert_eq!(house.daemon(), daemon, "{hangup}");
        assert!(state(number(&job["pid"])).is_some(), "{hangup}");
    }
    // a new one attaches and sees the end
    house.write("go", "");
    house.job("command", "succeeded");
    let mut terminal = Terminal::open(&house);
    terminal.shows(&["1 Runs"]);
    terminal.press("6");
    terminal.shows(&["✓"]);
}

#[test]
fn the_dashboard_starts_a_daemon_that_outlives_its_terminal() {
    let more = "trainer = { kind = \"linear\" }\ngate = { metric = \"rmse\" }";
    let house = House::with("diabetes", "csv", "progression", more);
    let mut terminal = Terminal::open(&house);
    terminal.shows(&["1 Runs", "Three ways to begin"]);
    let daemon = house.daemon();
    terminal.close();
    terminal.end();
    assert_eq!(house.daemon(), daemon);
    house.done(&["train", "diabetes", "--promote"]);
}
