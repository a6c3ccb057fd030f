/**
 * The states of OpenNebula 6 and 7 in one table: what each is called there, and how a VM in it stands for us.
 *
 * `lost` is a state in which OpenNebula does not know the machine's state: UNKNOWN, after its link to the host broke. The
 * machine most likely runs, and its own heartbeat shows it: it is listed as running, with the state as detail. `off` is
 * POWEROFF, which OpenNebula also reports for running machines while a host's libvirt does not answer (OpenNebula/one#5564,
 * #5708): it is doubted for a while. HOLD is a VM that an operator keeps from starting; the operator may still release it,
 * so it is building until its boot timeout. A number that the table does not have comes from a newer version: as `lost`.
 */

export type Standing = 'building' | 'running' | 'stopped' | 'ending' | 'error' | 'lost' | 'off' | 'done'

export type State = { readonly name: string; readonly standing: Standing }

const active = 3

/** By STATE. ACTIVE is spelled out below. */
const states: Readonly<Record<number, readonly [string, Standing]>> = {
  0: ['INIT', 'building'],
  1: ['PENDING', 'building'],
  2: ['HOLD', 'building'],
  4: ['STOPPED', 'stopped'],
  5: ['SUSPENDED', 'stopped'],
  6: ['DONE', 'done'],
  // Until version 5.
  7: ['FAILED', 'error'],
  8: ['POWEROFF', 'off'],
  9: ['UNDEPLOYED', 'stopped'],
  10: ['CLONING', 'building'],
  11: ['CLONING_FAILURE', 'error'],
}

/** By LCM_STATE, while STATE is ACTIVE. */
const lifeCycle: Readonly<Record<number, readonly [string, Standing]>> = {
  0: ['LCM_INIT', 'building'],
  1: ['PROLOG', 'building'],
  2: ['BOOT', 'building'],
  3: ['RUNNING', 'running'],
  4: ['MIGRATE', 'running'],
  5: ['SAVE_STOP', 'running'],
  6: ['SAVE_SUSPEND', 'running'],
  7: ['SAVE_MIGRATE', 'running'],
  8: ['PROLOG_MIGRATE', 'running'],
  9: ['PROLOG_RESUME', 'building'],
  10: ['EPILOG_STOP', 'stopped'],
  11: ['EPILOG', 'ending'],
  12: ['SHUTDOWN', 'ending'],
  15: ['CLEANUP_RESUBMIT', 'building'],
  16: ['UNKNOWN', 'lost'],
  17: ['HOTPLUG', 'running'],
  18: ['SHUTDOWN_POWEROFF', 'running'],
  19: ['BOOT_UNKNOWN', 'building'],
  20: ['BOOT_POWEROFF', 'building'],
  21: ['BOOT_SUSPENDED', 'building'],
  22: ['BOOT_STOPPED', 'building'],
  23: ['CLEANUP_DELETE', 'ending'],
  24: ['HOTPLUG_SNAPSHOT', 'running'],
  25: ['HOTPLUG_NIC', 'running'],
  26: ['HOTPLUG_SAVEAS', 'running'],
  27: ['HOTPLUG_SAVEAS_POWEROFF', 'off'],
  28: ['HOTPLUG_SAVEAS_SUSPENDED', 'stopped'],
  29: ['SHUTDOWN_UNDEPLOY', 'running'],
  30: ['EPILOG_UNDEPLOY', 'stopped'],
  31: ['PROLOG_UNDEPLOY', 'building'],
  32: ['BOOT_UNDEPLOY', 'building'],
  33: ['HOTPLUG_PROLOG_POWEROFF', 'off'],
  34: ['HOTPLUG_EPILOG_POWEROFF', 'off'],
  35: ['BOOT_MIGRATE', 'running'],
  36: ['BOOT_FAILURE', 'error'],
  37: ['BOOT_MIGRATE_FAILURE', 'error'],
  38: ['PROLOG_MIGRATE_FAILURE', 'error'],
  39: ['PROLOG_FAILURE', 'error'],
  40: ['EPILOG_FAILURE', 'error'],
  41: ['EPILOG_STOP_FAILURE', 'error'],
  42: ['EPILOG_UNDEPLOY_FAILURE', 'error'],
  43: ['PROLOG_MIGRATE_POWEROFF', 'off'],
  44: ['PROLOG_MIGRATE_POWEROFF_FAILURE', 'error'],
  45: ['PROLOG_MIGRATE_SUSPEND', 'stopped'],
  46: ['PROLOG_MIGRATE_SUSPEND_FAILURE', 'error'],
  47: ['BOOT_UNDEPLOY_FAILURE', 'error'],
  48: ['BOOT_STOPPED_FAILURE', 'error'],
  49: ['PROLOG_RESUME_FAILURE', 'error'],
  50: ['PROLOG_UNDEPLOY_FAILURE', 'error'],
  51: ['DISK_SNAPSHOT_POWEROFF', 'off'],
  52: ['DISK_SNAPSHOT_REVERT_POWEROFF', 'off'],
  53: ['DISK_SNAPSHOT_DELETE_POWEROFF', 'off'],
  54: ['DISK_SNAPSHOT_SUSPENDED', 'stopped'],
  55: ['DISK_SNAPSHOT_REVERT_SUSPENDED', 'stopped'],
  56: ['DISK_SNAPSHOT_DELETE_SUSPENDED', 'stopped'],
  57: ['DISK_SNAPSHOT', 'running'],
  58: ['DISK_SNAPSHOT_REVERT', 'running'],
  59: ['DISK_SNAPSHOT_DELETE', 'running'],
  60: ['PROLOG_MIGRATE_UNKNOWN', 'lost'],
  61: ['PROLOG_MIGRATE_UNKNOWN_FAILURE', 'error'],
  62: ['DISK_RESIZE', 'running'],
  63: ['DISK_RESIZE_POWEROFF', 'off'],
  64: ['DISK_RESIZE_UNDEPLOYED', 'stopped'],
  65: ['HOTPLUG_NIC_POWEROFF', 'off'],
  66: ['HOTPLUG_RESIZE', 'running'],
  67: ['HOTPLUG_SAVEAS_UNDEPLOYED', 'stopped'],
  68: ['HOTPLUG_SAVEAS_STOPPED', 'stopped'],
  69: ['BACKUP', 'running'],
  70: ['BACKUP_POWEROFF', 'off'],
  71: ['RESTORE', 'off'],
}

export function stateOf(state: number, lcmState: number): State {
  const found = state === active ? lifeCycle[lcmState] : states[state]
  if (found) return { name: found[0], standing: found[1] }
  return { name: `an unknown state, ${state}/${lcmState}`, standing: 'lost' }
}

/** A termination is under way that a second one cannot hasten. */
export function isLeaving({ name }: State): boolean {
  return name === 'EPILOG' || name === 'CLEANUP_DELETE'
}

/** Whether a reason is read for it: it waits, or it failed. */
export function wantsReason({ name, standing }: State): boolean {
  return name === 'PENDING' || standing === 'error'
}

/** Whether the detail names the state: where a VM stays in it, it is the only hint. */
export function isWorthNaming({ name }: State): boolean {
  return name !== 'RUNNING'
}

/** No host has it yet: it is not for its image that it does not run. */
export function isUnplaced({ name }: State): boolean {
  return name === 'INIT' || name === 'PENDING' || name === 'HOLD'
}
