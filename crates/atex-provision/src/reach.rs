//! A script on a host, from its start to its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atex_connect::{ConnectError, Connection, Connector, Event, Exit, Options, Stdin, Target};
use atex_model::Connect;
use crossbeam_channel::{after, bounded, select, unbounded};

use crate::fault;
use crate::stop::Stop;
use crate::trouble::Trouble;
use crate::turns;

/// The longest answer that is listened to.
const LONGEST: usize = 1 << 20;

/// Ways to hosts, which are opened when they are needed.
#[derive(Default)]
pub(crate) struct Reach(Mutex<Option<Arc<Connector>>>);

/// A script without an answer.
pub(crate) struct Unanswered {
    pub trouble: Trouble,
    /// There was a connection, and only what came of it is not known.
    pub may_have_run: bool,
}

impl Reach {
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
        let words = ["sh", "-s", "--"].iter().chain(arguments).copied();
        let command = shlex::try_join(words).map_err(|e| not_begun(Trouble::lasting(e)))?;
        let connector = self.connector().map_err(not_begun)?;
        let _turn = turns::take(stop).map_err(not_begun)?;
        fault::point("before a script on a host");
        let connection = open(&connector, way, stop).map_err(not_begun)?;
        let (to, events) = unbounded();
        let session = connection.run(&command, Stdin::bytes(script), move |event| {
            let _ = to.send(event);
        });
        let end = after(limit);
        let mut said = Vec::new();
        let result = loop {
            select! {
                recv(events) -> event => match event {
                    Ok(Event::Stdout(chunk)) if said.len() < LONGEST => said.extend_from_slice(&chunk),
                    Ok(Event::Stdout(_) | Event::Stderr(_)) => {}
                    Ok(Event::Ended(Ok(Exit::Code(_) | Exit::Signal(_)))) => break Ok(()),
                    Ok(Event::Ended(Err(error))) => break Err(trouble(&error)),
                    Err(_) => break Err(Trouble::passing("the connection was closed")),
                },
                recv(end) -> _ => break Err(Trouble::passing(format!("no answer within {} s", limit.as_secs()))),
                recv(stop.event()) -> _ => break Err(Trouble::stopped()),
            }
        };
        session.abandon();
        let (to, closed) = bounded(1);
        connection.close(move || {
            let _ = to.send(());
        });
        let _ = closed.recv();
        fault::point("after a script on a host");
        let said = result.map(|()| String::from_utf8_lossy(&said).into_owned());
        said.map_err(|trouble| Unanswered { trouble, may_have_run: true })
    }

    fn connector(&self) -> Result<Arc<Connector>, Trouble> {
        let mut connector = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = &*connector {
            return Ok(Arc::clone(connector));
        }
        let new = Connector::new(Options::default()).map_err(Trouble::lasting)?;
        Ok(Arc::clone(connector.insert(Arc::new(new))))
    }
}

fn open(connector: &Connector, way: &Connect, stop: &Stop) -> Result<Connection, Trouble> {
    let (to, opened) = bounded(1);
    connector.open(Target::from(way), move |connection| {
        let _ = to.send(connection);
    });
    select! {
        recv(opened) -> opened => match opened {
            Ok(opened) => opened.map_err(|error| trouble(&error)),
            Err(_) => Err(Trouble::passing("the connection was closed")),
        },
        recv(stop.event()) -> _ => Err(Trouble::stopped()),
    }
}

fn trouble(error: &ConnectError) -> Trouble {
    Trouble { again: error.again_may_help(), ..Trouble::passing(error) }
}
