//! The rank-sum test of Mann, Whitney and Wilcoxon: whether one sample tends to be larger than another, whatever their
//! distributions are.

/// How likely it is that `later` ranks as high as it does among both, or higher, if it were no different from
/// `earlier`. Small: it is larger. Exact, ties counted by their mean ranks.
///
/// Both are small samples: the time is their product times their sum.
pub(super) fn probability(earlier: &[f64], later: &[f64]) -> f64 {
    let ranks = doubled_ranks(earlier, later);
    let observed: usize = ranks[earlier.len()..].iter().sum();
    let most: usize = ranks.iter().sum();
    // ways[k][s]: how many choices of k ranks have the sum s.
    let mut ways = vec![vec![0.0_f64; most + 1]; later.len() + 1];
    ways[0][0] = 1.0;
    for rank in &ranks {
        for taken in (0..later.len()).rev() {
            for sum in (0..=most - rank).rev() {
                let more = ways[taken][sum];
                if more > 0.0 {
                    ways[taken + 1][sum + rank] += more;
                }
            }
        }
    }
    let of_size = &ways[later.len()];
    let all: f64 = of_size.iter().sum();
    of_size[observed..].iter().sum::<f64>() / all
}

/// Twice the rank of each, in the order given, so that the means of ties are whole.
fn doubled_ranks(earlier: &[f64], later: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = earlier.iter().chain(later).copied().collect();
    let doubled = |value: &f64| {
        let below = all.iter().filter(|other| *other < value).count();
        let equal = all.iter().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    all.iter().map(doubled).collect()
}

/// The median; of an even number the mean of both in the middle. 0 for none.
pub(super) fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_tables() {
        let one_to = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        for (earlier, later, expected) in [
            // All larger: one of all choices.
            (one_to(9), vec![20.0, 21.0, 22.0], 1.0 / 220.0),
            (one_to(17), vec![20.0, 21.0, 22.0], 1.0 / 1140.0),
            // All smaller: any choice is as high.
            (one_to(9), vec![0.1, 0.2, 0.3], 1.0),
            // Two choices of six are as high.
            (vec![1.0, 3.0], vec![2.0, 4.0], 2.0 / 6.0),
            // Nothing but ties.
            (vec![5.0; 4], vec![5.0; 3], 1.0),
            (vec![1.0, 1.0], vec![1.0, 2.0], 3.0 / 6.0),
        ] {
            let found = probability(&earlier, &later);
            assert!((found - expected).abs() < 1e-12, "{earlier:?} {later:?}: {found} instead of {expected}");
        }
    }

    #[test]
    fn medians() {
        for (of, expected) in [(&[][..], 0.0), (&[3.0], 3.0), (&[9.0, 1.0], 5.0), (&[1.0, 9.0, 2.0], 2.0)] {
            assert!((median(of) - expected).abs() < 1e-12, "{of:?}");
        }
    }
}
