// SPDX-License-Identifier: Apache-2.0
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "./api";
import { Dialog, duration, Failure, go, JobLink, link, plain, type Query, Shown, State, Table, Text, Time, useAsked } from "./parts";
import { say, type Word } from "./words";

export interface JobRow {
  id: string;
  pipeline: string | null;
  state: string;
  user_id: string | null;
  created_at: string;
  finished_at: string | null;
  error: { source?: string; code?: string; text?: string; message?: string } | null;
}

interface Page {
  jobs: JobRow[];
  cursor: string | null;
}

/* ---- filters: what they are stands in the address ---- */

interface Field {
  name: string;
  word: Word;
  kind?: "time" | "number";
  among?: [string, string][];
}

const local = (iso: string) => {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};

export function Filter({ page, query, fields }: { page: string; query: Query; fields: Field[] }): VNode {
  const submit = (event: Event) => {
    event.preventDefault();
    const made: Query = {};
    for (const [name, value] of new FormData(event.target as HTMLFormElement)) {
      const field = fields.find((one) => one.name === name);
      if (value !== "") made[name] = field?.kind === "time" ? new Date(String(value)).toISOString() : String(value);
    }
    go(link(page, made));
  };
  return (
    <form class="filter" onSubmit={submit} role="search" key={JSON.stringify(query)}>
      {fields.map((f) => (
        <label key={f.name}>
          {say(f.word)}
          {f.among ? (
            <select name={f.name} value={query[f.name] ?? ""}>{f.among.map(([value, text]) => <option key={value} value={value}>{text}</option>)}</select>
          ) : f.kind === "time" ? (
            <input name={f.name} type="datetime-local" value={local(query[f.name] ?? "")} />
          ) : (
            <input name={f.name} type="search" autocomplete="off" value={query[f.name] ?? ""} />
          )}
        </label>
      ))}
      <span class="row">
        <button type="submit" class="main">{say("filter")}</button>
        <a class="button" href={link(page)}>{say("clear")}</a>
      </span>
    </form>
  );
}

const SAVED = "chard.filters";

function saved(page: string): Record<string, string> {
  try {
    return (JSON.parse(localStorage.getItem(SAVED) ?? "{}") as Record<string, Record<string, string>>)[page] ?? {};
  } catch {
    return {};
  }
}

function keep(page: string, filters: Record<string, string>): void {
  let all: Record<string, unknown> = {};
  try {
    all = JSON.parse(localStorage.getItem(SAVED) ?? "{}") as Record<string, unknown>;
  } catch { /* somebody else's: it is written anew */ }
  localStorage.setItem(SAVED, JSON.stringify({ ...all, [page]: filters }));
}

export function Saved({ page, query }: { page: string; query: Query }): VNode {
  const [all, setAll] = useState(() => saved(page)), [naming, setNaming] = useState(false);
  const put = (filters: Record<string, string>) => (keep(page, filters), setAll(filters));
  const name = (event: Event) => {
    event.preventDefault();
    const text = String(new FormData(event.target as HTMLFormElement).get("name")).trim();
    if (text) put({ ...all, [text]: link(page, query) });
    setNaming(false);
  };
  return (
    <div class="row chips" role="group" aria-label={say("saved")}>
      {Object.entries(all).map(([text, to]) => (
        <span key={text} class="chip">
          <a href={to}>{plain(text)}</a>
          <button type="button" class="quiet" aria-label={`${say("forget")}: ${text}`} onClick={() => put(Object.fromEntries(Object.entries(all).filter(([one]) => one !== text)))}>×</button>
        </span>
      ))}
      {Object.keys(query).length > 0 && <button type="button" onClick={() => setNaming(true)}>{say("save")}</button>}
      {naming && (
        <Dialog title={say("save")} close={() => setNaming(false)}>
          <form onSubmit={name}>
            <label>{say("save_name")}<input name="name" required maxLength={60} autocomplete="off" /></label>
            <div class="row"><button type="submit" class="main">{say("save")}</button><button type="button" onClick={() => setNaming(false)}>{say("cancel")}</button></div>
          </form>
        </Dialog>
      )}
    </div>
  );
}

/* ---- the list ---- */

const STATES = ["open", "unlucky", "PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"];

function fields(): Field[] {
  return [
    { name: "state", word: "state", among: [["", say("any")], ...STATES.map((state): [string, string] => [state, state === "open" || state === "unlucky" ? say(state) : state])] },
    { name: "pipeline", word: "pipeline" },
    { name: "task", word: "task" },
    { name: "user", word: "user" },
    { name: "text", word: "text" },
    { name: "since", word: "since", kind: "time" },
    { name: "until", word: "until", kind: "time" },
  ];
}

export function JobsTable({ rows }: { rows: JobRow[] }): VNode {
  return (
    <Table name={say("jobs")} rows={rows} id={(row) => row.id}
      columns={[
        { head: say("id"), cell: (row) => <JobLink id={row.id} /> },
        { head: say("pipeline"), cell: (row) => <Text of={row.pipeline} most={80} /> },
        { head: say("state"), cell: (row) => <State of={row.state} /> },
        { head: say("user"), cell: (row) => <Text of={row.user_id} most={80} /> },
        { head: say("submitted"), cell: (row) => <Time at={row.created_at} /> },
        { head: say("took"), numeric: true, cell: (row) => (row.finished_at ? duration(Date.parse(row.finished_at) - Date.parse(row.created_at)) : "–") },
        { head: say("error"), cell: (row) => (row.error ? <Text of={`${row.error.code ?? "?"}: ${row.error.text ?? row.error.message ?? ""}`} most={120} /> : "") },
      ]} />
  );
}

/** Further pages, behind the first, which is asked for again and again. */
function Further({ query, cursor }: { query: Query; cursor: string | null }): VNode {
  const [more, setMore] = useState<JobRow[]>([]), [next, setNext] = useState<string | null>(null), [why, setWhy] = useState<unknown>();
  useEffect(() => (setMore([]), setNext(null)), [JSON.stringify(query)]);
  const at = next ?? (more.length ? null : cursor);
  const ask = async () => {
    try {
      const page = await get<Page>("/v1/jobs", { ...query, limit: 50, cursor: at ?? undefined });
      setMore((before) => [...before, ...page.jobs]);
      setNext(page.cursor);
      setWhy(undefined);
    } catch (problem) {
      setWhy(problem);
    }
  };
  return (
    <>
      {more.length > 0 && <JobsTable rows={more} />}
      {why !== undefined && <Failure why={why} />}
      {at && <button type="button" onClick={ask}>{say("more")}</button>}
    </>
  );
}

export function Jobs({ query }: { query: Query }): VNode {
  const asked = useAsked(JSON.stringify(query), (signal) => get<Page>("/v1/jobs", { ...query, limit: 50 }, signal), 3000);
  const find = (event: Event) => {
    event.preventDefault();
    go(link("find", { id: String(new FormData(event.target as HTMLFormElement).get("id")).trim() }));
  };
  return (
    <>
      <form class="find" role="search" aria-label={say("find")} onSubmit={find}>
        <label>{say("find")}<input id="find" name="id" type="search" required autocomplete="off" spellcheck={false} aria-describedby="find-help" /></label>
        <button type="submit">{say("find_it")}</button>
        <span id="find-help" class="soft">{say("find_help")}</span>
      </form>
      <Filter page="jobs" query={query} fields={fields()} />
      <Saved page="jobs" query={query} />
      <Shown asked={asked}>{(page) => <><JobsTable rows={page.jobs} /><Further query={query} cursor={page.cursor} /></>}</Shown>
    </>
  );
}

interface Found {
  job: string;
  id: string;
  kind: string;
  name: string | null;
}

/** Whatever id somebody has in hand: one job is shown at once. */
export function Find({ query }: { query: Query }): VNode {
  const id = query.id ?? "";
  const asked = useAsked(id, (signal) => get<{ jobs: Found[] }>("/v1/find", { id }, signal));
  const found = asked.value?.jobs;
  useEffect(() => {
    if (found?.length === 1) location.replace(link(`jobs/${encodeURIComponent(found[0]!.job)}`));
  }, [found]);
  return (
    <Shown asked={asked}>
      {({ jobs }) =>
        jobs.length === 0 ? <p>{say("not_found")} <Text of={id} /></p> : (
          <>
            <h2>{say("several")}</h2>
            <Table name={say("jobs")} rows={jobs} id={(row) => row.id}
              columns={[
                { head: say("job"), cell: (row) => <JobLink id={row.job} short={false} /> },
                { head: say("kind"), cell: (row) => row.kind },
                { head: say("task"), cell: (row) => <Text of={row.name} /> },
              ]} />
          </>
        )}
    </Shown>
  );
}
