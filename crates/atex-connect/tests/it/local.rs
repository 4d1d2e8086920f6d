//! Commands on this machine and through a prefix. What holds for them holds for ssh, so the
//! tests of plain bytes live here.

use std::fs;
use std::time::Instant;

use atex_connect::{ConnectError, Connection, Connector, Event, Exit, Stdin, Target, WriteError};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, signal};

use crate::support::*;

fn local() -> (Connector, Connection) {
    let connector = connector();
    let connection = open(&connector, Target::Local);
    (connector, connection)
}

#[test]
fn exits() {
    let (_connector, host) = local();
    let cases = [
        ("true", Exit::Code(0)),
        ("exit 3", Exit::Code(3)),
        ("exit 255", Exit::Code(255)),
        ("no-such-program-here 2>/dev/null", Exit::Code(127)),
        ("kill -9 $$", Exit::Signal(Some(9))),
        ("kill -TERM $$", Exit::Signal(Some(15))),
    ];
    for (command, expected) in cases {
        assert_eq!(run(&host, command, Stdin::empty()).ended, Ok(expected), "{command}");
    }
}

#[test]
fn both_outputs() {
    let (_connector, host) = local();
    let outcome = run(&host, "echo out; echo err >&2", Stdin::empty());
    assert_eq!((&outcome.stdout[..], &outcome.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
}

#[test]
fn inputs() {
    let (_connector, host) = local();
    let folder = tempfile();
    let file = folder.join("in put");
    fs::write(&file, "from a file").unwrap();
    run(&host, "cat", Stdin::empty()).expect_stdout("");
    run(&host, "cat", Stdin::bytes("some bytes")).expect_stdout("some bytes");
    run(&host, "cat", Stdin::file(&file)).expect_stdout("from a file");

    for stdin in [Stdin::empty(), Stdin::bytes("first "), Stdin::file(&file)] {
        let expected = match &stdin.content {
            atex_connect::Content::Empty => "then more",
            atex_connect::Content::Bytes(_) => "first then more",
            atex_connect::Content::File(_) => "from a filethen more",
        };
        let running = start(&host, "cat", stdin.keep_open());
        running.session.write("then ").unwrap();
        running.session.write("more").unwrap();
        running.session.close_stdin();
        running.finish().expect_stdout(expected);
    }
    fs::remove_dir_all(folder).unwrap();
}

fn tempfile() -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("atex-connect-{}-{:?}", std::process::id(), Instant::now()));
    fs::create_dir(&path).unwrap();
    path
}

#[test]
fn dropping_the_session_ends_its_input() {
    let (_connector, host) = local();
    let running = start(&host, "cat; echo end", Stdin::bytes("begin ").keep_open());
    let Running { session, events } = running;
    drop(session);
    let all: Vec<u8> = events
        .iter()
        .filter_map(|event| match event {
            Event::Stdout(chunk) => Some(chunk.to_vec()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(all, b"begin end\n");
}

#[test]
fn input_that_is_not_read_is_refused_at_a_limit() {
    let connector = connector_with(|options| options.stdin_queue_bytes = 1000);
    let host = open(&connector, Target::Local);
    let running = start(&host, "read line", Stdin::empty().keep_open());
    assert_eq!(running.session.write(vec![b'x'; 1001]), Err(WriteError::Full));
    running.session.write("line\n").unwrap();
    assert_eq!(running.finish().ended, Ok(Exit::Code(0)));
    assert_eq!(running.session.write("late"), Err(WriteError::Closed));
}

#[test]
fn a_missing_input_file_is_named() {
    let (_connector, host) = local();
    let ended = run(&host, "cat", Stdin::file("/no/such/file")).ended;
    let error = ended.unwrap_err();
    assert!(matches!(error, ConnectError::Invalid { .. }));
    assert!(error.to_string().starts_with("local: input file /no/such/file: "), "{error}");
}

#[test]
fn a_command_that_cannot_be_an_argument_is_refused() {
    let (_connector, host) = local();
    let long = format!(": {}", "x".repeat(200_000));
    for command in [long.as_str(), "echo \0"] {
        let error = run(&host, command, Stdin::empty()).ended.unwrap_err();
        assert!(matches!(error, ConnectError::Invalid { .. }), "{error:?}");
    }
}

#[test]
fn big_data_both_ways() {
    let (_connector, host) = local();
    let data = noise(20_000_003);
    let outcome = run(&host, "tee /dev/stderr", Stdin::bytes(data.clone()));
    assert_eq!(outcome.ended, Ok(Exit::Code(0)));
    assert!(outcome.stdout == data && outcome.stderr == data);
}

#[test]
fn chunks_that_are_kept_stop_the_command() {
    let connector = connector_with(|options| options.outstanding_bytes = 256 * 1024);
    let host = open(&connector, Target::Local);
    let running = start(&host, "echo $$ >&2; exec cat /dev/zero", Stdin::empty());
    let pid: i32 = loop {
        if let Event::Stderr(chunk) = running.next() {
            break std::str::from_utf8(&chunk).unwrap().trim().parse().unwrap();
        }
    };
    let written = || {
        let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse::<usize>().unwrap()
    };
    eventually("cat waits", || process_state(pid) == Some('S') && written() >= 192 * 1024);
    // The limit, a pipe's capacity, and a write of cat's under way.
    assert!(written() <= 256 * 1024 + 64 * 1024 + 128 * 1024, "{}", written());

    // The events in the channel hold the chunks: taking them out lets the command go on.
    let before = written();
    for _ in 0..100 {
        running.next();
    }
    eventually("cat goes on", || written() > before);
    running.session.abandon();
    eventually("cat ends by SIGPIPE and is reaped", || process_state(pid).is_none());
}

#[test]
fn abandoned_sessions_are_silent_and_reaped() {
    let (_connector, host) = local();
    let running = start(&host, "echo $$; cat; echo end", Stdin::empty().keep_open());
    let pid: i32 = running.next_line().trim().parse().unwrap();
    running.session.abandon();
    assert!(running.events.recv_timeout(PATIENCE).is_err(), "no event comes, and the closure is dropped");
    eventually("the process has ended and is reaped", || process_state(pid).is_none());
}

#[test]
fn commands_start_with_clean_signals_and_a_group_of_their_own() {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.add(Signal::SIGUSR1);
    // The connector's thread inherits the mask of the thread that makes it.
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None).unwrap();
    // SAFETY: ignoring a signal runs no code.
    unsafe { signal(Signal::SIGUSR2, SigHandler::SigIgn) }.unwrap();
    let (_connector, host) = local();
    let outcome = run(
        &host,
        "grep -E '^Sig(Blk|Ign):' /proc/self/status; set -- $(cat /proc/$$/stat); echo $1 $5",
        Stdin::empty(),
    );
    let text = String::from_utf8(outcome.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[..2] {
        // Without the real-time signals: the C library keeps some of them to itself.
        let mask = u64::from_str_radix(line.split_once('\t').unwrap().1, 16).unwrap();
        assert_eq!(mask & 0x7fff_ffff, 0, "{line}");
    }
    let (pid, group) = lines[2].split_once(' ').unwrap();
    assert_eq!(pid, group);
}

#[test]
fn the_limit_of_open_files_is_restored() {
    let connector = connector_with(|options| options.child_open_files = Some(123));
    let host = open(&connector, Target::Local);
    run(&host, "ulimit -n", Stdin::empty()).expect_stdout("123\n");
}

#[test]
fn a_prefix_gets_the_command_as_one_argument() {
    let connector = connector();
    let argv = ["env", "WHERE=in there", "nice"].map(str::to_owned).to_vec();
    let host = open(&connector, Target::Command { argv });
    let command = "printf '%s|' \"$WHERE\" 'it''s' \"a  b\"; cat; exit 7";
    let outcome = run(&host, command, Stdin::bytes("input"));
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "in there|its|a  b|input");
    assert_eq!(outcome.ended, Ok(Exit::Code(7)));
    close(host);
}

#[test]
fn a_prefix_without_a_program_is_refused_at_once() {
    let connector = connector();
    let argv = vec!["no-such-program-here".to_owned(), "exec".to_owned()];
    let error = try_open(&connector, Target::Command { argv }).err().unwrap();
    assert!(
        matches!(&error, ConnectError::ProgramMissing { program, .. } if program == "no-such-program-here")
    );
    assert!(error.to_string().starts_with("no-such-program-here exec: no-such-program-here: "), "{error}");
    let error = try_open(&connector, Target::Command { argv: Vec::new() }).err().unwrap();
    assert!(matches!(error, ConnectError::Invalid { .. }));
}

#[test]
fn dropping_the_connector_ends_sessions() {
    let (connector, host) = local();
    let running = start(&host, "cat", Stdin::empty().keep_open());
    drop(connector);
    assert!(matches!(running.finish().ended, Err(ConnectError::Lost { .. })));
    // Later ones too, rather than never.
    assert!(matches!(run(&host, "true", Stdin::empty()).ended, Err(ConnectError::Lost { .. })));
}

#[test]
fn a_hundred_at_once() {
    let (_connector, host) = local();
    let all: Vec<Running> = (0..100)
        .map(|number| start(&host, &format!("echo {number}; exit {number}"), Stdin::empty()))
        .collect();
    for (number, running) in all.iter().enumerate() {
        let outcome = running.finish();
        assert_eq!(String::from_utf8_lossy(&outcome.stdout), format!("{number}\n"));
        assert_eq!(outcome.ended, Ok(Exit::Code(number as i32)));
    }
}
