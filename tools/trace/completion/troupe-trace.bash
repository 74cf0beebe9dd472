# Completion of troupe-trace for bash. It knows nothing by itself: commands, options and the words that an option takes
# are those that the program's --help tells, and the names of events those that are in the trace.

_troupe_trace_commands() { # PROGRAM
    "$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'
}

_troupe_trace_options() { # PROGRAM COMMAND
    "$1" "$2" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

# The word for an option's argument: NAME, or A|B|C if it is one of these. Nothing: it takes none.
_troupe_trace_argument() { # PROGRAM COMMAND OPTION
    "$1" "$2" --help 2>/dev/null | sed -n "s/^  $3 \([^ ]\{1,\}\).*/\1/p"
}

# The events that are in the first trace on the line.
_troupe_trace_events() { # PROGRAM WORD...
    local word
    for word in "${@:2}"; do
        if [ -r "$word/metadata" ]; then
            "$1" info --counts "$word" 2>/dev/null | sed -n '/^event  /,$s/^\([a-z_]\{1,\}\) .*/\1/p' | grep -v '^event$'
            return
        fi
    done
}

_troupe_trace_files() { # -d|-f WORD
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_troupe_trace() {
    local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} words argument
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_troupe_trace_commands "$program") --help" -- "$word")
        return
    fi
    # --option=word is three words here.
    if [ "$word" = = ]; then
        word=
    elif [ "$option" = = ]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [[ $option == --?* ]]; then
        argument=$(_troupe_trace_argument "$program" "$command" "$option")
    fi
    case $argument in
    *'|'*) words=${argument//|/ } ;;
    NAME) words=$([ "$option" = --event ] && _troupe_trace_events "$program" "${COMP_WORDS[@]:2}") ;;
    ?*) return ;; # a number, a time, an actor: nobody knows which
    esac
    if [ -n "$argument" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_troupe_trace_options "$program" "$command")" -- "$word")
    elif [ "$command" = assert ] || [[ " ${COMP_WORDS[*]:0:COMP_CWORD} " == *' -- '* ]]; then
        _troupe_trace_files -f "$word"
    else
        _troupe_trace_files -d "$word"
    fi
}

complete -F _troupe_trace troupe-trace
