// SPDX-License-Identifier: Apache-2.0
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { Chart } from "./chart";
import { byTask, type Look, look, MINUTES, samples, sums } from "./history";
import { dollars, duration, link, number, Shown, State, Table, Text, Time, useAsked } from "./parts";
import { say } from "./words";

function Tile({ name, value, more }: { name: string; value: string; more?: string }): VNode {
  return <div class="tile"><dt>{name}</dt><dd>{value}</dd>{more && <dd class="soft">{more}</dd>}</div>;
}

function Tiles({ of }: { of: Look }): VNode {
  const all = sums(of.fleet), ended = all.ok + all.failed, queues = of.queues ? Object.values(of.queues) : null;
  const live = of.fleet.workers.filter((row) => row.role === "worker" && row.status === "consuming").length;
  return (
    <dl class="tiles">
      <Tile name={say("waiting")} value={queues ? number(queues.reduce((sum, q) => sum + q.ready, 0)) : say("unknown")} />
      <Tile name={say("running")} value={queues ? number(queues.reduce((sum, q) => sum + q.in_flight, 0)) : say("unknown")} />
      <Tile name={say("rate")} value={number(ended / MINUTES, 1)} />
      <Tile name={say("errors")} value={ended ? `${number((100 * all.failed) / ended, 1)} %` : "–"} more={ended ? `${number(all.failed)} ${say("of")} ${number(ended)}` : undefined} />
      <Tile name={say("latency")} value={ended ? duration(all.took_ms / ended) : "–"} />
      <Tile name={say("cost_five")} value={dollars(all.cost)} more={ended ? `${say("cost_task")} ${dollars(all.cost / ended)}` : undefined} />
      <Tile name={say("scheduled")} value={number(of.fleet.scheduled?.count ?? 0)} more={of.fleet.scheduled?.overdue ? `${number(of.fleet.scheduled.overdue)} ${say("overdue")}` : undefined} />
      <Tile name={say("workers")} value={number(live)} />
    </dl>
  );
}

function QueueTable({ of }: { of: NonNullable<Look["queues"]> }): VNode {
  return (
    <Table name={say("queues")} rows={Object.entries(of)} id={([name]) => name}
      columns={[
        { head: say("queue"), cell: ([name]) => <Text of={name} /> },
        { head: say("waiting"), numeric: true, cell: ([, q]) => number(q.ready) },
        { head: say("running"), numeric: true, cell: ([, q]) => number(q.in_flight) },
        { head: say("slots_free"), numeric: true, cell: ([, q]) => (q.slots_free + q.in_flight === 0 ? <span class={q.ready ? "state bad" : "soft"}>{say("consumers_none")}</span> : number(q.slots_free)) },
        { head: say("oldest"), numeric: true, cell: ([, q]) => (q.ready ? duration(q.oldest_age_s === null ? null : q.oldest_age_s * 1000) : "–") },
      ]} />
  );
}

function TaskTable({ of }: { of: Look }): VNode {
  return (
    <Table name={say("per_task")} rows={[...byTask(of.fleet)]} id={([name]) => name}
      columns={[
        { head: say("task"), cell: ([name]) => <a href={link("jobs", { task: name })}><Text of={name} /></a> },
        { head: say("succeeded"), numeric: true, cell: ([, r]) => number(r.ok) },
        { head: say("attempts_failed"), numeric: true, cell: ([, r]) => (r.failed ? <span class="bad-text">{number(r.failed)}</span> : "0") },
        { head: say("mean"), numeric: true, cell: ([, r]) => (r.ok + r.failed ? duration(r.took_ms / (r.ok + r.failed)) : "–") },
        { head: say("cost_task"), numeric: true, cell: ([, r]) => (r.ok + r.failed ? dollars(r.cost_nano / 1e9 / (r.ok + r.failed)) : "–") },
        { head: say("paused"), numeric: true, cell: ([, r]) => (r.paused_ms ? <span class="state warn">{duration(r.paused_ms)}</span> : "–") },
      ]} />
  );
}

export function Overview(): VNode {
  const asked = useAsked("look", look, 2000);
  const [span, setSpan] = useState<"hour" | "day">("hour");
  const rows = samples(span);
  return (
    <Shown asked={asked}>
      {(value) => (
        <>
          <Tiles of={value} />
          <div class="row" role="group" aria-label={say("time")}>
            {(["hour", "day"] as const).map((one) => <button key={one} type="button" aria-pressed={span === one} onClick={() => setSpan(one)}>{say(one)}</button>)}
          </div>
          <div class="charts">
            <Chart name={say("chart_depth")} rows={rows} turn={rows[rows.length - 1]?.at ?? 0}
              series={[{ name: say("series_waiting"), of: "waiting", colour: "--blue" }, { name: say("series_running"), of: "running", colour: "--green", dash: [6, 3] }]} />
            <Chart name={say("chart_rate")} rows={rows} turn={rows[rows.length - 1]?.at ?? 0}
              series={[{ name: say("series_ok"), of: "ok", colour: "--green" }, { name: say("series_failed"), of: "failed", colour: "--red", dash: [6, 3] }]} />
          </div>
          <p class="soft">{say("chart_note")}</p>
          <section><h2>{say("queues")}</h2>{value.queues ? <QueueTable of={value.queues} /> : <p class="none">{say("unknown")}</p>}</section>
          <section><h2>{say("per_task")}</h2><TaskTable of={value} /></section>
        </>
      )}
    </Shown>
  );
}

export function Workers(): VNode {
  const asked = useAsked("look", look, 2000);
  return (
    <Shown asked={asked}>
      {({ fleet }) => (
        <>
          <p>{say("leader")}: <strong><Text of={fleet.leases?.duties ?? say("nobody")} /></strong></p>
          <Table name={say("workers")} rows={fleet.workers} id={(row) => row.name}
            columns={[
              { head: say("worker"), cell: (row) => <Text of={row.name} /> },
              { head: say("role"), cell: (row) => row.role },
              { head: say("status"), cell: (row) => <State of={row.status} /> },
              { head: say("in_hand"), numeric: true, cell: (row) => number(row.state.in_hand ?? 0) },
              { head: say("slots_free"), numeric: true, cell: (row) => (row.state.queues ? number(Object.values(row.state.queues).reduce((sum, q) => sum + q.slots_free, 0)) : "–") },
              { head: say("rate"), numeric: true, cell: (row) => (row.state.tasks ? number(Object.values(row.state.tasks).reduce((sum, t) => sum + t.ok + t.failed, 0) / MINUTES, 1) : "–") },
              { head: say("finished_count"), numeric: true, cell: (row) => (row.state.finished === undefined ? "–" : number(row.state.finished)) },
              { head: say("started"), cell: (row) => <Time at={row.started_at} /> },
              { head: say("uptime"), cell: (row) => duration(Date.now() - Date.parse(row.started_at)) },
              { head: say("beat"), cell: (row) => duration(row.age_ms) },
            ]} />
          {fleet.workers.filter((row) => row.role === "worker").map((row) => <WorkerMore key={row.name} row={row} held={fleet.held.find((one) => one.owner === row.name)} />)}
        </>
      )}
    </Shown>
  );
}

type Row = Look["fleet"]["workers"][number];

function WorkerMore({ row, held }: { row: Row; held: { count: number; until: string } | undefined }): VNode {
  const oldest = row.state.oldest, queues = Object.entries(row.state.queues ?? {});
  return (
    <details class="card">
      <summary><Text of={row.name} /> <State of={row.status} /></summary>
      {row.state.why && <p>{say("why")}: <Text of={row.state.why} /></p>}
      {held && <p>{say("holds")}: {number(held.count)}, {say("until")} <Time at={held.until} /></p>}
      {oldest && <p>{say("oldest_run")}: <Text of={oldest.task} /> <a href={link("find", { id: oldest.id })}><code>{oldest.id.slice(0, 8)}</code></a>, {duration(oldest.ms)}</p>}
      {Object.entries(row.state.paused ?? {}).map(([what, why]) => <p key={what}>{say("paused")}: <Text of={what} />: <Text of={why.text} /></p>)}
      {([["store", row.state.store], ["broker", row.state.broker]] as const).map(([door, counts]) => counts && counts.calls > 0 &&
        <p key={door}>{say(door)}: {duration(counts.total_us / counts.calls / 1000)} {say("mean")}, {number(counts.calls)}, {say("errors")}: {number(counts.errors)}</p>)}
      <Table name={say("queues")} rows={queues} id={([name]) => name}
        columns={[
          { head: say("queue"), cell: ([name]) => <Text of={name} /> },
          { head: say("in_hand"), numeric: true, cell: ([, q]) => number(q.in_hand) },
          { head: say("slots_free"), numeric: true, cell: ([, q]) => number(q.slots_free) },
        ]} />
    </details>
  );
}
