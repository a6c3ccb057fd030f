/**
 * The script that is a local VM's first process: it plays the hypervisor's boot and cloud-init, and switches off at the end.
 *
 * It is copied into each VM's directory, because a shell reads its script as it goes and the VM may outlive this version of
 * the service. Switching off works without the service: a VM that lost its service must still end with all its payloads.
 */

/** $1: the boot delay in seconds. $2: the VM's directory. Environment: the VM's, with its marker. */
export const initScript = `#!/bin/sh
echo "local cloud: $PILOTAGE_VM_ID starts"
sleep "$1"
: > "$2/booted"
sh "$2/runcmd"
echo "local cloud: $PILOTAGE_VM_ID ended with $?"
for round in 1 2 3; do
  # The search finds this shell too, and the subshell that searches, which is over by the time it is killed.
  for environment in $(grep -las "PILOTAGE_VM_ID=$PILOTAGE_VM_ID" /proc/[0-9]*/environ); do
    pid=\${environment#/proc/}
    pid=\${pid%/environ}
    [ "$pid" = $$ ] || kill -9 "$pid" 2>/dev/null
  done
  sleep 0.05
done
`
