# For the suites that mount things: runs the rest of the suite in namespaces of its own, with a
# scratch directory on a disk in memory. To be sourced, with "$@", at the beginning.
#
# However the suite ends, also killed, the kernel cleans up: when the first process of a PID
# namespace ends, all others in it are killed; with the last of them its mounts go, and with those
# the loop devices, which clear themselves.

scratch=/mnt
if [[ -z ${NORI_SUITE_ISOLATED:-} ]]; then
  if ((EUID != 0)); then
    echo "SKIP mounting needs root"
    exit 77
  fi
  if ! unshare --mount --pid --fork --mount-proc mount -t tmpfs none "$scratch" 2>/dev/null; then
    echo "SKIP there are no namespaces of one's own to mount in here"
    exit 77
  fi
  child=
  # unshare blocks the milder signals; its first child dies with it, and it with us.
  trap '[[ -z $child ]] || kill -KILL "$child" 2>/dev/null || true' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  NORI_SUITE_ISOLATED=yes setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@" &
  child=$!
  status=0
  wait "$child" || status=$?
  child=
  exit "$status"
fi

unset NORI_SUITE_ISOLATED
# A directory that is always there. One of our own would have to be removed, and to remove what
# another namespace still mounts something on leaves a loop device for good: the mount, the device
# and the file behind it hold each other. Others may look into it: some cases change their user id.
mount -t tmpfs -o size="${NORI_SUITE_MEMORY:-2g}",mode=0755 nori-suite "$scratch"

# A control group belongs to no namespace: whoever was killed while a disk was slow left an empty
# one. One with processes in it can't be removed, and one that is new may be about to get some.
find /sys/fs/cgroup/blkio -maxdepth 1 -name 'nori-suite-*' -mmin +1 -exec rmdir {} + 2>/dev/null ||
  true

root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
# Where CMake built: NORI_BUILD_DIR, or the first of these in which it did.
if [[ -z ${NORI_BUILD_DIR:-} ]]; then
  for preset in release dev; do
    NORI_BUILD_DIR=$root/build/$preset
    [[ ! -x $NORI_BUILD_DIR/suites/nori-crash-writer ]] || break
  done
fi
program=$NORI_BUILD_DIR/suites/nori-crash-writer
if [[ ! -x $program ]]; then
  echo "SKIP $program is not built"
  exit 77
fi
