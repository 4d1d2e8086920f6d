//! Records of many tests, made on all cores and written in their order.

use std::io::Write;
use std::sync::mpsc;
use std::thread;

use atex_cli::output::{Output, OutputError};

/// Tests that a thread makes records of at a time. They take about as much as is written at a time.
const PART: usize = 64;

/// Parts that a thread may be ahead of what is written, so that memory does not grow with the number of tests.
const AHEAD: usize = 4;

/// More threads than this do not pay: they wait for the one that writes.
const MAX_THREADS: usize = 8;

/// Writes what each item becomes, and says how many records that are in all. Each thread has an `append` of its own, which
/// is given items in their order, appends their records, and counts them.
///
/// # Errors
/// The output cannot be written.
pub(crate) fn write<W: Write, T: Sync, A: FnMut(&T, &mut Vec<u8>) -> u64>(
    out: &mut Output<W>,
    items: &[T],
    append: impl Fn() -> A + Sync,
) -> Result<u64, OutputError> {
    let parts = items.len().div_ceil(PART);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(parts / AHEAD);
    write_with(threads.max(1), out, items, append)
}

fn write_with<W: Write, T: Sync, A: FnMut(&T, &mut Vec<u8>) -> u64>(
    threads: usize,
    out: &mut Output<W>,
    items: &[T],
    append: impl Fn() -> A + Sync,
) -> Result<u64, OutputError> {
    thread::scope(|scope| {
        // Each thread has a part of so many, this one too.
        let others: Vec<_> = (1..threads)
            .map(|first| {
                let (to, made) = mpsc::sync_channel::<(Vec<u8>, u64)>(AHEAD);
                let (used, again) = mpsc::channel::<Vec<u8>>();
                let append = &append;
                scope.spawn(move || {
                    let mut append = append();
                    for part in items.chunks(PART).skip(first).step_by(threads) {
                        let mut records = again.try_recv().unwrap_or_default();
                        records.clear();
                        let count = part.iter().map(|item| append(item, &mut records)).sum();
                        // Whoever does not want it any more has gone, and all is over.
                        if to.send((records, count)).is_err() {
                            return;
                        }
                    }
                });
                (made, used)
            })
            .collect();
        let mut append = append();
        let mut written = 0;
        for (number, part) in items.chunks(PART).enumerate() {
            let Some((made, used)) = (number % threads).checked_sub(1).map(|other| &others[other]) else {
                for item in part {
                    out.append(|to| written += append(item, to))?;
                }
                continue;
            };
            // A thread that gives nothing has panicked, which the end of the scope will say.
            let Ok((records, count)) = made.recv() else { break };
            out.append(|to| to.extend_from_slice(&records))?;
            written += count;
            // It may be done already.
            let _ = used.send(records);
        }
        Ok(written)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_in_the_order_of_the_items_whoever_makes_them() {
        let items: Vec<usize> = (0..50 * PART + 7).collect();
        let line = |item: &usize, to: &mut Vec<u8>| {
            to.extend_from_slice(format!("{item}\n").as_bytes());
            2
        };
        let expected: String = items.iter().map(|item| format!("{item}\n")).collect();
        for threads in [1, 2, 3, 8] {
            let mut bytes = Vec::new();
            let mut out = Output::new(&mut bytes);
            let written = write_with(threads, &mut out, &items, || line).unwrap();
            out.flush().unwrap();
            drop(out);
            assert_eq!(
                (written, String::from_utf8(bytes).unwrap() == expected),
                (2 * items.len() as u64, true)
            );
        }
    }

    #[test]
    fn a_reader_that_goes_away_ends_it() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let items = vec![(); 200 * PART];
        let line = |_: &(), to: &mut Vec<u8>| {
            to.extend_from_slice(&[b'x'; 1000]);
            1
        };
        let written = write_with(4, &mut Output::new(writer), &items, || line);
        assert!(matches!(written, Err(OutputError::Closed)), "{written:?}");
    }
}
