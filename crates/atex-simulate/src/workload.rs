//! Durations that are made up.

use atex_schedule::Millis;

use crate::Chance;

/// How durations are distributed. All numbers are seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Model {
    /// All alike.
    Equal(f64),
    /// Anything from the first to the second.
    Uniform(f64, f64),
    /// With this median; the second number is the deviation of the logarithm.
    Lognormal(f64, f64),
    /// With this least value; the second number is the exponent: at 1 and below there is no mean.
    Pareto(f64, f64),
    /// With this mean.
    Exponential(f64),
}

/// Nothing takes longer: a distribution without a mean would else give years.
const LONGEST: f64 = 7.0 * 86_400.0;

impl Model {
    /// A duration, from a millisecond to a week.
    pub fn draw(self, chance: &mut Chance) -> Millis {
        let seconds = match self {
            Model::Equal(seconds) => seconds,
            Model::Uniform(least, most) => least + (most - least) * chance.share(),
            Model::Lognormal(median, sigma) => median * libm::exp(sigma * chance.normal()),
            Model::Pareto(least, alpha) => least / libm::pow(1.0 - chance.share(), 1.0 / alpha),
            Model::Exponential(mean) => -mean * libm::log(1.0 - chance.share()),
        };
        ((seconds.clamp(0.0, LONGEST) * 1000.0).round() as Millis).max(1)
    }

    /// As it is written: a name and one or two numbers, as in `lognormal:60,1.2`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Model, String> {
        let (name, numbers) = text.split_once(':').unwrap_or((text, ""));
        let numbers: Option<Vec<f64>> = numbers.split(',').map(|n| n.trim().parse().ok()).collect();
        let numbers = numbers.filter(|all| all.iter().all(|n| n.is_finite() && *n > 0.0));
        match (name, numbers.as_deref()) {
            ("equal", Some([seconds])) => Ok(Model::Equal(*seconds)),
            ("uniform", Some([least, most])) if least <= most => Ok(Model::Uniform(*least, *most)),
            ("lognormal", Some([median, sigma])) => Ok(Model::Lognormal(*median, *sigma)),
            ("pareto", Some([least, alpha])) => Ok(Model::Pareto(*least, *alpha)),
            ("exponential", Some([mean])) => Ok(Model::Exponential(*mean)),
            _ => Err(format!(
                "expected equal:SECONDS, uniform:LEAST,MOST, lognormal:MEDIAN,SIGMA, pareto:LEAST,ALPHA or \
                 exponential:MEAN with positive numbers, found `{text}`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_read_and_drawn_from() {
        for (text, model, median) in [
            ("equal:2", Model::Equal(2.0), 2000),
            ("uniform:1,3", Model::Uniform(1.0, 3.0), 2000),
            ("lognormal:60,1.5", Model::Lognormal(60.0, 1.5), 60_000),
            ("pareto:1,1", Model::Pareto(1.0, 1.0), 2000),
            ("exponential: 10", Model::Exponential(10.0), 6931),
        ] {
            assert_eq!(Model::parse(text), Ok(model));
            let mut chance = Chance::new(1);
            let mut drawn: Vec<Millis> = (0..20_001).map(|_| model.draw(&mut chance)).collect();
            drawn.sort_unstable();
            let found = drawn[10_000] as f64;
            assert!((found / f64::from(median) - 1.0).abs() < 0.05, "{text}: {found}");
        }
        for bad in
            ["", "equal", "equal:0", "equal:-1", "equal:1,2", "uniform:3,1", "pareto:1,x", "lognormal:inf,1"]
        {
            assert!(Model::parse(bad).unwrap_err().contains(&format!("found `{bad}`")), "{bad}");
        }
    }
}
