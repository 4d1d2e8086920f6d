//! Hosts that stay prepared when a run is over: their directory is kept, and says what has been done.
//!
//! In it, `KEY` names a tree and a plan by their content. `KEY.ready` lists the packages that are there and says by
//! its presence that everything was carried out; `KEY.env` is what the plan's scripts left for tests;
//! `KEY.finish.N` are the scripts of its `finish`, for whoever undoes it.

use std::fmt::Write as _;
use std::sync::Arc;

use atex_connect::Stdin;

use super::setup::{Part, Stage, Task};
use super::{Errand, State, Step, Worker, quote};
use crate::plan::What;
use crate::pool::{Context, Prepared};

/// Runs what plans want done at the end, one after another, however each ends; after what still runs was ended.
const FINISH: &str = "cd \"$0\" 2>/dev/null || exit 0; sh \"$0/agent\" hello >/dev/null 2>&1; \
     for f in *.finish.*; do [ -e \"$f\" ] || continue; \
     (cd \"${f%%.*}/tree\" && exec bash \"$0/$f\") </dev/null >>undo.log 2>&1 || echo \"${f##*.} $?\"; done";

impl Worker {
    /// Looks whether the host is ready for a set-up from an earlier time.
    pub(super) fn recall(&mut self, setup: &Prepared, context: &Context) -> bool {
        let key = self.dir_of(setup.id);
        let command = self.at_home(&format!(
            "[ -e {key}.ready ] && cp {key}.env {key}/environment && cat {key}.ready || exit 1"
        ));
        self.errand(Step::SetUp(Stage::Recall), &command, Stdin::empty(), context);
        true
    }

    /// It is: the plan's steps are not repeated.
    pub(super) fn recalled(&mut self, errand: &Errand, context: &Context) {
        self.hear(&errand.out);
        if let State::SettingUp(work) = &mut self.state {
            let is_left = |task: &Task| matches!(task, Task::Packages { .. } | Task::KeepReady(_));
            work.todo.retain(is_left);
        }
        self.next_task(context);
    }

    /// It is not, so it is made so now.
    pub(super) fn not_recalled(&mut self, context: &Context) {
        if self.given.shared.as_ref().is_some_and(|shared| !shared.preparing) {
            log::warn!("{}: it is not prepared for these files and this plan: that is done now", self.name());
        }
        self.next_task(context);
    }

    /// Leaves the scripts of a plan's `finish` on the host, before anything is prepared that they undo.
    pub(super) fn keep_finish(&mut self, setup: &Arc<Prepared>, context: &Context) -> bool {
        let scripts: Vec<String> = self
            .steps_of(setup, Part::Finish)
            .iter()
            .filter_map(|task| match task {
                Task::Script { step, script, .. } => match &setup.steps.finish[*step].what {
                    What::Shell(scripts) => {
                        Some(self.plan_script(setup, &scripts[*script], context.env.variables()))
                    }
                    What::Install { .. } => None,
                },
                _ => None,
            })
            .collect();
        if scripts.is_empty() {
            return false;
        }
        let key = self.dir_of(setup.id);
        let mut split = String::from("umask 077; ");
        for (n, script) in scripts.iter().enumerate() {
            let _ = write!(split, "head -c {} >{key}.finish.{n:04} && ", script.len());
        }
        let command = self.at_home(&format!("{split}: || exit 125"));
        self.errand(Step::SetUp(Stage::Keep), &command, Stdin::bytes(scripts.concat()), context);
        true
    }

    /// Says on the host that all has been done.
    pub(super) fn keep_ready(&mut self, setup: &Prepared, context: &Context) -> bool {
        let key = self.dir_of(setup.id);
        let packages: String = self.given.has.iter().map(|name| format!("has {name}\n")).collect();
        let command = self.at_home(&format!(
            "cp {key}/environment {key}.env && cat >{key}.part && mv {key}.part {key}.ready || exit 125"
        ));
        self.errand(Step::SetUp(Stage::Keep), &command, Stdin::bytes(packages), context);
        true
    }

    /// Undoes what was prepared at an earlier time, and leaves nothing there.
    pub(super) fn undo(&mut self, context: &Context) {
        self.given.keep = false;
        self.work_dir = self.work_dir.take().or_else(|| self.dirs.first().cloned());
        self.work_off([Task::Finish].into(), super::setup::Goal::Leave, context);
    }

    pub(super) fn finish_kept(&mut self, context: &Context) -> bool {
        let home = self.work_dir.clone().unwrap_or_default();
        let command = format!("exec sh -c {} {}", quote(FINISH), quote(&home));
        self.errand(Step::SetUp(Stage::Finish), &command, Stdin::empty(), context);
        true
    }

    /// What is wrong with what was done at the end.
    pub(super) fn finished_kept(&mut self, errand: &Errand, context: &Context) {
        for line in String::from_utf8_lossy(&errand.out).lines() {
            let (script, status) = line.split_once(' ').unwrap_or((line, "?"));
            log::warn!("{}: finish: script {script} failed with exit status {status}", self.name());
        }
        self.next_task(context);
    }

    fn at_home(&self, command: &str) -> String {
        format!("cd {} || exit 125; {command}", quote(self.work_dir.as_deref().unwrap_or_default()))
    }
}
