// SPDX-License-Identifier: Apache-2.0
// Asking the gateway that served this page, and following a job.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Why a request came to nothing, as RFC 9457 has it; status 0: the gateway could not be reached. */
export class Problem extends Error {
  constructor(readonly status: number, readonly code: string, detail: string) {
    super(detail);
  }
}

const KEY = "chard.key";

/** The API key of this tab, or null. It is forgotten with the tab. */
export function key(): string | null {
  return sessionStorage.getItem(KEY);
}

export function setKey(value: string | null): void {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

let onRefused: () => void = () => {};

/** Called whenever a key is asked for, or the one of this tab is none. */
export function whenRefused(call: () => void): void {
  onRefused = call;
}

function headers(more?: Record<string, string>): Record<string, string> {
  const own = key();
  return { ...(own ? { Authorization: `Bearer ${own}` } : {}), ...more };
}

async function send(path: string, options: RequestInit): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(path, { ...options, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "");
  }
  if (reply.ok) return reply;
  const said = (await reply.json().catch(() => ({}))) as { code?: string; detail?: string };
  if (reply.status === 401) onRefused();
  throw new Problem(reply.status, said.code ?? "", said.detail ?? reply.statusText);
}

export async function get<T>(path: string, query: Record<string, string | number | undefined> = {}, signal?: AbortSignal): Promise<T> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return (await (await send(text ? `${path}?${text}` : path, { headers: headers(), signal })).json()) as T;
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return (await (await send(path, { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) })).json()) as T;
}

export async function postForm<T>(path: string, body: FormData): Promise<T> {
  return (await (await send(path, { method: "POST", headers: headers(), body })).json()) as T;
}

export async function remove<T>(path: string): Promise<T> {
  return (await (await send(path, { method: "DELETE", headers: headers() })).json()) as T;
}

/** The address of a job, or of something of it. */
export function jobPath(id: string, of = ""): string {
  return `/v1/jobs/${encodeURIComponent(id)}${of}`;
}

export interface Step {
  position: number;
  kind: "task" | "event" | "job";
  task_id: string | null;
  name: string | null;
  state: string | null;
  attempt: number | null;
  at: string;
  payload: Json;
}

export interface Following {
  step: (step: Step) => void;
  /** Nothing follows. */
  end: () => void;
  /** Is the stream there? It is opened again by itself, and goes on where it was. */
  live: (is: boolean) => void;
}

const wait = (ms: number, signal: AbortSignal) =>
  new Promise<void>((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

/** Follow a job until `signal`. An EventSource could not show a key, so the stream is read by fetch. */
export async function follow(id: string, tell: Following, signal: AbortSignal): Promise<void> {
  let last = "";
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      const reply = await send(jobPath(id, "/events"), { headers: headers(last ? { "Last-Event-ID": last } : {}), signal });
      if (reply.status === 204 || !reply.body) return tell.end();
      tell.live(true);
      tries = 0;
      for await (const event of events(reply.body)) {
        last = event.id || last;
        if (event.type === "end") return tell.end();
        tell.step(JSON.parse(event.data) as Step);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) return tell.live(false);
    }
    tell.live(false);
    await wait(Math.min(1000 * 2 ** tries, 15000), signal);
  }
}

interface ServerEvent {
  id: string;
  type: string;
  data: string;
}

/** Those of a stream, as the HTML standard reads them. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const event = { id: "", type: "message", data: "" };
        for (const line of part.split("\n")) {
          const at = line.indexOf(":");
          const text = line.slice(at + 1).replace(/^ /, "");
          if (line.startsWith("id:")) event.id = text;
          else if (line.startsWith("event:")) event.type = text;
          else if (line.startsWith("data:")) event.data += event.data ? `\n${text}` : text;
        }
        if (event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
