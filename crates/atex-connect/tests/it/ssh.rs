//! Real SSH servers on loopback, when all goes well.

use std::fs;

use atex_connect::{Connection, Exit, Stdin, Target};
use atex_testkit::sshd::Farm;

use crate::support::*;

#[test]
fn many_hosts_and_a_hundred_commands() {
    let Some(farm) = Farm::start_or_skip(12) else { return };
    let connector = connector();
    let opening: Vec<_> =
        farm.hosts().iter().map(|host| start_open(&connector, Target::Ssh(target(host)))).collect();
    let hosts: Vec<Connection> =
        opening.iter().map(|opened| opened.recv_timeout(PATIENCE).unwrap().unwrap()).collect();
    let commands: Vec<Running> = (0..100)
        .map(|number| {
            let command = format!("cat; echo {number} $SSH_CONNECTION; exit {number}");
            start(&hosts[number % hosts.len()], &command, Stdin::bytes("in "))
        })
        .collect();
    for (number, running) in commands.iter().enumerate() {
        let outcome = running.finish();
        let address = &farm.hosts()[number % hosts.len()].address;
        let text = String::from_utf8(outcome.stdout).unwrap();
        assert!(text.starts_with(&format!("in {number} 127.")) && text.contains(address), "{text}");
        assert_eq!(outcome.ended, Ok(Exit::Code(number as i32)));
    }
}

#[test]
fn exits_words_and_data() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let connector = connector();
    let host = open_host(&connector, &farm.hosts()[0]);
    exits(&host);
    words(&host);
    data(&host, &farm);
    abandon(&host);
    close(host);
}

fn exits(host: &Connection) {
    let cases = [
        ("true", Exit::Code(0)),
        ("exit 3", Exit::Code(3)),
        ("exit 127", Exit::Code(127)),
        ("exit 255", Exit::Code(255)),
        ("kill -9 $$", Exit::Signal(None)),
        ("echo x >&2; exec >&- 2>&-; exit 4", Exit::Code(4)),
    ];
    for (command, expected) in cases {
        assert_eq!(run(host, command, Stdin::empty()).ended, Ok(expected), "{command}");
    }
}

fn words(host: &Connection) {
    let words = ["a b", "it's", "\"double\"", "two\nlines", "naïve ☃", "$HOME `id` \\ *", "-n", "!x"];
    for word in words {
        let quoted = format!("'{}'", word.replace('\'', "'\\''"));
        let command = format!("printf '%s' {quoted}\n# a comment\n");
        run(host, &command, Stdin::empty()).expect_stdout(word);
    }
}

fn data(host: &Connection, farm: &Farm) {
    let data = noise(3_000_019);
    let sum = cksum(&data);
    run(host, "cksum", Stdin::bytes(data.clone())).expect_stdout(&sum);
    let file = farm.folder().join("data");
    fs::write(&file, &data).unwrap();
    run(host, "cksum", Stdin::file(&file)).expect_stdout(&sum);
    let back = run(host, &format!("cat '{}'", file.display()), Stdin::empty());
    assert!(back.stdout == data);
    assert_eq!(back.ended, Ok(Exit::Code(0)));

    let running = start(host, "cksum", Stdin::file(&file).keep_open());
    running.session.write("tail").unwrap();
    running.session.close_stdin();
    running.finish().expect_stdout(&cksum(&[&data[..], b"tail"].concat()));
}

fn abandon(host: &Connection) {
    let running = start(host, "cat; echo end", Stdin::bytes("x\n").keep_open());
    assert_eq!(running.next_line(), "x\n");
    running.session.abandon();
    assert!(running.events.recv_timeout(PATIENCE).is_err(), "no event comes, and the closure is dropped");
    run(host, "echo still there", Stdin::empty()).expect_stdout("still there\n");
}

#[test]
fn kept_chunks_stop_the_command() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let connector = connector();
    let host = open_host(&connector, &farm.hosts()[0]);
    let counter = farm.folder().join("count");
    let command = format!(
        "i=0; while head -c 65536 /dev/zero; do i=$((i+1)); echo $i > '{}'; done 2>/dev/null",
        counter.display()
    );
    let running = start(&host, &command, Stdin::empty());
    let count = || fs::read_to_string(&counter).ok().and_then(|text| text.trim().parse::<usize>().ok());
    // 1 MiB here, and what ssh and sshd have for buffers: a window of 2 MiB, some pipes.
    let mut last = None;
    eventually("the count stands still", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let now = count();
        let stands = now.is_some() && now == last;
        last = now;
        stands
    });
    assert!(last.unwrap() * 65536 < 16 * 1024 * 1024, "{last:?}");
    // Another session on the same connection does not wait for this one.
    run(&host, "echo other", Stdin::empty()).expect_stdout("other\n");
    for _ in 0..200 {
        running.next();
    }
    eventually("the command goes on", || count() > last);
    running.session.abandon();
}

#[test]
fn the_users_own_configuration_counts() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let server = &farm.hosts()[0];
    let config = farm.folder().join("my config");
    let text = format!(
        "Host lab\n HostName {}\n Port {}\n User nobody-here\n IdentityFile {}\n UserKnownHostsFile {}\n LocalForward 1 localhost:1\n RemoteCommand false\n",
        server.address,
        server.port,
        server.identity.display(),
        server.known_hosts.display(),
    );
    fs::write(&config, text).unwrap();
    let connector = connector_with(|options| options.ssh_config = Some(config));
    // An option of the host's own wins over the file.
    let ssh = atex_connect::Ssh {
        options: vec![
            ("User".to_owned(), "root".to_owned()),
            ("StrictHostKeyChecking".to_owned(), "yes".to_owned()),
        ],
        ..atex_connect::Ssh::new("lab")
    };
    let host = open(&connector, Target::Ssh(ssh));
    run(&host, "id -un", Stdin::empty()).expect_stdout("root\n");
}

#[test]
fn options_of_a_host_do_not_apply_to_its_jump_host() {
    let Some(farm) = Farm::start_or_skip(2) else { return };
    let (server, jump) = (&farm.hosts()[0], &farm.hosts()[1]);
    let config = farm.folder().join("config");
    let text = format!(
        "Host jump\n HostName {}\n Port {}\n User root\n IdentityFile {}\n UserKnownHostsFile {}\n",
        jump.address,
        jump.port,
        jump.identity.display(),
        jump.known_hosts.display(),
    );
    fs::write(&config, text).unwrap();
    let connector = connector_with(|options| options.ssh_config = Some(config));
    let mut ssh = target(server);
    ssh.options.push(("ProxyJump".to_owned(), "jump".to_owned()));
    ssh.options.push(("HostKeyAlias".to_owned(), format!("[{}]:{}", server.address, server.port)));
    let host = open(&connector, Target::Ssh(ssh));
    let command = "echo ${SSH_CONNECTION#* * }";
    run(&host, command, Stdin::empty()).expect_stdout(&format!("{} {}\n", server.address, server.port));
    assert!(fs::read_to_string(&jump.log).unwrap().contains("Accepted publickey"));
}

#[test]
fn masters_end_with_their_connections() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let parent = farm.folder().join("c");
    fs::create_dir(&parent).unwrap();
    let connector = connector_with(|options| options.directory = Some(parent.clone()));
    let sessions = || farm.hosts()[0].processes().len();
    let before = sessions();

    let host = open_host(&connector, &farm.hosts()[0]);
    assert!(sessions() > before);
    close(host);
    eventually("the server side is gone after close", || sessions() == before);

    drop(open_host(&connector, &farm.hosts()[0]));
    eventually("the server side is gone after drop", || sessions() == before);

    let left = open_host(&connector, &farm.hosts()[0]);
    drop(connector);
    drop(left);
    eventually("the server side is gone after the connector", || sessions() == before);
    assert_eq!(fs::read_dir(&parent).unwrap().count(), 0, "no file is left");
}

#[test]
fn no_more_than_so_many_are_opened_at_a_time() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let log = farm.folder().join("opening");
    let connector = connector_with(|options| options.opening_at_once = 2);
    let mut ssh = target(&farm.hosts()[0]);
    let script = farm.folder().join("proxy");
    fs::write(&script, format!("echo begin >>'{0}'; sleep 0.2; echo end >>'{0}'", log.display())).unwrap();
    ssh.options.push(("ProxyCommand".to_owned(), format!("sh '{}'", script.display())));
    let opened: Vec<_> = (0..4).map(|_| start_open(&connector, Target::Ssh(ssh.clone()))).collect();
    for answer in opened {
        assert!(answer.recv_timeout(PATIENCE).expect("open answers").is_err(), "nobody listens there");
    }
    let (mut now, mut most) = (0, 0);
    let text = fs::read_to_string(&log).unwrap();
    for line in text.lines() {
        now = if line == "begin" { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    assert!(text.lines().count() >= 8 && most <= 2, "{text}");
}
