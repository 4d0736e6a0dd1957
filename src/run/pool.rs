//! Units of work on threads.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Runs `work` on every unit, on at most `threads` threads, and returns the results in the order of
/// the units. After the first error no further unit is started, and the error of the first unit
/// (in order) that failed is returned.
pub(super) fn map<U: Sync, R: Send, E: Send>(
    units: &[U],
    threads: usize,
    work: impl Fn(&U) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<R, E>)>> = Mutex::new(Vec::with_capacity(units.len()));
    thread::scope(|scope| {
        let worker = || {
            while !failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(unit) = units.get(index) else { break };
                let result = work(unit);
                if result.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, result));
            }
        };
        let handles: Vec<_> =
            (1..threads.min(units.len()).max(1)).map(|_| scope.spawn(worker)).collect();
        worker();
        for handle in handles {
            if let Err(panic) = handle.join() {
                resume_unwind(panic);
            }
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn results_keep_the_order_of_the_units() {
        let units: Vec<usize> = (0..100).collect();
        for threads in [1, 2, 7] {
            let squares = map(&units, threads, |&unit| Ok::<_, ()>(unit * unit)).unwrap();
            assert!(squares.iter().enumerate().all(|(unit, &square)| square == unit * unit));
        }
    }

    #[test]
    fn the_first_error_stops_the_rest() {
        let units: Vec<usize> = (0..1000).collect();
        let result = map(&units, 2, |&unit| if unit == 3 { Err(unit) } else { Ok(()) });
        assert_eq!(result, Err(3));
        assert_eq!(map(&[] as &[u8], 4, |_| Ok::<_, ()>(())), Ok(vec![]));
    }
}
