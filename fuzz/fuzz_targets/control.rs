//! A control stream gives the same events and the same end however it is cut into pieces. The first byte says how.
#![no_main]

use std::convert::Infallible;

use atex_control::{End, Event, Limits, Parser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((size, stream)) = bytes.split_first() else { return };
    let whole = outcome(stream, stream.len().max(1));
    let pieces = outcome(stream, usize::from(*size).max(1));
    assert_eq!(whole, pieces);
});

/// The stored results and the end, as text.
fn outcome(stream: &[u8], size: usize) -> String {
    let mut results = String::new();
    let mut sink = |event: Event<'_>| -> Result<(), Infallible> {
        if let Event::Result(result) = event {
            serde_json::from_str::<serde_json::Value>(result.line).expect("stored results are JSON");
            results += result.line;
            results.push('\n');
        }
        Ok(())
    };
    let mut parser = Parser::new(Limits::default());
    for piece in stream.chunks(size) {
        if parser.feed(piece, &mut sink).is_err() {
            break;
        }
    }
    let ending = parser.finish(End::Exited { passed: true }, &mut sink);
    format!("{results}{ending:?}")
}
