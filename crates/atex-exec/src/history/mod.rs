//! How long tests took in earlier runs (`--history`).
//!
//! Kept per platform and test: the last [`KEPT`] attempts, of which the median is what is expected. A median is not
//! moved by the one attempt that hung until a slow mirror answered, nor by the one that failed at its first line, as
//! a mean is; and as it is taken of the last few only, a test that became slower is known to be slow after three
//! runs. Attempts that passed go before those that did not, which are looked at only where none passed: a failure
//! often ends a test early. Those that were cut short come last of all: they say how long a host was taken, which is
//! better known than not by the next run, as nothing takes longer than a test that hangs or kills its host.
//!
//! `source` reads what there is: a stream of records that was kept, a journal, or a directory of runs. Another kind
//! of history is another function there that calls [`History::add`].

mod source;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atex_model::Time;

use crate::catalog::identity;

/// So many attempts of a test are looked at: two outliers among them do no harm. With the identity they take 64
/// bytes a test.
const KEPT: usize = 5;

/// See the module's documentation. Copies share what they know.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    of: Arc<HashMap<[u8; 16], Recent>>,
}

/// An attempt at a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub platform: &'a str,
    pub test: &'a str,
    pub ended: Time,
    pub seconds: f64,
    pub ended_by: EndedBy,
}

/// What ended an attempt: the later here, the better it says how long the test takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndedBy {
    /// Its limit, or its host's death.
    #[default]
    Force,
    /// The test itself, which did not pass.
    Failure,
    /// The test itself.
    Success,
}

impl History {
    /// Reads what is there. What cannot be read is said, and left out: a run does not depend on its history.
    pub fn read(paths: &[PathBuf]) -> History {
        let mut history = History::default();
        for path in paths {
            source::read(path, &mut history);
        }
        if !paths.is_empty() {
            log::info!("--history: durations of {} tests are known", history.of.len());
        }
        history
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Takes note of an attempt, in any order.
    pub fn add(&mut self, attempt: &Attempt<'_>) {
        if !attempt.seconds.is_finite() || attempt.seconds < 0.0 {
            return;
        }
        let key = identity(Some(attempt.platform), attempt.test);
        Arc::make_mut(&mut self.of).entry(key).or_default().add(Took::new(attempt), attempt.ended_by);
    }

    /// How long the test will take, if it has been run before.
    pub fn expected(&self, platform: &str, test: &str) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        let recent = self.of.get(&identity(Some(platform), test))?;
        Duration::try_from_secs_f32(recent.median()?).ok()
    }
}

/// The last attempts at a test, all of which ended alike.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    took: [Took; KEPT],
    len: u8,
    ended_by: EndedBy,
}

/// When an attempt ended, and how long it took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Took {
    /// In seconds since 1970, which is fine enough to tell what is older.
    ended: u32,
    seconds: f32,
}

impl Took {
    #[expect(clippy::cast_possible_truncation, reason = "a duration is not known to seven digits")]
    fn new(attempt: &Attempt<'_>) -> Took {
        let ended = u32::try_from(attempt.ended.0 / 1000).unwrap_or(u32::MAX);
        Took { ended, seconds: attempt.seconds as f32 }
    }
}

impl Recent {
    fn add(&mut self, took: Took, ended_by: EndedBy) {
        match ended_by.cmp(&self.ended_by) {
            Ordering::Less => return,
            Ordering::Greater => *self = Recent { ended_by, ..Recent::default() },
            Ordering::Equal => {}
        }
        // One journal may be read twice, as itself and as part of a directory.
        if self.known().contains(&took) {
            return;
        }
        let len = usize::from(self.len);
        if len < KEPT {
            self.took[len] = took;
            self.len += 1;
            return;
        }
        let oldest = self.took.iter_mut().min_by_key(|took| took.ended).expect("it is full");
        if oldest.ended <= took.ended {
            *oldest = took;
        }
    }

    fn known(&self) -> &[Took] {
        &self.took[..usize::from(self.len)]
    }

    fn median(&self) -> Option<f32> {
        let mut seconds: Vec<f32> = self.known().iter().map(|took| took.seconds).collect();
        seconds.sort_by(f32::total_cmp);
        // Of an even number the longer one: a test that starts too soon costs nothing, one too late the rest of it.
        seconds.get(seconds.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::EndedBy::{Failure, Force, Success};
    use super::*;

    fn attempt(ended: i64, seconds: f64, ended_by: EndedBy) -> Attempt<'static> {
        Attempt { platform: "p", test: "/t", ended: Time(ended * 1000), seconds, ended_by }
    }

    /// What is expected after these attempts, in this order: when, how long, and how they ended.
    fn expected(attempts: &[(i64, f64, EndedBy)]) -> Option<f64> {
        let mut history = History::default();
        for (ended, seconds, ended_by) in attempts {
            history.add(&attempt(*ended, *seconds, *ended_by));
        }
        history.expected("p", "/t").map(|duration| duration.as_secs_f64())
    }

    #[test]
    fn outliers_do_no_harm_and_the_last_attempts_count() {
        for (attempts, is) in [
            (vec![], None),
            (vec![(1, 4.0, Success)], Some(4.0)),
            (vec![(1, 4.0, Success), (2, 8.0, Success)], Some(8.0)),
            (vec![(1, 10.0, Success), (2, 9000.0, Success), (3, 11.0, Success)], Some(11.0)),
            (
                vec![
                    (1, 10.0, Success),
                    (2, 0.5, Success),
                    (3, 11.0, Success),
                    (4, 12.0, Success),
                    (5, 9e9, Success),
                ],
                Some(11.0),
            ),
            // Failures end early, and count only where nothing passed.
            (vec![(1, 10.0, Success), (2, 0.5, Failure), (3, 0.5, Failure)], Some(10.0)),
            (vec![(2, 0.5, Failure), (3, 0.5, Failure), (1, 10.0, Success)], Some(10.0)),
            (vec![(1, 3.0, Failure)], Some(3.0)),
            // What was cut short counts where nothing else is known.
            (vec![(1, 3.0, Failure), (2, 60.0, Force)], Some(3.0)),
            (vec![(2, 60.0, Force), (1, 3.0, Failure)], Some(3.0)),
            (vec![(1, 60.0, Force), (2, 0.5, Force), (3, 60.0, Force)], Some(60.0)),
            // It became slower: the last five count, in whatever order they are read.
            ((1..=8).map(|n| (n, if n < 6 { 1.0 } else { 60.0 }, Success)).collect(), Some(60.0)),
            ((1..=8).rev().map(|n| (n, if n < 6 { 1.0 } else { 60.0 }, Success)).collect(), Some(60.0)),
            // The same attempt, read several times, is one.
            (
                vec![
                    (1, 7.0, Success),
                    (1, 7.0, Success),
                    (1, 7.0, Success),
                    (2, 9.0, Success),
                    (3, 9.5, Success),
                ],
                Some(9.0),
            ),
            (vec![(1, f64::NAN, Success), (2, -1.0, Success), (3, f64::INFINITY, Success)], None),
        ] {
            assert_eq!(expected(&attempts), is, "{attempts:?}");
        }
    }

    #[test]
    fn tests_of_other_platforms_and_names_are_others() {
        let mut history = History::default();
        history.add(&attempt(1, 4.0, Success));
        let known = |platform: &str, name: &str| history.expected(platform, name).is_some();
        assert!(known("p", "/t"));
        assert!(!known("q", "/t") && !known("default", "/t") && !known("p", "/u"));
    }

    #[test]
    fn a_test_takes_little_memory() {
        assert!(size_of::<([u8; 16], Recent)>() <= 64);
    }
}
