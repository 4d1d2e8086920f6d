//! What can be told of this machine.

use std::fs;

use atex_model::{Connect, Facts, Host};

/// The `number`th time this machine, of which `facts` are known.
pub(super) fn host(number: u32, facts: &Facts) -> Host {
    let mut host = Host::new(format!("local/{number}"), Connect::Local);
    host.facts = facts.clone();
    host
}

/// What can be told of this machine for the price of reading a file.
pub(super) fn facts() -> Facts {
    let release =
        fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release")).ok();
    let mut facts = Facts::new();
    if let Some(distro) = release.as_deref().and_then(distro) {
        facts.insert("distro".into(), distro.into());
    }
    facts.insert("arch".into(), arch().into());
    facts
}

/// The distribution in the form that contexts of tests use: `fedora-43`, `centos-stream-9`.
fn distro(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        let quoted = os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
        shlex::split(quoted)?.into_iter().next().filter(|value| !value.is_empty())
    };
    let mut distro = value("ID")?;
    // Its os-release says `centos`, as that of the older, different CentOS Linux did.
    if distro == "centos" && value("NAME").is_some_and(|name| name == "CentOS Stream") {
        distro.push_str("-stream");
    }
    if let Some(version) = value("VERSION_ID") {
        distro = format!("{distro}-{version}");
    }
    Some(distro)
}

/// The architecture as `uname -m` names it.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "x86" => "i686",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_named_as_contexts_name_it() {
        for (os_release, name) in [
            ("NAME=\"Fedora Linux\"\nVERSION_ID=43\nID=fedora\n", Some("fedora-43")),
            ("ID=\"rhel\"\nVERSION_ID=\"9.6\"\n", Some("rhel-9.6")),
            ("NAME=\"CentOS Stream\"\nID=\"centos\"\nVERSION_ID=\"9\"\n", Some("centos-stream-9")),
            ("NAME=\"CentOS Linux\"\nID=\"centos\"\nVERSION_ID=\"7\"\n", Some("centos-7")),
            ("ID=arch\nVERSION_ID=\n", Some("arch")),
            ("ID_LIKE=debian\n", None),
            ("ID=\"unclosed\nNAME=x\n", None),
            ("", None),
        ] {
            assert_eq!(distro(os_release).as_deref(), name, "{os_release}");
        }
    }

    #[test]
    fn this_machine_has_an_architecture() {
        assert!(facts()["arch"].as_str().is_some_and(|arch| !arch.is_empty()));
    }
}
