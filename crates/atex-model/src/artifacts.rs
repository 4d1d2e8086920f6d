//! Where the results and files of an attempt lie in a run directory: computed from the record, so that no
//! file has to be read to find another.

use std::fmt::Write as _;

/// The longest part of a path that is kept whole; file systems take 255 bytes.
const LONGEST: usize = 200;

/// The directory of an attempt, relative to the run directory:
/// `results/<platform>/<test>/attempt-<N>`.
///
/// Different tests have different directories: in each part of a name, bytes below 0x21, 0x7f, `%`, a
/// leading `.` and the `a` of a leading `attempt-` are percent-encoded, an empty part is `%`, a name that
/// does not begin with `/` gets `%-` in front, and a part over 200 bytes is cut and gets a hash of the whole.
pub fn attempt_dir(platform: &str, test: &str, attempt: u32) -> String {
    let mut path = String::with_capacity(platform.len() + test.len() + 32);
    path.push_str("results/");
    // A platform is one part, whatever is in it.
    match platform.contains(['%', '/']) {
        true => part(&mut path, &platform.replace('%', "%25").replace('/', "%2F"), true),
        false => part(&mut path, platform, true),
    }
    let rest = test.strip_prefix('/');
    path.push('/');
    if rest.is_none() {
        path.push_str("%-");
    }
    for (i, name) in rest.unwrap_or(test).split('/').enumerate() {
        if i > 0 {
            path.push('/');
        }
        part(&mut path, name, false);
    }
    path.push_str("/attempt-");
    path.push_str(&attempt.to_string());
    path
}

fn part(path: &mut String, name: &str, percent_done: bool) {
    if name.is_empty() {
        path.push('%');
        return;
    }
    // Nearly all names are as they should be, and are copied at once.
    let is_plain = |byte: u8| byte >= 0x21 && !matches!(byte, b'%' | 0x7f);
    if name.len() <= LONGEST && !name.starts_with(['.', 'a']) && name.bytes().all(is_plain) {
        return path.push_str(name);
    }
    let mut safe = String::with_capacity(name.len());
    for (i, c) in name.char_indices() {
        let hide = c < '\x21'
            || c == '\x7f'
            || (c == '%' && !percent_done)
            || (i == 0 && (c == '.' || name.starts_with("attempt-")));
        if hide {
            let _ = write!(safe, "%{:02X}", c as u32);
        } else {
            safe.push(c);
        }
    }
    if safe.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|at| safe.is_char_boundary(*at)).unwrap_or(0);
        safe.truncate(cut);
        // `%~` is no encoded byte, so that no short name looks like a cut one.
        let _ = write!(safe, "%~{:032x}", fnv1a(name.as_bytes()));
    }
    path.push_str(&safe);
}

/// 128-bit FNV-1a: names are told apart, nobody's attack is held off.
fn fnv1a(bytes: &[u8]) -> u128 {
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    bytes.iter().fold(start, |hash, b| {
        (hash ^ u128::from(*b)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_are_plain_stay_plain() {
        for (platform, test, path) in [
            ("default", "/smoke/disk", "results/default/smoke/disk/attempt-1"),
            ("cs9", "/a b/ü'\"$", "results/cs9/a%20b/ü'\"$/attempt-1"),
            ("a/b", "/x", "results/a%2Fb/x/attempt-1"),
            ("a%2Fb", "/x", "results/a%252Fb/x/attempt-1"),
            ("..", "/../.x/..", "results/%2E./%2E./%2Ex/%2E./attempt-1"),
            ("p", "/attempt-1/attempt", "results/p/%61ttempt-1/attempt/attempt-1"),
            ("p", "no/slash", "results/p/%-no/slash/attempt-1"),
            ("p", "/", "results/p/%/attempt-1"),
            ("p", "//a", "results/p/%/a/attempt-1"),
            ("p", "/n\nl", "results/p/n%0Al/attempt-1"),
            ("", "/x", "results/%/x/attempt-1"),
        ] {
            assert_eq!(attempt_dir(platform, test, 1), path);
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (a, b) = (format!("/{}a", "ü".repeat(300)), format!("/{}b", "ü".repeat(300)));
        let (a, b) = (attempt_dir("p", &a, 1), attempt_dir("p", &b, 1));
        assert_ne!(a, b);
        assert!(a.split('/').all(|part| part.len() <= 255));
    }

    proptest! {
        #[test]
        fn different_tests_have_different_directories(a in "[-/%.a\u{1} ]{0,6}", b in "[-/%.a\u{1} ]{0,6}") {
            prop_assert_eq!(a == b, attempt_dir("p", &a, 1) == attempt_dir("p", &b, 1));
            prop_assert_eq!(a == b, attempt_dir(&a, "/p", 1) == attempt_dir(&b, "/p", 1));
        }

        #[test]
        fn no_part_leads_elsewhere(name in "\\PC{0,300}") {
            let path = attempt_dir("p", &name, 1);
            prop_assert!(path.split('/').all(|p| !p.is_empty() && p != "." && p != ".." && p.len() < 256));
        }
    }
}
