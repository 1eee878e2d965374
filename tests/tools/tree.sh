# A copy of the tree that a tool may change. Sourced by minimal.sh and mutants.sh.
# shellcheck shell=bash

# copy_tree FOLDER: every file of the repository that is not ignored, with its time, so that only
# what changed is compiled again.
copy_tree() {
  rm -rf "$1"
  mkdir -p "$1"
  git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done |
    tar --create --null --files-from - | tar --extract --directory "$1"
}
