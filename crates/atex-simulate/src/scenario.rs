//! What is played.

use atex_schedule::{Event, HostTraits, Millis, NameId, Options, ProvisionerTraits, TestTraits, Time};

/// A run that could be.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// How it is scheduled.
    pub options: Options,
    /// Its tests, numbered as they stand here; those that arrive later stand behind.
    pub tests: Vec<Test>,
    /// The hosts that come by the input.
    pub hosts: Vec<Host>,
    /// Where hosts can be asked for, numbered as they stand here.
    pub provisioners: Vec<Provisioner>,
    /// How long it takes to set a host up.
    pub setup: Millis,
    /// How long it takes to connect to a host.
    pub connect: Millis,
    /// When the input ends, at the earliest: not before the last test and the last host have
    /// come.
    pub input_ends: Time,
    /// What goes wrong.
    pub rates: Rates,
    /// What people ask for.
    pub orders: Vec<(Time, Event)>,
    /// Where all chances come from.
    pub seed: u64,
}

/// A test.
#[derive(Debug, Clone, Default)]
pub struct Test {
    /// What the scheduler knows of it.
    pub is: TestTraits,
    /// How long it takes.
    pub takes: Millis,
    /// When it comes.
    pub arrives: Time,
    /// By which name others know it.
    pub name: Option<NameId>,
    /// Its host fails under it.
    pub kills_hosts: bool,
}

/// A host.
#[derive(Debug, Clone)]
pub struct Host {
    /// What the scheduler knows of it.
    pub is: HostTraits,
    /// When it comes.
    pub comes: Time,
    /// Every test fails there by its doing.
    pub is_broken: bool,
    /// When it dies.
    pub dies: Option<Time>,
}

impl Host {
    /// One that is there from the beginning, and stays.
    #[must_use]
    pub fn new(is: HostTraits) -> Host {
        Host { is, comes: Time(0), is_broken: false, dies: None }
    }
}

/// Where hosts can be asked for.
#[derive(Debug, Clone)]
pub struct Provisioner {
    /// What the scheduler knows of it.
    pub is: ProvisionerTraits,
    /// When it says so.
    pub comes: Time,
    /// What its hosts are like, one after another, and again from the first. The lease's end is counted from when a host
    /// is given.
    pub gives: Vec<HostTraits>,
    /// How long it takes, at least and at most.
    pub delay: (Millis, Millis),
    /// How often a host does not come.
    pub fails: f64,
    /// When it dies.
    pub dies: Option<Time>,
}

/// How often things go wrong, as probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// A host dies under a test.
    pub host_lost: f64,
    /// A test ends by its host's doing, and the host is still there.
    pub host_fault: f64,
    /// A test ends by our own doing.
    pub own_fault: f64,
    /// A test fails.
    pub test_fails: f64,
    /// The host of a test that failed cannot be used as it is.
    pub spoilt: f64,
    /// A host cannot be connected to.
    pub unreachable: f64,
    /// A set-up fails.
    pub setup_fails: f64,
    /// The policy does not answer.
    pub silent: f64,
}
