//! What is asked of the service, and what is read from its answers and logs.

use std::time::Duration;

use serde_json::{Value, json};

use super::TestingFarm;

/// The tag that holds the token.
const TAG: &str = "AtexLease";

/// A JSON object that was typed.
pub(super) fn object(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("expected a JSON object: {e}"))?;
    if value.is_object() { Ok(value) } else { Err("expected a JSON object".to_owned()) }
}

/// A request that reserves one machine for so long, after it has waited for it for at most so long.
pub(super) fn body(
    spec: &TestingFarm,
    key: &str,
    token: &str,
    (reserved, queue): (Duration, Duration),
) -> Value {
    let minutes = reserved.as_secs().div_ceil(60);
    // The service ends the whole request then, be it in the queue or reserved.
    let all = minutes + queue.as_secs().div_ceil(60);
    let mut provisioning = json!({"tags": {"ArtemisUseSpot": "false", TAG: token}});
    if !spec.networks.is_empty() {
        let rule = |network: &String| json!({"type": "ingress", "protocol": "-1", "cidr": network, "port_min": 0, "port_max": 65535});
        provisioning["security_group_rules_ingress"] = spec.networks.iter().map(rule).collect();
    }
    let mut environment = json!({
        "arch": spec.arch,
        "os": {"compose": spec.compose},
        "variables": {"TF_RESERVATION_DURATION": minutes.to_string()},
        "secrets": {"TF_RESERVATION_AUTHORIZED_KEYS_BASE64": base64(public(key).as_bytes())},
        "settings": {"pipeline": {"skip_guest_setup": true}, "provisioning": provisioning},
    });
    if let Some(pool) = &spec.pool {
        environment["pool"] = json!(pool);
    }
    if let Some(hardware) = &spec.hardware {
        environment["hardware"] = hardware.clone();
    }
    let reserve = json!({
        "url": "https://gitlab.com/testing-farm/tests", "ref": "main", "path": ".", "name": "/testing-farm/reserve",
    });
    json!({
        "test": {"fmf": reserve},
        "environments": [environment],
        "settings": {"pipeline": {"timeout": all}},
    })
}

/// A public key without its comment, which often names a user and a machine.
fn public(key: &str) -> String {
    let mut words = key.split_whitespace();
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("{kind} {key} atex\n")
}

/// The token of a request.
pub(super) fn token(request: &Value) -> Option<&str> {
    let environments = request["environments_requested"].as_array()?;
    environments.iter().find_map(|each| each["settings"]["provisioning"]["tags"][TAG].as_str())
}

/// Who may log in where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guest {
    pub user: String,
    pub address: String,
}

/// What the log of a request says, which grows.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How many bytes have been read: whole lines.
    pub read: u64,
    guest: Option<Guest>,
    has_begun: bool,
}

impl Log {
    /// Reads what is new of a part of the log that begins at this byte.
    pub fn add(&mut self, from: u64, text: &str) {
        let known = self.read.checked_sub(from).and_then(|known| text.get(usize::try_from(known).ok()?..));
        let new = known.unwrap_or_else(|| {
            // It is another log, a shorter one, in the place of the first.
            self.read = from;
            text
        });
        let whole = &new[..new.rfind('\n').map_or(0, |end| end + 1)];
        for line in whole.lines() {
            self.guest = self.guest.take().or_else(|| guest(line));
            self.has_begun |= line.contains("] starting tests execution");
        }
        // What was no UTF-8 has not as many bytes as it had. It is read again.
        if !whole.contains(char::REPLACEMENT_CHARACTER) {
            self.read += whole.len() as u64;
        }
    }

    /// The machine, once the log says that its tests begin: one of them is what keeps it.
    pub fn ready(&mut self) -> Option<Guest> {
        self.guest.take_if(|_| self.has_begun)
    }
}

fn guest(line: &str) -> Option<Guest> {
    let (_, guest) = line.split_once("] Guest is ready: ArtemisGuest(")?;
    let (_, login) = guest.split_once(", ")?;
    let (user, rest) = login.split_once('@')?;
    let address = rest.split([',', ')', ' ']).next()?;
    let plain =
        |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
    (plain(user) && plain(address)).then(|| Guest { user: user.to_owned(), address: address.to_owned() })
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit > three.len() { '=' } else { char::from(DIGITS[at as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_the_standard_says() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(public("ssh-ed25519 AAAA me@machine extra\n"), "ssh-ed25519 AAAA atex\n");
    }

    #[test]
    fn a_machine_is_ready_when_its_tests_begin() {
        let ready_line = "[12:00] [I] [x] Guest is ready: ArtemisGuest(ab-12, root@10.0.0.7, arch=x86_64)\n";
        let start_line = "[12:01] [x] starting tests execution\n";
        let mut log = Log::default();
        log.add(0, "before\n");
        // A line that is not whole is read again.
        log.add(7, &ready_line[..40]);
        assert_eq!((log.read, log.ready()), (7, None));
        log.add(7, ready_line);
        assert_eq!((log.read, log.ready()), (7 + ready_line.len() as u64, None));
        // All of it again, where nothing is known of ranges.
        log.add(0, &format!("before\n{ready_line}{start_line}"));
        assert_eq!(log.read as usize, 7 + ready_line.len() + start_line.len());
        assert_eq!(log.ready(), Some(Guest { user: "root".into(), address: "10.0.0.7".into() }));
        let mut log = Log::default();
        log.add(0, "] Guest is ready: ArtemisGuest(a, root@-oX)\n] starting tests execution\n");
        assert_eq!(log.ready(), None);
    }

    #[test]
    fn a_log_that_is_another_one_is_read_from_its_beginning() {
        let mut log = Log::default();
        log.add(0, "long and longer\n");
        log.add(0, "new\n");
        assert_eq!(log.read, 4);
        // What is not known byte by byte does not count as read.
        log.add(4, "\u{fffd}\n");
        assert_eq!(log.read, 4);
    }

    #[test]
    fn a_token_is_found_in_what_was_asked_for() {
        let request =
            json!({"environments_requested": [{"settings": {"provisioning": {"tags": {TAG: "atex-1-2"}}}}]});
        assert_eq!(token(&request), Some("atex-1-2"));
        assert_eq!(token(&json!({"environments_requested": null})), None);
    }
}
