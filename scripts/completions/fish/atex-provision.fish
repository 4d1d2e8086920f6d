# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_atex_provision_global_optspecs
    string join \n v/verbose schema h/help V/version
end

function __fish_atex_provision_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_atex_provision_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_atex_provision_global_optspecs) -- $cmd[..-2] 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_atex_provision_using_subcommand
    set -l cmd (__fish_atex_provision_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c atex-provision -n "__fish_atex_provision_needs_command" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -l schema -d 'Print the JSON Schema of the records that are read and written, and exit'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -s V -l version -d 'Print version'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "local" -d 'This machine, once or several times'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "static" -d 'The hosts of a list'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "podman" -d 'Containers'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "libvirt" -d 'Clones of a virtual machine'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "openstack" -d 'Servers of an OpenStack'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "beaker" -d 'Machines of a Beaker lab'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "testing-farm" -d 'Machines of the Testing Farm service'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "exec" -d 'Hosts from a program that speaks a line of JSON each way'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "release" -d 'Give hosts back'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "leases" -d 'Show what is held, by whom, since when and until when'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "reap" -d 'Free what nobody looks after any more'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "facts" -d 'Ask hosts what they are like'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "check" -d 'Hand on the hosts that are alive'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "prepare" -d 'Make hosts ready: repositories, modules, packages, scripts, files, playbooks'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "inventory" -d 'Write hosts as an inventory of Ansible, as an ssh_config, or as lines of /etc/hosts'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "ssh" -d 'Enter a leased host: a shell there, or a command'
complete -c atex-provision -n "__fish_atex_provision_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l dir -d 'Where the hosts\' directories are made' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l isolate -d 'Give each host a user, mount, process and network namespace of its own'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand local" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l format -d 'What kind of list it is, if its beginning does not tell' -r -f -a "list\t'A host a line'
ansible-yaml\t'An inventory of Ansible, in YAML'
ansible-ini\t'An inventory of Ansible, in INI'
records\t'Host records, which are passed on as they are'"
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l group -d 'Only hosts of this group; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l lock-dir -d 'Where on a host its lock is' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand static" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l image -d 'The image that the hosts are made of' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l setup -d 'Run this in the image first, once, and keep the result for later; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l network -d 'The network, as podman knows it; `own` makes one for each host' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l cpus -d 'How many processors a host may use' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l memory -d 'How much memory a host may use, such as 2g' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l run-option -d 'Another option for `podman run`, such as --run-option=--privileged; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l systemd -d 'Run systemd in the hosts'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand podman" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l origin -d 'The domain that is cloned; it must be shut off, and is never changed' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -s c -l connect -d 'Which libvirt, such as qemu:///system or qemu+ssh://root@vmhost/system' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l address -d 'Where the address of a machine comes from' -r -f -a "lease\t'What libvirt\'s own network has lent'
agent\t'What an agent in the machine says'
arp\t'What this machine has seen on the network'
forward\t'A port of the machine that libvirt runs on, which the origin forwards (`hostfwd`)'"
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l user -d 'The user to log in as' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l identity -d 'The file of the private key; `ssh`\'s own choice without it' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l ssh-option -d 'A keyword of ssh_config for the hosts; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l login-timeout -d 'How long a machine may take until one can log in' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l no-login -d 'Give hosts out before one can log in'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand libvirt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l image -d 'The image that the servers are made of' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l flavor -d 'The size of the servers' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l network -d 'The network that they are in; the address there is the host\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l key-name -d 'The key pair whose public key is put into the servers' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l user-data -d 'A file for cloud-init' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l create-option -d 'Another option for `openstack server create`; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l cloud -d 'Which cloud of clouds.yaml; what the environment says without it' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l create-timeout -d 'How long a server may take to be active' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l user -d 'The user to log in as' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l identity -d 'The file of the private key; `ssh`\'s own choice without it' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l ssh-option -d 'A keyword of ssh_config for the hosts; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l login-timeout -d 'How long a machine may take until one can log in' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l no-login -d 'Give hosts out before one can log in'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand openstack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l distro -d 'The distribution, such as RHEL-9.6.0; or a family with its newest tree, such as family:CentOSStream9' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l arch -d 'The architecture' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l variant -d 'The variant of the distribution' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l host-require -d 'A requirement on the machine, such as memory>=4096 or system_type=Machine; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l kernel-options -d 'Options for the kernel of the installer' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l kernel-options-post -d 'Options for the kernel of the installed system' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l ks-meta -d 'Variables of the kickstart template' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l ks-append -d 'A file whose text is appended to the kickstart; can be given several times' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l public-key -d 'The file of a public key with which one may log in' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l repository -d 'A repository; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l task -d 'A task that is run before the machine is handed out; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l group -d 'The group that the job belongs to' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l priority -d 'The priority of the job in the queue' -r -f -a "low\t'Low'
medium\t'Medium'
normal\t'Normal'
high\t'High'
urgent\t'Urgent'"
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l hub -d 'The hub, if it is not the one of the user\'s own configuration' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l create-timeout -d 'How long the queue and the installation may take' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l user -d 'The user to log in as' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l identity -d 'The file of the private key; `ssh`\'s own choice without it' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l ssh-option -d 'A keyword of ssh_config for the hosts; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l login-timeout -d 'How long a machine may take until one can log in' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l no-login -d 'Give hosts out before one can log in'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand beaker" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l compose -d 'The compose, such as CentOS-Stream-10' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l arch -d 'The architecture' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l public-key -d 'The file of a public key with which one may log in' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l pool -d 'Which pool of machines is used' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l hardware -d 'What hardware is needed: a JSON object, as in the service\'s own documentation' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l from -d 'Another network that may reach the machine, such as 192.0.2.0/24; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l create-timeout -d 'How long the queue may take' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l poll -d 'How often the service is asked how far a request has come' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l user -d 'The user to log in as' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l identity -d 'The file of the private key; `ssh`\'s own choice without it' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l ssh-option -d 'A keyword of ssh_config for the hosts; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l login-timeout -d 'How long a machine may take until one can log in' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l no-login -d 'Give hosts out before one can log in'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand testing-farm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l spec -d 'What kind of host: a JSON object that is handed to the program as `spec`' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l create-timeout -d 'How long the program may take to create a host' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -s n -l max -d 'How many hosts; with --serve, how many at most' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l platform -d 'A label for the hosts that have none' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l ttl -d 'For how long the hosts are wanted' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l orphan-timeout -d 'For how long hosts are kept for a resumed run once nobody looks after them' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l owner -d 'Whose the hosts are; by default the run\'s, if a run asks for them, else the user\'s' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l parallel -d 'How many calls to the provider are under way at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l extends -d 'The program can move the end of a lease (`extend`)'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -l serve -d 'Provide hosts as they are asked for over standard input, until that ends'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand release" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand leases" -l json -d 'As records, one lease a line'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand leases" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand leases" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand reap" -l older-than -d 'Free only what was begun at least so long ago' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand reap" -l now -d 'Free leases of dead holders at once, also those that a resumed run could use still'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand reap" -l dry-run -d 'Only say what would be freed'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand reap" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand reap" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand facts" -l parallel -d 'How many hosts are worked on at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand facts" -l fact -d 'Another fact: what a command prints on the host; can be given several times' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand facts" -l timeout -d 'How long a host may take' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand facts" -l allow-gone -d 'End with 0 even if hosts are gone'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand facts" -l refresh -d 'Put what hosts say in place of facts that are in their records already'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand facts" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand facts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand check" -l parallel -d 'How many hosts are worked on at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand check" -l timeout -d 'How long all of them together may take, counted for each from when its record has come' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand check" -l allow-gone -d 'End with 0 even if hosts are gone'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand check" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l repo -d 'A repository of packages; KEY is any that its file may have' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l module -d 'A stream of a module that packages are to come from, such as virt:rhel; with a profile, it is installed' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l package -d 'A package that is to be there; those that stand side by side are installed together' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l script -d 'A command line for `sh -e`, or, with @, a program of this machine, to be run on the host' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l file -d 'A file, or what is in a directory, to be put there; a DST that ends with a slash is a directory' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l playbook -d 'A playbook, played by ansible-playbook for all hosts together' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l parallel -d 'How many hosts are worked on at once' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l timeout -d 'How long all steps before a playbook, or the playbook, or those behind it may take' -r
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l logs -d 'Keep what steps print, a file a host, in this directory' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l allow-gone -d 'End with 0 even if hosts are gone'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -l allow-install -d 'Install packages on this machine, too'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand prepare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand inventory" -l format -d 'In which form' -r -f -a "ansible-yaml\t'An inventory of Ansible, in YAML'
ansible-ini\t'An inventory of Ansible, in INI'
ssh-config\t'A host a section, for ssh -F or an Include in ~/.ssh/config'
hosts\t'A host a line, for /etc/hosts'"
complete -c atex-provision -n "__fish_atex_provision_using_subcommand inventory" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand inventory" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand ssh" -l hosts -d 'Look for the host in this file of records instead of among the leases; `-` is standard input' -r -F
complete -c atex-provision -n "__fish_atex_provision_using_subcommand ssh" -s v -l verbose -d 'Say more on stderr; twice: even more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand ssh" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "local" -d 'This machine, once or several times'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "static" -d 'The hosts of a list'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "podman" -d 'Containers'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "libvirt" -d 'Clones of a virtual machine'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "openstack" -d 'Servers of an OpenStack'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "beaker" -d 'Machines of a Beaker lab'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "testing-farm" -d 'Machines of the Testing Farm service'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "exec" -d 'Hosts from a program that speaks a line of JSON each way'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "release" -d 'Give hosts back'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "leases" -d 'Show what is held, by whom, since when and until when'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "reap" -d 'Free what nobody looks after any more'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "facts" -d 'Ask hosts what they are like'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "check" -d 'Hand on the hosts that are alive'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "prepare" -d 'Make hosts ready: repositories, modules, packages, scripts, files, playbooks'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "inventory" -d 'Write hosts as an inventory of Ansible, as an ssh_config, or as lines of /etc/hosts'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "ssh" -d 'Enter a leased host: a shell there, or a command'
complete -c atex-provision -n "__fish_atex_provision_using_subcommand help; and not __fish_seen_subcommand_from local static podman libvirt openstack beaker testing-farm exec release leases reap facts check prepare inventory ssh help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
