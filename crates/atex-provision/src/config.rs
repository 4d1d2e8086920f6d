//! What the command line means.

use std::path::PathBuf;

use atex_cli::Failure;

use crate::{Args, Command, Static};

/// What is to be done, with everything known that comes from the environment.
#[derive(Debug)]
pub struct Config {
    /// Where the hosts come from.
    pub from: From,
    /// A label for the hosts that have none.
    pub platform: Option<String>,
    /// At most so many hosts.
    pub most: Option<u32>,
}

/// Where hosts come from.
#[derive(Debug)]
pub enum From {
    /// This machine.
    Local,
    /// A list.
    Static {
        /// The file, or `-`.
        file: PathBuf,
        /// What kind of list it is, if the user said so.
        format: Option<crate::Format>,
        /// Only these groups, if there are any.
        groups: Vec<String>,
        /// What relative paths in a list that comes by standard input are relative to.
        directory: PathBuf,
        /// What `~` in a path stands for.
        home: Option<PathBuf>,
    },
}

impl Config {
    /// What `args` mean.
    ///
    /// # Errors
    /// No command was given, or there is no working directory.
    pub fn new(args: Args) -> Result<Config, Failure> {
        match args.command {
            Some(Command::Local(local)) => {
                Ok(Config { from: From::Local, platform: local.platform, most: Some(local.hosts) })
            }
            Some(Command::Static(list)) => fixed(list),
            None => Err(Failure::usage("no command was given: expected `local` or `static`")
                .hint("see atex-provision --help")),
        }
    }
}

fn fixed(list: Static) -> Result<Config, Failure> {
    let Static { file, format, groups, hosts, platform } = list;
    let directory = std::env::current_dir()
        .map_err(|e| Failure::trouble(format!("working directory: {}", atex_cli::input::reason(&e))))?;
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    Ok(Config { from: From::Static { file, format, groups, directory, home }, platform, most: hosts })
}
