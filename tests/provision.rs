//! atex-provision, as far as only a binary can show it.

use atex_testkit::sandbox::Dir;
use serde_json::json;

use crate::stream::{of_type, records, tool};

#[test]
fn hosts_of_a_list_of_an_inventory_and_of_this_machine() {
    let dir = Dir::new();
    dir.write(
        "lab.txt",
        "# ours\n[big]\nroot@node[01-02].lab:2222 platform=cs9 fact.arch=x86_64\n[small]\nvm\n",
    );
    dir.write("inventory.yml", "all:\n  hosts:\n    a: {ansible_host: 10.0.0.1, ansible_port: 2200}\n");
    let list = tool(&dir, "atex-provision").args(["static", "lab.txt", "--group", "big"]).run();
    list.success();
    let host = |n: &str| {
        json!({"type": "host", "id": format!("node{n}.lab:2222"), "platform": "cs9",
               "connect": {"how": "ssh", "host": format!("node{n}.lab"), "user": "root", "port": 2222},
               "facts": {"arch": "x86_64"}})
    };
    assert_eq!(of_type(&list, "host"), [host("01"), host("02")]);
    let inventory = tool(&dir, "atex-provision").args(["static", "inventory.yml"]).run();
    inventory.success();
    assert_eq!(
        of_type(&inventory, "host")[0]["connect"],
        json!({"how": "ssh", "host": "10.0.0.1", "port": 2200})
    );
    let local = tool(&dir, "atex-provision").args(["local", "-n", "3"]).run();
    local.success();
    assert_eq!(of_type(&local, "host").len(), 3);
    assert_eq!(records(&local).last().unwrap()["counts"], json!({"hosts": 3}));
}

#[test]
fn a_list_that_is_wrong_is_refused_with_its_place() {
    let dir = Dir::new();
    dir.write("lab.txt", "vm-1\nvm-2 nonsense\n");
    let output = tool(&dir, "atex-provision").args(["static", "lab.txt"]).run();
    output.code(2).stderr_has("lab.txt:2");
    assert!(of_type(&output, "host").is_empty(), "nothing is given of a list that is wrong");
    tool(&dir, "atex-provision").args(["static", "nowhere"]).run().code(2).stderr_has("nowhere: ");
}
