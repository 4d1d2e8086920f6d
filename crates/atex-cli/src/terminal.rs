//! The terminal: how large it is.

use std::os::fd::{AsFd, AsRawFd as _};

nix::ioctl_read_bad!(
    /// Asks a terminal for its size.
    window_size,
    nix::libc::TIOCGWINSZ,
    nix::libc::winsize
);

/// The width where nothing tells it.
const USUAL: usize = 80;

/// Less would leave no room for words.
const NARROWEST: usize = 40;

/// How many columns the terminal at stdout has; `columns` is the variable COLUMNS, which goes before.
pub fn width(columns: Option<&str>) -> usize {
    let said = columns.and_then(|text| text.parse().ok()).filter(|width| *width > 0);
    said.or_else(|| size(std::io::stdout()).map(|(columns, _)| columns)).unwrap_or(USUAL).max(NARROWEST)
}

/// How many columns and rows a terminal has, if it says so.
pub fn size(terminal: impl AsFd) -> Option<(usize, usize)> {
    let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request writes one `winsize` to the address it is given, and `size` lives through the call.
    unsafe { window_size(terminal.as_fd().as_raw_fd(), &mut size) }.ok()?;
    (size.ws_col > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_goes_before_the_terminal() {
        assert_eq!(width(Some("132")), 132);
        assert_eq!(width(Some("3")), NARROWEST);
        assert_eq!(width(Some("wide")), width(None));
        assert_eq!(width(Some("0")), width(None));
    }

    #[test]
    fn what_is_no_terminal_has_no_size() {
        assert_eq!(size(std::fs::File::open("/dev/null").unwrap()), None);
    }
}
