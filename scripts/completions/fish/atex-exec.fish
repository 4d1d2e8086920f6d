# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_atex_exec_global_optspecs
    string join \n hosts= local= run-dir= resume= from-start work-dir= env= env-file= keep-host-on= host-timeout= setup-timeout= reboot-grace= orphan-timeout= spool-max= grace= duplicates= allow-install allow-empty live v/verbose schema history= q/quiet hook= hook-timeout= no-hooks= policy= policy-timeout= provision= provision-max= max-hosts= spares= max-failed-setups= max-failed-provisions= provision-timeout= release-timeout= order= reruns= rerun-on= infra-retries= deadline= max-fail= hold-on= hold-for= on-term= detach simulate hosts-for= replay= duration-model= seed= host-failures= test-failures= setup-failures= provision-time= provision-failures= setup-time= max-results= max-result-bytes= max-files= max-file-bytes= max-output= max-notes= max-json= max-partial= h/help V/version
end

function __fish_atex_exec_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_atex_exec_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_atex_exec_global_optspecs) -- $cmd[..-2] 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_atex_exec_using_subcommand
    set -l cmd (__fish_atex_exec_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c atex-exec -n "__fish_atex_exec_needs_command" -l hosts -d 'Read host records from this file (`-` is standard input); may be repeated' -r -F
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l local -d 'Add N hosts on this machine, each a work directory of its own' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l run-dir -d 'Keep the run in this directory [default: a new one in atex-runs]' -r -F
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l resume -d 'Go on with the run in this directory, after a crash, a reboot, or a signal' -r -F
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l work-dir -d 'Make the run\'s directory on each host below DIR [default: /var, or /tmp if that cannot be written]' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l env -d 'Set a variable in the environment of every test; may be repeated' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l env-file -d 'Set the variables of this file in the environment of every test; may be repeated' -r -F
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l keep-host-on -d 'Use a host for further tests as it is after these exit statuses: numbers, or `any`' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l host-timeout -d 'Give a host up that has not been reached for so long' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l setup-timeout -d 'Give a host up that is not set up, files included, within this time' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l reboot-grace -d 'After a test has announced a reboot and ended, wait so long for its host to go down' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l orphan-timeout -d 'A host that has heard nothing of us for so long ends its test itself' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l spool-max -d 'Let a host keep up to SIZE of what a test sends, and as much of what it prints, until we have it' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l grace -d 'When the run is stopped, wait so long for tests that were asked to end before killing them' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l duplicates -d 'What to do with a second test of the same platform and name' -r -f -a "error\t'Refuse the input'
number\t'Run it under its name and a number, as in `name (2)`'"
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l history -d 'Learn from earlier runs how long tests take; may be repeated' -r -F
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l hook -d 'Run a command in a phase of the run; may be repeated' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l hook-timeout -d 'A hook that is not done within this time has failed, and is ended' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l no-hooks -d 'Leave out the hooks of a phase; may be repeated' -r -f -a "pre-tests\t'Tests pass through it before they are taken in'
post-tests\t'After the last test: reads all that was written'
host-ready\t'A host has been reached, and is not used yet'
pre-test\t'Before an attempt at a test'
post-test\t'After an attempt at a test that the test itself ended'"
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l policy -d 'Let a program decide which test runs next' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l policy-timeout -d 'How long the policy may take to answer' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l provision -d 'Ask a program for hosts, as they are needed; may be repeated' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l provision-max -d 'Take at most N hosts at a time of each provisioner' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-hosts -d 'Work on at most N hosts at a time, whoever gives them' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l spares -d 'Ask for N hosts more than there are tests for' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-failed-setups -d 'Use a provisioner no more when more than N of its hosts could not be set up within an hour' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-failed-provisions -d 'Use a provisioner no more when it has failed N times in a row' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l provision-timeout -d 'A provisioner has failed of which nothing is heard for so long while hosts are wanted of it' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l release-timeout -d 'At the end, wait so long for a provisioner to give everything back' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l order -d 'Which test a free host is given' -r -f -a "best\t'By `extra-priority`, by what hosts there are, and the longest first'
given\t'By `order` of their metadata, else as they came'"
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l reruns -d 'Try a test that failed again up to N times' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l rerun-on -d 'What makes a test be tried again' -r -f -a "exit\t'Its exit status was not 0, or it had to be ended'
outcome\t'Its outcome is worse than `warn`'
never\t'Nothing'"
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l infra-retries -d 'Try a test again up to N times if its host failed' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l deadline -d 'Stop the run at this time' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-fail -d 'Stop the run when N tests have failed' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l hold-on -d 'Keep hosts of tests that have failed as they are, at most N at a time [default: 1]' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l hold-for -d 'How long a host is kept [default: 1h]' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l on-term -d 'What the first INT, TERM or HUP does [default: stop]' -r -f -a "stop\t'End what runs, and release the hosts'
detach\t'Leave tests running and hosts as they are, for --resume'"
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l hosts-for -d 'Find the smallest pool of hosts with which the run would end within this time' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l replay -d 'Give the events of a run that was recorded to the scheduler, and see whether it decides the same' -r -F
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l duration-model -d 'How long tests take of which that is not known' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l seed -d 'Where all chances come from: the same number gives the same run' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l host-failures -d 'How often a test ends by its host\'s doing: a share from 0 to 1' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l test-failures -d 'How often a test fails: a share from 0 to 1' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l setup-failures -d 'How often a host cannot be set up: a share from 0 to 1' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l provision-time -d 'How long a provisioner takes to give a host: at least, and at most' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l provision-failures -d 'How often a host that is wanted of a provisioner does not come: a share from 0 to 1' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l setup-time -d 'How long it takes to set up a host' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-results -d 'Keep at most N results' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-result-bytes -d 'Keep at most so many bytes of results: a number, with K, M, G or T' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-files -d 'Keep at most N uploaded files' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-file-bytes -d 'Keep at most so many bytes of uploaded files' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-output -d 'Keep at most so many bytes of what the test prints' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-notes -d 'Take at most N progress lines and marks' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-json -d 'End a test that sends a result whose JSON is larger' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l max-partial -d 'End a test whose partial results take more memory while they are open' -r
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l from-start -d 'With --resume, write the whole output again, from the first record on'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l allow-install -d 'Install packages on this machine, too'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l allow-empty -d 'End with 0 if no test comes'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l live -d 'Also write results the moment they are reported, as records `live-result`'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l schema -d 'Print the JSON Schema of the records that are read and written, and exit'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -s q -l quiet -d 'Do not say on standard error how far the run is'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l detach -d 'Go to the background, and write the run directory to standard output'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -l simulate -d 'Say what the run would be like: no host is touched, and nothing is kept'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -s V -l version -d 'Print version'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -f -a "prepare" -d 'Set hosts up for tests that are run later'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -f -a "attach" -d 'Show the stream and the progress of a run that goes on'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -f -a "status" -d 'Say how far a run is'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -f -a "ctl" -d 'Ask a run that goes on for something, or tell it what to do'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -f -a "prune" -d 'Remove run directories that are not needed any more'
complete -c atex-exec -n "__fish_atex_exec_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l hosts -d 'Read host records from this file (`-` is standard input); may be repeated' -r -F
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l run-dir -d 'Keep logs of what was done in this directory [default: a new one in atex-runs]' -r -F
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l work-dir -d 'Make the directory on each host below DIR [default: /var, or /tmp if that cannot be written]' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l host-timeout -d 'Give a host up that has not answered a small command for so long' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l setup-timeout -d 'Give a host up that is not set up, files included, within this time' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l env -d 'Set a variable in the environment of every test; may be repeated' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l env-file -d 'Set the variables of this file in the environment of every test; may be repeated' -r -F
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l undo -d 'Undo it: do what plans want done at the end, and remove what is there'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -l allow-install -d 'Install packages on this machine, too'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prepare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand attach" -l new -d 'Write only records that come from now on'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand attach" -s q -l quiet -d 'Do not show at a terminal how far the run is'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand attach" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand attach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand status" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "status" -d 'How far the run is'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "hosts" -d 'The hosts that there are, and what they do'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "eta" -d 'How long it will take'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "tests" -d 'Tests that wait, run, or are settled'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "pause" -d 'Start no more tests, until `resume`'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "resume" -d 'Start tests again'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "drain" -d 'Start no more tests, and end when those that run have ended'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "cancel" -d 'End a test, or take it out of those that wait: it is settled as `infra`, cancelled'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "rerun" -d 'Run a test again that is settled, under another name: what was said of it stays'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "skip" -d 'Settle tests that wait as `skip`'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "add-host" -d 'Use one host more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "drop-host" -d 'Use a host no more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "hold" -d 'Start nothing more on a host and keep it as it is, until `free`; the run does not end before'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "free" -d 'Use a host again that was held'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "max-hosts" -d 'Use at most N hosts at a time, or take at most N of one provisioner; without N, as many as there may be'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and not __fish_seen_subcommand_from status hosts eta tests pause resume drain cancel rerun skip add-host drop-host hold free max-hosts help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from hosts" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from hosts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from eta" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from eta" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from tests" -l state -r -f -a "waiting\t''
running\t''
settled\t''"
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from tests" -l limit -d 'No more than so many' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from tests" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from tests" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from pause" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from resume" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from drain" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from drain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -l platform -d 'Its label, if tests of this name have several' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from rerun" -l platform -d 'Its label, if tests of this name have several' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from rerun" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from rerun" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from skip" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from skip" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from add-host" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from add-host" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from drop-host" -l now -d 'Do not wait for the test that runs there: it runs elsewhere'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from drop-host" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from drop-host" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from hold" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from hold" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from free" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from free" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from max-hosts" -l of -d 'Which provisioner: its name, or its number on the command line, from 1' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from max-hosts" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from max-hosts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "status" -d 'How far the run is'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "hosts" -d 'The hosts that there are, and what they do'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "eta" -d 'How long it will take'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "tests" -d 'Tests that wait, run, or are settled'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Start no more tests, until `resume`'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Start tests again'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "drain" -d 'Start no more tests, and end when those that run have ended'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "cancel" -d 'End a test, or take it out of those that wait: it is settled as `infra`, cancelled'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "rerun" -d 'Run a test again that is settled, under another name: what was said of it stays'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "skip" -d 'Settle tests that wait as `skip`'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "add-host" -d 'Use one host more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "drop-host" -d 'Use a host no more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "hold" -d 'Start nothing more on a host and keep it as it is, until `free`; the run does not end before'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "free" -d 'Use a host again that was held'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "max-hosts" -d 'Use at most N hosts at a time, or take at most N of one provisioner; without N, as many as there may be'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand ctl; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prune" -l keep-runs -d 'Keep the N newest' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prune" -l keep-days -d 'Keep those that began in the last D days' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prune" -l max-bytes -d 'Keep so many of the newest that they take no more than this on the disk: a number, with K, M, G or T' -r
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prune" -l resumable -d 'Also remove runs that were cut short and could be resumed'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prune" -l dry-run -d 'Only say what would be removed'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prune" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and not __fish_seen_subcommand_from prepare attach status ctl prune help" -f -a "prepare" -d 'Set hosts up for tests that are run later'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and not __fish_seen_subcommand_from prepare attach status ctl prune help" -f -a "attach" -d 'Show the stream and the progress of a run that goes on'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and not __fish_seen_subcommand_from prepare attach status ctl prune help" -f -a "status" -d 'Say how far a run is'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and not __fish_seen_subcommand_from prepare attach status ctl prune help" -f -a "ctl" -d 'Ask a run that goes on for something, or tell it what to do'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and not __fish_seen_subcommand_from prepare attach status ctl prune help" -f -a "prune" -d 'Remove run directories that are not needed any more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and not __fish_seen_subcommand_from prepare attach status ctl prune help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "status" -d 'How far the run is'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "hosts" -d 'The hosts that there are, and what they do'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "eta" -d 'How long it will take'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "tests" -d 'Tests that wait, run, or are settled'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "pause" -d 'Start no more tests, until `resume`'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "resume" -d 'Start tests again'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "drain" -d 'Start no more tests, and end when those that run have ended'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "cancel" -d 'End a test, or take it out of those that wait: it is settled as `infra`, cancelled'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "rerun" -d 'Run a test again that is settled, under another name: what was said of it stays'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "skip" -d 'Settle tests that wait as `skip`'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "add-host" -d 'Use one host more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "drop-host" -d 'Use a host no more'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "hold" -d 'Start nothing more on a host and keep it as it is, until `free`; the run does not end before'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "free" -d 'Use a host again that was held'
complete -c atex-exec -n "__fish_atex_exec_using_subcommand help; and __fish_seen_subcommand_from ctl" -f -a "max-hosts" -d 'Use at most N hosts at a time, or take at most N of one provisioner; without N, as many as there may be'
