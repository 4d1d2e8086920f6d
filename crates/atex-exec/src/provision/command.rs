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
        let serve = if is_to_serve(text) { " --serve" } else { "" };
        Command { text: format!("{text}{serve}"), most }
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

/// Whether this is one call of atex-provision, and not a line in which more is done.
fn is_to_serve(text: &str) -> bool {
    let Some(words) = shlex::split(text) else { return false };
    let mut words = words.iter().skip_while(|word| comes_before(word));
    let is_ours = words.next().is_some_and(|word| base(word) == "atex-provision");
    is_ours && !text.contains(['|', ';', '&', '\n']) && !words.any(|word| word == "--serve")
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
        for (text, is_served, name) in [
            ("atex-provision podman --image cs9 --max 20", true, "atex-provision"),
            ("A=b exec '/opt/my tools/atex-provision' local", true, "atex-provision"),
            ("X=1 target/atex-provision local", true, "atex-provision"),
            ("atex-provision local --serve -n 3", false, "atex-provision"),
            ("atex-provision local | tee log", false, "atex-provision"),
            ("my-provisioner atex-provision", false, "my-provisioner"),
            ("'", false, "'"),
            ("", false, ""),
        ] {
            let command = Command::new(text, None);
            let expected = if is_served { format!("{text} --serve") } else { text.to_owned() };
            assert_eq!((&*command.text, &*command.name()), (&*expected, name));
        }
    }
}
