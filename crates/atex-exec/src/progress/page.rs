//! How far the run is, in words.

use std::time::Instant;

use atex_cli::text::units::{cut_end, cut_middle, duration, number, width};
use atex_cli::text::visible::visible;
use atex_model::report::Outcome;

use super::state::{Running, State};

/// No more tests than this are shown one by one, however high the terminal is.
const MOST_SHOWN: usize = 12;

/// So many columns of a line are for the name of a host.
const HOST: usize = 20;

/// The lines for a terminal of so many columns and rows: what there is of everything, and what runs, the oldest first.
pub(super) fn lines(
    state: &State,
    now: Instant,
    seconds: f64,
    size: (usize, usize),
    color: bool,
) -> Vec<String> {
    // The last column is left free: some terminals begin a new line after it.
    let (columns, rows) = (size.0.saturating_sub(1), size.1);
    let mut lines = vec![paint_failures(&cut_end(&summary(state, now, seconds), Some(columns)), color)];
    let mut running: Vec<&Running> = state.running.values().collect();
    running.sort_by_key(|running| running.since);
    let room = (rows / 2).saturating_sub(2).min(MOST_SHOWN);
    let hidden = running.len().saturating_sub(room);
    lines.extend(running.iter().take(room).map(|running| running_line(running, now, columns)));
    if hidden > 0 && room > 0 {
        lines.push(cut_end(&format!("  and {} more", number(hidden as u64)), Some(columns)).into_owned());
    }
    lines
}

/// The same as one line among others.
pub(super) fn line(state: &State, now: Instant, seconds: f64) -> String {
    let mut line = summary(state, now, seconds);
    if let Some(oldest) = state.running.values().min_by_key(|running| running.since) {
        let (test, host) = (visible(&oldest.test), visible(&oldest.host));
        line.push_str(&format!("; longest: {test} on {host}, {}", clock(oldest, now)));
    }
    line
}

/// All that there is to say, whatever room there is.
pub(super) fn all(state: &State, now: Instant, seconds: f64) -> Vec<String> {
    let mut running: Vec<&Running> = state.running.values().collect();
    running.sort_by_key(|running| running.since);
    let describe = |running: &&Running| {
        let (test, host) = (visible(&running.test), visible(&running.host));
        format!("  {test} on {host}, {}", clock(running, now))
    };
    let mut lines = vec![summary(state, now, seconds)];
    lines.extend(running.iter().map(describe));
    lines
}

fn summary(state: &State, now: Instant, seconds: f64) -> String {
    // More tests may come as long as the input has not ended.
    let more = if state.input_ended { "" } else { "+" };
    let mut words = vec![format!("{}/{}{more} done", number(state.done()), number(state.tests))];
    let mut add = |count: u64, word: &str| {
        if count > 0 {
            words.push(format!("{} {word}", number(count)));
        }
    };
    add(state.count(&[Outcome::Fail, Outcome::Error]), FAILED);
    add(state.count(&[Outcome::Infra]), INFRA);
    add(state.running.len() as u64, "running");
    add(state.waiting(), "waiting");
    add(state.awaited, if state.awaited == 1 { "host to come" } else { "hosts to come" });
    words.push(duration(seconds));
    if let Some(left) = state.left(now) {
        words.push(format!("about {} left", duration(left.as_secs_f64())));
    }
    words.join(", ")
}

const FAILED: &str = "failed";
const INFRA: &str = "infra";

fn running_line(running: &Running, now: Instant, columns: usize) -> String {
    let (test, host, clock) = (visible(&running.test), visible(&running.host), clock(running, now));
    let host = cut_middle(&host, Some(HOST));
    let taken = width(&host) + width(&clock).max(7) + 6;
    let test = cut_middle(&test, Some(columns.saturating_sub(taken)));
    let line = format!("  {clock:>7}  {host}  {test}");
    cut_end(&line, Some(columns)).into_owned()
}

/// How long it has run, in whole seconds, so that the line stays the same for one.
fn clock(running: &Running, now: Instant) -> String {
    let seconds = now.saturating_duration_since(running.since).as_secs();
    if seconds < 10 { format!("{seconds}s") } else { duration(seconds as f64) }
}

/// Puts what is bad into colour.
fn paint_failures(line: &str, color: bool) -> String {
    if !color {
        return line.to_owned();
    }
    let paint = |part: &str| match part.rsplit(' ').next() {
        Some(FAILED | INFRA) => format!("\x1b[1;31m{part}\x1b[0m"),
        _ => part.to_owned(),
    };
    line.split(", ").map(paint).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::end;
    use super::*;
    use atex_schedule::HostId;
    use std::time::Duration;

    /// Of 1200 tests some are done, and one runs on each of so many hosts, one second after another.
    fn state(hosts: u32, name: &str, now: Instant) -> State {
        let expected = Some(Duration::from_secs(10));
        let mut state = State::default();
        (state.hosts, state.input_ended) = (hosts as usize, true);
        (0..1200).for_each(|_| state.taken_in(expected));
        for (outcome, count) in
            [(Outcome::Pass, 100), (Outcome::Fail, 3), (Outcome::Error, 2), (Outcome::Infra, 1)]
        {
            (0..count).for_each(|_| state.ended(None, &end(outcome, 1.0, true), expected));
        }
        for n in 0..hosts {
            let since = now - Duration::from_secs(u64::from(n + 1));
            state.started(HostId(n), &format!("{name}/{n}"), &format!("host-{n}"), expected, since);
        }
        state
    }

    #[test]
    fn the_whole_page() {
        let now = Instant::now();
        let lines = lines(&state(2, "/net", now), now, 65.4, (83, 24), false);
        assert_eq!(
            lines,
            [
                "106/1,200 done, 5 failed, 1 infra, 2 running, 1,092 waiting, 1m 05s, about 1h 31m…",
                "       2s  host-1  /net/1",
                "       1s  host-0  /net/0",
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_page_higher() {
        let now = Instant::now();
        for name in [
            "/a/very/long/name/of/a/test/that/goes/on/and/on/and/on/and/on/and/on",
            "/漢字漢字漢字漢字漢字漢字漢字漢字漢字",
        ] {
            for size in [(80, 24), (40, 10), (20, 5), (5, 1), (1, 0), (400, 100)] {
                let lines = lines(&state(30, name, now), now, 1e7, size, false);
                assert!(lines.iter().all(|line| width(line) < size.0.max(2)), "{size:?}: {lines:#?}");
                assert!(lines.len() <= (size.1 / 2).max(1) && lines.len() <= MOST_SHOWN + 2, "{size:?}");
            }
        }
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        let now = Instant::now();
        let state = state(1, "/a\x1b[2J\n\u{202e}", now);
        let text = lines(&state, now, 1.0, (200, 50), true).join("\n") + &line(&state, now, 1.0);
        assert!(!text.contains("\x1b[2J") && !text.contains('\u{202e}'), "{text:?}");
        assert!(text.contains("/a\\x1b[2J\\n"), "{text}");
        let colors = text.matches('\x1b').count();
        assert_eq!(colors, 4, "those of failures: {text:?}");
    }

    #[test]
    fn one_line_where_there_is_no_terminal() {
        let now = Instant::now();
        let mut state = state(3, "/net", now);
        (state.input_ended, state.awaited) = (false, 2);
        assert_eq!(
            line(&state, now, 600.0),
            "106/1,200+ done, 5 failed, 1 infra, 3 running, 1,091 waiting, 2 hosts to come, 10m 00s; \
             longest: /net/2 on host-2, 3s"
        );
        assert_eq!(line(&State::default(), now, 60.0), "0/0+ done, 1m 00s");
    }
}
