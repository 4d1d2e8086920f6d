//! What a provisioner is still to be told. It may read slowly or not at all, so what is said later takes the place of
//! what was said before: no more is kept than there are hosts. Each process has one of its own.

use atex_model::protocol::{
    Adopt, AdoptTag, Extend, ExtendTag, Release, ReleaseTag, Shutdown, ShutdownTag, Want, WantTag,
};
use atex_model::{Host, Time, to_line};
use indexmap::IndexMap;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    adopt: IndexMap<String, Host>,
    want: Option<u32>,
    /// What the process knows to be wanted.
    wanted: u32,
    extend: IndexMap<String, Time>,
    release: IndexMap<String, String>,
    shutdown: bool,
}

impl Outbox {
    pub fn adopt(&mut self, host: Host) {
        self.adopt.insert(host.id.clone(), host);
    }

    pub fn want(&mut self, hosts: u32) {
        self.want = Some(hosts);
    }

    pub fn extend(&mut self, id: String, until: Time) {
        self.extend.insert(id, until);
    }

    /// Returns whether nothing will be said any more of taking charge of it.
    pub fn release(&mut self, id: String, reason: String) -> bool {
        let is_unsaid = self.adopt.shift_remove(&id).is_some();
        self.extend.shift_remove(&id);
        self.release.insert(id, reason);
        is_unsaid
    }

    pub fn shut_down(&mut self) {
        self.shutdown = true;
    }

    /// Takes what can be said now, as lines. What is wanted is only said if that `may_ask`.
    ///
    /// Hosts that are there already are known before others are asked for. That less is wanted is said before hosts are
    /// given back, so that nobody makes new ones in their place; that more is wanted is said after that, since what was
    /// given by an earlier process may be given again, under the same id.
    pub fn take(&mut self, may_ask: bool) -> Vec<u8> {
        let mut text = Vec::new();
        let want = self.want.take_if(|_| may_ask);
        let before = self.wanted;
        self.wanted = want.unwrap_or(before);
        let say_want = |text: &mut Vec<u8>, hosts: Option<u32>| {
            hosts.into_iter().for_each(|hosts| to_line(text, &Want { kind: WantTag, hosts: hosts.into() }));
        };
        for (_, host) in std::mem::take(&mut self.adopt) {
            to_line(&mut text, &Adopt { kind: AdoptTag, host });
        }
        say_want(&mut text, want.filter(|hosts| *hosts < before));
        for (id, until) in std::mem::take(&mut self.extend) {
            to_line(&mut text, &Extend { kind: ExtendTag, id, until });
        }
        for (id, reason) in std::mem::take(&mut self.release) {
            to_line(&mut text, &Release { kind: ReleaseTag, id, reason: Some(reason) });
        }
        say_want(&mut text, want.filter(|hosts| *hosts >= before));
        if std::mem::take(&mut self.shutdown) {
            to_line(&mut text, &Shutdown { kind: ShutdownTag });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::Connect;

    #[test]
    fn what_is_said_later_takes_the_place_of_what_was_said_before() {
        let mut outbox = Outbox::default();
        for n in 0..1000_u32 {
            outbox.want(n % 7);
            outbox.extend("a".into(), Time(n.into()));
            outbox.release("b".into(), "done".into());
        }
        for id in ["b", "c"] {
            outbox.adopt(Host::new(id, Connect::Local));
        }
        outbox.release("b".into(), "lost".into());
        assert_eq!(
            String::from_utf8(outbox.take(false)).unwrap(),
            "{\"type\":\"adopt\",\"host\":{\"type\":\"host\",\"id\":\"c\",\"connect\":{\"how\":\"local\"}}}\n\
             {\"type\":\"extend\",\"id\":\"a\",\"until\":\"1970-01-01T00:00:00.999Z\"}\n\
             {\"type\":\"release\",\"id\":\"b\",\"reason\":\"lost\"}\n"
        );
        outbox.shut_down();
        assert_eq!(
            String::from_utf8(outbox.take(true)).unwrap(),
            "{\"type\":\"want\",\"hosts\":5}\n{\"type\":\"shutdown\"}\n"
        );
        assert!(outbox.take(true).is_empty());
    }

    #[test]
    fn what_is_given_back_makes_room_for_more_and_not_for_less() {
        let mut outbox = Outbox::default();
        let mut said = |hosts: u32, id: &str| {
            outbox.want(hosts);
            outbox.release(id.into(), "done".into());
            let text = String::from_utf8(outbox.take(true)).unwrap();
            text.lines().map(|line| line.split('"').nth(3).unwrap().to_owned()).collect::<Vec<_>>()
        };
        // Of an earlier process.
        assert_eq!(said(8, "h7"), ["release", "want"]);
        assert_eq!(said(8, "h7"), ["release", "want"]);
        assert_eq!(said(7, "h7"), ["want", "release"]);
        assert_eq!(said(9, "h6"), ["release", "want"]);
    }
}
