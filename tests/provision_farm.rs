//! atex-provision testing-farm, with a service on loopback that answers late, refuses, breaks off after it has created, and
//! forgets nothing.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atex_testkit::sandbox::{Command, Dir};
use serde_json::{Value, json};

use crate::provision_leases::{leases, provision};
use crate::provision_serve::{Talk, killed_everywhere};
use crate::stream::of_type;

/// A service.
struct Service {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// All requests that were ever made, by id.
    requests: BTreeMap<String, Value>,
    /// What is to go wrong next, and how often.
    breaks: u32,
    refusals: u32,
    missing_logs: u32,
    /// The next machine is made, and the answer that says so comes when somebody says here that it may.
    late: Option<Receiver<()>>,
    /// How many bytes of the log are there, one answer after another; then all.
    log_grows: VecDeque<usize>,
    /// Parts of logs can be asked for.
    knows_ranges: bool,
    /// Which parts of it were asked for, and how many bytes of it were sent.
    ranges: Vec<(String, usize)>,
    /// What was asked, a line each.
    calls: Vec<String>,
}

impl Service {
    fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let of_others = json!({"id": "others", "state": "running", "environments_requested":
            [{"settings": {"provisioning": {"tags": {"AtexLease": "atex-00000000-x"}}}}]});
        state.lock().unwrap().requests.insert("others".into(), of_others);
        let (shared, own) = (Arc::clone(&state), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, url) = (Arc::clone(&shared), own.clone());
                std::thread::spawn(move || answer(stream, &state, &url));
            }
        });
        Service { url, state }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The requests of ours that go on.
    fn alive(&self) -> Vec<String> {
        let state = self.state();
        assert_eq!(state.requests["others"]["state"], "running", "what is not ours is left alone");
        let ours =
            state.requests.iter().filter(|(id, request)| *id != "others" && request["state"] == "running");
        ours.map(|(id, _)| id.clone()).collect()
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>, url: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut line, mut length, mut key, mut range) = (String::new(), 0, false, String::new());
    reader.read_line(&mut line).ok()?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        key |= header == "authorization: bearer secret";
        if let Some(value) = header.strip_prefix("range:") {
            range = value.trim().to_owned();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let mut state = state.lock().unwrap();
    state.calls.push(format!("{method} {path}"));
    let mut more = String::new();
    let (status, body) = if path.starts_with("/artifacts/") && state.missing_logs == 0 {
        state.log(&range, &mut more)
    } else if path.starts_with("/artifacts/") {
        state.missing_logs -= 1;
        (404, String::new())
    } else if key {
        state.answer(method, path, &body, url)?
    } else {
        (401, json!({"message": "Unauthorized"}).to_string())
    };
    let late = state.late.take_if(|_| method == "POST");
    drop(state);
    if let Some(late) = late {
        let _ = late.recv();
    }
    if status == 429 {
        more.push_str("Retry-After: 1\r\n");
    }
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n", body.len());
    (&stream).write_all(format!("{head}{body}").as_bytes()).ok()
}

/// What the log of a request says in the end.
const LOG: &str = "[0] [x] wait\n[1] [x] Guest is ready: ArtemisGuest(ab, root@10.0.0.7, arch=x86_64)\n[2] [x] starting tests execution\n";

impl State {
    /// As much of the log as there is, or the part of it that was asked for.
    fn log(&mut self, range: &str, header: &mut String) -> (u16, String) {
        let log = &LOG[..self.log_grows.pop_front().unwrap_or(LOG.len())];
        let from = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
        let from = from.map(|from| from.parse::<usize>().unwrap()).filter(|_| self.knows_ranges);
        let (status, part) = match from {
            None => (200, log),
            Some(from) if from >= log.len() => {
                header.push_str(&format!("Content-Range: bytes */{}\r\n", log.len()));
                (416, "")
            }
            Some(from) => {
                let last = log.len() - 1;
                header.push_str(&format!("Content-Range: bytes {from}-{last}/{}\r\n", log.len()));
                (206, &log[from..])
            }
        };
        self.ranges.push((range.to_owned(), part.len()));
        (status, part.to_owned())
    }

    /// `None`: the connection breaks.
    fn answer(&mut self, method: &str, path: &str, body: &[u8], url: &str) -> Option<(u16, String)> {
        let text = |value: Value| value.to_string();
        if self.refusals > 0 {
            self.refusals -= 1;
            let status = if self.refusals.is_multiple_of(2) { 429 } else { 502 };
            return Some((status, text(json!({"message": "not now"}))));
        }
        let id = path.rsplit('/').next()?.to_owned();
        Some(match (method, path) {
            ("GET", "/v0.1/whoami") => (200, text(json!({"token": {"id": "t 1"}, "user": {"id": "u"}}))),
            ("POST", "/v0.1/requests") => {
                let asked: Value = serde_json::from_slice(body).ok()?;
                let id = format!("r{}", self.requests.len());
                let request = json!({"id": id, "state": "running", "environments_requested": asked["environments"],
                    "asked": asked, "run": {"artifacts": format!("{url}/artifacts/{id}")}});
                self.requests.insert(id.clone(), request);
                if self.breaks > 0 {
                    self.breaks -= 1;
                    return None;
                }
                (200, text(json!({"id": id, "state": "new"})))
            }
            ("GET", _) if path.starts_with("/v0.1/requests?") => {
                assert!(path.contains("&token_id=t%201&user_id=u"), "{path}");
                let wanted = path.split("state=").nth(1)?.split('&').next()?;
                let found: Vec<&Value> = self.requests.values().filter(|r| r["state"] == wanted).collect();
                (200, text(json!(found)))
            }
            ("GET", _) if path.starts_with("/v0.1/requests/") => match self.requests.get(&id) {
                Some(request) => (200, text(request.clone())),
                None => (404, text(json!({"message": "no such request"}))),
            },
            ("DELETE", _) => match self.requests.get_mut(&id) {
                Some(request) => {
                    request["state"] = json!("canceled");
                    (200, text(json!({"state": "cancel-requested"})))
                }
                None => (404, String::new()),
            },
            _ => (400, text(json!({"message": "what?"}))),
        })
    }
}

const WORDS: [&str; 8] =
    ["testing-farm", "--compose", "CentOS-Stream-10", "--public-key", "ci.pub", "--no-login", "--poll", "1s"];

fn dir() -> Dir {
    let dir = Dir::new();
    dir.write("ci.pub", "ssh-ed25519 AAAA me@my-machine\n");
    dir
}

fn call(dir: &Dir, service: &Service, words: &[&str]) -> Command {
    let mut command = provision(dir, words);
    command.env("TESTING_FARM_API_TOKEN", "secret").env("TESTING_FARM_API_URL", &service.url);
    command
}

#[test]
fn machines_of_the_service_are_hosts() {
    let (dir, service) = (dir(), Service::start());
    service.state().missing_logs = 1;
    let words = [&WORDS[..], &["--ttl", "4h", "--from", "192.0.2.0/24", "--pool", "p"]].concat();
    let output = call(&dir, &service, &words).run();
    output.success();
    let host = of_type(&output, "host").remove(0);
    assert_eq!((&host["connect"]["host"], &host["connect"]["user"]), (&json!("10.0.0.7"), &json!("root")));
    let token = host["lease"]["token"].as_str().unwrap();
    let asked = service.state().requests["r1"]["asked"].clone();
    let environment = &asked["environments"][0];
    assert_eq!(environment["settings"]["provisioning"]["tags"]["AtexLease"], token);
    assert_eq!(
        environment["settings"]["provisioning"]["security_group_rules_ingress"][0]["cidr"],
        "192.0.2.0/24"
    );
    assert_eq!(
        (&environment["os"]["compose"], &environment["pool"]),
        (&json!("CentOS-Stream-10"), &json!("p"))
    );
    assert_eq!(environment["variables"]["TF_RESERVATION_DURATION"], "240");
    // With the six hours that the queue may take.
    assert_eq!(asked["settings"]["pipeline"]["timeout"], 600);
    // Without who made it where.
    assert_eq!(
        environment["secrets"]["TF_RESERVATION_AUTHORIZED_KEYS_BASE64"],
        "c3NoLWVkMjU1MTkgQUFBQSBhdGV4Cg=="
    );
    let ledger = std::fs::read_to_string(dir.home().join(".local/state/atex/leases").join(token)).unwrap();
    assert!(!ledger.contains("secret"), "{ledger}");
    call(&dir, &service, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(service.alive(), [""; 0]);
}

#[test]
fn of_a_log_that_grows_only_what_is_new_is_asked_for() {
    let (first, second) = (LOG.find("[1]").unwrap(), LOG.find("[2]").unwrap());
    for knows_ranges in [true, false] {
        let (dir, service) = (dir(), Service::start());
        service.state().log_grows = [first, first, second - 5, second].into();
        service.state().knows_ranges = knows_ranges;
        let output = call(&dir, &service, &WORDS).run();
        output.success();
        assert_eq!(of_type(&output, "host")[0]["connect"]["host"], "10.0.0.7");
        // Of whole lines: what is not one yet is asked for again.
        let (from, again) = (format!("bytes={first}-"), format!("bytes={second}-"));
        let asked = ["", from.as_str(), from.as_str(), from.as_str(), again.as_str()];
        let sent = match knows_ranges {
            true => [first, 0, second - 5 - first, second - first, LOG.len() - second],
            false => [first, first, second - 5, second, LOG.len()],
        };
        let expected: Vec<(String, usize)> = asked.iter().map(|&asked| asked.to_owned()).zip(sent).collect();
        assert_eq!(service.state().ranges, expected);
    }
}

#[test]
fn what_the_service_does_wrong_makes_no_second_machine() {
    let (dir, service) = (dir(), Service::start());
    // The first answer is lost on its way, after the machine was made.
    service.state().breaks = 1;
    let output = call(&dir, &service, &WORDS).run();
    output.success();
    assert_eq!(service.alive(), ["r1"]);
    // It refuses twice, and says how long it wants to be left alone.
    service.state().refusals = 2;
    call(&dir, &service, &WORDS).run().success();
    assert_eq!(service.alive().len(), 2);
    service.state().refusals = 3;
    call(&dir, &service, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(service.alive().len(), 1);
    let mut stranger = call(&dir, &service, &WORDS);
    stranger.env("TESTING_FARM_API_TOKEN", "wrong").run().code(3).stderr_has("status 401: Unauthorized");
    stranger
        .env_remove("TESTING_FARM_API_TOKEN")
        .run()
        .code(2)
        .stderr_has("TESTING_FARM_API_TOKEN is not set");
}

#[test]
fn a_machine_whose_answer_comes_late_is_given_back_if_nobody_wants_it_any_more() {
    let (dir, service) = (dir(), Service::start());
    let (let_go, late) = channel();
    service.state().late = Some(late);
    let variables = [("TESTING_FARM_API_TOKEN", "secret"), ("TESTING_FARM_API_URL", service.url.as_str())];
    let mut talk = Talk::start(&dir, &[&WORDS[..], &["--serve"]].concat(), &variables);
    talk.say(&json!({"type": "want", "hosts": 1}));
    while service.alive().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    talk.hang_up();
    let_go.send(()).unwrap();
    assert_eq!(talk.next("host"), None);
    assert_eq!(service.alive(), [""; 0]);
    assert_eq!(leases(&dir), [json!(null); 0]);
}

#[test]
fn a_second_machine_of_a_lease_is_given_back_with_it() {
    let (dir, service) = (dir(), Service::start());
    let output = call(&dir, &service, &WORDS).run();
    output.success();
    // Made by a request whose answer came to nobody.
    let mut twin = service.state().requests["r1"].clone();
    twin["id"] = json!("r2");
    service.state().requests.insert("r2".to_owned(), twin);
    assert_eq!(service.alive().len(), 2);
    call(&dir, &service, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(service.alive(), [""; 0]);
}

#[test]
fn no_machine_is_lost_wherever_we_are_killed() {
    let (dir, service) = (dir(), Service::start());
    let words = [&WORDS[..], &["--serve"]].concat();
    let variables = [("TESTING_FARM_API_TOKEN", "secret"), ("TESTING_FARM_API_URL", service.url.as_str())];
    killed_everywhere(&dir, &words, &variables, 2, |when| assert_eq!(service.alive(), [""; 0], "{when}"));
}
