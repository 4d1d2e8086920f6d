//! The tools together.

use atex_testkit::sandbox::Dir;

use crate::stream::of_type;

#[test]
fn find_run_and_report() {
    let dir = Dir::new();
    dir.write("tree/.fmf/version", "1\n");
    dir.write("tree/main.fmf", "/good:\n    test: 'true'\n/bad:\n    test: echo no; exit 1\n");
    let bin = |name: &str| match name {
        "discover" => env!("CARGO_BIN_EXE_atex-discover"),
        "exec" => env!("CARGO_BIN_EXE_atex-exec"),
        "report" => env!("CARGO_BIN_EXE_atex-report"),
        _ => env!("CARGO_BIN_EXE_atex-provision"),
    };
    let script = format!(
        "set -o pipefail; {{ {} local -n 2; {} tree; }} | {} | tee stream | {} summary",
        bin("provision"),
        bin("discover"),
        bin("exec"),
        bin("report")
    );
    let output = dir.command("bash").args(["-c", &script]).run();
    output.code(1);
    assert!(output.stdout.contains("FAIL   /bad"), "{}", output.report());
    let check = dir.command(bin("report")).args(["check", "stream"]).run();
    check.code(1).stdout_is("");
    let all = dir.command("cat").arg("stream").run();
    let tools: Vec<String> =
        of_type(&all, "end").iter().map(|end| end["tool"].as_str().unwrap().to_owned()).collect();
    assert_eq!(tools, ["atex-provision", "atex-discover", "atex-exec"]);
    assert_eq!(of_type(&all, "host").len(), 2, "borrowed hosts are handed on");
}
