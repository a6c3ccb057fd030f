/**
 * What runs on a host, as root: to look at it, to claim and start it, to give it back, to read its console. POSIX shell,
 * with flock and setsid of util-linux.
 *
 *   BASE/claim/owner     mark of an installation, VM id, time: the claim, made whole by one rename of its directory
 *   BASE/claim/script    what was delivered, secrets included, until it has run; `started` is there before its first run
 *   BASE/claim/lock      held as long as the script runs, however it ends
 *   BASE/claim/code      how it ended
 *   BASE/claim/console.* the end of what it said, in pieces of bounded size
 *   BASE/release         how everything that the script brings leaves again: the script's own first deed (core's hostPaths)
 *
 * What stays true: a script that came in part does not run, one that ran does not run again, and a claim goes last and at
 * once.
 */

import { hostPaths } from '../../../../core/model/agent-config.ts'
import { consoleBytes } from '../../../../core/kernel/limits.ts'

const base = hostPaths.base
const monitor = 'pilotage-monitor.service'
const units = `${monitor} pilotage-pilot.service`

const head = `PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 077
cd /
base=${base} claim=${base}/claim
`

/** Words: none. Says what Sight (hosts.ts) is read from. */
export const lookScript = `${head}
[ -d $claim ] || { echo free; exit 0; }
mark='?' vm='?' made=0
read -r mark vm made <$claim/owner
echo "claim $mark $vm $made"
last() { cat $claim/console.2 $claim/console.1 $claim/console.new 2>/dev/null | tail -c 4096 | grep . | tail -n 1 | cut -c1-300; }
ended() {
  code=$(cat $claim/code)
  if [ "$code" = 0 ]; then echo "monitor $(systemctl is-active ${monitor} 2>/dev/null)"; else echo "failed $code $(last)"; fi
}
if [ -f $claim/code ]; then ended
elif [ ! -d $claim/started ]; then echo waiting
elif ! flock -n $claim/lock true; then echo working
elif [ -f $claim/code ]; then ended
else echo "failed interrupted $(last)"; fi
`

/** In a session of its own, which outlives the connection. $1: the claim. */
const runner = `claim=$1
echo $$ >$claim/pid
{
  sh $claim/script 2>&1 9>&-
  code=$?
  rm -f $claim/script
  echo $code >$claim/code.new && mv -f $claim/code.new $claim/code
} </dev/null | while :; do
  dd bs=8192 count=256 of=$claim/console.new 2>/dev/null
  [ -s $claim/console.new ] || break
  mv -f $claim/console.1 $claim/console.2 2>/dev/null
  mv -f $claim/console.new $claim/console.1
done`

/** Words: mark, VM id, when, and of the script its size and digest. Input: the script. Says `started` or `taken`. */
export const startScript = `${head}
mark=$1 vm=$2 made=$3 size=$4 digest=$5
for tool in flock setsid sha256sum; do command -v $tool >/dev/null || { echo "this host has no $tool" >&2; exit 6; }; done
mkdir -p $base || exit 3
if [ ! -d $claim ]; then
  new=$base/new.$$
  rm -rf $new
  mkdir $new && echo "$mark $vm $made" >$new/owner || exit 3
  mv -T $new $claim 2>/dev/null || rm -rf $new
fi
read -r its_mark its_vm its_made <$claim/owner || exit 3
[ "$its_mark $its_vm" = "$mark $vm" ] || { echo taken; exit 0; }
[ -d $claim/started ] && { echo started; exit 0; }
exec 9>$claim/lock
flock -n 9 || { echo 'another process is starting it' >&2; exit 4; }
[ -d $claim/started ] && { echo started; exit 0; }
cat >$claim/script
if [ "$(wc -c <$claim/script)" -ne "$size" ] || [ "$(sha256sum <$claim/script | cut -c1-64)" != "$digest" ]; then
  rm -f $claim/script
  echo 'the script did not arrive whole' >&2
  exit 5
fi
mkdir $claim/started || exit 3
setsid sh -c '${runner.replaceAll("'", `'\\''`)}' sh $claim </dev/null >/dev/null 2>&1 &
echo started
`

const mine = `read -r mark vm made <$claim/owner 2>/dev/null && [ "$mark $vm" = "$1 $2" ]`

/** Words: mark and VM id. Says `gone`, or `going` with a reason. */
export const releaseScript = `${head}
rm -rf $base/old.*
# An earlier call may have gone on after its connection was lost, and ended before this one.
{ ${mine}; } || { rmdir $base 2>/dev/null; echo gone; exit 0; }
if [ -f $claim/pid ] && ! flock -n $claim/lock true; then kill -s KILL -- "-$(cat $claim/pid)" 2>/dev/null; fi
for unit in ${units}; do
  # A unit that is only killed would be started again.
  systemctl --no-block stop $unit && systemctl kill --signal=KILL $unit
done 2>/dev/null
for round in 1 2 3 4 5 6 7 8 9 10; do
  left=
  for unit in ${units}; do
    case "$(systemctl is-active $unit 2>/dev/null)" in active | activating | deactivating | reloading) left=$unit ;; esac
  done
  [ -z "$left" ] && break
  sleep 0.5
done
[ -z "$left" ] || { echo "going: $left does not stop"; exit 0; }
if [ -f ${hostPaths.release} ]; then
  said=$(sh ${hostPaths.release} 2>&1) || { echo "going: $(echo "$said" | tail -n 1 | cut -c1-300)"; exit 0; }
  rm -f ${hostPaths.release}
fi
mv -T $claim $base/old.$$ && rm -rf $base/old.$$ && echo gone
rmdir $base 2>/dev/null
:
`

/** Words: mark and VM id. Of the script and, since the claim, of the agents. */
export const consoleScript = `${head}
{ ${mine}; } || exit 0
{
  cat $claim/console.2 $claim/console.1 $claim/console.new
  journalctl -q --no-pager -o short-iso --since "@$((made / 1000))" -n 300 -u pilotage-monitor -u pilotage-pilot
} 2>/dev/null | tail -c ${consoleBytes}
`
