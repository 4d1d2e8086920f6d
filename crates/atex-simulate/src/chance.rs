//! Where all that is random comes from.

/// A source of chances: SplitMix64, which has no state but a counter.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same chances.
    #[must_use]
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    pub fn share(&mut self) -> f64 {
        // 53 bits are what the number can hold.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0, below `sides`, which must not be 0.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        // Nothing is drawn for what cannot happen, so that more of it changes nothing else.
        probability > 0.0 && self.share() < probability
    }

    /// With a mean of 0 and a deviation of 1. By the crate libm, since those of C libraries differ in the last bit.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.share())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.share())
    }

    /// One of several. There must be one.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.roll(of.len() as u64)).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_spread_as_they_should_be() {
        let mut chance = Chance::new(7);
        let n = 100_000;
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let shares: Vec<f64> = (0..n).map(|_| chance.share()).collect();
        assert!((mean(&shares) - 0.5).abs() < 0.01);
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        let normals: Vec<f64> = (0..n).map(|_| chance.normal()).collect();
        assert!(mean(&normals).abs() < 0.02);
        let squares: Vec<f64> = normals.iter().map(|n| n * n).collect();
        assert!((mean(&squares) - 1.0).abs() < 0.03);
        let mut faces = [0; 6];
        (0..n).for_each(|_| faces[chance.roll(6) as usize] += 1);
        assert!(faces.iter().all(|face| (15_000..18_500).contains(face)), "{faces:?}");
        assert!(!chance.happens(0.0) && chance.happens(1.0));
    }
}
