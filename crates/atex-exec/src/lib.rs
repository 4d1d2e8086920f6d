//! atex-exec: gives each free host the next test and collects results.
//!
//! [`Job`] is the way in for programs; its documentation is a page of examples.
//!
//! `dispatch` is the place to start: one thread and one loop that owns the state of a run, asks the scheduler
//! (crate atex-schedule) and writes everything down (`journal`, `tests_file`, `hosts_file`) before it is visible
//! anywhere. `resume` goes on with a run of which nothing but that is left (`past`). `prepare` is the subcommand that
//! only sets hosts up. `intake` reads what comes in, `plan` and `needs` what plans and
//! tests want on a host, `packer` and `upload` make the files that go to hosts, `pool` and `worker`
//! look after hosts (through crate atex-connect), `provision` asks programs for hosts, `attempt` and `artifacts` turn what a test sends (through
//! crate atex-control) into results and files (`output` keeps what it prints, `tap` reads it, `checkpoint` is what
//! a crash leaves to go on from), `announce` tells standard output, `control` those who ask while a run goes on, and
//! `attach` follows it from another process. `stop_args` and `deadline` say when a run stops before all is done, `detach`
//! how it goes to the background, `repro` how a failed test is repeated on a host that is held. `kit` is what every host gets: `agent.sh` is what works on the hosts, `job.sh`
//! what runs a plan's scripts there, `helpers.sh` and `prelude.bash` what tests find there; what sees to packages is in crate
//! atex-host.
//!
//! It does not know where tests and hosts come from, what a result means to anybody, or how a host is had.

mod adoption;
mod announce;
mod args;
mod artifacts;
mod attach;
mod attempt;
mod catalog;
mod checkpoint;
mod config;
mod control;
mod cursor;
mod deadline;
mod detach;
mod dispatch;
mod durable;
mod environment;
mod examples;
mod history;
mod hooks;
mod hosts_file;
mod intake;
mod job;
mod journal;
mod kit;
mod lines_file;
mod live;
mod memory;
mod needs;
mod output;
mod packer;
mod past;
mod plan;
mod policy;
mod pool;
mod prepare;
mod program;
mod progress;
mod provision;
mod provision_args;
mod prune;
mod replay;
mod repro;
mod resume;
mod run_dir;
mod schedule_args;
mod script;
mod setup_log;
mod shape_args;
mod simulate_args;
mod simulation;
mod stop_args;
mod tap;
mod tests_file;
#[cfg(test)]
mod throughput;
mod trailer;
mod unfit;
mod upload;
mod wishes;
mod worker;

use atex_cli::{Tool, signals};
use atex_model::Schema;
use clap::CommandFactory;

pub use atex_cli::{Exit, Failure};
pub use atex_model::report::{Cause, Outcome};
pub use atex_model::{Connect, Host, Test};
pub use job::{Builder, Finished, Job, Record, Settled, tell};

/// The tool as its users know it.
pub const TOOL: Tool = Tool { name: "atex-exec", schema: include_str!("../../../man/schema/atex-exec.json") };

/// Its command line, for manuals.
pub fn command() -> clap::Command {
    atex_cli::with_examples(args::Args::command(), &examples::ALL)
}

/// What it reads and writes, for schemas.
pub const SCHEMAS: [Schema; 5] = [Schema::Test, Schema::Host, Schema::Report, Schema::Protocol, Schema::End];

/// Runs the tool with the arguments of this process.
///
/// # Errors
/// The invocation is wrong, or the run cannot begin. What goes wrong later is reported by the run itself.
pub fn main() -> Result<Exit, Failure> {
    memory::use_one_heap();
    let args = atex_cli::parse_args::<args::Args>(TOOL, command(), |args| &args.common);
    if args.common.schema {
        return atex_cli::print_schema(TOOL).map(|()| Exit::Done);
    }
    match &args.command {
        Some(args::Command::Attach(attach)) => return attach::run(attach),
        Some(args::Command::Status(status)) => return control::client::status(&status.dir),
        Some(args::Command::Ctl(ctl)) => return control::client::ctl(ctl),
        Some(args::Command::Prune(prune)) => return prune::run(prune),
        Some(args::Command::Prepare(_)) | None => {}
    }
    if let Some(journal) = &args.simulate.replay {
        return replay::run(journal);
    }
    if args.simulate.simulate || args.simulate.hosts_for.is_some() {
        return simulation::run(args);
    }
    // While there is no other thread.
    let goes = args.stop.detach && args.command.is_none();
    let caller = if goes { Some(detach::in_background()?) } else { None };
    // From the first moment on, so that nothing is ever left behind half-made.
    let signals = signals::channel(&signals::ENDING)
        .map_err(|e| Failure::trouble(format!("cannot handle signals: {e}")))?;
    if let Some(args::Command::Prepare(args)) = args.command {
        return prepare::run(args, signals);
    }
    if let Some(dir) = args.resume.clone() {
        return resume::run(&args, &dir, signals, caller);
    }
    dispatch::begin(config::Config::new(args)?)?.live(dispatch::Ends::of_program(signals, caller)?)
}
