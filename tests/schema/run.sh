#!/usr/bin/env bash
# run.sh HOME MODULE: compares the JSON Schema of the plugin configuration with the parser. HOME is
# where build.sh puts the packages of package.json, MODULE the filter, whose parser is asked.
# `./build.sh test` calls it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

TOOLS=$1 MODULE=$2 exec node --test tests/schema/*.test.mjs
