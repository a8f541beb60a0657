//! Work on all cores: numbered tasks taken one after the other by as many threads as there are cores.
//! Results come back in the order of the tasks, whatever thread did them. Knows nothing of what the work is.

use super::Result;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Cores there are.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// `work(task)` for each task of `0..tasks`, in their order. After an error no new task begins.
pub(super) fn each<T: Send>(
    tasks: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let kept = fold(tasks, Vec::new, |done: &mut Vec<(usize, T)>, task| {
        done.push((task, work(task)?));
        Ok(())
    })?;
    let mut all: Vec<(usize, T)> = kept.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(task, _)| *task);
    Ok(all.into_iter().map(|(_, done)| done).collect())
}

/// Each thread `begin`s something of its own and `work`s the tasks that it gets into it; what the threads have made,
/// in no particular order. No tasks: one that was only begun.
pub(super) fn fold<A: Send>(
    tasks: usize,
    begin: impl Fn() -> A + Sync,
    work: impl Fn(&mut A, usize) -> Result<()> + Sync,
) -> Result<Vec<A>> {
    let next = AtomicUsize::new(0);
    fold_all(cores().min(tasks), &begin, &|made| {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return Ok(());
            }
            if let Err(error) = work(made, task) {
                next.store(tasks, Ordering::Relaxed);
                return Err(error);
            }
        }
    })
}

/// Each thread `begin`s something of its own and `work`s the items that it gets into it. Items come from one source, one
/// after the other, while the other threads work; what the threads have made, in no particular order.
pub(super) fn spread<T: Send, A: Send>(
    items: impl Iterator<Item = Result<T>> + Send,
    begin: impl Fn() -> A + Sync,
    work: impl Fn(&mut A, T) -> Result<()> + Sync,
) -> Result<Vec<A>> {
    let items = Mutex::new(Some(items));
    fold_all(cores(), &begin, &|made| {
        loop {
            let item = {
                let mut source = items.lock().unwrap_or_else(PoisonError::into_inner);
                let item = source.as_mut().and_then(Iterator::next);
                if !matches!(item, Some(Ok(_))) {
                    *source = None;
                }
                item
            };
            match item {
                None => return Ok(()),
                Some(item) => {
                    if let Err(error) = item.and_then(|item| work(made, item)) {
                        *items.lock().unwrap_or_else(PoisonError::into_inner) = None;
                        return Err(error);
                    }
                }
            }
        }
    })
}

/// `work` on each of `workers` threads, with something that the thread has begun.
fn fold_all<A: Send>(
    workers: usize,
    begin: &(impl Fn() -> A + Sync),
    work: &(impl Fn(&mut A) -> Result<()> + Sync),
) -> Result<Vec<A>> {
    let one = || {
        let mut made = begin();
        work(&mut made).map(|()| made)
    };
    if workers <= 1 {
        return Ok(vec![one()?]);
    }
    thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(one)).collect();
        let ends: Vec<Result<A>> = handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        ends.into_iter().collect()
    })
}

/// `0..length` cut into ranges for all cores, several for each, none shorter than `least` but the last.
pub(super) fn ranges(length: usize, least: usize) -> Vec<std::ops::Range<usize>> {
    let size = length.div_ceil(cores() * 4).max(least).max(1);
    (0..length)
        .step_by(size)
        .map(|from| from..(from + size).min(length))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::Error;

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        let squares = each(1_000, |task| Ok(task * task)).unwrap();
        assert!(
            squares
                .iter()
                .enumerate()
                .all(|(at, square)| *square == at * at)
        );
        assert_eq!(each(0, Ok).unwrap(), Vec::<usize>::new());
    }

    #[test]
    fn an_error_ends_the_work() {
        let outcome = each(1_000, |task| match task {
            7 => Err(Error::new("seven")),
            _ => Ok(task),
        });
        assert_eq!(outcome.unwrap_err().0, "seven");
    }

    #[test]
    fn items_of_one_source_are_shared_out() {
        let items = (0..1_000_u64).map(Ok);
        let sums = spread(
            items,
            || 0,
            |sum, item| {
                *sum += item;
                Ok(())
            },
        );
        assert_eq!(sums.unwrap().into_iter().sum::<u64>(), 499_500);
        let items = (0..).map(|item| {
            if item == 9 {
                Err(Error::new("nine"))
            } else {
                Ok(item)
            }
        });
        let outcome = spread(items, || (), |(), _| Ok(()));
        assert_eq!(outcome.unwrap_err().0, "nine");
    }

    #[test]
    fn ranges_cover_all_once() {
        for length in [0, 1, 7, 10_000] {
            let covered: Vec<usize> = ranges(length, 100).into_iter().flatten().collect();
            assert_eq!(covered, (0..length).collect::<Vec<_>>());
        }
    }
}
