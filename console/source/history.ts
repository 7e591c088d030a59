// SPDX-License-Identifier: Apache-2.0
// What the fleet does, asked for every few seconds and remembered while the tab is open: the last hour finely, the last day by minutes. Its memory does not grow.

import { get } from "./api";

export interface TaskRates {
  ok: number;
  failed: number;
  took_ms: number;
  cost_nano: number;
  paused_ms: number;
}

export interface WorkerRow {
  name: string;
  role: string;
  status: string;
  started_at: string;
  beat_at: string;
  age_ms: number;
  state: {
    why?: string;
    role?: string;
    in_hand?: number;
    finished?: number;
    tasks?: Record<string, TaskRates>;
    queues?: Record<string, { in_hand: number; slots_free: number }>;
    oldest?: { id: string; task: string; ms: number } | null;
    paused?: Record<string, { code: string; text: string }>;
    store?: DoorCounts;
    broker?: DoorCounts;
    version?: string;
  };
}

export interface DoorCounts {
  calls: number;
  errors: number;
  total_us: number;
  last_us: number;
}

export interface Fleet {
  workers: WorkerRow[];
  held: { owner: string; count: number; until: string }[];
  scheduled: { count: number | null; overdue: number | null; unroutable: number | null; oldest_due_ms: number | null };
  leases?: Record<string, string>;
}

export interface Queues {
  queues: Record<string, { ready: number; in_flight: number; oldest_age_s: number | null; slots_free: number }>;
}

export interface Sums {
  ok: number;
  failed: number;
  took_ms: number;
  cost: number;
}

export const MINUTES = 5; // that workers' rows count

/** Over all live workers, by task. */
export function byTask(fleet: Fleet): Map<string, TaskRates> {
  const all = new Map<string, TaskRates>();
  for (const row of fleet.workers)
    if (row.status === "consuming")
      for (const [name, rates] of Object.entries(row.state.tasks ?? {})) {
        const sum = all.get(name) ?? { ok: 0, failed: 0, took_ms: 0, cost_nano: 0, paused_ms: 0 };
        sum.ok += rates.ok;
        sum.failed += rates.failed;
        sum.took_ms += rates.took_ms;
        sum.cost_nano += rates.cost_nano;
        sum.paused_ms = Math.max(sum.paused_ms, rates.paused_ms);
        all.set(name, sum);
      }
  return all;
}

export function sums(fleet: Fleet): Sums {
  const all: Sums = { ok: 0, failed: 0, took_ms: 0, cost: 0 };
  for (const rates of byTask(fleet).values()) {
    all.ok += rates.ok;
    all.failed += rates.failed;
    all.took_ms += rates.took_ms;
    all.cost += rates.cost_nano / 1e9;
  }
  return all;
}

export interface Sample {
  at: number; // s
  waiting: number | null;
  running: number | null;
  ok: number | null; // a minute
  failed: number | null;
}

const FINE = 1800, COARSE = 1440, MINUTE_S = 60;
const fine: Sample[] = [], coarse: Sample[] = [];

function keep(sample: Sample): void {
  fine.push(sample);
  if (fine.length > FINE) fine.shift();
  if (!coarse.length || sample.at - coarse[coarse.length - 1]!.at >= MINUTE_S) coarse.push(sample);
  if (coarse.length > COARSE) coarse.shift();
}

export function samples(span: "hour" | "day"): Sample[] {
  return span === "hour" ? fine : coarse;
}

export interface Look {
  fleet: Fleet;
  queues: Queues["queues"] | null; // null: the broker does not say
}

export async function look(signal: AbortSignal): Promise<Look> {
  const [fleet, queues] = await Promise.all([
    get<Fleet>("/v1/workers", {}, signal),
    get<Queues>("/stats/queues", {}, signal).then((all) => all.queues, () => null),
  ]);
  const all = sums(fleet), rows = queues ? Object.values(queues) : null;
  keep({
    at: Math.round(Date.now() / 1000),
    waiting: rows ? rows.reduce((sum, q) => sum + q.ready, 0) : null,
    running: rows ? rows.reduce((sum, q) => sum + q.in_flight, 0) : null,
    ok: all.ok / MINUTES,
    failed: all.failed / MINUTES,
  });
  return { fleet, queues };
}
