//! Parallel processing of a list, with one thread per CPU.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use landfall_error_codes::codes;

use crate::error::{BuildError, Result};

/// Applies `act` to all items in parallel, started in order; returns the results in that order.
///
/// # Errors
///
/// Fails if a thread panics.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> R + Sync) -> Result<Vec<R>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    let act_on_some = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let result = act(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(act_on_some)).collect();
        let died = |_| BuildError::new(codes::BUG, "a thread died that worked beside others");
        threads.into_iter().try_for_each(|thread| thread.join().map_err(died))
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_input_order() {
        let numbers: Vec<u32> = (0..100).collect();
        let doubled: Vec<u32> = (0..200).step_by(2).collect();
        assert_eq!(side_by_side(&numbers, |number| number * 2).unwrap(), doubled);
        assert_eq!(side_by_side(&[0_u32; 0], |number| *number).unwrap(), Vec::<u32>::new());
    }

    #[test]
    fn dead_thread_is_error() {
        let died = side_by_side(&[0], |divisor| 1_u32.checked_div(*divisor).unwrap()).unwrap_err();
        assert!(died.to_string().contains("a thread died"), "{died}");
    }
}
