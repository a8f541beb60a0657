//! What a command prints: kept as it is (`stdout`, `stderr`), and piece by piece in the order in which it came, with
//! the time (`output.jsonl`), while it runs. Knows nothing of the command.

use crate::domain::output::{Channel, Piece};
use crate::domain::{Clock as _, Error, Result, SystemClock};
use crate::job_folder::JobFolder;
use std::fs::File;
use std::io::{ErrorKind, Read, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::time::Duration;

/// Bytes read at once, and of a piece without a line's end at most.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for the disk before the command has to.
const WAITING: usize = 64;
/// A line that was not ended for so long is shown as far as it is.
const QUIET: Duration = Duration::from_millis(100);

/// Both streams being read.
pub(super) struct Capture {
    /// What could not be kept, when all is read.
    ended: Receiver<Option<String>>,
}

impl Capture {
    /// Begins to read both streams into the folder's files.
    pub(super) fn start(
        folder: &JobFolder,
        stdout: impl Read + Send + 'static,
        stderr: impl Read + Send + 'static,
    ) -> Result<Self> {
        let files = [
            append(&folder.stdout())?,
            append(&folder.stderr())?,
            append(&folder.output())?,
        ];
        let (sender, chunks) = sync_channel(WAITING);
        read(Channel::Stdout, stdout, sender.clone())?;
        read(Channel::Stderr, stderr, sender)?;
        let (tell, ended) = channel();
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                let problem = keep(&chunks, files);
                // nobody waits any more
                let _ = tell.send(problem);
            })?;
        Ok(Self { ended })
    }

    /// Waits until both streams have ended and are kept, for `patience` at most: a process that left the command's
    /// group may hold them open. Answers what could not be kept.
    pub(super) fn finish(self, patience: Duration) -> Option<String> {
        match self.ended.recv_timeout(patience) {
            Ok(problem) => problem,
            Err(_) => Some(
                "a process that it left behind still holds its output: what comes now is not kept"
                    .to_owned(),
            ),
        }
    }
}

fn append(path: &std::path::Path) -> Result<File> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| Error::from(error).context(format!("opening `{}`", path.display())))
}

fn read(
    channel: Channel,
    mut stream: impl Read + Send + 'static,
    chunks: SyncSender<(Channel, Vec<u8>)>,
) -> Result<()> {
    std::thread::Builder::new()
        .name("reader".into())
        .spawn(move || {
            let mut buffer = vec![0; CHUNK];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => {
                        if chunks.send((channel, buffer[..count].to_vec())).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        })?;
    Ok(())
}

/// Writes until both readers are gone. A disk that is full stops the keeping, never the command: its pipes are read on.
fn keep(
    chunks: &Receiver<(Channel, Vec<u8>)>,
    [mut stdout, mut stderr, mut pieces]: [File; 3],
) -> Option<String> {
    let mut problem = None;
    let mut note = |result: std::io::Result<()>| {
        if let Err(error) = result {
            problem.get_or_insert_with(|| format!("its output could not be kept: {error}"));
        }
    };
    let mut pending = [Vec::new(), Vec::new()];
    let mut lines = Vec::new();
    loop {
        let waits = pending.iter().any(|bytes| !bytes.is_empty());
        let next = if waits {
            chunks.recv_timeout(QUIET)
        } else {
            chunks.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match next {
            Ok((channel, bytes)) => {
                let (file, pending) = match channel {
                    Channel::Stdout => (&mut stdout, &mut pending[0]),
                    Channel::Stderr => (&mut stderr, &mut pending[1]),
                };
                note(file.write_all(&bytes));
                pending.extend_from_slice(&bytes);
                while let Some(end) = pending
                    .iter()
                    .position(|byte| matches!(byte, b'\n' | b'\r'))
                    .map(|end| end + 1)
                    .or_else(|| (pending.len() >= CHUNK).then_some(CHUNK))
                {
                    // `\r\n` is one end
                    let end = if pending[end - 1] == b'\r' && pending.get(end) == Some(&b'\n') {
                        end + 1
                    } else {
                        end
                    };
                    let piece: Vec<u8> = pending.drain(..end).collect();
                    line(channel, &piece, &mut lines);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                for (channel, pending) in [Channel::Stdout, Channel::Stderr].iter().zip(&mut pending)
                {
                    let whole = whole_letters(pending);
                    if whole > 0 {
                        let piece: Vec<u8> = pending.drain(..whole).collect();
                        line(*channel, &piece, &mut lines);
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                for (channel, pending) in [Channel::Stdout, Channel::Stderr].iter().zip(&pending) {
                    if !pending.is_empty() {
                        line(*channel, pending, &mut lines);
                    }
                }
                note(pieces.write_all(&lines));
                return problem;
            }
        }
        if !lines.is_empty() {
            note(pieces.write_all(&lines));
            lines.clear();
        }
    }
}

fn line(channel: Channel, bytes: &[u8], lines: &mut Vec<u8>) {
    let piece = Piece {
        at: SystemClock.now(),
        channel,
        text: String::from_utf8_lossy(bytes).into_owned(),
    };
    // text and numbers: this cannot fail
    if serde_json::to_writer(&mut *lines, &piece).is_ok() {
        lines.push(b'\n');
    }
}

/// How many bytes end with a whole letter.
fn whole_letters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn captured(stdout: &'static [u8], stderr: &'static [u8]) -> (String, Vec<Piece>) {
        let root = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(root.path());
        let capture = Capture::start(&folder, stdout, stderr).unwrap();
        assert_eq!(capture.finish(Duration::from_secs(10)), None);
        let pieces = std::fs::read_to_string(folder.output()).unwrap();
        let pieces = pieces
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (std::fs::read_to_string(folder.stdout()).unwrap(), pieces)
    }

    #[test]
    fn lines_are_pieces_and_the_streams_are_kept_as_they_are() {
        let (stdout, pieces) = captured(b"10%\r20%\rdone\r\nno end", b"oh\n");
        assert_eq!(stdout, "10%\r20%\rdone\r\nno end");
        let of = |channel| -> Vec<&str> {
            pieces
                .iter()
                .filter(|piece| piece.channel == channel)
                .map(|piece| piece.text.as_str())
                .collect()
        };
        assert_eq!(of(Channel::Stdout), ["10%\r", "20%\r", "done\r\n", "no end"]);
        assert_eq!(of(Channel::Stderr), ["oh\n"]);
    }

    #[test]
    fn a_letter_is_never_cut_in_two() {
        assert_eq!(whole_letters("añ".as_bytes()), 3);
        assert_eq!(whole_letters(&"añ".as_bytes()[..2]), 1);
        assert_eq!(whole_letters(b"\xff\xfe"), 2);
    }
}
