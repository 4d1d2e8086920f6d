//! What is found on a host that was out of sight, and what follows from it.

use atex_model::report::Cause;

use crate::trailer::Why;

/// The agent's answer to `look`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    /// Where the run's directory is. None: it is not there.
    pub dir: Option<String>,
    /// Which start of the host this is.
    pub boot: String,
    /// The session whose spools there are.
    pub generation: Option<u64>,
    /// The test that runs, or ran last.
    pub id: Option<String>,
    /// The word that begins its last line.
    pub word: Option<String>,
    /// How long the spools were when it started.
    pub start: Option<(u64, u64)>,
    /// What lies below in the spools is not there any more.
    pub freed: (u64, u64),
    pub state: Seen,
    /// It was to end, and has not been seen to.
    pub why: Option<Why>,
}

/// What the test does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// There is none.
    #[default]
    None,
    Running,
    /// Its end is on record.
    Ended,
    /// It is not waited for any more, and its end is not on record.
    Gone,
}

/// What is to be done with an attempt whose host has been found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Read on: it runs, or has ended and been waited for.
    Follow,
    /// The host has gone down and come back as it was announced: start the test again.
    Restart,
    /// It cannot be saved.
    Lost(Cause, &'static str),
}

impl Sight {
    pub fn parse(answer: &str) -> Sight {
        let mut sight = Sight::default();
        for (key, value) in answer.lines().filter_map(|line| line.split_once('=')) {
            let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
            let pair = || value.split_once(' ').and_then(|(c, o)| c.parse().ok().zip(o.trim().parse().ok()));
            match key {
                "dir" => sight.dir = text(),
                "boot" => value.clone_into(&mut sight.boot),
                "generation" => sight.generation = value.parse().ok(),
                "id" => sight.id = text(),
                "word" => sight.word = text(),
                "start" => sight.start = pair(),
                "freed" => sight.freed = pair().unwrap_or_default(),
                "why" => sight.why = Why::parse(value.split_whitespace()),
                "state" => {
                    sight.state = match value {
                        "running" => Seen::Running,
                        "ended" => Seen::Ended,
                        "gone" => Seen::Gone,
                        _ => Seen::None,
                    }
                }
                _ => {}
            }
        }
        sight
    }

    /// Whether the host has gone down since then.
    pub fn is_other_boot(&self, boot: &str) -> bool {
        !self.boot.is_empty() && !boot.is_empty() && self.boot != boot
    }

    /// What follows for an attempt that was started under `boot`. `is_ours`: the test that is found is the one that
    /// it started; `announced`: it said that the host would go down.
    pub fn way(&self, is_ours: bool, boot: &str, announced: bool) -> Way {
        match (self.is_other_boot(boot), self.state) {
            (true, _) if announced => Way::Restart,
            (true, _) => Way::Lost(Cause::Host, "rebooted unexpectedly"),
            (false, Seen::Running | Seen::Ended) if is_ours => Way::Follow,
            (false, Seen::Gone) if is_ours => {
                Way::Lost(Cause::Host, "what waited for the test on its host was killed")
            }
            (false, _) => Way::Lost(Cause::Host, "nothing of the test is left on its host"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = "dir=/var/a=b\nboot=x/7\ngeneration=3\nid=r.h.1.0\nword=W\nstart=10 20\nfreed=5 20\nstate=ended\nend=0 1 2\nnew=1\n";
        let expected = Sight {
            dir: Some("/var/a=b".into()),
            boot: "x/7".into(),
            generation: Some(3),
            id: Some("r.h.1.0".into()),
            word: Some("W".into()),
            start: Some((10, 20)),
            freed: (5, 20),
            state: Seen::Ended,
            why: None,
        };
        assert_eq!(Sight::parse(answer), expected);
        let why = |answer: &str| Sight::parse(answer).why;
        assert_eq!(why("state=running\nwhy=stopped cancelled"), Some(Why::Stopped(Cause::Cancelled)));
        assert_eq!(why("why="), None);
        assert_eq!(Sight::parse("sh: 0: cannot open\n"), Sight::default());
    }

    #[test]
    fn what_follows_from_what_is_found() {
        let unexpected = Way::Lost(Cause::Host, "rebooted unexpectedly");
        let killed = Way::Lost(Cause::Host, "what waited for the test on its host was killed");
        let nothing = Way::Lost(Cause::Host, "nothing of the test is left on its host");
        let cases = [
            ("boot=b\nid=me\nstate=running", false, Way::Follow),
            ("boot=b\nid=me\nstate=running", true, Way::Follow),
            ("boot=b\nid=me\nstate=ended", false, Way::Follow),
            ("id=me\nstate=ended", false, Way::Follow),
            ("boot=b\nid=me\nstate=gone", false, killed),
            ("boot=b\nid=other\nstate=running", false, nothing),
            ("boot=b\nstate=none", false, nothing),
            ("boot=c\nid=me\nstate=gone", false, unexpected),
            ("boot=c\nstate=none", false, unexpected),
            ("boot=c\nid=me\nstate=gone", true, Way::Restart),
            ("boot=c\nstate=none", true, Way::Restart),
        ];
        for (answer, announced, expected) in cases {
            assert_eq!(
                Sight::parse(answer).way(answer.contains("id=me"), "b", announced),
                expected,
                "{answer:?} {announced}"
            );
        }
    }
}
