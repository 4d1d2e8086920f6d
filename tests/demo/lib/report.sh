# Results over test control, for tests in bash. A test that is run without atex-exec, by hand, has them on
# its terminal.

# report STATUS [NAME [NOTE [FILE…]]]
#
# STATUS is pass, fail, info, warn, skip or error, NAME that of a subtest (none: the result is for the test
# itself), NOTE a short text. The FILEs are uploaded, each under its own name.
report() {
    local json name=${2-} note=${3-} file list=
    json="{\"status\":$(json_text "$1")"
    if [ -n "$name" ]; then
        json+=",\"name\":$(json_text "$name")"
    fi
    if [ -n "$note" ]; then
        json+=",\"note\":$(json_text "$note")"
    fi
    shift $(($# < 3 ? $# : 3))
    for file; do
        list+="${list:+,}{\"name\":$(json_text "${file##*/}"),\"length\":$(wc -c <"$file")}"
    done
    json+=${list:+,\"files\":[$list]}"}"

    if [ -z "${ATEX_TEST_CONTROL-}" ]; then
        echo "$json"
        return
    fi
    # The length is one of bytes, which wc counts in any locale. The bytes of the files follow the JSON,
    # in the order in which it lists them, with nothing in between.
    {
        printf 'result %d\n' "$(printf %s "$json" | wc -c)"
        printf %s "$json"
        cat /dev/null "$@"
    } >&"$ATEX_TEST_CONTROL"
}

# Text as JSON has it.
json_text() { # TEXT
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\t'/\\t}
    # JSON takes no other control characters, and a note needs none.
    printf '"%s"' "${text//[[:cntrl:]]/}"
}
