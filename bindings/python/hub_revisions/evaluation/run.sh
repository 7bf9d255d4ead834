#!/bin/bash
# run.sh FOLDER: runs the command in FOLDER/argv0, with FOLDER as its working directory, and writes
# FOLDER/done.json last. Signals that a scheduler sends reach the command.
cd -- "$1" || exit 97
rm -f done.json
mapfile -d '' -t command < argv0

child=
signalled=
pass_on() {
  signalled=$1
  [ -z "$child" ] || kill -s "$1" "$child" 2> /dev/null
}
for signal in TERM INT USR1; do
  # shellcheck disable=SC2064
  trap "pass_on $signal" "$signal"
done

# Bash 5.2 forgets the exit code of a background command that ends while a signal interrupts `wait`,
# as where all processes get one at once. So another shell runs it in the foreground, and tells its
# process id and its exit code.
exec 3< <(
  trap : TERM INT USR1
  bash -c 'echo $$; exec "$@" > stdout.log 2> stderr.log < /dev/null' command "${command[@]}"
  echo $?
)
read -r child <&3
[ -z "$signalled" ] || kill -s "$signalled" "$child" # it came before there was a child
read -r code <&3 || code=137 # that shell was killed

printf '{"exit_code": %d, "ended": %d, "host": "%s"}\n' "$code" "$(date +%s)" "$(uname -n)" \
  > done.json.new && mv done.json.new done.json
exit "$code"
