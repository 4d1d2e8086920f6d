//! What goes to every host before anything else.

/// The agent, and behind it what tests find there: commands on their `PATH`, and what stands before every test. The
/// agent unpacks it.
pub(crate) const AGENT: &str =
    concat!(include_str!("agent.sh"), "exit\n", include_str!("helpers.sh"), include_str!("prelude.bash"));
