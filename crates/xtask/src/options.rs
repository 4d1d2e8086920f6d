//! The options of a tool and of its commands, from its command line.

use clap::{Arg, ArgAction, Command, builder::PossibleValue};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// The sections OPTIONS and COMMANDS of a tool, whose commands have pages of their own.
pub(crate) fn section(command: &Command) -> Result<String, String> {
    let mut text = String::from(".SH OPTIONS\n");
    text.push_str(&list(command.clone())?);
    let mut commands = subcommands(command).peekable();
    if commands.peek().is_some() {
        text.push_str(".SH COMMANDS\n");
    }
    for each in commands {
        let mut roff = Roff::new();
        roff.control("TP", []);
        roff.control("BR", [&*format!("{}-{}", command.get_name(), each.get_name()), "(1)"]);
        roff.text([roman(sentences(&about(each)?))]);
        text.push_str(&tidy(&roff.to_roff()));
    }
    Ok(text)
}

/// The same of a command of a tool: its own commands, if it has some, stand in its page.
pub(crate) fn section_of_command(command: &Command) -> Result<String, String> {
    let mut text = String::from(".SH OPTIONS\n");
    text.push_str(&list(command.clone())?);
    let mut commands = subcommands(command).peekable();
    if commands.peek().is_some() {
        text.push_str(".SH COMMANDS\n");
    }
    for each in commands {
        text.push_str(&subcommand(command, each)?);
    }
    Ok(text)
}

/// What a command says of itself in a line.
pub(crate) fn about(command: &Command) -> Result<String, String> {
    let about = command.get_about().map(ToString::to_string);
    about.ok_or_else(|| format!("{}: the command says nothing about itself", command.get_name()))
}

/// The commands of a tool that have a place in its manual.
pub(crate) fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|each| !each.is_hide_set() && each.get_name() != "help")
}

fn subcommand(parent: &Command, command: &Command) -> Result<String, String> {
    let mut roff = Roff::new();
    roff.control("SS", [command.get_name()]);
    let about = command.get_long_about().map_or_else(|| about(command), |long| Ok(long.to_string()))?;
    roff.text([roman(sentences(&about))]);
    let (known, new): (Vec<&Arg>, Vec<&Arg>) = listed(command).partition(|arg| is_same(parent, arg));
    let mut text = roff.to_roff();
    if !new.is_empty() {
        let hidden = |arg: Arg| {
            let hide = !new.iter().any(|new| new.get_id() == arg.get_id());
            arg.hide(hide)
        };
        text.push_str(&list(command.clone().mut_args(hidden))?);
    }
    if !known.is_empty() {
        text.push_str(&as_above(&known));
    }
    Ok(tidy(&text))
}

/// The arguments of a command that are its own: all tools and commands have `--help`, and those that are
/// global stand with the options of the tool.
fn listed(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let of_all = matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpLong | ArgAction::HelpShort | ArgAction::Version
        );
        !arg.is_hide_set() && !arg.is_global_set() && !of_all
    })
}

/// Whether the tool itself takes this argument, and says the same of it.
fn is_same(parent: &Command, arg: &Arg) -> bool {
    let help = |arg: &Arg| arg.get_long_help().or(arg.get_help()).map(ToString::to_string);
    parent.get_arguments().any(|of_parent| of_parent.get_id() == arg.get_id() && help(of_parent) == help(arg))
}

/// The names of arguments that have been described.
fn as_above(known: &[&Arg]) -> String {
    let mut line: Vec<Inline> = vec![roman("As described above: ")];
    for (n, arg) in known.iter().enumerate() {
        if n > 0 {
            line.push(roman(", "));
        }
        line.push(match (arg.get_long(), arg.get_value_names()) {
            (Some(long), _) => bold(format!("--{long}")),
            (None, Some(names)) => {
                italic(names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "))
            }
            (None, None) => italic(arg.get_id().as_str()),
        });
    }
    line.push(roman("."));
    let mut roff = Roff::new();
    roff.control("PP", []);
    roff.text(line);
    roff.to_roff()
}

/// The list of a command's arguments, without its heading.
fn list(command: Command) -> Result<String, String> {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| with_values(with_sentences(arg)));
    let mut bytes = Vec::new();
    let rendered = clap_mangen::Man::new(command).render_options_section(&mut bytes);
    rendered.map_err(|e| format!("{name}: {e}"))?;
    let text = String::from_utf8(bytes).map_err(|e| format!("{name}: {e}"))?;
    let (_, list) = text.split_once(".SH OPTIONS\n").ok_or_else(|| format!("{name}: it has no options"))?;
    Ok(tidy(list))
}

/// The first sentence of a help text ends without a full stop for `-h`; here more may follow.
pub(crate) fn sentences(text: &str) -> String {
    let paragraphs = text.trim().split("\n\n").map(|paragraph| {
        let paragraph = paragraph.trim_end();
        let dot = if paragraph.ends_with(['.', ':', '?', '!']) { "" } else { "." };
        format!("{paragraph}{dot}")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn with_sentences(arg: Arg) -> Arg {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string);
    match help {
        Some(help) => arg.long_help(sentences(&help)),
        None => arg,
    }
}

/// Puts the values that an option can have behind its help, as sentences.
fn with_values(arg: Arg) -> Arg {
    let values = arg.get_possible_values();
    let takes = arg.get_num_args().is_none_or(|n| n.takes_values()) && arg.get_action().takes_values();
    if values.is_empty() || !takes || arg.is_hide_possible_values_set() {
        return arg;
    }
    let shown = values.iter().filter(|value| !value.is_hide_set());
    let shown = match shown.clone().all(|value| value.get_help().is_none()) {
        true => {
            let names: Vec<String> = shown.map(|value| format!("`{}`", value.get_name())).collect();
            format!("One of {}.", names.join(", "))
        }
        false => shown.map(explained).collect::<Vec<_>>().join("\n\n"),
    };
    let help = arg.get_long_help().map(ToString::to_string).unwrap_or_default();
    arg.hide_possible_values(true).long_help(format!("{help}\n\n{shown}"))
}

fn explained(value: &PossibleValue) -> String {
    match value.get_help() {
        Some(help) => format!("`{}`: {}", value.get_name(), sentences(&help.to_string())),
        None => format!("`{}`.", value.get_name()),
    }
}

/// Makes a manual of what was written for `--help`: blank lines are the space between paragraphs, and words
/// in backquotes are literal.
pub(crate) fn tidy(roff: &str) -> String {
    // The string is defined in the head of a whole page of clap_mangen's only.
    let roff = &roff.replace("\\*(Aq", "\\(aq");
    let mut tidy = String::with_capacity(roff.len());
    let mut blank = false;
    for line in roff.lines() {
        if line.trim().is_empty() {
            blank = true;
            continue;
        }
        if blank && !line.starts_with('.') {
            tidy.push_str(".sp\n");
        }
        blank = false;
        tidy.push_str(&literals(line.trim_end()));
        tidy.push('\n');
    }
    tidy
}

/// Sets what stands in backquotes in bold.
fn literals(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // A lone backquote is what it is.
        return line.to_owned();
    }
    let set =
        |(n, part): (usize, &&str)| if n % 2 == 1 { format!("\\fB{part}\\fR") } else { (*part).to_owned() };
    parts.iter().enumerate().map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let all = Arg::new("all").long("all").action(ArgAction::SetTrue).help("Take all");
        let how = Arg::new("how").long("how").value_name("HOW").help("How to do it");
        let values = [PossibleValue::new("fast").help("At once"), PossibleValue::new("slow")];
        let file =
            Arg::new("file").value_name("FILE").help("What is read").long_help("What is read\n\n.dot-file");
        let sub = Command::new("sub").about("Do a part").arg(&all).arg(file.clone());
        let mut command = Command::new("tool").arg(all).arg(how.value_parser(values)).subcommand(sub);
        command.build();
        command
    }

    #[test]
    fn options_and_commands_are_listed() {
        let text = section(&command()).unwrap();
        for part in [
            ".SH OPTIONS\n.TP\n\\fB\\-\\-all\\fR\nTake all.\n",
            "How to do it.\n.sp\n\\fBfast\\fR: At once.\n.sp\n\\fBslow\\fR.\n",
            ".SH COMMANDS\n.TP\n.BR tool-sub (1)\nDo a part.\n",
        ] {
            assert!(text.contains(part), "{part}\nnot in\n{text}");
        }
        assert!(!text.contains("\n\n"), "{text}");
    }

    #[test]
    fn commands_of_a_command_stand_in_its_page() {
        let text = section_of_command(&command()).unwrap();
        for part in [
            ".SH COMMANDS\n.SS sub\nDo a part.\n.TP\n[\\fIFILE\\fR]\nWhat is read.\n.sp\n\\&.dot\\-file.\n",
            ".PP\nAs described above: \\fB\\-\\-all\\fR.\n",
        ] {
            assert!(text.contains(part), "{part}\nnot in\n{text}");
        }
        assert!(!text.contains("\n\n"), "{text}");
    }

    #[test]
    fn words_in_backquotes_are_literal() {
        for (line, expected) in [
            ("a `b c` d `e`.", "a \\fBb c\\fR d \\fBe\\fR."),
            ("`a`", "\\fBa\\fR"),
            ("a ` b", "a ` b"),
            ("", ""),
        ] {
            assert_eq!(literals(line), expected);
        }
    }

    #[test]
    fn values_that_explain_themselves_are_one_sentence() {
        let arg = Arg::new("when").long("when").value_parser(["now", "later"]).help("When");
        let text = list(Command::new("tool").arg(arg)).unwrap();
        assert!(text.contains("\nWhen.\n.sp\nOne of \\fBnow\\fR, \\fBlater\\fR.\n"), "{text}");
    }

    #[test]
    fn paragraphs_are_sentences() {
        for (text, sentence) in [
            ("Do it", "Do it."),
            ("Do it\n\nIt is done.", "Do it.\n\nIt is done."),
            ("See:\n\nthis\n", "See:\n\nthis."),
        ] {
            assert_eq!(sentences(text), sentence);
        }
    }
}
