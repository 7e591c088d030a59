// SPDX-License-Identifier: Apache-2.0
// Dead letters: what they died of, each one, and what is done to many: looked at first, then some thousand at a time, so that it can be watched and stopped.

import type { VNode } from "preact";
import { useRef, useState } from "preact/hooks";
import { get, type Json, post } from "./api";
import { Filter, Saved } from "./jobs";
import { announce, Dialog, duration, Failure, JobLink, link, number, plain, type Query, Shown, State, Table, Text, Time, Tree, useAsked } from "./parts";
import { say } from "./words";

interface Group {
  group: string;
  name: string;
  queue: string;
  source: string;
  code: string;
  cause: string;
  message: string;
  count: number;
  users: number;
  entry: number;
  first_died_at: number;
  last_died_at: number;
}

interface Letter {
  entry: number;
  state: string;
  task: string;
  task_id: string;
  job: string;
  queue: string;
  source: string;
  code: string;
  message: string;
  group: string;
  user: string;
  worker: string;
  trace_id: string;
  next_task: string;
  attempts: number;
  died_at: string;
  body_size: number;
  task_state: string | null;
  job_state: string | null;
}

interface Entry extends Letter {
  headers: Json;
  args?: Json;
  kwargs?: Json;
  body?: string;
  unreadable?: string;
  edited_args?: Json;
  edited_kwargs?: Json;
  on_requeue: string;
  history: { at: number; action: string; who: string; reason: string; scope: string; count: number }[];
}

/* ---- doing something to many ---- */

type ActionName = "requeue" | "discard";

interface Done {
  end: string;
  operation: string;
  total: number;
  seen: number;
  upto: number;
  after: number;
  outcomes: Record<string, number>;
  would?: Record<string, number>;
  not_tried?: Record<string, number>;
  die_again: Record<string, number>;
  refused: number;
  why: string;
}

interface What {
  filter?: Query;
  entries?: number[];
}

const LOOKED_AT = 1000, AT_ONCE = 10000;

function Counts({ of }: { of: Record<string, number> }): VNode {
  const rows = Object.entries(of);
  return <ul>{rows.length ? rows.map(([name, count]) => <li key={name}>{number(count)} <code>{plain(name)}</code></li>) : <li>0</li>}</ul>;
}

function add(to: Record<string, number>, more: Record<string, number>): Record<string, number> {
  const all = { ...to };
  for (const [name, count] of Object.entries(more)) all[name] = (all[name] ?? 0) + count;
  return all;
}

interface Progress {
  seen: number;
  outcomes: Record<string, number>;
  left: Record<string, number>;
  over: boolean;
}

function Act({ action, what, close }: { action: ActionName; what: What; close: () => void }): VNode {
  const path = `/v1/dead-letters/actions/${action}`;
  const before = useAsked(path, () => post<Done>(path, { ...what, rehearse: true, most: LOOKED_AT }));
  const [progress, setProgress] = useState<Progress>(), [why, setWhy] = useState<unknown>();
  const stopped = useRef(false);
  const begin = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement), total = before.value!.total;
    const request = { ...what, upto: before.value!.upto, most: AT_ONCE, reason: String(form.get("reason")), rate: Number(form.get("rate") ?? 0) || 0 };
    let all: Progress = { seen: 0, outcomes: {}, left: {}, over: false }, after = 0, operation: string | undefined;
    setProgress(all);
    try {
      while (!all.over) {
        const done: Done = await post<Done>(path, { ...request, operation, after });
        operation = done.operation;
        after = done.after;
        all = { seen: all.seen + done.seen, outcomes: add(all.outcomes, done.outcomes), left: add(all.left, done.not_tried ?? {}), over: stopped.current || done.seen < AT_ONCE || done.end !== "ended" || all.seen + done.seen >= total };
        if (done.refused) all.left = add(all.left, { [`${say("refused")}: ${done.why}`]: done.refused });
        setProgress(all);
      }
      announce(`${number(all.seen)} ${say("done_count")}`);
    } catch (problem) {
      setWhy(problem);
      setProgress({ ...all, over: true });
    }
  };
  const total = before.value?.total ?? 0;
  return (
    <Dialog title={`${say(action)}: ${what.entries ? `${say("entry")} ${what.entries.join(", ")}` : what.filter?.group ? say("of_group") : say("of_filter")}`} close={close}>
      <Shown asked={before}>
        {(value) => (
          <>
            <p><strong id="how-many">{number(value.total)}</strong> {say("total")}. {say("rehearse")}{value.total > LOOKED_AT && ` (${say("first_thousand")})`}:</p>
            <Counts of={value.would ?? {}} />
          </>
        )}
      </Shown>
      {!progress && before.value && (
        <form onSubmit={begin} class="form">
          <label>{say("reason")}<input name="reason" maxLength={1000} autocomplete="off" /></label>
          {action === "requeue" && <label>{say("per_second")}<input name="rate" type="number" min="0" max="1000000" value="0" /></label>}
          <div class="row">
            <button type="submit" class={action === "discard" ? "danger" : "main"} disabled={total === 0}>{say(action)} ({number(total)})</button>
            <button type="button" onClick={close}>{say("cancel")}</button>
          </div>
        </form>
      )}
      {progress && (
        <div role="status">
          <label>{number(progress.seen)} {say("of")} {number(total)}<progress max={total} value={progress.seen} /></label>
          {progress.over && <><p>{say("done_count")}:</p><Counts of={progress.outcomes} />{Object.keys(progress.left).length > 0 && <><p>{say("still")}:</p><Counts of={progress.left} /></>}</>}
        </div>
      )}
      {why !== undefined && <Failure why={why} />}
      {progress && <div class="row">{progress.over ? <button type="button" class="main" onClick={close}>{say("close")}</button> : <button type="button" onClick={() => (stopped.current = true)}>{say("stop")}</button>}</div>}
      {!progress && before.why !== undefined && <button type="button" onClick={close}>{say("close")}</button>}
    </Dialog>
  );
}

function Actions({ what, changed }: { what: What; changed: () => void }): VNode {
  const [doing, setDoing] = useState<ActionName>();
  return (
    <div class="row">
      <button type="button" onClick={() => setDoing("requeue")}>{say("requeue")}…</button>
      <button type="button" class="danger" onClick={() => setDoing("discard")}>{say("discard")}…</button>
      {doing && <Act action={doing} what={what} close={() => (setDoing(undefined), changed())} />}
    </div>
  );
}

/* ---- lists ---- */

const STATES = ["kept", "requeued", "discarded", "resolved", "any"];

function Groups({ rows, query }: { rows: Group[]; query: Query }): VNode {
  return (
    <Table name={say("groups")} rows={rows} id={(row) => row.group + row.queue}
      columns={[
        { head: say("count"), numeric: true, cell: (row) => <strong>{number(row.count)}</strong> },
        { head: say("group"), cell: (row) => <a href={link("dead", { ...query, group: row.group })}><code>{row.group}</code></a> },
        { head: say("task"), cell: (row) => <Text of={row.name} most={80} /> },
        { head: say("code"), cell: (row) => <Text of={`${row.source}: ${row.code}`} most={80} /> },
        { head: say("message"), cell: (row) => <Text of={row.cause} most={160} /> },
        { head: say("users"), numeric: true, cell: (row) => number(row.users) },
        { head: say("first"), cell: (row) => <Time at={row.first_died_at} /> },
        { head: say("last"), cell: (row) => <Time at={row.last_died_at} /> },
      ]} />
  );
}

function Letters({ rows }: { rows: Letter[] }): VNode {
  return (
    <Table name={say("entries")} rows={rows} id={(row) => String(row.entry)}
      columns={[
        { head: say("entry"), cell: (row) => <a href={link(`dead/${row.entry}`)}>{row.entry}</a> },
        { head: say("state"), cell: (row) => <State of={row.state} /> },
        { head: say("task"), cell: (row) => <Text of={row.task} most={80} /> },
        { head: say("code"), cell: (row) => <Text of={`${row.source}: ${row.code}`} most={80} /> },
        { head: say("message"), cell: (row) => <Text of={row.message} most={160} /> },
        { head: say("user"), cell: (row) => <Text of={row.user} most={60} /> },
        { head: say("attempts"), numeric: true, cell: (row) => number(row.attempts) },
        { head: say("died"), cell: (row) => <Time at={row.died_at} /> },
        { head: say("job"), cell: (row) => (row.job ? <JobLink id={row.job} /> : "–") },
      ]} />
  );
}

interface Both {
  groups: Group[];
  count: number;
  letters: Letter[];
  upto: number | null;
}

function Further({ query, upto }: { query: Query; upto: number | null }): VNode {
  const [more, setMore] = useState<Letter[]>([]), [next, setNext] = useState<number | null>(upto), [why, setWhy] = useState<unknown>();
  const ask = async () => {
    try {
      const page = await get<{ letters: Letter[]; upto: number | null }>("/v1/dead-letters", { ...query, upto: next ?? undefined });
      setMore((rows) => [...rows, ...page.letters]);
      setNext(page.upto);
      setWhy(undefined);
    } catch (problem) {
      setWhy(problem);
    }
  };
  return <>{more.length > 0 && <Letters rows={more} />}{why !== undefined && <Failure why={why} />}{next !== null && <button type="button" onClick={ask}>{say("more")}</button>}</>;
}

/** Groups where none is chosen; below them the latest entries. */
export function Dead({ query }: { query: Query }): VNode {
  const what = JSON.stringify(query);
  const asked = useAsked<Both>(what, async (signal) => {
    const [groups, page] = await Promise.all([
      get<{ groups: Group[]; count: number }>("/v1/dead-letters/groups", query, signal),
      get<{ letters: Letter[]; upto: number | null }>("/v1/dead-letters", query, signal),
    ]);
    return { ...groups, ...page };
  }, 5000);
  const { state, ...filter } = query;
  return (
    <>
      <Filter page="dead" query={query} fields={[
        { name: "state", word: "state", among: [["", say("kept")], ...STATES.slice(1).map((one): [string, string] => [one, one === "any" ? say("any") : one])] },
        { name: "task", word: "task" }, { name: "queue", word: "queue" }, { name: "code", word: "code" }, { name: "group", word: "group" },
        { name: "user", word: "user" }, { name: "job", word: "job" }, { name: "text", word: "message" },
        { name: "since", word: "since", kind: "time" }, { name: "until", word: "until", kind: "time" },
      ]} />
      <Saved page="dead" query={query} />
      <Shown asked={asked}>
        {(value) => (
          <>
            <p><strong>{number(value.count)}</strong> {say("entries")}</p>
            {value.count === 0 && !what.includes(":") && <p class="none">{say("no_dead")}</p>}
            {(!state || state === "kept") && value.count > 0 && <Actions what={{ filter }} changed={asked.ask} />}
            <section><h2>{say("groups")}</h2><Groups rows={value.groups} query={query} /></section>
            <section><h2>{say("entries")}</h2><Letters rows={value.letters} /><Further key={`${what} ${value.upto}`} query={query} upto={value.upto} /></section>
          </>
        )}
      </Shown>
    </>
  );
}

/* ---- one ---- */

export function DeadEntry({ id }: { id: string }): VNode {
  const asked = useAsked(id, (signal) => get<Entry>(`/v1/dead-letters/${encodeURIComponent(id)}`, {}, signal));
  return (
    <Shown asked={asked}>
      {(one) => (
        <>
          <p class="row"><State of={one.state} /> <Text of={one.task} most={120} /></p>
          <div class="problem"><strong><Text of={`${one.source}: ${one.code}`} /></strong> <Text of={one.message} /></div>
          {one.state === "kept" && <Actions what={{ entries: [one.entry] }} changed={asked.ask} />}
          <dl class="facts">
            <div><dt>{say("died")}</dt><dd><Time at={one.died_at} /> ({duration(Date.now() - Date.parse(one.died_at))})</dd></div>
            <div><dt>{say("attempts")}</dt><dd>{number(one.attempts)}</dd></div>
            <div><dt>{say("queue")}</dt><dd><Text of={one.queue} /></dd></div>
            <div><dt>{say("user")}</dt><dd><Text of={one.user || "–"} /></dd></div>
            <div><dt>{say("job")}</dt><dd>{one.job ? <JobLink id={one.job} /> : "–"} {one.job_state && <State of={one.job_state} />}</dd></div>
            <div><dt>{say("worker")}</dt><dd><Text of={one.worker || "–"} /></dd></div>
            <div><dt>{say("next")}</dt><dd><Text of={one.next_task || "–"} /></dd></div>
            <div><dt>{say("trace")}</dt><dd><Text of={one.trace_id || "–"} /></dd></div>
            <div><dt>{say("group")}</dt><dd><a href={link("dead", { group: one.group })}><code>{one.group}</code></a></dd></div>
          </dl>
          <p>{say("on_requeue")}: <Text of={one.on_requeue} /></p>
          <section>
            <h2>{say("original")}</h2>
            {one.unreadable && <p class="problem"><Text of={one.unreadable} /></p>}
            {one.body !== undefined && <Tree of={one.body} name={say("original")} />}
            {one.args !== undefined && <details class="card" open><summary>{say("arguments")}</summary><Tree of={{ args: one.args, kwargs: one.kwargs ?? null }} name={say("arguments")} /></details>}
            <details class="card"><summary>{say("headers")}</summary><Tree of={one.headers} name={say("headers")} /></details>
          </section>
          <section>
            <h2>{say("history")}</h2>
            <Table name={say("history")} rows={one.history} id={(row) => `${row.at} ${row.action}`}
              columns={[
                { head: say("at"), cell: (row) => <Time at={row.at} /> },
                { head: say("what"), cell: (row) => <Text of={row.action} /> },
                { head: say("by"), cell: (row) => <Text of={row.who} /> },
                { head: say("count"), numeric: true, cell: (row) => number(row.count) },
                { head: say("reason"), cell: (row) => <Text of={row.reason} /> },
                { head: say("filter"), cell: (row) => <Text of={row.scope} most={120} /> },
              ]} />
          </section>
        </>
      )}
    </Shown>
  );
}
