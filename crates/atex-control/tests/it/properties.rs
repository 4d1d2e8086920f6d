//! How a stream is cut into pieces, and where it is taken up again, changes nothing.

use crate::common::{PASSED, Record, feed, finish, result};
use atex_control::{Ending, Limits, Parser, State};
use proptest::prelude::*;
use serde_json::Value;

/// Feeds the stream in pieces that end at these offsets.
fn chopped(stream: &[u8], cuts: &[usize]) -> (Record, Ending) {
    let mut record = Record::default();
    let mut parser = Parser::new(Limits::default());
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        if feed(&mut parser, &stream[start..end], &mut record).is_err() {
            break;
        }
        start = end;
    }
    let ending = finish(parser, PASSED, &mut record);
    (record, ending)
}

/// Feeds one byte at a time, and after each goes on with a parser made from the saved state.
fn restored_everywhere(stream: &[u8]) -> (Record, Ending) {
    let mut record = Record::default();
    let mut parser = Parser::new(Limits::default());
    for end in 1..=stream.len() {
        // Back to where the state says: the beginning of a line that was cut.
        let start = usize::try_from(parser.state().offset()).unwrap();
        let saved = serde_json::to_string(parser.state()).unwrap();
        let state: State = serde_json::from_str(&saved).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), saved);
        parser = Parser::restore(Limits::default(), state);
        if feed(&mut parser, &stream[start..end], &mut record).is_err() {
            break;
        }
    }
    let ending = finish(parser, PASSED, &mut record);
    (record, ending)
}

fn example() -> Vec<u8> {
    let file = r#"{"name":"a","partial":true,"status":"fail","o":{"x":[1],"y":1},"files":[{"name":"f","length":5},{"name":"g","length":0},{"name":"f","length":3}]}"#;
    [
        "noop\nduration 15m\n".to_owned(),
        result(r#"{ "status" : "warn", "own": {"ž": [1, 2] } }"#),
        "mark +x\n".to_owned(),
        result(file),
        "12\n45678".to_owned(),
        result(r#"{"name":"b","partial":true,"status":"infra","testout":"out"}"#),
        result(r#"{"name":"a","o":{"x":[2],"y":null},"testout":"out"}"#),
        "note done\nexitcode 1\n".to_owned(),
        result(r#"{"name":"c","files":[{"name":"cut","length":9}]}"#),
        "half".to_owned(),
    ]
    .concat()
    .into_bytes()
}

#[test]
fn a_saved_state_goes_on_at_every_byte() {
    let stream = example();
    let whole = chopped(&stream, &[]);
    assert_eq!(whole.0.results.len(), 3, "{whole:?}");
    assert_eq!(whole.0.file("a/f"), b"12\n45678");
    assert_eq!(restored_everywhere(&stream), whole);
    // Up to each point, so that every state is one that the test ends in.
    for end in 0..stream.len() {
        let (record, ending) = restored_everywhere(&stream[..end]);
        let (expected, expected_ending) = chopped(&stream[..end], &[]);
        assert_eq!(record, expected, "{end}");
        assert_eq!(ending, expected_ending, "{end}");
    }
}

#[test]
fn byte_by_byte_is_as_at_once() {
    let stream = example();
    let cuts: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(chopped(&stream, &cuts), chopped(&stream, &[]));
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "a/b", "output.txt", "../a", "", "x"]).prop_map(str::to_owned)
}

fn own_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "[a-c\"é\n]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-c]", inner), 0..3).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A message of any kind, mostly good.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let files = prop::collection::vec((name(), prop::collection::vec(any::<u8>(), 0..6)), 0..3);
    let head = (prop::option::of(name()), any::<bool>(), prop::option::of(name()));
    let own = prop::collection::vec(("[k-m]", own_value()), 0..3);
    let result =
        (head, files, own, any::<bool>()).prop_map(|((name, partial, testout), files, own, pretty)| {
            let list: Vec<Value> = files
                .iter()
                .map(|(name, bytes)| serde_json::json!({"name": name, "length": bytes.len()}))
                .collect();
            let mut object: serde_json::Map<String, Value> = own.into_iter().collect();
            object.insert("name".into(), name.into());
            object.insert("partial".into(), partial.into());
            object.insert("testout".into(), testout.into());
            object.insert("files".into(), list.into());
            let json = if pretty {
                serde_json::to_string_pretty(&object).unwrap()
            } else {
                Value::from(object).to_string()
            };
            let bytes = files.into_iter().flat_map(|(_, bytes)| bytes);
            crate::common::result(&json).into_bytes().into_iter().chain(bytes).collect()
        });
    let words = vec![
        "noop\n",
        "duration +5\n",
        "duration x\n",
        "disconnect\n",
        "mark +m\n",
        "note é\n",
        "exitcode 3\n",
        "\n",
    ];
    prop_oneof![
        8 => result,
        2 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(message(), 0..6).prop_map(|messages| messages.concat())
}

proptest! {
    #[test]
    fn chopping_changes_nothing(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(chopped(&stream, &cuts), chopped(&stream, &[]));
    }

    #[test]
    fn saving_and_restoring_changes_nothing(stream in stream()) {
        let (record, ending) = restored_everywhere(&stream);
        let (expected, expected_ending) = chopped(&stream, &[]);
        prop_assert_eq!(record, expected);
        prop_assert_eq!(ending, expected_ending);
    }

    #[test]
    fn bytes_of_any_kind_end_in_results_that_can_be_read(stream in stream(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
        let (record, ending) = chopped(&[stream, noise].concat(), &[]);
        prop_assert!(!record.results.is_empty());
        prop_assert_eq!(ending.tally.total(), record.results.len() as u64);
        for line in &record.results {
            let stored: Value = serde_json::from_str(line).unwrap();
            prop_assert!(stored.get("partial").is_none() && stored.get("testout").is_none());
            prop_assert!(stored["status"] != "infra");
        }
    }

    /// The merge rules, against a model of them over values.
    #[test]
    fn merging_follows_the_rules(steps in prop::collection::vec(prop::collection::vec(("[k-m]", own_value()), 0..4), 1..5)) {
        let objects: Vec<serde_json::Map<String, Value>> = steps.into_iter().map(|step| step.into_iter().collect()).collect();
        let mut model = objects[0].clone();
        for new in &objects[1..] {
            merge_model(&mut model, new);
        }
        let stream: String = objects.into_iter().map(|mut object| {
            object.insert("partial".into(), true.into());
            result(&Value::from(object).to_string())
        }).collect();
        let (record, _) = chopped((stream + &result("{}")).as_bytes(), &[]);
        let stored: Value = serde_json::from_str(&record.results[0]).unwrap();
        prop_assert_eq!(&record.results[0], &Value::from(model.clone()).to_string());
        prop_assert_eq!(stored, Value::from(model));
    }
}

fn merge_model(old: &mut serde_json::Map<String, Value>, new: &serde_json::Map<String, Value>) {
    for (key, value) in new {
        match (old.get_mut(key), value) {
            (_, Value::Null) => drop(old.shift_remove(key)),
            (Some(Value::Object(old)), Value::Object(new)) => merge_model(old, new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new.iter().cloned()),
            (Some(old), new) => *old = new.clone(),
            (None, new) => drop(old.insert(key.clone(), new.clone())),
        }
    }
}
