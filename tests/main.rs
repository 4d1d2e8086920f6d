//! The four binaries as their users run them: with real processes, real sshd, real hosts.

mod completions;
mod discover;
mod documents;
mod examples;
mod exec_adoption;
mod exec_attach;
mod exec_crash;
mod exec_detach;
mod exec_faults;
mod exec_hold;
mod exec_hooks;
mod exec_hostile;
mod exec_input;
mod exec_lab;
mod exec_limits;
mod exec_local;
mod exec_policy;
mod exec_progress;
mod exec_provision;
mod exec_provision_deaths;
mod exec_resume;
mod exec_scale;
mod exec_schedule;
mod exec_ssh;
mod exec_stop;
mod exec_vm;
mod exec_volume;
mod exec_watch;
mod helpers;
mod journal;
mod lab_jobs;
mod manual;
mod pipeline;
mod provision;
mod provision_ansible;
mod provision_clients;
mod provision_clouds;
mod provision_farm;
mod provision_filters;
mod provision_leases;
mod provision_libvirt;
mod provision_local;
mod provision_podman;
mod provision_scale;
mod provision_serve;
mod provision_static;
mod readme;
mod report_gates;
mod report_history;
mod report_input;
mod report_output;
mod report_terminal;
mod scripts;
mod setup;
mod stream;
mod vm;
mod writers;

/// A module that is forgotten here would pass unseen.
#[test]
fn every_file_is_a_module_of_this_one() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let files =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned())).collect();
    names.sort_unstable();
    let text = include_str!("main.rs");
    for name in names.iter().filter(|name| *name != "main") {
        assert!(text.contains(&format!("\nmod {name};\n")), "tests/{name}.rs is not run");
    }
}
