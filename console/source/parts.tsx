// SPDX-License-Identifier: Apache-2.0
// What all pages are made of: texts from outside made harmless, times, numbers, tables, answers that are waited for.

import type { ComponentChildren, VNode } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Json, Problem } from "./api";
import { language, say } from "./words";

/* ---- texts from outside ---- */

const MOST = 600;
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** What steers a terminal, hides, or turns the direction of what stands around it is shown by its number. */
export function plain(text: string): string {
  return text.replace(UNSEEN, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** A text that somebody else wrote: never markup, never turning its surroundings, cut where it is long until all is asked for. */
export function Text({ of, most = MOST }: { of: string | null | undefined; most?: number }): VNode {
  const [whole, setWhole] = useState(false);
  const text = of ?? "";
  if (text.length <= most || whole) return <bdi class="text">{plain(text)}</bdi>;
  return (
    <bdi class="text">
      {plain(text.slice(0, most))}…{" "}
      <button type="button" class="quiet" onClick={() => setWhole(true)}>{say("show_all")} ({number(text.length)})</button>
    </bdi>
  );
}

/** JSON as it is, indented. */
export function Tree({ of, name }: { of: Json | undefined; name: string }): VNode {
  const [whole, setWhole] = useState(false);
  const text = JSON.stringify(of ?? null, null, 2);
  const cut = !whole && text.length > 8000;
  return (
    <>
      <pre tabIndex={0} role="region" aria-label={name}><bdi>{plain(cut ? text.slice(0, 8000) : text)}</bdi></pre>
      {cut && <button type="button" onClick={() => setWhole(true)}>{say("show_all")} ({number(text.length)})</button>}
    </>
  );
}

/* ---- numbers and times ---- */

export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
}

export function dollars(value: number): string {
  const digits = value === 0 ? 2 : value < 0.01 ? 6 : value < 1 ? 4 : 2;
  return new Intl.NumberFormat(language(), { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: digits }).format(value);
}

export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  const s = ms / 1000;
  const units = language() === "ko" ? ["일", "시간", "분", "초", "밀리초"] : ["d", "h", "min", "s", "ms"];
  if (ms < 1000) return `${number(ms)} ${units[4]}`;
  if (s < 60) return `${number(s, s < 10 ? 2 : 1)} ${units[3]}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${units[2]} ${Math.floor(s % 60)} ${units[3]}`;
  if (s < 86400) return `${Math.floor(s / 3600)} ${units[1]} ${Math.floor((s % 3600) / 60)} ${units[2]}`;
  return `${Math.floor(s / 86400)} ${units[0]} ${Math.floor((s % 86400) / 3600)} ${units[1]}`;
}

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

function clock(at: Date): string {
  const today = at.toDateString() === new Date().toDateString();
  const day = today ? {} : ({ year: "numeric", month: "2-digit", day: "2-digit" } as const);
  return new Intl.DateTimeFormat(language(), { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(at);
}

/** A time in the viewer's zone; the whole of it is what its title says. */
export function Time({ at }: { at: string | number | null | undefined }): VNode {
  if (at === null || at === undefined || at === "") return <>–</>;
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? <Text of={String(at)} /> : <time dateTime={date.toISOString()} title={`${date.toISOString()}`}>{clock(date)}</time>;
}

/* ---- states ---- */

const LOOKS: Record<string, string> = {
  SUCCESS: "good", consuming: "good", FAILURE: "bad", dead: "bad", discarded: "dull", REVOKED: "dull", stopped: "dull", STARTED: "busy", RETRY: "warn", not_consuming: "warn", kept: "bad", requeued: "good", resolved: "good",
};

export function State({ of }: { of: string }): VNode {
  return <span class={`state ${LOOKS[of] ?? ""}`}>{plain(of)}</span>;
}

/* ---- tables ---- */

export interface Column<Row> {
  head: string;
  cell: (row: Row) => ComponentChildren;
  numeric?: boolean;
}

/** On narrow screens each row is a card, whose cells say their heads. */
export function Table<Row>({ name, rows, columns, id }: { name: string; rows: Row[]; columns: Column<Row>[]; id: (row: Row) => string }): VNode {
  if (rows.length === 0) return <p class="none">{say("none")}</p>;
  return (
    <div class="scroll" role="region" aria-label={name} tabIndex={0}>
      <table>
        <caption class="unseen">{name}</caption>
        <thead><tr>{columns.map((c) => <th key={c.head} scope="col" class={c.numeric ? "numeric" : ""}>{c.head}</th>)}</tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)}>{columns.map((c) => <td key={c.head} data-head={c.head} class={c.numeric ? "numeric" : ""}>{c.cell(row)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/* ---- answers ---- */

export function describe(why: unknown): string {
  if (!(why instanceof Problem)) return String(why);
  if (why.status === 0) return say("unreachable");
  return why.code === "no_scope" ? `${say("no_scope")} ${why.message}` : why.message;
}

export function Failure({ why, again }: { why: unknown; again?: () => void }): VNode {
  return (
    <div class="problem" role="alert">
      <strong>{say("failed")}.</strong> <Text of={describe(why)} /> {again && <button type="button" onClick={again}>{say("again")}</button>}
    </div>
  );
}

export interface Asked<T> {
  value: T | undefined;
  why: unknown;
  ask: () => void;
}

/** What `get` answers, asked for again whenever `what` changes, and every `ms` while the page is looked at. The last answer stays while another one is waited for, and where it fails. */
export function useAsked<T>(what: string, ask: (signal: AbortSignal) => Promise<T>, ms = 0): Asked<T> {
  const [answer, setAnswer] = useState<{ what: string; value?: T; why?: unknown }>({ what });
  const [turn, setTurn] = useState(0);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const once = async () => {
      let stands: { what: string; value?: T; why?: unknown } | undefined;
      if (!document.hidden) {
        try {
          stands = { what, value: await latest.current(stop.signal) };
        } catch (why) {
          stands = { what, why };
        }
      }
      if (stop.signal.aborted) return;
      if (stands) setAnswer((before) => (stands.why !== undefined && before.what === what ? { ...before, why: stands.why } : stands));
      if (ms) timer = window.setTimeout(once, ms);
    };
    const seen = () => {
      if (!document.hidden && ms) {
        clearTimeout(timer);
        void once();
      }
    };
    void once();
    document.addEventListener("visibilitychange", seen);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [what, ms, turn]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  const ours = answer.what === what;
  return { value: ours ? answer.value : undefined, why: ours ? answer.why : undefined, ask: again };
}

/** What was asked for, or that it is waited for, or why it did not come. */
export function Shown<T>({ asked, children }: { asked: Asked<T>; children: (value: T) => ComponentChildren }): VNode {
  return (
    <>
      {asked.why !== undefined && <Failure why={asked.why} again={asked.ask} />}
      {asked.value !== undefined ? children(asked.value) : asked.why === undefined && <p class="none" role="status">{say("loading")}</p>}
    </>
  );
}

/* ---- asking somebody ---- */

export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }): VNode {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current?.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog ref={box} aria-labelledby="dialog-title" onCancel={(event) => (event.preventDefault(), close())}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

/** Told to whoever listens to the page. */
export function announce(text: string): void {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
}

/* ---- where one is ---- */

export type Query = Record<string, string>;

export function link(page: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  return `#/${page}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

export function go(to: string): void {
  location.hash = to;
}

export function JobLink({ id, short = true }: { id: string; short?: boolean }): VNode {
  return <a href={link(`jobs/${encodeURIComponent(id)}`)}><bdi><code title={plain(id)}>{plain(short && id.length > 8 ? id.slice(0, 8) : id)}</code></bdi></a>;
}
