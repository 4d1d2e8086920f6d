//! Ways to hosts: a connection, and commands on it, from their start to their end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connection, Connector, Event, Exit, Options, Stdin, Target};
use atex_model::Connect;
use crossbeam_channel::{at, bounded, select, unbounded};

use crate::fault;
use crate::stop::Stop;
use crate::trouble::Trouble;
use crate::turns;

/// The longest answer that is listened to.
const LONGEST: usize = 1 << 20;

/// Ways to hosts, which are opened when they are needed.
#[derive(Default)]
pub(crate) struct Reach {
    connector: Mutex<Option<Arc<Connector>>>,
    /// How many logins are under way at once, if not as many as is usual.
    at_once: Option<usize>,
}

/// A way to a host that is open, for as long as there is time.
pub(crate) struct Link<'a> {
    connection: Connection,
    limit: Limit,
    stop: &'a Stop,
}

/// When something has to be done, and how long that was at first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    until: Instant,
    time: Duration,
}

impl Limit {
    /// So long from then on.
    pub fn from(begin: Instant, time: Duration) -> Limit {
        // A time that no clock can show does not end.
        const ENDLESS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
        Limit { until: begin + time.min(ENDLESS), time }
    }

    fn is_over(self) -> Trouble {
        Trouble::passing(format!("no answer within {} s", self.time.as_secs_f64()))
    }
}

/// Which of its two outputs a command has written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// A script without an answer.
pub(crate) struct Unanswered {
    pub trouble: Trouble,
    /// There was a connection, and only what came of it is not known.
    pub may_have_run: bool,
}

impl Reach {
    /// Ways to so many hosts at once.
    pub fn to_many(at_once: usize) -> Reach {
        Reach { at_once: Some(at_once), ..Reach::default() }
    }

    /// Runs a script of POSIX sh with arguments; gives what it printed, whatever its exit status.
    pub fn script(
        &self,
        way: &Connect,
        script: (&str, &[&str]),
        limit: Duration,
        stop: &Stop,
    ) -> Result<String, Trouble> {
        self.attempt(way, script, limit, stop).map_err(|unanswered| unanswered.trouble)
    }

    /// The same, for scripts that change something: it says whether one that gave no answer may have run.
    pub fn attempt(
        &self,
        way: &Connect,
        (script, arguments): (&str, &[&str]),
        limit: Duration,
        stop: &Stop,
    ) -> Result<String, Unanswered> {
        let not_begun = |trouble| Unanswered { trouble, may_have_run: false };
        let _turn = turns::take(stop).map_err(not_begun)?;
        fault::point("before a script on a host");
        let link = self.open(way, Limit::from(Instant::now(), limit), stop).map_err(not_begun)?;
        let said = link.script(script, arguments);
        link.close();
        fault::point("after a script on a host");
        said.map_err(|trouble| Unanswered { trouble, may_have_run: true })
    }

    /// Opens the way to a host.
    pub fn open<'a>(&self, way: &Connect, limit: Limit, stop: &'a Stop) -> Result<Link<'a>, Trouble> {
        let connector = self.connector()?;
        let (to, opened) = bounded(1);
        connector.open(Target::from(way), move |connection| {
            let _ = to.send(connection);
        });
        let connection = select! {
            recv(opened) -> opened => match opened {
                Ok(opened) => opened.map_err(|error| trouble(&error)),
                Err(_) => Err(Trouble::passing("the connection was closed")),
            },
            recv(at(limit.until)) -> _ => Err(limit.is_over()),
            recv(stop.event()) -> _ => Err(Trouble::stopped()),
        }?;
        Ok(Link { connection, limit, stop })
    }

    fn connector(&self) -> Result<Arc<Connector>, Trouble> {
        let mut connector = self.connector.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = &*connector {
            return Ok(Arc::clone(connector));
        }
        let usual = Options::default();
        let opening_at_once = self.at_once.unwrap_or(usual.opening_at_once);
        let new = Connector::new(Options { opening_at_once, ..usual }).map_err(Trouble::lasting)?;
        Ok(Arc::clone(connector.insert(Arc::new(new))))
    }
}

impl Link<'_> {
    /// Runs a script of POSIX sh with arguments; gives what it printed, whatever its exit status.
    pub fn script(&self, script: &str, arguments: &[&str]) -> Result<String, Trouble> {
        let words = ["sh", "-s", "--"].iter().chain(arguments).copied();
        let command = shlex::try_join(words).map_err(Trouble::lasting)?;
        let mut said = Vec::new();
        self.run(&command, Stdin::bytes(script), |stream, bytes| {
            if stream == Stream::Out && said.len() < LONGEST {
                said.extend_from_slice(bytes);
            }
        })?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Runs a command line to its end; `hear` gets what it prints.
    pub fn run(
        &self,
        command: &str,
        input: Stdin,
        mut hear: impl FnMut(Stream, &[u8]),
    ) -> Result<Exit, Trouble> {
        let (to, events) = unbounded();
        let session = self.connection.run(command, input, move |event| {
            let _ = to.send(event);
        });
        let end = at(self.limit.until);
        let result = loop {
            select! {
                recv(events) -> event => match event {
                    Ok(Event::Stdout(chunk)) => hear(Stream::Out, &chunk),
                    Ok(Event::Stderr(chunk)) => hear(Stream::Err, &chunk),
                    Ok(Event::Ended(Ok(exit))) => break Ok(exit),
                    Ok(Event::Ended(Err(error))) => break Err(trouble(&error)),
                    Err(_) => break Err(Trouble::passing("the connection was closed")),
                },
                recv(end) -> _ => break Err(self.limit.is_over()),
                recv(self.stop.event()) -> _ => break Err(Trouble::stopped()),
            }
        };
        session.abandon();
        result
    }

    /// Closes it, and waits until it is closed.
    pub fn close(self) {
        let (to, closed) = bounded(1);
        self.connection.close(move || {
            let _ = to.send(());
        });
        let _ = closed.recv();
    }
}

fn trouble(error: &ConnectError) -> Trouble {
    Trouble { again: error.again_may_help(), ..Trouble::passing(error) }
}
