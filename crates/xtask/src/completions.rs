//! What shells complete when somebody types a command line.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::Generated;
use crate::tools::Tool;

/// The files of a tool, each named as its shell looks for it.
///
/// # Errors
/// What was made is no text.
pub(crate) fn of(tool: &Tool) -> Result<Vec<Generated>, String> {
    let name = tool.name;
    let shells = [
        (Shell::Bash, name.to_owned()),
        (Shell::Zsh, format!("_{name}")),
        (Shell::Fish, format!("{name}.fish")),
    ];
    let file = |(shell, file): (Shell, String)| {
        let text = made(shell, tool).map_err(|e| format!("{file}: {e}"))?;
        Ok(Generated { path: format!("scripts/completions/{shell}/{file}"), text })
    };
    shells.into_iter().map(file).collect()
}

/// The file of a shell. Where clap_complete 4.6 is wrong, it is put right.
fn made(shell: Shell, tool: &Tool) -> Result<String, String> {
    let name = tool.name;
    let takes_files = shell == Shell::Zsh && tool.command.get_positionals().next().is_some();
    let mut command =
        if takes_files { without_positionals(name, &tool.command) } else { tool.command.clone() };
    let mut bytes = Vec::new();
    generate(shell, &mut command, name, &mut bytes);
    let text = String::from_utf8(bytes).map_err(|e| e.to_string())?;
    let text = match shell {
        // The dash of a program's name is taken for the border of a command, but not everywhere.
        Shell::Bash => Some(text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))),
        Shell::Fish => with_values(name, &text),
        _ if takes_files => with_files(&tool.command, &text),
        _ => Some(text),
    };
    text.ok_or_else(|| "not as clap_complete 4.6 makes it".to_owned())
}

/// What fish completes, also of a value: while it is typed, the words before it end with an option that lacks its value,
/// which is no reason to offer nothing.
fn with_values(name: &str, text: &str) -> Option<String> {
    let options = format!("(__fish_{}_global_optspecs)", name.replace('-', "_"));
    let parse = format!("    argparse -s {options} -- $cmd 2>/dev/null\n");
    let again = format!("{parse}    or argparse -s {options} -- $cmd[..-2] 2>/dev/null\n");
    (text.matches(&parse).count() == 1).then(|| text.replace(&parse, &again))
}

/// The command with its options and commands only: where both files and commands may stand, clap_complete has zsh expect
/// a file first and a command behind it.
fn without_positionals(name: &'static str, command: &Command) -> Command {
    Command::new(name)
        .args(command.get_arguments().filter(|arg| !arg.is_positional()).cloned())
        .subcommands(command.get_subcommands().cloned())
        .version(env!("CARGO_PKG_VERSION"))
}

/// What zsh completes of that command, with files put in again: in place of a command, and behind a file. None if the
/// text is not as clap_complete 4.6 makes it.
fn with_files(command: &Command, text: &str) -> Option<String> {
    let name = command.get_name();
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
    let names = names.join("|");
    // What a command is searched among, and where it has been found.
    let commands = format!("\":: :_{name}_commands\"");
    let dispatch = format!(":{name}-command-$line[1]:\"\n");
    let function = format!("\n_{name}() {{\n");
    if [&commands, &dispatch, &function].iter().any(|part| text.matches(part.as_str()).count() != 1) {
        return None;
    }
    let words = format!(
        "\n_{name}_words() {{\n    _alternative 'commands:command:_{name}_commands' 'files:file:_files'\n}}\n{function}"
    );
    let files = format!(
        "{dispatch}        case $line[1] in\n            ({names}) ;;\n            (*) \
         _arguments \"${{_arguments_options[@]}}\" : '*:file:_files' && ret=0 ;;\n        esac\n"
    );
    Some(
        text.replace(&commands, &format!("\":: :_{name}_words\""))
            .replace(&dispatch, &files)
            .replace(&function, &words),
    )
}
