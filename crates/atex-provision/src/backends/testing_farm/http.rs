//! HTTP, by the program curl: it knows the user's proxies and certificates, and is no part of this program.

use std::time::Duration;

use atex_cli::Failure;
use atex_cli::text::visible::visible;
use serde_json::Value;

use crate::program::{Call, parse_json};
use crate::stop::Stop;
use crate::trouble::Trouble;

const URL: &str = "https://api.testing-farm.io";

/// How long one exchange may take.
const EXCHANGE: Duration = Duration::from_secs(60);

/// How long the service is left alone when it does not say for how long.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest pause that is taken from an answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The service, and our key to it.
pub(super) struct Service {
    pub url: String,
    key: String,
}

/// An answer.
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    /// Of which bytes of how many the body is.
    range: Option<String>,
    body: String,
}

/// What is asked for.
enum Ask<'a> {
    /// Something of the service, by a method.
    Service(&'a str),
    /// What is behind the first bytes of a log. Logs are public, and not the service's own.
    Log(u64),
}

impl Service {
    /// The service that the environment names, or the one at `url`.
    pub fn of_environment(url: Option<String>) -> Result<Service, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key = variable("TESTING_FARM_API_TOKEN").ok_or_else(|| {
            Failure::usage("testing-farm: TESTING_FARM_API_TOKEN is not set in the environment")
                .hint("it is the API key that the service gives to its users")
        })?;
        let url = url.or_else(|| variable("TESTING_FARM_API_URL")).unwrap_or_else(|| URL.to_owned());
        Ok(Service { url: url.trim_end_matches('/').to_owned(), key })
    }

    pub fn get(&self, path: &str, stop: &Stop) -> Result<Value, Trouble> {
        self.json("GET", path, None, stop)
    }

    pub fn post(&self, path: &str, body: &Value, stop: &Stop) -> Result<Value, Trouble> {
        self.json("POST", path, Some(body), stop)
    }

    /// Ends a request; one that has ended is no trouble.
    pub fn delete(&self, path: &str) -> Result<(), Trouble> {
        let answer =
            self.exchange(&Ask::Service("DELETE"), &format!("{}{path}", self.url), None, &Stop::never())?;
        match answer.status {
            200..=299 | 404 | 409 => Ok(()),
            _ => Err(refusal("DELETE", path, &answer)),
        }
    }

    /// What is behind the first `known` bytes of a log that grows, or more of it, and where that begins; `None`: nothing.
    pub fn log(&self, url: &str, known: u64, stop: &Stop) -> Result<Option<(u64, String)>, Trouble> {
        let answer = self.exchange(&Ask::Log(known), url, None, stop)?;
        match answer.status {
            206 => Ok(Some((answer.begins().unwrap_or(known), answer.body))),
            200..=299 => Ok(Some((0, answer.body))),
            // Nothing is there yet that is not known; or it is another log, of fewer bytes.
            416 => Ok(answer.size().filter(|size| *size < known).map(|_| (0, String::new()))),
            // It is written elsewhere, and shows late; inside of some networks as forbidden.
            403 | 404 => Ok(None),
            _ => Err(refusal("GET", url, &answer)),
        }
    }

    fn json(&self, method: &str, path: &str, body: Option<&Value>, stop: &Stop) -> Result<Value, Trouble> {
        let answer = self.exchange(&Ask::Service(method), &format!("{}{path}", self.url), body, stop)?;
        match answer.status {
            // Nothing, as an answer to a search.
            204 => Ok(Value::Array(Vec::new())),
            200..=299 => parse_json("testing-farm", &answer.body),
            404 if method == "GET" && path.contains('?') => Ok(Value::Array(Vec::new())),
            _ => Err(refusal(method, path, &answer)),
        }
    }

    fn exchange(&self, ask: &Ask, url: &str, body: Option<&Value>, stop: &Stop) -> Result<Answer, Trouble> {
        // Options by standard input, where the key is seen by nobody.
        let mut options = format!("url = {}\n", quoted(url));
        match ask {
            Ask::Log(0) => options.push_str("location\n"),
            Ask::Log(known) => options.push_str(&format!("location\nrange = \"{known}-\"\n")),
            Ask::Service(method) => {
                let key = quoted(&format!("Authorization: Bearer {}", self.key));
                // What is compressed on its way has other bytes than those that are counted in a log.
                options.push_str(&format!("compressed\nrequest = {}\nheader = {key}\n", quoted(method)));
            }
        }
        if let Some(body) = body {
            options.push_str("header = \"Content-Type: application/json\"\n");
            options.push_str(&format!("data-raw = {}\n", quoted(&body.to_string())));
        }
        let seconds = EXCHANGE.as_secs().to_string();
        let words = ["--silent", "--show-error", "--include", "--max-time", &seconds, "--config", "-"];
        let said = Call::new("curl").args(words).input(options).limit(EXCHANGE + PAUSE).text(stop)?;
        parse(&said).ok_or_else(|| Trouble::passing(format!("curl: {url}: not an answer of HTTP")))
    }
}

impl Answer {
    /// With which byte it begins, of a text of which it is a part: `bytes 7-9/10`.
    fn begins(&self) -> Option<u64> {
        self.range.as_deref()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
    }

    /// How many bytes there are in all: `bytes */10`.
    fn size(&self) -> Option<u64> {
        self.range.as_deref()?.rsplit('/').next()?.parse().ok()
    }
}

/// An answer with its header. Of several, after a redirection, the last counts.
fn parse(text: &str) -> Option<Answer> {
    let mut rest = text;
    loop {
        let (head, body) = rest.split_once("\r\n\r\n").or_else(|| rest.split_once("\n\n"))?;
        let mut lines = head.lines();
        let status: u16 = lines.next()?.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
        if (matches!(status, 100..=199 | 300..=399) || head.contains("200 Connection established"))
            && body.starts_with("HTTP/")
        {
            rest = body;
            continue;
        }
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
        let field = |wanted: &str| {
            let of_it = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            of_it.map(|(_, value)| value.trim())
        };
        let retry_after = field("retry-after").and_then(|value| value.parse().ok());
        let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
        let range = field("content-range").map(str::to_owned);
        return Some(Answer { status, retry_after, range, body: body.to_owned() });
    }
}

fn refusal(method: &str, path: &str, answer: &Answer) -> Trouble {
    let message = serde_json::from_str::<Value>(&answer.body).ok();
    let message = message.and_then(|body| body["message"].as_str().map(|text| visible(text).into_owned()));
    let words = message.map_or_else(String::new, |message| format!(": {message}"));
    let trouble = Trouble::passing(format!("testing-farm: {method} {path}: status {}{words}", answer.status));
    match answer.status {
        408 | 429 | 500 | 502 | 503 | 504 => trouble.after(answer.retry_after.unwrap_or(PAUSE)),
        _ => Trouble { again: false, ..trouble },
    }
}

/// A value as the configuration of curl wants it.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{}\"", text.replace('\t', "\\t"))
}

/// A text as a part of a path or a query.
pub(super) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_header() {
        for (text, status, retry, body) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"x\":1}\r\n\r\ny", 200, None, "{\"x\":1}\r\n\r\ny"),
            ("HTTP/2 429 \r\nretry-after: 7\r\n\r\n", 429, Some(7), ""),
            ("HTTP/1.1 429 x\r\nRetry-After: 99999\r\n\r\n", 429, Some(300), ""),
            ("HTTP/1.1 302 x\r\nLocation: y\r\n\r\nHTTP/1.1 404 x\r\n\r\nz", 404, None, "z"),
            ("HTTP/1.0 200 Connection established\r\n\r\nHTTP/1.1 201 x\r\n\r\n", 201, None, ""),
        ] {
            let answer = parse(text).unwrap();
            let found =
                (answer.status, answer.retry_after.map(|after| after.as_secs()), answer.body.as_str());
            assert_eq!(found, (status, retry, body), "{text}");
        }
        assert!(parse("").is_none() && parse("no\r\n\r\n").is_none());
        for (range, begins, size) in [
            ("Content-Range: bytes 7-9/10\r\n", Some(7), Some(10)),
            ("content-range: bytes */10\r\n", None, Some(10)),
            ("content-range: bytes 7-9/*\r\n", Some(7), None),
            ("content-range: lines 7-9/10\r\n", None, Some(10)),
            ("", None, None),
        ] {
            let answer = parse(&format!("HTTP/1.1 206 x\r\n{range}\r\n")).unwrap();
            assert_eq!((answer.begins(), answer.size()), (begins, size), "{range}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, again) in
            [(400, false), (401, false), (408, true), (429, true), (500, true), (503, true)]
        {
            let body = "{\"message\":\"no \\u001b[1m\"}".to_owned();
            let trouble = refusal("GET", "/x", &Answer { status, retry_after: None, range: None, body });
            assert_eq!((trouble.again, trouble.after.is_some()), (again, again), "{status}");
            assert_eq!(trouble.message, format!("testing-farm: GET /x: status {status}: no \\x1b[1m"));
        }
    }

    #[test]
    fn texts_are_quoted() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
        assert_eq!(escape("a b/ü"), "a%20b%2F%C3%BC");
    }
}
