#!/bin/bash
# The manual of troupe-trace tells what the program tells: the same commands, and of each the same options with the same
# arguments. And it is one that man and mandoc have nothing to say against, where they are installed.
# Arguments: the sources, the build, the program.

page=$1/docs/man/troupe-trace.1 program=$3
failed=0

complain() {
    echo "$1"
    failed=1
}

compare() { # WHAT OF-THE-PROGRAM OF-THE-PAGE
    [ "$2" = "$3" ] || complain "$1 in the program and in the manual differ:
$(diff <(echo "$2") <(echo "$3"))"
}

# The lines of a section or subsection of the page, without its title.
section() { # MACRO TITLE
    awk -v title="$1 $2" '$0 == title { inside = 1; next } /^\.S[hs] / { inside = 0 } inside' "$page"
}

options_of_page() { # as "--name ARGUMENT"
    sed -n 's/^\.It Fl -\([a-z-]*\)\( Ar \)\{0,1\}\(.*\)$/--\1 \3/p' | sed 's/ *$//' | sort
}

options_of_program() { # COMMAND
    "$program" "$1" --help | sed -n 's/^  \(--[a-z-]*\( [A-Za-z][A-Za-z0-9|]*\)\{0,1\}\)\(  .*\)\{0,1\}$/\1/p' | sort
}

commands=$("$program" --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
[ "$(wc -l <<<"$commands")" -ge 13 ] || complain "the program has too few commands: $commands"
compare "the commands" "$commands" "$(sed -n 's/^\.Ss //p' "$page")"

common=$(section .Sh 'OPTIONS OF ALL COMMANDS' | options_of_page)
[ "$common" = "--colour auto|always|never
--help
--no-progress" ] || complain "options of all commands: $common"
for command in $commands; do
    told=$(options_of_program "$command")
    compare "the options of $command" "$told" "$({ section .Ss "$command" | options_of_page; echo "$common"; } | sort)"
    "$program" "$command" --help | grep -q '^example: .*troupe-trace '"$command" || complain "$command has no example"
    told=$("$program" "$command" --help | awk '
        /^  --/ { if (open) print open; open = /^  --[^ ]*( [^ ]+)?  +[^ ]/ ? "" : $0 }
        /^          / { open = "" }
        END { if (open) print open }')
    [ -z "$told" ] || complain "$command tells nothing of $told"
done

if command -v mandoc >/dev/null; then
    words=$(mandoc -T lint -W warning "$page" 2>&1) || complain "mandoc: $words"
fi
if command -v groff >/dev/null; then
    words=$(groff -mandoc -ww -rF0 -T utf8 -K utf8 -Z "$page" 2>&1 >/dev/null)
    [ -z "$words" ] || complain "groff: $words"
fi
exit "$failed"
