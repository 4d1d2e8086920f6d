//! Examples of commands, which `--help` and the manual show.

use clap::Command;

/// The examples of a command: its name, and command lines with two blanks in front, each with what it does below it,
/// behind six. The most useful one comes first.
pub type Examples = (&'static str, &'static str);

/// Puts examples into the long help of subcommands.
///
/// # Panics
/// There is no subcommand of that name.
#[must_use]
pub fn with_examples(command: Command, examples: &[Examples]) -> Command {
    let add = |command: Command, &(name, text): &Examples| {
        assert!(command.find_subcommand(name).is_some(), "{name}: there is no such command");
        command.mut_subcommand(name, |subcommand| with_example(subcommand, text))
    };
    examples.iter().fold(command, add)
}

/// Puts examples into the long help of one command, behind the line that says what it is: who asks for help is in a hurry.
#[must_use]
pub fn with_example(command: Command, text: &str) -> Command {
    let long = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let (first, rest) = long.split_once("\n\n").unwrap_or((&long, ""));
    let mut about = format!("{first}\n\nExamples:\n{text}");
    if !rest.is_empty() {
        about.push_str("\n\n");
        about.push_str(rest);
    }
    command.long_about(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stand_behind_the_first_line() {
        let tool = Command::new("tool").subcommand(Command::new("short").about("Do it")).subcommand(
            Command::new("long").about("Do more").long_about("Do more\n\nMuch more.\n\nThe most."),
        );
        let tool = with_examples(tool, &[("long", "  tool long\n      does"), ("short", "  tool short")]);
        let about = |name: &str| tool.find_subcommand(name).unwrap().get_long_about().unwrap().to_string();
        assert_eq!(about("short"), "Do it\n\nExamples:\n  tool short");
        assert_eq!(about("long"), "Do more\n\nExamples:\n  tool long\n      does\n\nMuch more.\n\nThe most.");
    }
}
