//! The command line of a provisioner.

/// A program that gives hosts, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// For sh.
    pub text: String,
    /// How many hosts are taken of it at a time, if that was said.
    pub most: Option<u32>,
}

impl Command {
    /// What was typed; a call of atex-provision gets the option by which it speaks the protocol.
    pub fn new(text: &str, most: Option<u32>) -> Command {
        let text = match place_of_serve(text) {
            // Not at the end: behind some back ends stands a command, whose option it would be.
            Some(at) => format!("{} --serve{}", &text[..at], &text[at..]),
            None => text.to_owned(),
        };
        Command { text, most }
    }

    /// What it is called in messages until it says a name: its program.
    pub fn name(&self) -> String {
        let words = shlex::split(&self.text).unwrap_or_default();
        words.iter().find(|word| !comes_before(word)).map_or(self.text.clone(), |word| base(word).to_owned())
    }
}

/// What may stand before the program.
fn comes_before(word: &str) -> bool {
    word == "exec" || is_assignment(word)
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

/// Where the option is put, if this is one call of atex-provision and not a line in which more is done: behind the name of
/// the back end.
fn place_of_serve(text: &str) -> Option<usize> {
    // That it can be split at all says that its quotes are closed.
    shlex::split(text)?;
    let words = words(text)?;
    let mut words = words.iter().skip_while(|(word, _)| comes_before(word));
    let (program, _) = words.next()?;
    let (_, at) = words.find(|(word, _)| !word.starts_with('-'))?;
    let is_there = words.next().is_some_and(|(word, _)| word == "--serve");
    (base(program) == "atex-provision" && !is_there).then_some(*at)
}

/// The words of a command, unquoted, and where each ends; `None`: there is more than one command.
fn words(text: &str) -> Option<Vec<(String, usize)>> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut escaped) = (None, None, false);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_plain = quote.is_none() && !escaped;
        match c {
            '|' | ';' | '&' | '\n' if is_plain => return None,
            '#' if is_plain && start.is_none() => break,
            ' ' | '\t' if is_plain => {
                let word = start.take().and_then(|start| shlex::split(&text[start..at]));
                words.extend(word.into_iter().flatten().map(|word| (word, at)));
                continue;
            }
            // A line that goes on: no word begins with that.
            '\n' if escaped && start == Some(at - 1) => {
                (escaped, start) = (false, None);
                continue;
            }
            _ if escaped => escaped = false,
            '\\' if quote != Some('\'') => escaped = true,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            _ => {}
        }
        start = start.or(Some(at));
    }
    Some(words)
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atex_provision_is_told_to_serve() {
        for (text, served, name) in [
            (
                "atex-provision podman --image cs9 --max 20",
                "atex-provision podman --serve --image cs9 --max 20",
                "atex-provision",
            ),
            (
                "A=b exec '/opt/my tools/atex-provision' local",
                "A=b exec '/opt/my tools/atex-provision' local --serve",
                "atex-provision",
            ),
            ("X=1 target/atex-provision local", "X=1 target/atex-provision local --serve", "atex-provision"),
            (
                "X='a b' atex-provision -v  local -n 2",
                "X='a b' atex-provision -v  local --serve -n 2",
                "atex-provision",
            ),
            // What stands at the end is the provider's.
            (
                "atex-provision exec ./lab --fast",
                "atex-provision exec --serve ./lab --fast",
                "atex-provision",
            ),
            (
                "atex-provision exec -- './my lab' a\\ b \"c 'd\" ",
                "atex-provision exec --serve -- './my lab' a\\ b \"c 'd\" ",
                "atex-provision",
            ),
            (
                "atex-provision exec ./lab --serve",
                "atex-provision exec --serve ./lab --serve",
                "atex-provision",
            ),
            ("atex-provision \"local\"", "atex-provision \"local\" --serve", "atex-provision"),
            ("atex-provision local --serve -n 3", "atex-provision local --serve -n 3", "atex-provision"),
            (
                "atex-provision podman --setup 'a && b; c' # 'd",
                "atex-provision podman --serve --setup 'a && b; c' # 'd",
                "atex-provision",
            ),
            (
                "atex-provision podman --setup 'a && b' # d",
                "atex-provision podman --serve --setup 'a && b' # d",
                "atex-provision",
            ),
            ("atex-provision \\\n podman", "atex-provision \\\n podman --serve", "atex-provision"),
            ("atex-provision local | tee log", "atex-provision local | tee log", "atex-provision"),
            ("atex-provision", "atex-provision", "atex-provision"),
            ("my-provisioner atex-provision local", "my-provisioner atex-provision local", "my-provisioner"),
            ("'", "'", "'"),
            ("", "", ""),
        ] {
            let command = Command::new(text, None);
            assert_eq!((&*command.text, &*command.name()), (served, name));
        }
    }
}
