#!/bin/bash
# The errors of each function are the same in its header, on the header's page and in the code: see statuses.mjs.
# Arguments: the sources, the build, the public headers.

command -v node >/dev/null || exit 77
sources=$1
shift 2
exec node "$sources/tests/package/statuses.mjs" "$sources" "$@"
