//! `--simulate`: what a run would be like. No host is touched and nothing is kept.
//!
//! `input` makes a scenario of tests and hosts as they would be taken in, `story` tells what happens as the records that a
//! run writes, with times from 1970 on. What it comes to stands in a record `simulation`.

mod input;
mod story;

use atex_cli::output::{Output, OutputError};
use atex_cli::{Exit, Failure};
use atex_model::report::{Counts, End, EndTag, Outcome};
use atex_schedule::{HostTraits, Millis};
use atex_simulate::{
    Host, Scenario, Stuck, Summary, in_order, longest_first, lower_bound, simulate, split_evenly,
};
use serde_json::{Value, json};

use self::input::Cast;
use self::story::Story;
use crate::args::Args;
use crate::config::{Config, duration};

/// No pool is larger.
const MOST_HOSTS: u32 = 100_000;

/// Tells what the run would be like that is asked for by these arguments.
pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let deadline =
        args.simulate.hosts_for.as_deref().map(|text| duration("--hosts-for", text)).transpose()?;
    let asked = args.simulate.clone();
    let config = Config::new(args)?;
    let allow_empty = config.allow_empty;
    let cast = Cast::read(config, &asked)?;
    if cast.tests.is_empty() && !allow_empty {
        return Err(Failure::usage("no test found in the input"));
    }
    let mut out = Output::stdout();
    let said = match deadline {
        None => whole(&cast, &mut out)?,
        Some(deadline) => {
            let deadline = Millis::try_from(deadline.as_millis()).unwrap_or(Millis::MAX);
            smallest_pool(&cast, deadline, &mut out)?
        }
    };
    match said {
        Ok(exit) => Ok(exit),
        // Nobody wants to know any more.
        Err(OutputError::Closed) => Ok(Exit::Done),
        Err(e) => Err(Failure::trouble(e)),
    }
}

fn stuck(stuck: Stuck) -> Failure {
    Failure::trouble(format!(
        "the simulation stands still with {} tests left, {} s after its beginning: this is an error of atex-exec",
        stuck.unsettled,
        stuck.at.0 / 1000
    ))
}

type Said = Result<Exit, OutputError>;

/// Plays the run and tells all of it.
fn whole(cast: &Cast, out: &mut Output<std::io::Stdout>) -> Result<Said, Failure> {
    if cast.scenario.hosts.is_empty() && cast.scenario.provisioners.is_empty() {
        let hint = "add --local N, --provision CMD, --hosts FILE, or host records to the input; --hosts-for finds how many are needed";
        return Err(Failure::usage("there is no host to simulate tests on").hint(hint));
    }
    let mut story = Story::new(cast, out);
    let summary = simulate(&cast.scenario, &mut story).map_err(stuck)?;
    let told = story.end(&summary);
    Ok(told.and_then(|counts| {
        out.record(&comparison(cast, &summary))?;
        out.record(&end(counts))?;
        out.flush()?;
        Ok(Exit::Done)
    }))
}

/// What the run came to, beside what other ways would take with nothing going wrong.
fn comparison(cast: &Cast, summary: &Summary) -> Value {
    let durations = cast.durations();
    let fixed = u32::try_from(cast.scenario.hosts.len()).unwrap_or(u32::MAX);
    let hosts = fixed.max(summary.most_hosts);
    let seconds = |millis: Millis| millis as f64 / 1000.0;
    json!({
        "type": "simulation",
        "hosts": hosts,
        "tests": durations.len(),
        "attempts": summary.attempts,
        "makespan": seconds(summary.makespan),
        "host_hours": (seconds(summary.present) / 3.6).round() / 1000.0,
        "busy": (summary.busy_share() * 1000.0).round() / 1000.0,
        "lower_bound": seconds(lower_bound(&durations, hosts)),
        "longest_first": seconds(longest_first(&durations, hosts)),
        "first_in_first_out": seconds(in_order(&durations, hosts)),
        "split_evenly": seconds(split_evenly(&durations, hosts)),
    })
}

fn end(counts: Counts) -> End {
    let exit = Exit::Done.code();
    End { kind: EndTag, tool: crate::TOOL.name.into(), complete: true, exit, counts }
}

/// Finds the smallest number of hosts, all like the first one, with which the run ends in time.
fn smallest_pool(cast: &Cast, deadline: Millis, out: &mut Output<std::io::Stdout>) -> Result<Said, Failure> {
    let like = cast.scenario.hosts.first().map_or_else(|| cast.usual_host(), |host| host.is.clone());
    let needed = |hosts: u32| -> Result<Option<Millis>, Failure> {
        let summary = simulate(&with_hosts(&cast.scenario, &like, hosts), &mut ()).map_err(stuck)?;
        let settled = summary.settled[Outcome::Infra as usize] == 0 || cast.scenario.rates.host_lost > 0.0;
        Ok((settled && summary.makespan <= deadline).then_some(summary.makespan))
    };
    // Doubled until it is enough, then halved.
    let (mut few, mut enough) = (0, 1);
    let mut makespan = needed(enough)?;
    let most = u32::try_from(cast.tests.len()).unwrap_or(MOST_HOSTS).clamp(1, MOST_HOSTS);
    while makespan.is_none() && enough < most {
        (few, enough) = (enough, (enough * 2).min(most));
        makespan = needed(enough)?;
    }
    while makespan.is_some() && enough - few > 1 {
        let middle = few + (enough - few) / 2;
        match needed(middle)? {
            Some(found) => (enough, makespan) = (middle, Some(found)),
            None => few = middle,
        }
    }
    let found = makespan.map(|_| enough);
    let seconds = |millis: Millis| millis as f64 / 1000.0;
    let record = json!({
        "type": "hosts-for",
        "deadline": seconds(deadline),
        "hosts": found,
        "makespan": makespan.map(seconds),
        "longest_test": seconds(cast.durations().into_iter().max().unwrap_or(0)),
    });
    if found.is_none() {
        log::warn!("no number of hosts is enough for a run of at most {} s", seconds(deadline));
    }
    let exit = if found.is_some() { Exit::Done } else { Exit::Failed };
    let said = || {
        out.record(&record)?;
        out.record(&End { exit: exit.code(), ..end(Counts::new()) })?;
        out.flush()
    };
    let mut said = said;
    Ok(said().map(|()| exit))
}

fn with_hosts(scenario: &Scenario, like: &HostTraits, hosts: u32) -> Scenario {
    let hosts = vec![Host::new(like.clone()); hosts as usize];
    Scenario { hosts, ..scenario.clone() }
}
