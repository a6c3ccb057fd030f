/**
 * The tables of the embedded store, their indexes, and how a database gets to the version that this program knows.
 *
 * A job is one narrow row that changes and one description that never does; what changes often is small. The one partial
 * index holds only waiting jobs: a job that left costs nothing there. Knows nothing of what the columns mean.
 */

import type { DatabaseSync } from 'node:sqlite'
import { PilotageError } from '../../../../core/kernel/errors.ts'

/** A service works with a whole store only; an archive also with one whose import is not finished. */
export type Purpose = 'service' | 'archive'

const versions: readonly string[] = [
  `
  create table owners (ref integer primary key, vo text not null, grp text not null, owner text not null, unique (vo, grp, owner));
  create table queues (ref integer primary key, id text not null unique, owner_ref integer not null, requirements text not null);
  create table jobs (
    id integer primary key, queue_ref integer not null, owner_ref integer not null, name text not null,
    priority integer not null, submitted_ms integer not null,
    changed_ms integer not null, max_attempts integer not null, attempt integer not null, state integer not null,
    vm_id text, cores integer, claimed_ms integer, until_ms integer, stop text, started_ms integer, why text, result text
  );
  create index jobs_waiting on jobs (queue_ref, priority desc, id) where state = 0;
  create index jobs_owner on jobs (owner_ref, id);
  create table specs (id integer primary key, spec text not null);
  create table submissions (
    key text primary key, digest text not null, first_id integer not null, count integer not null, at_ms integer not null
  ) without rowid;
  create index submissions_age on submissions (at_ms);
  create table vms (id text primary key, over integer not null, intended_ms integer not null, site text not null, doc text not null);
  create index vms_over on vms (over, intended_ms);
  create table facts (seq integer primary key, at_ms integer not null, subject text not null, kind text not null, data text not null);
  create index facts_subject on facts (subject, seq);
  create table ids (name text primary key, value integer not null) without rowid;
  create table notes (name text primary key, text text not null) without rowid;
  `,
  `
  create table roles (role text primary key, holder text not null, fence integer not null, until_ms integer not null) without rowid;
  `,
  `
  create table imports (one integer primary key check (one = 1), header text not null, records integer not null, digest text not null);
  `,
  `
  create table images (name text primary key, doc text not null) without rowid;
  `,
  // What a job asks for where its task queue asks for more; and how many jobs name a task queue: one that none names is
  // forgotten.
  `
  alter table jobs add column needs text;
  alter table queues add column jobs integer not null default 0;
  update queues set jobs = counted.jobs from (select queue_ref, count(*) as jobs from jobs group by queue_ref) as counted
    where counted.queue_ref = queues.ref;
  delete from queues where jobs = 0;
  `,
  // Large submissions on their way in: ids that have descriptions and no jobs yet.
  `
  create table staged (first_id integer primary key, count integer not null);
  `,
  // Losses of machines have a count of their own: as `earlierCounts` says.
  `
  alter table jobs add column machine_losses integer not null default 0;
  alter table jobs add column max_machine_losses integer not null default 10;
  update jobs set max_machine_losses = 1 where max_attempts = 1;
  `,
  // What people sort jobs by.
  `
  alter table jobs add column job_group text not null default '';
  alter table jobs add column job_type text not null default '';
  `,
  // Jobs that wait for others: what each still waits for, how often one began to wait for a job, and the way from a job to
  // its dependants. The partial index holds the jobs that ended (5, 6, 7) and whose dependants may not know it yet.
  `
  alter table jobs add column awaited integer not null default 0;
  alter table jobs add column open text;
  create table dependants (on_job integer not null, job integer not null, primary key (on_job, job)) without rowid;
  create index jobs_awaited_ended on jobs (changed_ms) where awaited > 0 and state in (5, 6, 7);
  `,
  // GPUs that a lease holds.
  `
  alter table jobs add column gpus integer;
  `,
  // Sandboxes: who claims which content, which ranges of jobs name it, what is to be removed, and output files.
  `
  create table sandbox_claims (
    owner text not null, digest text not null, vo text not null, bytes integer not null, renewed_ms integer not null,
    whole integer not null, primary key (owner, digest)
  ) without rowid;
  create index sandbox_claims_age on sandbox_claims (renewed_ms);
  create index sandbox_claims_content on sandbox_claims (vo, digest);
  create table sandbox_use (owner text primary key, bytes integer not null) without rowid;
  create table sandbox_names (
    owner text not null, digest text not null, first_job integer not null, last_job integer not null,
    primary key (owner, digest, first_job)
  ) without rowid;
  create table sandbox_removals (vo text not null, digest text not null, primary key (vo, digest)) without rowid;
  create table sandbox_outputs (
    job integer not null, attempt integer not null, path text not null, digest text not null, bytes integer not null,
    executable integer not null, primary key (job, attempt, path)
  ) without rowid;
  `,
  // How often an owner has had it run again.
  `
  alter table jobs add column reschedules integer;
  `,
  // Usage: records for a time, daily sums for ever, and the meters of VMs that have no record yet.
  `
  create table usage_meters (vm text primary key, text text not null) without rowid;
  create table usage_records (
    key text primary key, ended_ms integer not null, kind text not null, vo text not null, doc text not null
  ) without rowid;
  create index usage_records_end on usage_records (ended_ms, key);
  create table usage_days (
    key text primary key, day text not null, kind text not null, vo text not null, grp text not null, owner text not null, site text not null,
    cloud text not null, flavor text not null, cores integer not null, reason text not null,
    records integer not null, core_ms integer not null, wall_ms integer not null, cpu_ms integer not null,
    memory_mib_s integer not null, money_micros integer not null, first_end_ms integer not null, last_end_ms integer not null
  ) without rowid;
  `,
]

/** The version that this program makes. */
export const schemaVersion = versions.length

/** Brings the database to the newest version, one committed step at a time. A newer one than ours is refused. */
export function migrate(db: DatabaseSync): void {
  const row = db.prepare('pragma user_version').get()
  const found = Number(row?.user_version ?? 0)
  if (found > versions.length) {
    throw new PilotageError('store-newer', `the store has schema ${found}, this program knows up to ${versions.length}`)
  }
  for (let version = found; version < versions.length; version += 1) {
    db.exec(`begin immediate; ${versions[version]} pragma user_version = ${version + 1}; commit`)
  }
}

/**
 * Durable at each commit: the log is synced before `commit` returns. An archive locks the database itself against every
 * other connection; a service has a reader beside the writer, and keeps other processes out by `lockStore`.
 */
export function configure(db: DatabaseSync, purpose: Purpose): void {
  db.exec(`
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma locking_mode = ${purpose === 'archive' ? 'exclusive' : 'normal'};
    pragma cache_size = -131072;
    pragma temp_store = memory;
    pragma wal_autocheckpoint = 1000;
  `)
}
