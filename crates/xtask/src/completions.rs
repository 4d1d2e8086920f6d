//! What shells complete when somebody types a command line.

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
        let mut bytes = Vec::new();
        generate(shell, &mut tool.command.clone(), name, &mut bytes);
        let mut text = String::from_utf8(bytes).map_err(|e| format!("{file}: {e}"))?;
        if shell == Shell::Bash {
            // clap_complete 4.6 takes the dash of a program's name for the border of a command, but not everywhere.
            text = text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
        }
        Ok(Generated { path: format!("scripts/completions/{shell}/{file}"), text })
    };
    shells.into_iter().map(file).collect()
}
