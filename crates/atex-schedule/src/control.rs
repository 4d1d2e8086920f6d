//! What people ask for while a run goes on.

use crate::pool::Doing;
use crate::scheduler::{Ending, Scheduler};
use crate::tests_table::Place;
use crate::{Action, HostId, Release, TestId, Unrunnable};

impl Scheduler {
    /// Starts nothing more. What runs is ended, unless it is only waited for.
    pub(crate) fn end(&mut self, how: Ending, actions: &mut Vec<Action>) {
        if self.ending >= how {
            return;
        }
        self.ending = how;
        self.answer_all(actions);
        if how == Ending::Stopping {
            let busy = self.pool.iter().filter(|(_, host)| match host.doing {
                Doing::SettingUp(..) => true,
                // One that has just ended has nothing to cancel.
                Doing::Running(test) => self.is_running(test) == Some(true),
                _ => false,
            });
            actions.extend(busy.map(|(id, _)| Action::Cancel { host: id }));
        } else {
            let setting_up = self.pool.iter().filter(|(_, host)| matches!(host.doing, Doing::SettingUp(..)));
            actions.extend(setting_up.map(|(id, _)| Action::Cancel { host: id }));
        }
    }

    pub(crate) fn cancel_test(&mut self, test: TestId, actions: &mut Vec<Action>) {
        let Some(state) = self.tests.get_mut(test) else { return };
        match state.place {
            Place::Running(host) => {
                let was_cancelled = std::mem::replace(&mut state.is_cancelled, true);
                let runs = self.pool.get(host).is_some_and(|host| host.doing == Doing::Running(test));
                if runs && !was_cancelled {
                    actions.push(Action::Cancel { host });
                }
            }
            _ => self.abandon(test, Unrunnable::Cancelled, actions),
        }
    }

    pub(crate) fn skip_test(&mut self, test: TestId, actions: &mut Vec<Action>) {
        let waits = self.tests.get(test).is_some_and(|state| !matches!(state.place, Place::Running(_)));
        if waits {
            self.abandon(test, Unrunnable::Skipped, actions);
        }
    }

    pub(crate) fn drop_host(&mut self, id: HostId, at_once: bool, actions: &mut Vec<Action>) {
        let Some(host) = self.pool.get(id).copied() else { return };
        self.pool.change(id, |host| host.is_dropped = true);
        match host.doing {
            Doing::Nothing => return self.release(id, Release::Dropped, actions),
            // It is let go when it is there.
            Doing::Coming => {}
            Doing::SettingUp(..) => actions.push(Action::Cancel { host: id }),
            Doing::Running(_) if at_once => actions.push(Action::Cancel { host: id }),
            Doing::Running(_) => {}
            Doing::Asked(question) if !self.policy.is_about_end(question) => {
                return self.release(id, Release::Dropped, actions);
            }
            Doing::Asked(_) => {}
        }
        self.host_left();
    }

    pub(crate) fn hold_host(&mut self, id: HostId) {
        self.pool.change(id, |host| host.is_held = true);
        self.keep_watching_lease(id);
        self.host_left();
    }

    pub(crate) fn free_host(&mut self, id: HostId, actions: &mut Vec<Action>) {
        let was_held = self.pool.change(id, |host| std::mem::replace(&mut host.is_held, false));
        let host = self.pool.get(id).copied().filter(|host| host.doing == Doing::Nothing);
        if let Some(host) = host.filter(|_| was_held == Some(true)) {
            if host.is_dropped {
                return self.release(id, Release::Dropped, actions);
            }
            if host.is_destroyed {
                return self.release(id, Release::Destroyed, actions);
            }
        }
        self.free_hosts.insert(id);
        self.let_expired_go(id, actions);
        self.keep_watching_lease(id);
    }
}
