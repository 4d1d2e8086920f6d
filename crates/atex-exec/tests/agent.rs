//! The agent by itself, under every shell that a host may have, and with nothing but busybox.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// What works on the host.
const AGENT: &str = include_str!("../src/agent.sh");

/// What the agent may use of busybox.
const APPLETS: [&str; 16] = [
    "sh", "cat", "dd", "env", "grep", "ls", "mkdir", "mkfifo", "mv", "rm", "setsid", "sleep", "tail", "tar",
    "wc", "ps",
];

/// A host: a directory with the agent, a shell that runs it, and the programs that it finds.
struct Host {
    dir: tempfile::TempDir,
    shell: Vec<&'static str>,
    path: String,
}

impl Host {
    fn all() -> Vec<Host> {
        let system = std::env::var("PATH").unwrap();
        let mut hosts = vec![Host::new(&["dash"], system.clone()), Host::new(&["bash"], system)];
        let busybox = Path::new("/usr/bin/busybox");
        let busybox = if busybox.exists() { busybox } else { Path::new("/bin/busybox") };
        if busybox.exists() {
            let mut host = Host::new(&["sh"], String::new());
            let bin = host.dir.path().join("bin");
            fs::create_dir(&bin).unwrap();
            for applet in APPLETS {
                symlink(busybox, bin.join(applet)).unwrap();
            }
            symlink("/bin/bash", bin.join("bash")).unwrap();
            host.path = bin.to_str().unwrap().to_owned();
            hosts.push(host);
        } else {
            let required = std::env::var_os("ATEX_TEST_REQUIRE").is_some_and(|value| value == "1");
            assert!(!required, "ATEX_TEST_REQUIRE=1, but busybox is not installed");
            let _ = std::io::stderr().write_all(b"SKIPPED: agent under busybox: it is not installed\n");
        }
        for host in &hosts {
            let said = host.call(&["hello"], b"");
            assert!(said.contains("\nmissing=\n"), "{:?}: {said}", host.shell);
            host.call(&["bare", "s0"], b"");
        }
        hosts
    }

    fn new(shell: &[&'static str], path: String) -> Host {
        let host = Host { dir: tempfile::tempdir().unwrap(), shell: shell.to_vec(), path };
        fs::create_dir(host.work_dir()).unwrap();
        fs::write(host.work_dir().join("agent"), AGENT).unwrap();
        host
    }

    fn work_dir(&self) -> PathBuf {
        // A name that has to be quoted wherever it is used.
        self.dir.path().join("it's $a dir")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let agent = self.work_dir().join("agent");
        let shell = if self.path.contains("/bin") && self.shell == ["sh"] {
            Path::new(&self.path).join("sh")
        } else {
            PathBuf::from(self.shell[0])
        };
        let mut command = Command::new(shell);
        command.args(&self.shell[1..]).arg(agent).args(arguments).env("PATH", &self.path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the agent to its end.
    fn call(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?} {arguments:?}: {:?} {err}", self.shell, output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&self, test: &str) -> Running {
        let script = format!(
            "read -r REPLY </proc/self/stat && echo \"$REPLY\" >leader;exec {{C}}>&9 9>&-;export C;set -e\n{test}\n"
        );
        let size = script.len().to_string();
        // Both ways of reading the script: by dd, and by the shell itself.
        let lines = if test.len().is_multiple_of(2) {
            "0".to_owned()
        } else {
            script.matches('\n').count().to_string()
        };
        let mut child = self.command(&["run", &size, "WORD", &lines]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        Running { child, stdin }
    }
}

/// A test that is followed.
struct Running {
    child: Child,
    stdin: ChildStdin,
}

impl Running {
    /// Follows it to its end: what it sent, the wrapper's last line (status and both sizes), what it printed.
    fn finish(mut self) -> (String, Vec<u64>, String) {
        let mut control = BufReader::new(self.child.stdout.take().unwrap());
        let (mut sent, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            assert!(control.read_line(&mut line).unwrap() > 0, "it ended without a last line: {sent}");
            match line.strip_prefix("WORD ") {
                Some(numbers) => {
                    let numbers: Vec<u64> = numbers.split_whitespace().map(|n| n.parse().unwrap()).collect();
                    let mut printed = vec![0; usize::try_from(numbers[2]).unwrap()];
                    let mut output = self.child.stderr.take().unwrap();
                    output.read_exact(&mut printed).unwrap();
                    drop(self.stdin);
                    assert!(self.child.wait().is_ok());
                    return (sent, numbers, String::from_utf8(printed).unwrap());
                }
                None => sent.push_str(&line),
            }
        }
    }
}

#[test]
fn a_test_is_followed_to_its_end() {
    for host in Host::all() {
        let running = host.start("echo sent >&$C; echo printed; echo err >&2; exit 3");
        let (sent, numbers, printed) = running.finish();
        assert_eq!((sent.as_str(), printed.as_str()), ("sent\n", "printed\nerr\n"), "{:?}", host.shell);
        assert_eq!(numbers, [3, 5, 12]);
        assert_eq!(fs::read_to_string(host.work_dir().join("test/end")).unwrap(), "3 5 12\n");
    }
}

#[test]
fn the_script_arrives_byte_for_byte_either_way() {
    for host in Host::all() {
        // One of the two has an odd length.
        for more in ["", " "] {
            let test = format!("printf '%s' '  a\\b\tü \r'{more}\n\nexit 5");
            let (_, numbers, printed) = host.start(&test).finish();
            assert_eq!((numbers[0], printed.as_str()), (5, "  a\\b\tü \r"), "{:?} {test:?}", host.shell);
        }
    }
}

#[test]
fn signals_are_as_a_login_has_them() {
    for host in Host::all() {
        let (_, _, printed) = host.start("grep -E 'SigIgn|SigBlk' /proc/self/status").finish();
        for line in printed.lines() {
            let mask = u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
            // Real-time signals are as whoever runs the tests has them.
            assert_eq!(mask & 0x7fff_ffff, 0, "{:?}: {printed}", host.shell);
        }
        assert_eq!(printed.lines().count(), 2);
    }
}

#[test]
fn the_test_has_a_session_of_its_own_and_no_descriptor_too_many() {
    for host in Host::all() {
        let script = "read -r me _ _ _ group session _ </proc/$$/stat; echo $((me - group)) $((me - session)); \
                      for fd in /proc/$$/fd/? /proc/$$/fd/??; do [ -p \"$fd\" ] && echo pipe; done; true";
        let (_, _, printed) = host.start(script).finish();
        assert_eq!(printed, "0 0\npipe\npipe\npipe\n", "{:?}: output twice and control", host.shell);
    }
}

#[test]
fn a_test_that_is_killed_is_dead_with_all_that_it_has_started() {
    for host in Host::all() {
        let running = host.start("echo $$ >&$C; (sleep 1000; echo never) & set -m; sleep 1000 & wait");
        let leader = host.work_dir().join("test/leader");
        while !fs::read_to_string(&leader).is_ok_and(|text| text.ends_with('\n')) {
            std::thread::yield_now();
        }
        let session = fs::read_to_string(leader).unwrap().split(' ').next().unwrap().to_owned();
        host.call(&["stop", "KILL"], b"");
        let (_, numbers, printed) = running.finish();
        assert_eq!((numbers[0], printed.as_str()), (137, ""), "{:?}", host.shell);
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
            let rest: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
            assert!(rest.get(3) != Some(&session.as_str()) || rest[0] == "Z", "{:?}: {stat}", host.shell);
        }
    }
}

#[test]
fn what_runs_when_the_host_is_greeted_is_fenced() {
    for host in Host::all() {
        let running = host.start("sleep 1000");
        let wrapper = host.work_dir().join("test/wrapper");
        let leader = host.work_dir().join("test/leader");
        while !(fs::read_to_string(&leader).is_ok_and(|text| text.ends_with('\n'))
            && fs::read_to_string(&wrapper).is_ok_and(|text| text.ends_with('\n')))
        {
            std::thread::yield_now();
        }
        let pids = [&wrapper, &leader].map(|file| {
            let text = fs::read_to_string(file).unwrap();
            text.split(' ').next().unwrap().to_owned()
        });
        host.call(&["hello"], b"");
        for pid in pids {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            assert!(stat.as_ref().map_or(true, |stat| stat.contains(") Z ")), "{:?}: {stat:?}", host.shell);
        }
        drop(running.stdin);
        let mut child = running.child;
        child.wait().unwrap();
    }
}

#[test]
fn files_arrive_and_are_unpacked_afresh() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("f"), "text").unwrap();
    let tar = Command::new("tar")
        .args(["-cf", "-", "-C", from.path().to_str().unwrap(), "f"])
        .output()
        .unwrap()
        .stdout;
    for host in Host::all() {
        let size = tar.len().to_string();
        host.call(&["take", "s1", &size], &tar);
        let file = host.work_dir().join("s1/tree/f");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text", "{:?}", host.shell);
        fs::write(&file, "changed").unwrap();
        fs::write(host.work_dir().join("s1/tree/more"), "").unwrap();
        host.call(&["has", "s1"], b"");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        assert!(!host.work_dir().join("s1/tree/more").exists());
        let short = host.command(&["take", "s2", &size]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(short.status.code(), Some(125));
        assert!(String::from_utf8_lossy(&short.stderr).contains("0 bytes arrived of"), "{short:?}");
        let unknown = host.command(&["has", "s2"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(unknown.status.code(), Some(1));
    }
}

#[test]
fn nothing_is_left_after_goodbye() {
    for host in Host::all() {
        host.call(&["bye"], b"");
        assert!(!host.work_dir().exists(), "{:?}", host.shell);
    }
}
