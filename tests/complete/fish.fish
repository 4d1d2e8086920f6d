# What fish offers behind each line of standard input, a word a line, and a dot behind the last.
#
#   fish fish.fish DIR     DIR: the files that are installed for fish
set fish_complete_path $argv[1]
while read --local line
    complete --do-complete=$line | string split --fields 1 \t
    echo .
end
