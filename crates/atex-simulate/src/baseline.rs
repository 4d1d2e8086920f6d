//! What other ways of sharing tests out over hosts would take, with nothing going wrong.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use atex_schedule::Millis;

/// Each host takes the next one of the list when it is free.
#[must_use]
pub fn in_order(durations: &[Millis], hosts: u32) -> Millis {
    let mut free: BinaryHeap<Reverse<Millis>> = (0..hosts.max(1)).map(|_| Reverse(0)).collect();
    let mut end = 0;
    for duration in durations {
        let Some(Reverse(at)) = free.pop() else { break };
        end = end.max(at + duration);
        free.push(Reverse(at + duration));
    }
    end
}

/// The same, with the longest first: what is known as LPT.
#[must_use]
pub fn longest_first(durations: &[Millis], hosts: u32) -> Millis {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable_by_key(|duration| Reverse(*duration));
    in_order(&sorted, hosts)
}

/// The list is cut into as many parts as there are hosts, all of the same number of tests.
#[must_use]
pub fn split_evenly(durations: &[Millis], hosts: u32) -> Millis {
    let hosts = hosts.max(1) as usize;
    let part = |n: usize| &durations[n * durations.len() / hosts..(n + 1) * durations.len() / hosts];
    (0..hosts).map(|n| part(n).iter().sum()).max().unwrap_or(0)
}

/// No way takes less: the longest test has to be run, and so has all the work, by so many hosts.
#[must_use]
pub fn lower_bound(durations: &[Millis], hosts: u32) -> Millis {
    let work: Millis = durations.iter().sum();
    durations.iter().copied().max().unwrap_or(0).max(work.div_ceil(Millis::from(hosts.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_sharing_tests_out() {
        // Durations, hosts; in order, longest first, split, bound.
        for (durations, hosts, expected) in [
            (&[][..], 3, [0, 0, 0, 0]),
            (&[5], 3, [5, 5, 5, 5]),
            (&[1, 1, 1, 1], 2, [2, 2, 2, 2]),
            (&[1, 1, 1, 1, 4], 2, [6, 4, 6, 4]),
            (&[3, 3, 2, 2, 2], 2, [7, 7, 6, 6]),
            (&[9, 9, 1, 1], 2, [10, 10, 18, 10]),
        ] {
            let found = [in_order, longest_first, split_evenly, lower_bound].map(|way| way(durations, hosts));
            assert_eq!(found, expected, "{durations:?} on {hosts}");
        }
    }
}
