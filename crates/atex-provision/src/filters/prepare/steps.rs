//! The steps of a preparation, as they were typed: in that order.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgMatches, FromArgMatches};

use super::repository::{Module, Repository};
use super::upload::Copy;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Repositories(Vec<Repository>),
    Module(Module),
    Packages(Vec<String>),
    Script(Script),
    Copy(Copy),
    Playbook(PathBuf),
}

/// A script, in its own words or in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    Text(String),
    File(PathBuf),
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Script, String> {
        match text.strip_prefix('@') {
            Some("") => Err("expected a file behind `@`".to_owned()),
            Some(file) => Ok(Script::File(file.into())),
            None if text.trim().is_empty() => Err("expected a command line, or @FILE".to_owned()),
            None => Ok(Script::Text(text.to_owned())),
        }
    }
}

/// What is to be done on hosts, one after another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps(pub(crate) Vec<Step>);

/// The options of which each adds a step.
#[derive(Debug, clap::Args)]
struct Typed {
    /// A repository of packages; KEY is any that its file may have
    ///
    /// As in name=lab,baseurl=http://repo.lab/9,priority=10,module_hotfixes=1. Unless `gpgkey` is given, packages are taken
    /// unsigned. For dnf, yum and zypper.
    #[arg(long = "repo", value_name = "name=NAME,KEY=VALUE,...")]
    repositories: Vec<Repository>,

    /// A stream of a module that packages are to come from, such as virt:rhel; with a profile, it is installed
    #[arg(long = "module", value_name = "NAME:STREAM[/PROFILE]")]
    modules: Vec<Module>,

    /// A package that is to be there; those that stand side by side are installed together
    #[arg(long = "package", value_name = "NAME", value_parser = package)]
    packages: Vec<String>,

    /// A command line for `sh -e`, or, with @, a program of this machine, to be run on the host
    ///
    /// It finds the id and the label of the host in ATEX_HOST and ATEX_PLATFORM.
    #[arg(long = "script", value_name = "CMD|@FILE")]
    scripts: Vec<Script>,

    /// A file, or what is in a directory, to be put there; a DST that ends with a slash is a directory
    #[arg(long = "file", value_name = "SRC:DST")]
    files: Vec<Copy>,

    /// A playbook, played by ansible-playbook for all hosts together
    ///
    /// The inventory is made of the hosts' records; their labels and marks are groups in it.
    #[arg(long = "playbook", value_name = "FILE")]
    playbooks: Vec<PathBuf>,
}

fn package(text: &str) -> Result<String, String> {
    match atex_host::packages::fault_in_name(text) {
        Some(fault) => Err(fault.to_owned()),
        None => Ok(text.to_owned()),
    }
}

impl clap::Args for Steps {
    fn augment_args(command: clap::Command) -> clap::Command {
        Typed::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Typed::augment_args_for_update(command)
    }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Steps, clap::Error> {
        let mut typed = Vec::new();
        gather(matches, "repositories", |one| Step::Repositories(vec![one]), &mut typed);
        gather(matches, "modules", Step::Module, &mut typed);
        gather(matches, "packages", |one| Step::Packages(vec![one]), &mut typed);
        gather(matches, "scripts", Step::Script, &mut typed);
        gather(matches, "files", Step::Copy, &mut typed);
        gather(matches, "playbooks", Step::Playbook, &mut typed);
        typed.sort_by_key(|(place, _)| *place);
        let mut steps = Steps::default();
        typed.into_iter().for_each(|(_, step)| steps.add(step));
        Ok(steps)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an option with their places on the command line.
fn gather<T: Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    id: &str,
    step: impl Fn(T) -> Step,
    to: &mut Vec<(usize, Step)>,
) {
    let values = matches.get_many::<T>(id).into_iter().flatten().cloned();
    let places = matches.indices_of(id).into_iter().flatten();
    to.extend(places.zip(values.map(step)));
}

impl Steps {
    /// Packages that stand side by side are installed in one transaction.
    fn add(&mut self, step: Step) {
        match (self.0.last_mut(), step) {
            (Some(Step::Packages(last)), Step::Packages(more)) => last.extend(more),
            (Some(Step::Repositories(last)), Step::Repositories(more)) => last.extend(more),
            (_, step) => self.0.push(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args as _;

    #[test]
    fn steps_are_taken_in_the_order_in_which_they_were_given() {
        let words = "x --package a --script true --repo name=r,baseurl=u --repo name=s,baseurl=u --package b \
                     --package c --playbook p --module m:1 --file f:/f --script @g";
        let command = Steps::augment_args(clap::Command::new("x"));
        let matches = command.try_get_matches_from(words.split_whitespace()).unwrap();
        let steps = Steps::from_arg_matches(&matches).unwrap();
        let repository = |name: &str| format!("name={name},baseurl=u").parse::<Repository>().unwrap();
        let packages = |names: &[&str]| Step::Packages(names.iter().map(|name| (*name).to_owned()).collect());
        let expected = [
            packages(&["a"]),
            Step::Script(Script::Text("true".into())),
            Step::Repositories(vec![repository("r"), repository("s")]),
            packages(&["b", "c"]),
            Step::Playbook("p".into()),
            Step::Module(Module("m:1".into())),
            Step::Copy("f:/f".parse().unwrap()),
            Step::Script(Script::File("g".into())),
        ];
        assert_eq!(steps.0, expected);
    }

    #[test]
    fn a_step_that_is_none_is_refused() {
        for words in
            ["--package --root=/", "--package=-x", "--script=", "--script @", "--module a", "--file a:b"]
        {
            let command = Steps::augment_args(clap::Command::new("x"));
            let words = std::iter::once("x").chain(words.split(' '));
            assert!(command.try_get_matches_from(words).is_err());
        }
    }
}
