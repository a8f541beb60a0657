//! Pieces of work for several threads, their results in the order of the pieces, with few of them in memory at once.
//! Knows nothing of what the work is.

use super::{Error, Result};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that read at the same time: as many as the machine runs, within reason.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(8))
}

/// `work` on every piece; results come in the order of the pieces, and the first error ends them. With `parallel`, on
/// several threads, which end when the answer is dropped; at most three pieces a thread are on their way.
pub(super) fn in_order<I, O>(
    parallel: bool,
    mut pieces: impl Iterator<Item = Result<I>> + Send + 'static,
    work: impl Fn(I) -> Result<O> + Send + Sync + 'static,
) -> Box<dyn Iterator<Item = Result<O>> + Send>
where
    I: Send + 'static,
    O: Send + 'static,
{
    let threads = threads();
    if !parallel || threads == 1 {
        let mut over = false;
        return Box::new(std::iter::from_fn(move || {
            if over {
                return None;
            }
            let outcome = pieces.next()?.and_then(&work);
            over = outcome.is_err();
            Some(outcome)
        }));
    }
    let (queue, results) = sync_channel::<Receiver<Result<O>>>(2 * threads);
    let pieces: Pieces<I, O> = Arc::new(Mutex::new((Box::new(pieces), Some(queue))));
    let work = Arc::new(work);
    for number in 0..threads {
        let (pieces, work) = (Arc::clone(&pieces), Arc::clone(&work));
        let started = std::thread::Builder::new()
            .name(format!("read-{number}"))
            .spawn(move || {
                while let Some((piece, answer)) = next(&pieces) {
                    // nobody waits any more: the next piece is refused
                    let _ = answer.send(piece.and_then(|piece| work(piece)));
                }
            });
        if started.is_err() && number == 0 {
            return Box::new(std::iter::once(Err(Error::new(
                "no thread can be started to read with",
            ))));
        }
    }
    let mut over = false;
    Box::new(std::iter::from_fn(move || {
        if over {
            return None;
        }
        let outcome = results.recv().ok()?.recv().unwrap_or_else(|_| {
            Err(Error::new(
                "a thread that read stopped before it was done; this is a fault of the program",
            ))
        });
        over = outcome.is_err();
        Some(outcome)
    }))
}

/// What is still to be done, and where its results are announced, in order.
type Pieces<I, O> = Arc<
    Mutex<(
        Box<dyn Iterator<Item = Result<I>> + Send>,
        Option<SyncSender<Receiver<Result<O>>>>,
    )>,
>;

/// The next piece and where its result goes. Waits, with the lock held, while too many results are not taken.
fn next<I, O>(pieces: &Pieces<I, O>) -> Option<(Result<I>, SyncSender<Result<O>>)> {
    let mut held = pieces.lock().unwrap_or_else(PoisonError::into_inner);
    let (pieces, queue) = &mut *held;
    let announced = queue.as_ref()?;
    let Some(piece) = pieces.next() else {
        *queue = None;
        return None;
    };
    let (answer, result) = sync_channel(1);
    if announced.send(result).is_err() {
        *queue = None;
        return None;
    }
    Some((piece, answer))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn results_come_in_order_and_end_with_the_first_error() {
        for parallel in [false, true] {
            let squares: Vec<u64> = in_order(parallel, (0..500u64).map(Ok), |n| Ok(n * n))
                .collect::<Result<_>>()
                .unwrap();
            assert_eq!(squares, (0..500).map(|n| n * n).collect::<Vec<u64>>());
            let outcomes: Vec<Result<u64>> = in_order(parallel, (0..500u64).map(Ok), |n| {
                if n == 7 {
                    Err(Error::new("seven"))
                } else {
                    Ok(n)
                }
            })
            .collect();
            assert_eq!(outcomes.len(), 8);
            assert_eq!(outcomes[7].as_ref().unwrap_err().0, "seven");
            let first = in_order(parallel, (0..).map(Ok), |n: u64| Ok(n)).next();
            assert_eq!(first.unwrap().unwrap(), 0);
        }
    }

    #[test]
    fn a_panic_in_the_work_is_an_error() {
        let mut outcomes = in_order(true, (0..3).map(Ok), |n: i32| -> Result<i32> {
            assert!(n != 0, "on purpose");
            Ok(n)
        });
        assert!(outcomes.next().unwrap().is_err());
    }
}
