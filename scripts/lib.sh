# Shared by the scripts here; sourced, not run. Everything is safe to repeat and quick when there is
# nothing to do.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
VENV_TRANSFORMERS4="$ROOT/.venv-transformers4"
cd "$ROOT"
# The package's build, the presets and other clones share compilations.
export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_NOHASHDIR=1 CCACHE_COMPILERCHECK=content
export CCACHE_BASEDIR="$ROOT"

say() { printf '\n== %s\n' "$*"; }

# As root, or through sudo.
privileged() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Most tests wait for other processes. A file's tests stay together: they share its hub.
PYTEST_PARALLEL=(-n auto --maxprocesses 4 --dist loadfile)

# Debian packages that are not there yet.
need_packages() {
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null)" = "ii " ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  privileged apt-get update -qq
  privileged env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

RUNTIME_PACKAGES=(git git-lfs python3 python3-venv ca-certificates)
BUILD_PACKAGES=(g++ cmake ninja-build ccache pkg-config python3-dev libgit2-dev
  libcurl4-openssl-dev libssl-dev nlohmann-json3-dev libboost-dev libyaml-cpp-dev
  libxxhash-dev)
TEST_PACKAGES=(libgtest-dev libgmock-dev btrfs-progs xfsprogs nginx fcgiwrap openssl)
BROWSER_PACKAGES=(chromium chromium-driver fonts-dejavu-core)
SLURM_PACKAGES=(slurmctld slurmd slurm-client)
WHEEL_PACKAGES=(debootstrap openssl)
BENCH_PACKAGES=(curl openssl)
LINT_PACKAGES=(clang clang-format clang-tidy libclang-rt-14-dev)

# The virtual environment with everything pinned; made again when the pins change.
need_environment() {
  local stamp
  stamp="$(cat constraints.txt pyproject.toml | sha256sum)"
  [ "$(cat "$VENV/stamp" 2>/dev/null)" = "$stamp" ] && return
  say "making the virtual environment"
  [ -x "$VENV/bin/pip" ] || python3 -m venv "$VENV"
  grep -vE '^#' constraints.txt | "$VENV/bin/pip" install -q -r /dev/stdin
  printf '%s' "$stamp" >"$VENV/stamp"
}

# transformers 4, the rest shared with the virtual environment, which comes first.
need_transformers4() {
  local stamp packages
  stamp="$(cat constraints-transformers4.txt "$VENV/stamp" | sha256sum)"
  [ "$(cat "$VENV_TRANSFORMERS4/stamp" 2>/dev/null)" = "$stamp" ] && return
  say "making the virtual environment of transformers 4"
  "$VENV/bin/python" -m venv --clear --without-pip "$VENV_TRANSFORMERS4"
  packages="import sysconfig; print(sysconfig.get_path('purelib'))"
  "$VENV/bin/python" -c "$packages" \
    >"$("$VENV_TRANSFORMERS4/bin/python" -c "$packages")/shared.pth"
  "$VENV/bin/pip" --python "$VENV_TRANSFORMERS4/bin/python" install -q --no-deps \
    -r constraints-transformers4.txt
  printf '%s' "$stamp" >"$VENV_TRANSFORMERS4/stamp"
}

# A git-lfs server of others, for tests/python/servers: in an environment of its own, since it pins
# what the project has newer.
need_giftless() {
  local venv="$ROOT/build/giftless" pins="$ROOT/tests/python/servers/constraints.txt" stamp
  stamp="$(sha256sum <"$pins")"
  [ "$(cat "$venv/stamp" 2>/dev/null)" = "$stamp" ] && return
  say "making the environment of giftless"
  [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install -q --no-deps -r "$pins"
  printf '%s' "$stamp" >"$venv/stamp"
}

# Builds the native module and installs the package; compiles only what changed.
need_package() {
  say "building and installing hub-revisions"
  "$VENV/bin/pip" install -q --no-build-isolation --no-deps --force-reinstall "$ROOT"
}

setup_runtime() {
  need_packages "${RUNTIME_PACKAGES[@]}" "${BUILD_PACKAGES[@]}"
  need_environment
  need_package
}
