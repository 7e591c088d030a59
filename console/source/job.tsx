// SPDX-License-Identifier: Apache-2.0
// One job: its steps as they come, its life in the order of time, what it knows, and what can be done to it.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { follow, get, jobPath, type Json, post, Problem, remove } from "./api";
import { announce, Dialog, dollars, duration, Failure, go, link, number, plain, Shown, State, Table, Text, Time, Tree, useAsked } from "./parts";
import { say } from "./words";

interface TaskRow {
  id: string;
  parent_id: string | null;
  name: string;
  state: string;
  attempts: number;
  starts: number;
  provider: string | null;
  model: string | null;
  tokens_in: number;
  tokens_out: number;
  cost_usd: number;
  elapsed_ms: number | null;
  error: { source?: string; code?: string; text?: string; message?: string } | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

interface JobEvent {
  id: string;
  type: string;
  version: number;
  payload: Json;
  created_at: string;
}

interface Job {
  id: string;
  pipeline: string | null;
  state: string;
  document: { [section: string]: Json } | null;
  created_at?: string;
  finished_at?: string | null;
  error: { source?: string; code?: string; text?: string; message?: string } | null;
  tasks: TaskRow[];
  events?: JobEvent[];
}

interface Row {
  at_ms: number;
  since_ms: number;
  kind: string;
  name: string;
  task: string;
  text: string;
  gap_ms?: number;
  due_ms?: number;
}

interface Trace {
  from_ms: number;
  to_ms: number | null;
  took_ms: number;
  tokens_in: number;
  tokens_out: number;
  cost_usd: number;
  timeline: Row[];
}

const ENDED = ["SUCCESS", "FAILURE", "REVOKED"];

/* ---- the steps as bars ---- */

function Bar({ from, to, start, whole, look, title }: { from: number; to: number; start: number; whole: number; look: string; title: string }): VNode {
  const x = (100 * (from - start)) / whole, width = Math.max(0.4, (100 * (to - from)) / whole);
  return <rect class={look} x={`${Math.min(x, 99.6)}%`} width={`${Math.min(width, 100 - Math.min(x, 99.6))}%`} y="3" height="14" rx="2"><title>{title}</title></rect>;
}

/** A line a task: light while it waited, then as it went. */
function Bars({ job, trace }: { job: Job; trace: Trace }): VNode {
  const now = Date.now(), start = trace.from_ms, end = trace.to_ms ?? now, whole = Math.max(1, end - start);
  return (
    <ol class="bars">
      {job.tasks.map((task) => {
        const created = Date.parse(task.created_at), began = task.started_at ? Date.parse(task.started_at) : created;
        const ended = task.finished_at ? Date.parse(task.finished_at) : ENDED.includes(task.state) ? began : now;
        const parent = job.tasks.find((one) => one.id === task.parent_id), ready = parent?.finished_at ? Date.parse(parent.finished_at) : created;
        const waits = trace.timeline.filter((row) => row.kind === "waits" && row.task === task.id && row.due_ms);
        const look = task.state === "SUCCESS" ? "good" : task.state === "FAILURE" ? "bad" : task.state === "REVOKED" ? "dull" : "busy";
        return (
          <li key={task.id}>
            <span class="bar-name"><Text of={task.name} most={60} /> <State of={task.state} /></span>
            <svg height="20" width="100%" role="img" aria-label={`${plain(task.name)}: ${plain(task.state)}, ${duration(ended - began)}`}>
              <Bar from={Math.min(ready, began)} to={began} start={start} whole={whole} look="waits" title={`${say("waiting")}: ${duration(began - Math.min(ready, began))}`} />
              <Bar from={began} to={ended} start={start} whole={whole} look={look} title={`${duration(ended - began)}`} />
              {waits.map((row) => <Bar key={row.at_ms} from={row.at_ms} to={Math.min(row.due_ms!, end)} start={start} whole={whole} look="waits" title={row.text} />)}
            </svg>
            <span class="bar-time">{duration(ended - began)}{task.attempts > 0 && `, ${say("attempts_failed")}: ${number(task.attempts)}`}{task.cost_usd > 0 && `, ${dollars(task.cost_usd)}`}</span>
          </li>
        );
      })}
    </ol>
  );
}

/* ---- what is known of it ---- */

function TaskTable({ tasks }: { tasks: TaskRow[] }): VNode {
  return (
    <Table name={say("tasks")} rows={tasks} id={(row) => row.id}
      columns={[
        { head: say("task"), cell: (row) => <Text of={row.name} most={80} /> },
        { head: say("state"), cell: (row) => <State of={row.state} /> },
        { head: say("starts"), numeric: true, cell: (row) => number(row.starts) },
        { head: say("attempts_failed"), numeric: true, cell: (row) => number(row.attempts) },
        { head: say("provider"), cell: (row) => <Text of={[row.provider, row.model].filter(Boolean).join(" ")} most={80} /> },
        { head: say("tokens"), numeric: true, cell: (row) => `${number(row.tokens_in)} + ${number(row.tokens_out)}` },
        { head: say("cost"), numeric: true, cell: (row) => dollars(row.cost_usd ?? 0) },
        { head: say("took"), numeric: true, cell: (row) => duration(row.elapsed_ms) },
        { head: say("error"), cell: (row) => (row.error ? <Text of={`${row.error.source ?? ""} ${row.error.code ?? ""}: ${row.error.text ?? row.error.message ?? ""}`} most={200} /> : "") },
        { head: say("id"), cell: (row) => <code><Text of={row.id} most={60} /></code> },
      ]} />
  );
}

function Life({ trace }: { trace: Trace }): VNode {
  return (
    <Table name={say("life")} rows={trace.timeline.map((row, i) => ({ ...row, i }))} id={(row) => String(row.i)}
      columns={[
        { head: say("after"), numeric: true, cell: (row) => `+${duration(row.since_ms)}` },
        { head: say("at"), cell: (row) => <Time at={row.at_ms} /> },
        { head: say("kind"), cell: (row) => <span class={`kind ${row.kind}`}>{plain(row.kind)}</span> },
        { head: say("task"), cell: (row) => <Text of={row.name} most={80} /> },
        { head: say("what"), cell: (row) => <><Text of={row.text} most={300} />{row.gap_ms !== undefined && ` (${duration(row.gap_ms)})`}</> },
      ]} />
  );
}

function Sections({ document }: { document: { [section: string]: Json } }): VNode {
  return <>{Object.entries(document).map(([name, value]) => <details key={name} class="card" open={name !== "job"}><summary><Text of={name} /></summary><Tree of={value} name={plain(name)} /></details>)}</>;
}

/* ---- what can be done to it ---- */

function Actions({ job, changed }: { job: Job; changed: () => void }): VNode {
  const [asking, setAsking] = useState(false), [why, setWhy] = useState<unknown>();
  const input = job.document?.input, ended = ENDED.includes(job.state);
  const doing = async (what: () => Promise<void>) => {
    setWhy(undefined);
    try {
      await what();
    } catch (problem) {
      setWhy(problem);
    }
  };
  const cancel = () => doing(async () => {
    setAsking(false);
    await remove(jobPath(job.id));
    announce(say("cancelled"));
    changed();
  });
  const again = () => doing(async () => {
    const done = await post<{ id: string }>("/v1/jobs", { pipeline: job.pipeline, input });
    go(link(`jobs/${encodeURIComponent(done.id)}`));
  });
  return (
    <>
      <div class="row">
        {!ended && <button type="button" class="danger" onClick={() => setAsking(true)}>{say("cancel_job")}</button>}
        {input !== undefined && input !== null && job.pipeline && <button type="button" onClick={again}>{say("run_again")}</button>}
      </div>
      {why !== undefined && <Failure why={why} />}
      {asking && (
        <Dialog title={say("cancel_job")} close={() => setAsking(false)}>
          <p>{say("cancel_ask")}</p>
          <div class="row"><button type="button" class="danger" onClick={cancel}>{say("cancel_job")}</button><button type="button" onClick={() => setAsking(false)}>{say("close")}</button></div>
        </Dialog>
      )}
    </>
  );
}

/* ---- all of it ---- */

interface Whole {
  job: Job;
  trace: Trace | null;
}

async function whole(id: string, signal: AbortSignal): Promise<Whole> {
  const [job, trace] = await Promise.all([
    get<Job>(jobPath(id), {}, signal),
    get<Trace>(jobPath(id, "/trace"), {}, signal).catch((why: unknown) => {
      if (why instanceof Problem && why.status === 404) return null;
      throw why;
    }),
  ]);
  return { job, trace };
}

/** Ask again when something has happened: at once, and then once for all that comes meanwhile. */
function useSteps(id: string, ask: () => void): "live" | "lost" | "ended" {
  const [is, setIs] = useState<"live" | "lost" | "ended">("lost");
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const soon = () => {
      if (!timer) timer = window.setTimeout(() => ((timer = 0), latest.current()), 150);
    };
    void follow(id, { step: soon, end: () => (setIs("ended"), soon()), live: (live) => setIs(live ? "live" : "lost") }, stop.signal);
    return () => (stop.abort(), clearTimeout(timer));
  }, [id]);
  return is;
}

export function JobView({ id, brief = false }: { id: string; brief?: boolean }): VNode {
  const [turn, setTurn] = useState(0);
  const asked = useAsked(id, (signal) => whole(id, signal));
  const is = useSteps(`${id}`, () => (asked.ask(), setTurn(turn + 1)));
  const state = asked.value?.job.state;
  useEffect(() => {
    if (state) announce(`${say("state")}: ${state}`);
  }, [state]);
  return (
    <Shown asked={asked}>
      {({ job, trace }) => (
        <>
          <p class="row">
            <State of={job.state} /> <Text of={job.pipeline} />
            <span class={`live ${is}`}>{is === "live" ? say("following") : is === "ended" ? say("ended") : say("lost")}</span>
          </p>
          <p><code><Text of={job.id} /></code></p>
          <Actions job={job} changed={asked.ask} />
          {job.error && <div class="problem"><Text of={`${job.error.source ?? ""} ${job.error.code ?? ""}: ${job.error.text ?? job.error.message ?? ""}`} /></div>}
          {trace ? (
            <>
              <dl class="facts">
                <div><dt>{say("submitted")}</dt><dd><Time at={trace.from_ms} /></dd></div>
                <div><dt>{say("finished")}</dt><dd><Time at={trace.to_ms} /></dd></div>
                <div><dt>{say("took")}</dt><dd>{duration(trace.took_ms)}</dd></div>
                <div><dt>{say("tokens")}</dt><dd>{number(trace.tokens_in)} + {number(trace.tokens_out)}</dd></div>
                <div><dt>{say("cost")}</dt><dd>{dollars(trace.cost_usd)}</dd></div>
              </dl>
              <section><h2>{say("timeline")}</h2><Bars job={job} trace={trace} /></section>
            </>
          ) : <p class="none">{say("pending")}</p>}
          {job.document && <section><h2>{say("document")}</h2><Sections document={job.document} /></section>}
          {!brief && job.tasks.length > 0 && <section><h2>{say("tasks")}</h2><TaskTable tasks={job.tasks} /></section>}
          {!brief && trace && <section><h2>{say("life")}</h2><Life trace={trace} /></section>}
          {!brief && (job.events?.length ?? 0) > 0 && (
            <section>
              <h2>{say("events")}</h2>
              {job.events!.map((event) => (
                <details key={event.id} class="card"><summary><Text of={event.type} /> {event.version} · <Time at={event.created_at} /></summary><Tree of={event.payload} name={plain(event.type)} /></details>
              ))}
            </section>
          )}
        </>
      )}
    </Shown>
  );
}
