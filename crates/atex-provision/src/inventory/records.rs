//! Host records as a list: each is checked and goes out as it came in.

use atex_cli::Failure;
use atex_model::{Host, HostTag, Object, line};

use super::{Ids, Inventory, Item, Listed, Source};

/// Reads lines of JSON. Records of other types are handed on.
pub(super) fn read(text: &str, source: &Source) -> Result<Inventory, Failure> {
    let mut inventory = Inventory::default();
    let mut ids = Ids::default();
    for (number, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let bad = |e: line::LineError| Failure::usage(e.at(&source.name, number as u64));
        if line::kind(text).map_err(bad)? != HostTag::TEXT {
            inventory.items.push(Item::Other(text.to_owned()));
            continue;
        }
        let host: Host = line::parse(text).map_err(bad)?;
        ids.take(&host.id, number).map_err(|message| source.fault(number, message))?;
        let listed = Listed { host, text: Some(text.to_owned()), groups: Vec::new() };
        inventory.items.push(Item::Host(Box::new(listed)));
    }
    Ok(inventory)
}

/// The same record with a platform, everything else as it was. One that is there stays, even if it is null.
pub(super) fn label(record: &str, platform: &str) -> String {
    let there = line::parse::<Object>(record).is_ok_and(|object| object.contains_key("platform"));
    match record.rfind('}') {
        Some(end) if !there => {
            let platform = serde_json::Value::from(platform);
            format!("{},\"platform\":{platform}}}", record[..end].trim_end())
        }
        _ => record.to_owned(),
    }
}
