# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_atex_discover_global_optspecs
    string join \n v/verbose schema plan= plan-layer= c/context= filter= condition= libraries no-libraries cache= fetch-timeout= name= exclude= only-file= no-file= allow-empty vary= vary-only= platform= for-hosts= result= h/help V/version
end

function __fish_atex_discover_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_atex_discover_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_atex_discover_global_optspecs) -- $cmd[..-2] 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_atex_discover_using_subcommand
    set -l cmd (__fish_atex_discover_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c atex-discover -n "__fish_atex_discover_needs_command" -l plan -d 'The tests of this plan, such as /plans/daily' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l plan-layer -d 'Read plans as ATEX does, or as tmt does' -r -f -a "atex\t'Those of ATEX: sections of kind fmf, tests in the order of their names'
tmt\t'Those of tmt'"
complete -c atex-discover -n "__fish_atex_discover_needs_command" -s c -l context -d 'What `adjust` rules can ask for, such as distro=rhel-9.6; several values are separated by commas' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l filter -d 'Only tests that pass this fmf filter, as in `tag: tier1 & tag: -slow`; of several, they must pass all' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l condition -d 'Only tests whose metadata makes this Python expression true, as in `tier == 1`; of several, they must pass all' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l cache -d 'Where repositories of plans and libraries are kept' -r -f -a "(__fish_complete_directories)"
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l fetch-timeout -d 'How long fetching one repository may take: 90s, 5m' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l name -d 'Only tests whose name matches; can be given several times for alternatives' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l exclude -d 'No tests whose name matches; can be given several times' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l only-file -d 'Only tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l no-file -d 'No tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l vary -d 'Make a test for each value, with KEY=VALUE in its environment and `@KEY=VALUE` behind its name' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l vary-only -d 'Vary only tests whose name matches; the others stay as they are' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l platform -d 'Label the tests, so that they run only on hosts with this label' -r
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l for-hosts -d 'Discover for each platform among the host records of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l result -d 'Take results out of what the tests print, in this format' -r -f -a "tap\t'Test Anything Protocol: each test point becomes a subtest'"
complete -c atex-discover -n "__fish_atex_discover_needs_command" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l schema -d 'Print the JSON Schema of the records that are read and written, and exit'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l libraries -d 'Add to each test what the libraries that it requires require in turn (the default)'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l no-libraries -d 'Leave `require` and `recommend` as they are written'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -l allow-empty -d 'End with 0 if no test is found'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -s V -l version -d 'Print version'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "exec" -d 'Tests are executables: one for each below a directory'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "ltp" -d 'Tests are the lines of a runtest file of the Linux Test Project'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "list" -d 'Tests are the lines of a file: a name, a tab, and a command for the shell'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "ls" -d 'Print the names of the tests, for people'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "show" -d 'Print the metadata of a node, with the file and line that each key came from'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "why" -d 'Say why a test is selected, or is not'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "lint" -d 'Look for mistakes in the metadata; exit with 1 if there are any'
complete -c atex-discover -n "__fish_atex_discover_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l arg -d 'An argument for every test; can be given several times' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l name -d 'Only tests whose name matches; can be given several times for alternatives' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l exclude -d 'No tests whose name matches; can be given several times' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l only-file -d 'Only tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l no-file -d 'No tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l vary -d 'Make a test for each value, with KEY=VALUE in its environment and `@KEY=VALUE` behind its name' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l vary-only -d 'Vary only tests whose name matches; the others stay as they are' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l platform -d 'Label the tests, so that they run only on hosts with this label' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l for-hosts -d 'Discover for each platform among the host records of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l result -d 'Take results out of what the tests print, in this format' -r -f -a "tap\t'Test Anything Protocol: each test point becomes a subtest'"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -l allow-empty -d 'End with 0 if no test is found'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l ltproot -d 'Where LTP is installed on the hosts' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l name -d 'Only tests whose name matches; can be given several times for alternatives' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l exclude -d 'No tests whose name matches; can be given several times' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l only-file -d 'Only tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l no-file -d 'No tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l vary -d 'Make a test for each value, with KEY=VALUE in its environment and `@KEY=VALUE` behind its name' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l vary-only -d 'Vary only tests whose name matches; the others stay as they are' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l platform -d 'Label the tests, so that they run only on hosts with this label' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l for-hosts -d 'Discover for each platform among the host records of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l result -d 'Take results out of what the tests print, in this format' -r -f -a "tap\t'Test Anything Protocol: each test point becomes a subtest'"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -l allow-empty -d 'End with 0 if no test is found'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ltp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l tree -d 'A directory that the tests need; it is uploaded, and they run in it' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l name -d 'Only tests whose name matches; can be given several times for alternatives' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l exclude -d 'No tests whose name matches; can be given several times' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l only-file -d 'Only tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l no-file -d 'No tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l vary -d 'Make a test for each value, with KEY=VALUE in its environment and `@KEY=VALUE` behind its name' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l vary-only -d 'Vary only tests whose name matches; the others stay as they are' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l platform -d 'Label the tests, so that they run only on hosts with this label' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l for-hosts -d 'Discover for each platform among the host records of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l result -d 'Take results out of what the tests print, in this format' -r -f -a "tap\t'Test Anything Protocol: each test point becomes a subtest'"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -l allow-empty -d 'End with 0 if no test is found'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l tree -d 'A directory of the tree' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l plan -d 'The tests of this plan, such as /plans/daily' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l plan-layer -d 'Read plans as ATEX does, or as tmt does' -r -f -a "atex\t'Those of ATEX: sections of kind fmf, tests in the order of their names'
tmt\t'Those of tmt'"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -s c -l context -d 'What `adjust` rules can ask for, such as distro=rhel-9.6; several values are separated by commas' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l filter -d 'Only tests that pass this fmf filter, as in `tag: tier1 & tag: -slow`; of several, they must pass all' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l condition -d 'Only tests whose metadata makes this Python expression true, as in `tier == 1`; of several, they must pass all' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l cache -d 'Where repositories of plans and libraries are kept' -r -f -a "(__fish_complete_directories)"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l fetch-timeout -d 'How long fetching one repository may take: 90s, 5m' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l name -d 'Only tests whose name matches; can be given several times for alternatives' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l exclude -d 'No tests whose name matches; can be given several times' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l only-file -d 'Only tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l no-file -d 'No tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l vary -d 'Make a test for each value, with KEY=VALUE in its environment and `@KEY=VALUE` behind its name' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l vary-only -d 'Vary only tests whose name matches; the others stay as they are' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l all -d 'Print disabled and manual tests and stories, too, with a tab and the reason behind the name'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l libraries -d 'Add to each test what the libraries that it requires require in turn (the default)'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l no-libraries -d 'Leave `require` and `recommend` as they are written'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -l allow-empty -d 'End with 0 if no test is found'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand show" -l tree -d 'A directory of the tree' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand show" -s c -l context -d 'What `adjust` rules can ask for, such as distro=rhel-9.6; several values are separated by commas' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand show" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l tree -d 'A directory of the tree' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l plan -d 'The tests of this plan, such as /plans/daily' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l plan-layer -d 'Read plans as ATEX does, or as tmt does' -r -f -a "atex\t'Those of ATEX: sections of kind fmf, tests in the order of their names'
tmt\t'Those of tmt'"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -s c -l context -d 'What `adjust` rules can ask for, such as distro=rhel-9.6; several values are separated by commas' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l filter -d 'Only tests that pass this fmf filter, as in `tag: tier1 & tag: -slow`; of several, they must pass all' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l condition -d 'Only tests whose metadata makes this Python expression true, as in `tier == 1`; of several, they must pass all' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l cache -d 'Where repositories of plans and libraries are kept' -r -f -a "(__fish_complete_directories)"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l fetch-timeout -d 'How long fetching one repository may take: 90s, 5m' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l name -d 'Only tests whose name matches; can be given several times for alternatives' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l exclude -d 'No tests whose name matches; can be given several times' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l only-file -d 'Only tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l no-file -d 'No tests whose name matches a line of this file; `-` is standard input' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l libraries -d 'Add to each test what the libraries that it requires require in turn (the default)'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l no-libraries -d 'Leave `require` and `recommend` as they are written'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -l allow-empty -d 'End with 0 if no test is found'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand lint" -l tree -d 'A directory of the tree' -r -F
complete -c atex-discover -n "__fish_atex_discover_using_subcommand lint" -l plan-layer -d 'Read plans as ATEX does, or as tmt does' -r -f -a "atex\t'Those of ATEX: sections of kind fmf, tests in the order of their names'
tmt\t'Those of tmt'"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand lint" -s c -l context -d 'What `adjust` rules can ask for, such as distro=rhel-9.6; several values are separated by commas' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand lint" -l cache -d 'Where repositories of plans and libraries are kept' -r -f -a "(__fish_complete_directories)"
complete -c atex-discover -n "__fish_atex_discover_using_subcommand lint" -l fetch-timeout -d 'How long fetching one repository may take: 90s, 5m' -r
complete -c atex-discover -n "__fish_atex_discover_using_subcommand lint" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "exec" -d 'Tests are executables: one for each below a directory'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "ltp" -d 'Tests are the lines of a runtest file of the Linux Test Project'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "list" -d 'Tests are the lines of a file: a name, a tab, and a command for the shell'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "ls" -d 'Print the names of the tests, for people'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "show" -d 'Print the metadata of a node, with the file and line that each key came from'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "why" -d 'Say why a test is selected, or is not'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "lint" -d 'Look for mistakes in the metadata; exit with 1 if there are any'
complete -c atex-discover -n "__fish_atex_discover_using_subcommand help; and not __fish_seen_subcommand_from exec ltp list ls show why lint help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
