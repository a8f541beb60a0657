//! A command's output in this terminal, as it comes: its stdout on stdout, its stderr on stderr, byte by byte as it was
//! printed. C-c leaves the command running unless it is pressed again: then it is cancelled.

use super::connect::unexpected;
use super::interrupt::Presses;
use super::output::Output;
use super::{Result, wait};
use crate::api::client::Client;
use crate::api::protocol::{Command, Reply};
use crate::domain::job::{Job, JobState};
use crate::domain::output::{Channel, OutputPage};
use crate::domain::{ErrorKind, JobId};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Bytes asked for at once.
const PAGE: u64 = 1024 * 1024;
/// How often the daemon is asked while something comes, and at least when nothing does.
const BUSY: Duration = Duration::from_millis(50);
const QUIET: Duration = Duration::from_millis(250);
/// How long a second C-c is waited for.
const AGAIN: Duration = Duration::from_secs(3);

/// How long a daemon that went away is waited for.
const BACK: Duration = Duration::from_secs(60);

/// How the following ended.
pub(crate) enum End {
    /// With the job.
    Ended(Box<Job>),
    /// Before it: it goes on.
    Left,
}

/// Everything that was printed so far.
pub(crate) fn print_all(client: &Client, job: JobId, output: &Output) -> Result<()> {
    let mut place = Place::default();
    while place.advance(client, job, output)? {}
    Ok(())
}

/// Prints until the job has ended or the person leaves. `waits`: says what it waits for before it starts.
pub(crate) fn until_ended(
    client: &Client,
    job: JobId,
    presses: &Presses,
    waits: bool,
    output: &Output,
) -> Result<End> {
    let mut place = Place::default();
    let mut pause = BUSY;
    let mut asked: Option<Instant> = None;
    let mut cancelled = false;
    let mut said_waiting = !waits;
    let mut lost: Option<Instant> = None;
    loop {
        match place.advance(client, job, output) {
            Ok(true) => {
                (pause, lost) = (BUSY, None);
                continue;
            }
            Ok(false) => lost = None,
            // the daemon restarts: the command does not notice, and neither must this end
            Err(failure) if failure.error.kind == ErrorKind::Unavailable => {
                let since = *lost.get_or_insert_with(|| {
                    output.progress_done(format!(
                        "the daemon is out of reach, job {job} goes on; waiting for it to come back"
                    ));
                    Instant::now()
                });
                if since.elapsed() >= BACK {
                    return Err(failure);
                }
            }
            Err(failure) => return Err(failure),
        }
        if place.ended && lost.is_none() {
            return Ok(End::Ended(Box::new(wait::job(client, job)?.0)));
        }
        if !said_waiting && place.quiet >= 4 && lost.is_none() {
            said_waiting = true;
            if wait::job(client, job)?.0.state == JobState::Queued {
                output.progress_done(format!(
                    "job {job} waits for a free slot; `trainyard jobs list` shows what runs"
                ));
            }
        }
        if presses.terminated() {
            return Ok(End::Left);
        }
        match (presses.count(), asked) {
            (0, _) => {}
            (1, None) => {
                asked = Some(Instant::now());
                output.progress_done(format!(
                    "C-c again within {} s cancels job {job}; else it goes on without this terminal",
                    AGAIN.as_secs()
                ));
            }
            (1, Some(since)) => {
                if since.elapsed() >= AGAIN {
                    output.progress_done(format!(
                        "job {job} goes on: `trainyard jobs logs {job} --follow` comes back to it, `trainyard jobs cancel {job}` stops it"
                    ));
                    return Ok(End::Left);
                }
            }
            (2, _) => {
                if !cancelled {
                    cancelled = true;
                    output.progress_done(format!(
                        "cancelling job {job}: TERM now, KILL after 5 s; C-c again leaves at once"
                    ));
                    match client.command(&Command::CancelJob { job }) {
                        Ok(_) => {}
                        // it has ended by itself in this moment
                        Err(error) if error.kind == ErrorKind::Conflict => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            _ => return Ok(End::Left),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(QUIET);
    }
}

/// How far the output was printed.
#[derive(Default)]
struct Place {
    attempt: Option<u32>,
    next: u64,
    ended: bool,
    /// Questions since something came.
    quiet: u32,
}

impl Place {
    /// Prints the next part; false: there is none now.
    fn advance(&mut self, client: &Client, job: JobId, output: &Output) -> Result<bool> {
        let page = page(
            client,
            &Command::JobOutput {
                job,
                attempt: self.attempt,
                from: self.next,
                most: PAGE,
            },
        )?;
        self.attempt = Some(page.attempt);
        self.next = page.next;
        self.ended = page.ended;
        print(&page, output);
        let some = !page.pieces.is_empty();
        self.quiet = if some { 0 } else { self.quiet + 1 };
        Ok(some)
    }
}

fn page(client: &Client, command: &Command) -> Result<OutputPage> {
    match client.command(command)? {
        Reply::Output(page) => Ok(*page),
        _ => Err(unexpected()),
    }
}

/// As it was printed; with `--json`, whose document is the only thing on stdout, all of it on stderr. A reader that went
/// away (`| head`) is no error of ours.
fn print(page: &OutputPage, output: &Output) {
    let mut stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr().lock();
    for piece in &page.pieces {
        let _ = match piece.channel {
            Channel::Stdout if !output.json => stdout.write_all(piece.text.as_bytes()),
            _ => {
                // what was printed before stands before it, also where both go to one terminal
                let _ = stdout.flush();
                stderr.write_all(piece.text.as_bytes())
            }
        };
    }
    let _ = stdout.flush();
    let _ = stderr.flush();
}
