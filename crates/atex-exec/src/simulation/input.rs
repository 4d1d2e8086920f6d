//! Tests and hosts as they would be taken in.

use atex_cli::Failure;
use atex_model::{Connect, Host, Test};
use atex_schedule::{HostTraits, Millis, Options, ProvisionerTraits, Time};
use atex_simulate::{Chance, Model, Provisioner, Rates, Scenario};

use crate::catalog::{Identities, Identity, Platforms, Setups};
use crate::config::{Config, duration};
use crate::intake::{Item, sort};
use crate::provision::{Command, MOST_HOSTS};
use crate::simulate_args::SimulateArgs;
use crate::wishes::Wishes;

/// What a run is played with.
pub(super) struct Cast {
    pub tests: Vec<Test>,
    pub hosts: Vec<Host>,
    /// What provisioners are called.
    pub givers: Vec<String>,
    pub scenario: Scenario,
    platforms: Platforms,
}

/// What becomes of records as they are read.
struct Reader {
    config: Config,
    model: Model,
    chance: Chance,
    cast: Cast,
    identities: Identities,
    setups: Setups,
    wishes: Wishes,
    learned: usize,
}

impl Cast {
    /// Reads all of the input.
    pub fn read(mut config: Config, asked: &SimulateArgs) -> Result<Cast, Failure> {
        let sources = std::mem::take(&mut config.sources);
        let model = Model::parse(&asked.duration_model)
            .map_err(|e| Failure::usage(format!("--duration-model: {e}")))?;
        let setup = duration("--setup-time", &asked.setup_time)?;
        let scenario = Scenario {
            options: Options { policy: false, ..config.schedule.clone() },
            setup: Millis::try_from(setup.as_millis()).unwrap_or(Millis::MAX),
            rates: rates(asked)?,
            seed: asked.seed,
            ..Scenario::default()
        };
        let scenario = Scenario { provisioners: provisioners(&config, asked)?, ..scenario };
        let givers = config.provision.commands.iter().map(Command::name).collect();
        let platforms = Platforms::default();
        let cast = Cast { tests: Vec::new(), hosts: Vec::new(), givers, scenario, platforms };
        let mut reader = Reader {
            model,
            chance: Chance::new(asked.seed),
            cast,
            identities: Identities::default(),
            setups: Setups::default(),
            wishes: Wishes::default(),
            learned: 0,
            config,
        };
        for n in 1..=reader.config.local {
            reader.cast.hosts.push(Host::new(format!("local/{n}"), Connect::Local));
        }
        for mut source in sources {
            while let Some(line) = source.next_line()? {
                reader.item(sort(line)?)?;
            }
        }
        Ok(reader.finish())
    }

    /// A host of which nothing is said.
    pub fn usual_host(&self) -> HostTraits {
        HostTraits::new(atex_schedule::PlatformId(0))
    }

    /// How long the tests take.
    pub fn durations(&self) -> Vec<Millis> {
        self.scenario.tests.iter().map(|test| test.takes).collect()
    }
}

impl Reader {
    fn item(&mut self, item: Item) -> Result<(), Failure> {
        match item {
            Item::Test { test, place, .. } => self.test(*test, &place),
            Item::Host { host, .. } => {
                self.cast.hosts.push(*host);
                Ok(())
            }
            Item::Failed(failure) => Err(failure),
            Item::Other { .. } | Item::Ended | Item::Stop => Ok(()),
        }
    }

    fn test(&mut self, mut test: Test, place: &str) -> Result<(), Failure> {
        match self.identities.add(&test, self.config.duplicates) {
            Identity::New => {}
            Identity::Renamed(name) => test.name = name,
            Identity::Repeated | Identity::Known => {
                let hint = "--duplicates number runs it under another name";
                let name = test.name.escape_debug();
                let message = format!("{place}: test {name}: there is one of this name already");
                return Err(Failure::usage(message).hint(hint));
            }
        }
        let wish = self.wishes.of(&test, &self.config.history).map_err(|problem| {
            Failure::usage(format!("{place}: test {}: {problem}", test.name.escape_debug()))
        })?;
        let mut is = wish.is;
        is.platform = test.platform.as_deref().map(|label| self.cast.platforms.id(label));
        is.setup = self.setups.id(&test).0;
        self.learned += usize::from(is.expected.is_some());
        let drawn = self.model.draw(&mut self.chance);
        let takes = is.expected.unwrap_or(drawn);
        self.cast.scenario.tests.push(atex_simulate::Test { is, takes, ..atex_simulate::Test::default() });
        self.cast.tests.push(test);
        Ok(())
    }

    fn finish(mut self) -> Cast {
        let all = self.cast.tests.len();
        log::info!("durations are known of {} of {all} tests", self.learned);
        for (test, played) in self.cast.tests.iter().zip(&mut self.cast.scenario.tests) {
            played.name = self.wishes.becomes_known(test);
        }
        for host in &self.cast.hosts {
            let mut is = self.cast.platforms.traits(host);
            self.wishes.add_host(host, &mut is);
            // Leases end by the clock of the world, not by ours.
            is.until = None;
            self.cast.scenario.hosts.push(atex_simulate::Host::new(*is));
        }
        self.cast.scenario.input_ends = Time(0);
        self.cast
    }
}

/// Those who give hosts of which nothing is known beforehand.
fn provisioners(config: &Config, asked: &SimulateArgs) -> Result<Vec<Provisioner>, Failure> {
    let (least, most) =
        asked.provision_time.split_once(',').unwrap_or((&asked.provision_time, &asked.provision_time));
    let time = |text: &str| {
        let time = duration("--provision-time", text.trim())?;
        Ok::<Millis, Failure>(Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX))
    };
    let delay = (time(least)?, time(most)?);
    if delay.0 > delay.1 {
        let message =
            format!("--provision-time: expected the shorter time first, found `{}`", asked.provision_time);
        return Err(Failure::usage(message));
    }
    let fails = share("--provision-failures", asked.provision_failures)?;
    let given = |command: &Command| Provisioner {
        is: ProvisionerTraits {
            limit: command.most.unwrap_or(MOST_HOSTS),
            platform: None,
            verdicts: Vec::new(),
            extends: false,
        },
        comes: Time(0),
        gives: vec![HostTraits::new(atex_schedule::PlatformId(0))],
        delay,
        fails,
        dies: None,
    };
    Ok(config.provision.commands.iter().map(given).collect())
}

fn share(option: &str, value: f64) -> Result<f64, Failure> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Failure::usage(format!("{option}: expected a share from 0 to 1, found {value}")))
}

fn rates(asked: &SimulateArgs) -> Result<Rates, Failure> {
    Ok(Rates {
        host_fault: share("--host-failures", asked.host_failures)?,
        test_fails: share("--test-failures", asked.test_failures)?,
        setup_fails: share("--setup-failures", asked.setup_failures)?,
        ..Rates::default()
    })
}
