//! Names with ranges in brackets: `node[01-40]` is 40 names.

use super::MOST_HOSTS;
use super::address::is_ipv6;

/// How a range is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `[1-40]`
    List,
    /// `[1:40]`, `[1:40:2]`, `[a:f]`
    Ansible,
}

/// The names that `text` stands for, in order. An IPv6 address in brackets is no range.
pub(super) fn expand(text: &str, style: Style) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) =
            after.split_once(']').ok_or_else(|| format!("expected `]` behind `[` in `{text}`"))?;
        names.iter_mut().for_each(|name| name.push_str(before));
        if is_ipv6(inside) {
            names.iter_mut().for_each(|name| *name += &format!("[{inside}]"));
        } else {
            names = multiply(&names, &Range::parse(inside, style)?)?;
        }
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

fn multiply(names: &[String], range: &Range) -> Result<Vec<String>, String> {
    let members = (range.last - range.first) / range.step + 1;
    if members.saturating_mul(names.len() as u64) > MOST_HOSTS as u64 {
        return Err(format!("expected at most {MOST_HOSTS} hosts in a list, found a range over more"));
    }
    let with_members = |name: &String| {
        let members = (range.first..=range.last).step_by(range.step as usize);
        members.map(|member| format!("{name}{}", range.text(member))).collect::<Vec<_>>()
    };
    Ok(names.iter().flat_map(with_members).collect())
}

#[derive(Debug)]
struct Range {
    first: u64,
    last: u64,
    step: u64,
    /// Numbers are filled up with zeros to this width.
    width: usize,
    letters: bool,
}

impl Range {
    fn parse(text: &str, style: Style) -> Result<Range, String> {
        let (separator, example) = match style {
            Style::List => ('-', "[1-40] or [01-40]"),
            Style::Ansible => (':', "[1:40], [01:40] or [a:f]"),
        };
        let parts: Vec<&str> = text.split(separator).collect();
        let range = match (&parts[..], style) {
            ([first, last], _) => Range::between(first, last, "1", style),
            ([first, last, step], Style::Ansible) => Range::between(first, last, step, style),
            _ => None,
        };
        range.ok_or_else(|| format!("expected a range such as {example}, found `[{text}]`"))
    }

    fn between(first: &str, last: &str, step: &str, style: Style) -> Option<Range> {
        let step = number(step).filter(|step| *step > 0)?;
        if let (Style::Ansible, Some(a), Some(b)) = (style, letter(first), letter(last)) {
            return (a <= b).then_some(Range { first: a, last: b, step, width: 0, letters: true });
        }
        let (a, b) = (number(first)?, number(last)?);
        let padded = first.len() > 1 && first.starts_with('0');
        // 01 to 8 leaves open whether the last one is 8 or 08.
        let clear = a <= b && (!padded || first.len() == last.len());
        clear.then_some(Range {
            first: a,
            last: b,
            step,
            width: if padded { first.len() } else { 0 },
            letters: false,
        })
    }

    fn text(&self, member: u64) -> String {
        match (self.letters, u8::try_from(member)) {
            (true, Ok(letter)) => char::from(letter).to_string(),
            _ => format!("{member:0width$}", width = self.width),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let ok = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if ok { text.parse().ok() } else { None }
}

fn letter(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [byte] if byte.is_ascii_alphabetic() => Some(u64::from(*byte)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_out() {
        for (text, style, names) in [
            ("node", Style::List, "node"),
            ("node[1-3]", Style::List, "node1 node2 node3"),
            ("node[08-10].lab:22", Style::List, "node08.lab:22 node09.lab:22 node10.lab:22"),
            ("node[9-10]", Style::List, "node9 node10"),
            ("[0-1][0-1]", Style::List, "00 01 10 11"),
            ("u@[::1]:22", Style::List, "u@[::1]:22"),
            ("n[1:5:2]", Style::Ansible, "n1 n3 n5"),
            ("n[01:03]", Style::Ansible, "n01 n02 n03"),
            ("n[a:c]", Style::Ansible, "na nb nc"),
            ("[fe80::1]", Style::Ansible, "[fe80::1]"),
        ] {
            assert_eq!(expand(text, style).unwrap().join(" "), names, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (text, style) in [
            ("a[3-1]", Style::List),
            ("a[1:3]", Style::List),
            ("a[a-c]", Style::List),
            ("a[1-]", Style::List),
            ("a[]", Style::List),
            ("a[01-8]", Style::List),
            ("a[1-3", Style::List),
            ("a[1-2-3]", Style::List),
            ("a[1-99999999]", Style::List),
            ("a[0-999999999999999999999]", Style::List),
            ("a[0-999][0-999]", Style::List),
            ("a[1-3]", Style::Ansible),
            ("a[1:3:0]", Style::Ansible),
            ("a[c:a]", Style::Ansible),
        ] {
            let message = expand(text, style).unwrap_err();
            assert!(message.starts_with("expected "), "{text}: {message}");
        }
    }
}
