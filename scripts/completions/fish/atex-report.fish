# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_atex_report_global_optspecs
    string join \n v/verbose schema follow require-end= allow-empty color= failures= subtests= slowest= hosts= h/help V/version
end

function __fish_atex_report_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_atex_report_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_atex_report_global_optspecs) -- $cmd[..-2] 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_atex_report_using_subcommand
    set -l cmd (__fish_atex_report_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c atex-report -n "__fish_atex_report_needs_command" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_needs_command" -l failures -d 'How many tests to show of those that failed, of those that did not finish, and of the flaky ones' -r
complete -c atex-report -n "__fish_atex_report_needs_command" -l subtests -d 'How many failed subtests to show of each test' -r
complete -c atex-report -n "__fish_atex_report_needs_command" -l slowest -d 'How many of the slowest tests to show' -r
complete -c atex-report -n "__fish_atex_report_needs_command" -l hosts -d 'How many hosts to show: those with trouble first, then the busiest' -r
complete -c atex-report -n "__fish_atex_report_needs_command" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_needs_command" -l schema -d 'Print the JSON Schema of the records that are read and written, and exit'
complete -c atex-report -n "__fish_atex_report_needs_command" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_needs_command" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_needs_command" -s V -l version -d 'Print version'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "summary" -d 'Say what became of the tests, for people (the default)'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "check" -d 'Print nothing on stdout; the exit status is the answer, and stderr says why'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "list" -d 'Results, a line each'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "show" -d 'All that is known of a test: its attempts, their results, and their output'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "logs" -d 'The paths of all files of a test, or what is in them'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "import" -d 'Turn reports of others into records'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "diff" -d 'Compare runs: new failures first'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "sort" -d 'Put a stream in order: by platform, test and subtest'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "archive" -d 'Put a run directory and its reports into one file'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "unarchive" -d 'Take a run directory out of an archive'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "waive" -d 'Label known failures'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "jsonl" -d 'Results as the Python ATEX aggregates them'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "csv" -d 'Results as a table, separated by commas, with a heading'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "tsv" -d 'Results as a table, separated by tabs, with a heading'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "junit" -d 'JUnit XML, as Jenkins, GitLab and others read it'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "html" -d 'One page of HTML with everything in it, for any number of results'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "tap" -d 'TAP version 14, with subtests'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "markdown" -d 'A summary in Markdown, as for a merge request or a job\'s page'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "tmt" -d 'results.yaml as tmt has it'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "yaml" -d 'YAML, a document for each test'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "sqlite" -d 'Add results to a database of many runs, which is made if there is none'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "history" -d 'Say what became of a test in the runs of a database, the last one first'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "flaky" -d 'Say which tests change their outcome although what they test does not'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "slow" -d 'Say which tests have become slower than they were'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "trend" -d 'Say how the runs of a database went, the last one last'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "hosts" -d 'Say which hosts of a database have trouble, or fail tests that pass elsewhere'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "durations" -d 'Write the last attempts at each test in a database as records: what `atex-exec --history` reads'
complete -c atex-report -n "__fish_atex_report_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l failures -d 'How many tests to show of those that failed, of those that did not finish, and of the flaky ones' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l subtests -d 'How many failed subtests to show of each test' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l slowest -d 'How many of the slowest tests to show' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l hosts -d 'How many hosts to show: those with trouble first, then the busiest' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand summary" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -l fail-on -d 'Which outcomes of tests are refused, instead of fail, error and infra; `flaky` is one that passed when it was tried again' -r -f -a "infra\t''
error\t''
fail\t''
warn\t''
info\t''
skip\t''
flaky\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -l new-only -d 'Only failures count that are not in this stream; may be given several times' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -l min-pass -d 'So many tests must have passed; `95%`: so many of those that ran' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -l allow-flaky -d 'With --new-only: what has both failed and passed in the baselines may fail, and so may all of such a test'
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -l status -d 'Only these statuses' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -l tests -d 'Only tests, with what each came to'
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -l platform -d 'Only of this platform' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -l no-pager -d 'Write to the terminal itself, not through the pager of PAGER, or less'
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand logs" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand logs" -l platform -d 'Only of this platform' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand logs" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand logs" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand logs" -l cat -d 'Write what is in the files, with control characters made visible, instead of their paths'
complete -c atex-report -n "__fish_atex_report_using_subcommand logs" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand import" -l from -d 'What the files are; otherwise their content tells' -r -f -a "jsonl\t'Results as the Python ATEX aggregates them'
tmt\t'results.yaml of tmt'
junit\t'JUnit XML'
tap\t'TAP 13 or 14'
records\t'Records, which are handed on'"
complete -c atex-report -n "__fish_atex_report_using_subcommand import" -l run -d 'The run\'s id; otherwise it is made of the file\'s path and time, so that the same file is the same run' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand import" -l platform -d 'The platform of results that name none' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand import" -l test -d 'Take all results of TAP for subtests of this test' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand import" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand import" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -l baseline -d 'More runs before: what failed in one of them and passed in another is flaky, and no new failure' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -l slower -d 'A test is slower if it takes so many times as long as before, and 5 seconds more' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -l limit -d 'How many to show of each kind' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -l json -d 'Write all differences as JSON, a line each'
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -l allow-empty -d 'Take a side without any test for one of which nothing is known, such as the run before the first'
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand sort" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand sort" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand sort" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand sort" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand sort" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand sort" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand archive" -s o -l output -d 'The archive; otherwise the directory\'s name with `.tar.zst`' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand archive" -l unfinished -d 'Also of a run that has not ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand archive" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand archive" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand unarchive" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand unarchive" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -s f -l file -d 'A file of waivers; may be given several times, the first that matches counts' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -l define -d 'What a name is in expressions of the contest project, such as `oscap=1.3.6`' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -l strict -d 'End with 1 if a waiver was not used, has expired, or waits for a failure and met a success'
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand waive" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -l files -d 'Copy what tests uploaded to this directory, which must not be there' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -l pack-files -d 'Pack the copies; the names of files in the results get the suffix' -r -f -a "gz\t''
xz\t''
zst\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -l old -d 'Also the results of attempts that were tried again'
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand jsonl" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -l old -d 'Also the results of attempts that were tried again; the column `type` tells them apart'
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -l raw -d 'Write texts as they are, also those that a spreadsheet takes for formulas'
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand csv" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand tsv" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand tsv" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand tsv" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand tsv" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand tsv" -l old -d 'Also the results of attempts that were tried again; the column `type` tells them apart'
complete -c atex-report -n "__fish_atex_report_using_subcommand tsv" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand tsv" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -l max-bytes -d 'Start a new file before one gets longer than N bytes: `NAME.xml`, `NAME-2.xml`, …' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -l max-note -d 'Leave out of each note what is beyond N bytes' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand junit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -l title -d 'The title of the page, instead of the ids of the runs' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -l links-from -d 'The directory in which the page will be: links to files are relative to it' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -l plain -d 'How many failures stand in the page as plain HTML, for which no JavaScript is needed' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand html" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand tap" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand tap" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand tap" -l tap-version -d 'The version that the first line names' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand tap" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand tap" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand tap" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand tap" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -l failures -d 'How many tests to show of those that failed, and of those that passed when they were tried again' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -l subtests -d 'How many failed subtests to show of each test' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand markdown" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand tmt" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand tmt" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand tmt" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand tmt" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand tmt" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand tmt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand yaml" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand yaml" -s o -l output -d 'Write to this file instead of stdout; it appears when it is whole' -r -F
complete -c atex-report -n "__fish_atex_report_using_subcommand yaml" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand yaml" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand yaml" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand yaml" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand sqlite" -l require-end -d 'End with 3 unless the stream has N `end` records of TOOL, one if no N is given' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand sqlite" -l build -d 'What the runs have tested, in any words: a version, a compose, a commit' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand sqlite" -l follow -d 'Wait for more at the end of files and run directories, until the run has ended'
complete -c atex-report -n "__fish_atex_report_using_subcommand sqlite" -l allow-empty -d 'End with 0 if there is no test in the stream'
complete -c atex-report -n "__fish_atex_report_using_subcommand sqlite" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand sqlite" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand history" -l platform -d 'Only on this platform' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand history" -l limit -d 'At most so many attempts' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand history" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand history" -l json -d 'Print an object of JSON on a line for each row, with seconds as numbers'
complete -c atex-report -n "__fish_atex_report_using_subcommand history" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand flaky" -l days -d 'Only of the last N days before the newest attempt' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand flaky" -l limit -d 'At most so many tests' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand flaky" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand flaky" -l json -d 'Print an object of JSON on a line for each row, with seconds as numbers'
complete -c atex-report -n "__fish_atex_report_using_subcommand flaky" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand flaky" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l days -d 'Only of the last N days before the newest attempt' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l recent -d 'How many of the last attempts are compared with those before' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l significance -d 'How likely chance alone may be, at most' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l ratio -d 'How many times slower it must be, by the medians' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l seconds -d 'How many seconds slower it must be, by the medians' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l limit -d 'At most so many tests' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -l json -d 'Print an object of JSON on a line for each row, with seconds as numbers'
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand slow" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand trend" -l runs -d 'How many of the last runs' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand trend" -l platform -d 'Only tests of this platform' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand trend" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand trend" -l json -d 'Print an object of JSON on a line for each row, with seconds as numbers'
complete -c atex-report -n "__fish_atex_report_using_subcommand trend" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand trend" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand hosts" -l days -d 'Only of the last N days before the newest attempt' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand hosts" -l limit -d 'At most so many hosts' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand hosts" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c atex-report -n "__fish_atex_report_using_subcommand hosts" -l json -d 'Print an object of JSON on a line for each row, with seconds as numbers'
complete -c atex-report -n "__fish_atex_report_using_subcommand hosts" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand hosts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand durations" -l attempts -d 'How many attempts at each test that passed, and how many that did not' -r
complete -c atex-report -n "__fish_atex_report_using_subcommand durations" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-report -n "__fish_atex_report_using_subcommand durations" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "summary" -d 'Say what became of the tests, for people (the default)'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "check" -d 'Print nothing on stdout; the exit status is the answer, and stderr says why'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "list" -d 'Results, a line each'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "show" -d 'All that is known of a test: its attempts, their results, and their output'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "logs" -d 'The paths of all files of a test, or what is in them'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "import" -d 'Turn reports of others into records'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "diff" -d 'Compare runs: new failures first'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "sort" -d 'Put a stream in order: by platform, test and subtest'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "archive" -d 'Put a run directory and its reports into one file'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "unarchive" -d 'Take a run directory out of an archive'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "waive" -d 'Label known failures'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "jsonl" -d 'Results as the Python ATEX aggregates them'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "csv" -d 'Results as a table, separated by commas, with a heading'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "tsv" -d 'Results as a table, separated by tabs, with a heading'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "junit" -d 'JUnit XML, as Jenkins, GitLab and others read it'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "html" -d 'One page of HTML with everything in it, for any number of results'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "tap" -d 'TAP version 14, with subtests'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "markdown" -d 'A summary in Markdown, as for a merge request or a job\'s page'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "tmt" -d 'results.yaml as tmt has it'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "yaml" -d 'YAML, a document for each test'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "sqlite" -d 'Add results to a database of many runs, which is made if there is none'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "history" -d 'Say what became of a test in the runs of a database, the last one first'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "flaky" -d 'Say which tests change their outcome although what they test does not'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "slow" -d 'Say which tests have become slower than they were'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "trend" -d 'Say how the runs of a database went, the last one last'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "hosts" -d 'Say which hosts of a database have trouble, or fail tests that pass elsewhere'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "durations" -d 'Write the last attempts at each test in a database as records: what `atex-exec --history` reads'
complete -c atex-report -n "__fish_atex_report_using_subcommand help; and not __fish_seen_subcommand_from summary check list show logs import diff sort archive unarchive waive jsonl csv tsv junit html tap markdown tmt yaml sqlite history flaky slow trend hosts durations help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
