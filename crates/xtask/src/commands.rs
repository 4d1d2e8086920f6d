//! A page for each command of a tool, such as atex-report-diff(1), made of its help alone.

use clap::Command;

use crate::prose::Prose;
use crate::tools::Tool;
use crate::{Generated, man, options};

/// The pages of all commands of a tool.
///
/// # Errors
/// A command says nothing about itself.
pub(crate) fn pages(tool: &Tool) -> Result<Vec<Generated>, String> {
    let mut command = tool.command.clone();
    command.build();
    let page = |each: &Command| {
        let name = format!("{}-{}", tool.name, each.get_name());
        let text = page(tool, &name, each).map_err(|e| format!("{name}: {e}"))?;
        Ok(Generated { path: format!("man/{name}.1"), text })
    };
    options::subcommands(&command).map(page).collect()
}

fn page(tool: &Tool, name: &str, command: &Command) -> Result<String, String> {
    let about = match command.get_long_about() {
        Some(long) => long.to_string(),
        None => options::about(command)?,
    };
    let mut prose = Prose::of(&about);
    // What stands below the options of `--help`, but for the table of exit statuses.
    if let Some(after) = command.get_after_long_help().map(ToString::to_string)
        && after != atex_cli::EXIT_STATUS
    {
        prose.add(&after);
    }
    let mut page = man::head_of(name, command)?;
    page.push_str(&man::synopsis_of(command));
    page.push_str(".SH DESCRIPTION\n");
    page.push_str(&prose.text);
    page.push_str(&options::section_of_command(command)?);
    if !prose.examples.is_empty() {
        page.push_str(".SH EXAMPLES\n");
        page.push_str(&prose.examples);
    }
    let parent = tool.name.replace('-', "\\-");
    page.push_str(&format!(
        ".SH EXIT STATUS\nThat of all tools, see\n.BR {parent} (1).\n.SH SEE ALSO\n.BR {parent} (1),\n.BR atex (7)\n"
    ));
    Ok(page.chars().map(man::ascii).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn a_page_is_made_of_the_help() {
        let long = "Do a part\n\nWhich `part`, is said.\n\nExamples:\n  tool sub x\n      does it";
        let sub = Command::new("sub").about("Do a part").long_about(long);
        let sub = sub.arg(Arg::new("what").value_name("WHAT").help("Which part"));
        let tool = Tool {
            name: "tool",
            command: Command::new("tool").subcommand(sub),
            schemas: Vec::new(),
            text: "",
        };
        let pages = pages(&tool).unwrap();
        assert_eq!(pages.len(), 1);
        assert_eq!(pages[0].path, "man/tool-sub.1");
        let text = &pages[0].text;
        let places = [
            ".TH TOOL-SUB 1 ",
            "tool\\-sub \\- do a part\n",
            ".SH SYNOPSIS\n\\fBtool sub\\fR [WHAT]\n",
            ".SH DESCRIPTION\nDo a part.\n.PP\nWhich \\fBpart\\fR, is said.\n",
            ".SH OPTIONS\n.TP\n",
            "[\\fIWHAT\\fR]\nWhich part.\n",
            ".SH EXAMPLES\nDoes it:\n.PP\n.EX\ntool sub x\n.EE\n",
            ".SH EXIT STATUS\n",
        ]
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: not in\n{text}")));
        assert!(places.is_sorted(), "{text}");
    }
}
