//! What atex-exec and a provisioner say to each other over stdin and stdout. A host that is ready is a
//! [`Host`] record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Facts, Host, Lease, Object, Time, tag::tag};

tag!(HelloTag, "hello");
tag!(PendingTag, "pending");
tag!(ReleasedTag, "released");
tag!(HostGoneTag, "host-gone");
tag!(ProvisionFailedTag, "provision-failed");
tag!(WantTag, "want");
tag!(ReleaseTag, "release");
tag!(ExtendTag, "extend");
tag!(AdoptTag, "adopt");
tag!(ShutdownTag, "shutdown");

/// From the provisioner, first: what it can give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// `hello`
    #[serde(rename = "type")]
    pub kind: HelloTag,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioner: Option<String>,
    /// The label of its hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// What is known of its hosts before they are there.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub facts: Facts,
    /// How many hosts it can give at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// That it understands `adopt`.
    #[serde(default)]
    pub adopt: bool,
    /// That it understands `extend`.
    #[serde(default)]
    pub extend: bool,
}

/// From the provisioner: so many hosts are under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    /// `pending`
    #[serde(rename = "type")]
    pub kind: PendingTag,
    /// How many.
    pub hosts: u64,
}

/// From the provisioner: a host is given back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Released {
    /// `released`
    #[serde(rename = "type")]
    pub kind: ReleasedTag,
    /// The host's id.
    pub id: String,
}

/// From the provisioner: a host died, or its reservation ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostGone {
    /// `host-gone`
    #[serde(rename = "type")]
    pub kind: HostGoneTag,
    /// The host's id.
    pub id: String,
    /// What happened, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its lease, if a filter over host records says it: it can be released still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// From the provisioner: some hosts will not come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvisionFailed {
    /// `provision-failed`
    #[serde(rename = "type")]
    pub kind: ProvisionFailedTag,
    /// How many.
    pub count: u64,
    /// What happened, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// That asking again may help.
    #[serde(default)]
    pub retry: bool,
}

/// To the provisioner: how many hosts, ready and under way, are wanted now, in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Want {
    /// `want`
    #[serde(rename = "type")]
    pub kind: WantTag,
    /// How many.
    pub hosts: u64,
}

/// To the provisioner: give this host back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// `release`
    #[serde(rename = "type")]
    pub kind: ReleaseTag,
    /// The host's id.
    pub id: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// To the provisioner: keep this host longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Extend {
    /// `extend`
    #[serde(rename = "type")]
    pub kind: ExtendTag,
    /// The host's id.
    pub id: String,
    /// How long.
    pub until: Time,
}

/// To the provisioner: take charge of a host from before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Adopt {
    /// `adopt`
    #[serde(rename = "type")]
    pub kind: AdoptTag,
    /// The host.
    pub host: Host,
}

/// To the provisioner: release everything, then exit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shutdown {
    /// `shutdown`
    #[serde(rename = "type")]
    pub kind: ShutdownTag,
}
