//! The one writer: whoever has a change joins the line, and who stands at its head does what waits, in one transaction
//! with one commit, and answers everybody in it. No thread of its own stands between a change and the database, so a
//! change that comes alone costs no change of threads; the changes that come meanwhile wait for the next commit together.
//!
//! While the disk takes a commit in (see [`super::log`]), the next in the line does the changes that came meanwhile.

use super::acting;
use super::log::Log;
use super::readers::Readers;
use crate::domain::{Error, ErrorKind, Result};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// How long changes are added to a transaction: many commits' worth, so that small ones share it, and short enough that
/// who was first is answered, and brings the next, while the others are written.
const GROUP: Duration = Duration::from_millis(3);

/// Answers one change after the commit: nothing, or why the commit failed.
type Settle = Box<dyn FnOnce(Option<&Failed>) + Send>;
/// Inside the group's transaction it does its work and says whether to keep it;
/// without one (the group failed before its turn) it only passes the reason on.
type Change = Box<dyn FnOnce(Option<&Transaction<'_>>) -> (bool, Settle) + Send>;

/// Why a whole group was not committed; every change of the group gets its own copy.
struct Failed {
    kind: ErrorKind,
    message: String,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind,
            message: error.to_string(),
        }
    }
}

/// What a thread in the line is told.
enum Word<T> {
    /// Its change is on disk, or is not.
    Done(Result<T>),
    /// It stands at the head now.
    Lead,
}

/// A change in the line, and how to call who brought it to the head.
struct Waiting {
    change: Change,
    call: Box<dyn Fn() + Send>,
}

/// Who waits. Somebody leads as long as it is `led`.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    led: bool,
    leader: Option<ThreadId>,
}

/// The connection that writes, and the line before it.
pub(super) struct Writer {
    line: Mutex<Line>,
    // Gone before the connection that writes: that one folds the write-ahead log in when it is the last.
    readers: Arc<Readers>,
    connection: Mutex<Connection>,
    log: Log,
}

/// At the head of the line; whatever happens, the next one is called when it ends.
struct Leading<'a>(&'a Writer);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let mut line = held(&self.0.line);
        line.leader = None;
        match line.waiting.front() {
            Some(next) => (next.call)(),
            None => line.led = false,
        }
    }
}

/// A lock, also after a panic: a line is whole at any moment, and a connection rolls back what was open.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// Over a connection that may write, and the log that it writes to. `readers` are told before.
    pub(super) fn new(readers: Arc<Readers>, connection: Connection, log: Log) -> Self {
        Self {
            line: Mutex::default(),
            readers,
            connection: Mutex::new(connection),
            log,
        }
    }

    /// Runs `change` in a transaction and returns after it is on disk; see [`super::Store::write`].
    pub(super) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = channel();
        let caller = answer.clone();
        let waiting = Waiting {
            change: settled_by(answer, change),
            // The one who is called waits for this very word.
            call: Box::new(move || drop(caller.send(Word::Lead))),
        };
        let leads = {
            let mut line = held(&self.line);
            if line.leader == Some(std::thread::current().id()) {
                return Err(Error::internal("a change tried to start another one"));
            }
            line.waiting.push_back(waiting);
            !std::mem::replace(&mut line.led, true)
        };
        if leads {
            self.lead();
        }
        loop {
            match answered.recv() {
                Ok(Word::Done(outcome)) => return outcome,
                Ok(Word::Lead) => self.lead(),
                Err(_) => return Err(Error::unavailable("the change was given up")),
            }
        }
    }

    /// Takes what waits, does it in one transaction, commits, calls the next to the head, and answers when the disk has it.
    fn lead(&self) {
        let leading = Leading(self);
        let mut group = {
            let mut line = held(&self.line);
            line.leader = Some(std::thread::current().id());
            std::mem::take(&mut line.waiting)
        };
        let mut settled = Vec::with_capacity(group.len());
        let written = self.log.usable().and_then(|()| {
            let mut connection = held(&self.connection);
            let _writing = self.readers.writing();
            let committed = write_group(&mut connection, &mut group, &mut settled)?;
            Ok(committed.then(|| self.log.written()))
        });
        if written.is_err() {
            settled.extend(group.drain(..).map(|waiting| (waiting.change)(None).1));
        } else if !group.is_empty() {
            // before those who came meanwhile
            let mut line = held(&self.line);
            group.append(&mut line.waiting);
            line.waiting = group;
        }
        drop(leading);
        let failed = written
            .and_then(|commit| commit.map_or(Ok(()), |commit| self.log.sync(commit)))
            .err()
            .map(Failed::from);
        for settle in settled {
            settle(failed.as_ref());
        }
    }
}

/// The change in the name of who asks for it, whoever does it; its outcome goes to `answer`.
fn settled_by<T: Send + 'static>(
    answer: Sender<Word<T>>,
    change: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
) -> Change {
    let actor = acting::current();
    Box::new(move |transaction| {
        let outcome = match transaction {
            Some(transaction) => catch_unwind(AssertUnwindSafe(|| {
                acting::on_behalf(actor, || change(transaction))
            }))
            .unwrap_or_else(|_| Err(Error::internal("a change to the store panicked"))),
            None => Err(Error::unavailable("nothing was written")),
        };
        let keep = outcome.is_ok();
        let ran = transaction.is_some();
        let settle: Settle = Box::new(move |failed| {
            let outcome = match (outcome, failed) {
                (Err(own), Some(_)) if ran => Err(own),
                (_, Some(failed)) => Err(Error::new(failed.kind, failed.message.clone())),
                (outcome, None) => outcome,
            };
            // Nobody waits any more when the asking thread is gone: nothing to tell.
            let _ = answer.send(Word::Done(outcome));
        });
        (keep, settle)
    })
}

/// Runs the first of the group, as many as there is time for, and commits; false when there was nothing to commit. An error
/// concerns all of it: nothing is in the log, and what is still in `group` did not run.
fn write_group(
    connection: &mut Connection,
    group: &mut VecDeque<Waiting>,
    settled: &mut Vec<Settle>,
) -> Result<bool> {
    let began = Instant::now();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Alone in its transaction a change needs no savepoint: what it leaves undone is rolled back with the whole.
    let alone = group.len() == 1;
    while let Some(waiting) = group.pop_front() {
        if !alone {
            transaction
                .prepare_cached("savepoint change")?
                .execute([])?;
        }
        let (keep, settle) = (waiting.change)(Some(&transaction));
        settled.push(settle);
        if transaction.is_autocommit() {
            // A full disk or a failed write makes SQLite roll the whole transaction back by itself.
            return Err(Error::unavailable(
                "the disk is full or failed: nothing was written",
            ));
        }
        if alone {
            if keep {
                transaction.commit()?;
            } else {
                transaction.rollback()?;
            }
            return Ok(keep);
        }
        if !keep {
            transaction
                .prepare_cached("rollback to change")?
                .execute([])?;
        }
        transaction.prepare_cached("release change")?.execute([])?;
        if began.elapsed() >= GROUP {
            break;
        }
    }
    transaction.commit()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::access::{Actor, Role};
    use crate::store::Store;

    fn waiting(store: &Store) -> usize {
        held(&store.writer.line).waiting.len()
    }

    #[test]
    fn a_change_done_by_anothers_thread_is_not_done_in_his_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let ann = Arc::new(Actor {
            name: "ann".to_owned(),
            from: "here".to_owned(),
            role: Role::Viewer,
            token: None,
            scope: None,
        });
        let until = |count| {
            while waiting(&store) < count {
                std::thread::yield_now();
            }
        };
        let (open, gate) = channel::<()>();
        let (said, heard) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                store.write(move |_| {
                    gate.recv().unwrap();
                    Ok(())
                })
            });
            while held(&store.writer.line).leader.is_none() {
                std::thread::yield_now();
            }
            // the next to lead is Ann's thread, with two changes to do
            scope.spawn(|| acting::on_behalf(Some(ann), || store.write(|_| Ok(()))));
            until(1);
            scope.spawn(|| {
                store.write(move |_| {
                    said.send((std::thread::current().id(), acting::current().is_none()))
                        .unwrap();
                    Ok(())
                })
            });
            until(2);
            open.send(()).unwrap();
        });
        assert!(heard.recv().unwrap().1);
    }

    #[test]
    fn what_the_disk_did_not_take_is_not_answered_as_done_nor_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let connection = Connection::open(&path).unwrap();
        // a log that is not there cannot be synchronised
        let log = Log::of(&folder.path().join("elsewhere.db"));
        let writer = Writer::new(Arc::new(Readers::of(&path)), connection, log);
        let refused = writer.write(|transaction| {
            transaction.execute("create table a (x)", [])?;
            Err::<(), _>(Error::invalid("refused"))
        });
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Invalid);
        let (said, heard) = channel();
        for _ in 0..2 {
            let said = said.clone();
            let lost = writer.write(move |transaction| {
                transaction.execute("create table b (x)", [])?;
                said.send(()).unwrap();
                Ok(())
            });
            assert_eq!(lost.unwrap_err().kind, ErrorKind::Unavailable);
        }
        // the second one was not even begun
        assert_eq!(heard.try_iter().count(), 1);
    }

    #[test]
    fn changes_that_take_long_are_committed_in_parts_and_none_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("store.db")).unwrap());
        let committed = |store: &Store| -> Result<i64> {
            store.read(|view| {
                Ok(view.query_row("select count(*) from notices", [], |row| row.get(0))?)
            })
        };
        let (open, gate) = channel::<()>();
        let (leads, led) = channel::<()>();
        let seen: Vec<i64> = std::thread::scope(|scope| {
            scope.spawn(|| {
                store.write(move |_| {
                    leads.send(()).unwrap();
                    gate.recv().unwrap();
                    Ok(())
                })
            });
            // nobody else stands before the gate
            led.recv().unwrap();
            let slow = || {
                let reader = Arc::clone(&store);
                store.write(move |transaction| {
                    std::thread::sleep(GROUP);
                    transaction.execute(
                        "insert into notices (at, level, text) values (1, 'info', 'x')",
                        [],
                    )?;
                    committed(&reader)
                })
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(slow)).collect();
            while waiting(&store) < 4 {
                std::thread::yield_now();
            }
            open.send(()).unwrap();
            let answers = threads.into_iter().map(|thread| thread.join().unwrap());
            answers.collect::<Result<_>>().unwrap()
        });
        // in one transaction each would have seen nothing of the others
        assert_eq!(seen.iter().max(), Some(&3));
        assert_eq!(committed(&store).unwrap(), 4);
        let line = held(&store.writer.line);
        assert!(!line.led && line.leader.is_none() && line.waiting.is_empty());
    }
}
