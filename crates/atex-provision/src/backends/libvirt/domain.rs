//! The XML of a domain, turned into that of a clone; and the address that virsh prints.
//!
//! libvirt writes its XML itself, an element a line or several in one, always with closed and quoted attributes: what is changed
//! is found by the names of elements, and all else stays as it is.

use std::fmt::Write as _;

/// What identifies an element of the token in the metadata of a domain.
const NAMESPACE: &str = "https://atex.invalid/lease";

/// A clone.
#[derive(Debug)]
pub(super) struct Clone {
    pub xml: String,
    /// The port that leads to its ssh, and the address of that, if one is forwarded.
    pub port: Option<u16>,
    pub forward_to: Option<String>,
}

/// The description of a clone with this name; `port` is what it forwards instead of the origin's.
pub(super) fn clone(origin: &str, name: &str, port: Option<u16>) -> Result<Clone, String> {
    let mut xml = replace(origin, "name", &format!("<name>{name}</name>")).ok_or("its XML has no name")?;
    xml = replace(&xml, "uuid", "").unwrap_or(xml);
    // What was said of the origin is not said of a clone.
    xml = replace(&xml, "metadata", "").unwrap_or(xml);
    let lease =
        format!("</name><metadata><atex:lease xmlns:atex=\"{NAMESPACE}\">{name}</atex:lease></metadata>");
    xml = xml.replacen("</name>", &lease, 1);
    while let Some(without) = replace_empty(&xml, "mac ", "") {
        xml = without;
    }
    // Firmware's variables would be written by all clones.
    xml = replace(&xml, "nvram", "").unwrap_or(xml);
    xml = transient(&xml);
    let mut forward_to = None;
    if let Some(port) = port {
        let (changed, address) = forward(&xml, port).ok_or("it forwards no port to ssh (hostfwd=…-:22)")?;
        xml = changed;
        forward_to = Some(address);
    }
    Ok(Clone { xml, port, forward_to })
}

/// The text with the first element of this name, which has an end tag, replaced.
fn replace(xml: &str, element: &str, by: &str) -> Option<String> {
    let begin = [format!("<{element}>"), format!("<{element} ")];
    let start = begin.iter().filter_map(|tag| xml.find(tag)).min()?;
    let end_tag = format!("</{element}>");
    let end = start + xml[start..].find(&end_tag)? + end_tag.len();
    Some(format!("{}{by}{}", &xml[..start], &xml[end..]))
}

/// The same of an element without an end tag.
fn replace_empty(xml: &str, begin: &str, by: &str) -> Option<String> {
    let start = xml.find(&format!("<{begin}"))?;
    let end = start + xml[start..].find("/>")? + 2;
    Some(format!("{}{by}{}", &xml[..start], &xml[end..]))
}

/// Disks that are written to are made transient, over what all clones share.
fn transient(xml: &str) -> String {
    let mut out = String::with_capacity(xml.len() + 200);
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once("</disk>") {
        let at = before.rfind("<disk").unwrap_or(before.len());
        let disk = &before[at..];
        let fixed = ["<readonly/>", "<transient", "device='cdrom'", "device='floppy'", "<shareable/>"];
        out.push_str(before);
        if !fixed.iter().any(|mark| disk.contains(mark)) {
            let _ = write!(out, "<transient shareBacking='yes'/>");
        }
        out.push_str("</disk>");
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text with another port in `hostfwd=tcp:ADDRESS:PORT-…:22`, and the address.
fn forward(xml: &str, port: u16) -> Option<(String, String)> {
    for (at, word) in xml.match_indices("hostfwd=tcp:") {
        let value = &xml[at + word.len()..];
        let value = &value[..value.find([',', '\'', '"'])?];
        let Some((here, guest)) = value.split_once('-') else { continue };
        let Some((address, _)) = here.rsplit_once(':') else { continue };
        if guest.rsplit(':').next() == Some("22") {
            let changed = format!("{address}:{port}-{guest}");
            let text = xml.replacen(&format!("{word}{value}"), &format!("{word}{changed}"), 1);
            let address = if address.is_empty() || address == "0.0.0.0" { "127.0.0.1" } else { address };
            return Some((text, address.to_owned()));
        }
    }
    None
}

/// The first address that is not the machine's own, preferably of version 4, in what `virsh domifaddr` prints:
/// `vnet0  52:54:00:…  ipv4  192.168.122.7/24`.
pub(super) fn address(listed: &str) -> Option<String> {
    let rows = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let addresses = rows.filter_map(|row| match row[..] {
        [name, .., version @ ("ipv4" | "ipv6"), address] if name != "lo" => {
            Some((version, address.split('/').next()?.to_owned()))
        }
        _ => None,
    });
    let usable =
        addresses.filter(|(_, address)| !address.starts_with("127.") && !address.starts_with("fe80:"));
    usable.min_by_key(|(version, _)| *version != "ipv4").map(|(_, address)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "<domain type='kvm' xmlns:qemu='x'>
  <name>cs9</name>
  <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
  <metadata><some:thing xmlns:some='y'>z</some:thing></metadata>
  <os><nvram template='/t'>/var/nvram/cs9.fd</nvram></os>
  <devices>
    <disk type='file' device='disk'><source file='/i.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>
    <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
    <interface type='user'><mac address='52:54:00:00:00:02'/></interface>
  </devices>
  <qemu:commandline><qemu:arg value='user,id=n0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:2299-:22'/></qemu:commandline>
</domain>
";

    #[test]
    fn a_clone_differs_where_two_may_not_be_alike() {
        let made = clone(ORIGIN, "atex-1-2", Some(4711)).unwrap();
        let expected = "<domain type='kvm' xmlns:qemu='x'>
  <name>atex-1-2</name><metadata><atex:lease xmlns:atex=\"https://atex.invalid/lease\">atex-1-2</atex:lease></metadata>
  
  
  <os></os>
  <devices>
    <disk type='file' device='disk'><source file='/i.qcow2'/><target dev='vda' bus='virtio'/><transient shareBacking='yes'/></disk>
    <disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>
    <interface type='network'><source network='default'/></interface>
    <interface type='user'></interface>
  </devices>
  <qemu:commandline><qemu:arg value='user,id=n0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:4711-:22'/></qemu:commandline>
</domain>
";
        assert_eq!(made.xml, expected);
        assert_eq!(made.forward_to.as_deref(), Some("127.0.0.1"));
        let none = clone("<domain><name>a</name></domain>", "b", Some(1)).unwrap_err();
        assert_eq!(none, "it forwards no port to ssh (hostfwd=…-:22)");
        assert!(clone("<domain/>", "b", None).is_err());
    }

    #[test]
    fn an_address_is_read_from_a_table() {
        let listed = " lo         00:00:00:00:00:00    ipv4         127.0.0.1/8\n \
                       eth0       52:54:00:a7:00:2c    ipv6         fd00::7/64\n \
                       -          -                    ipv4         192.168.122.7/24\n";
        assert_eq!(address(listed).as_deref(), Some("192.168.122.7"));
        assert_eq!(address(" vnet0 52:54:00:a7:00:2c ipv6 fe80::1/64\n"), None);
        assert_eq!(address(" vnet0 52:54:00:a7:00:2c ipv6 fd00::7/64\n").as_deref(), Some("fd00::7"));
        assert_eq!(address("\n"), None);
    }
}
