// SPDX-License-Identifier: Apache-2.0
// The frame: pages by the address's fragment, language, theme, signing in, keys.

import { render, type VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import "./style.css";
import "uplot/dist/uPlot.min.css";
import { get, key, Problem, setKey, whenRefused } from "./api";
import { Dead, DeadEntry } from "./dead";
import { Find, Jobs } from "./jobs";
import { JobView } from "./job";
import { Overview, Workers } from "./overview";
import { describe, Dialog, go, link, plain, type Query, Text, zone } from "./parts";
import { Submit } from "./submit";
import { type Language, language, say, setLanguage, type Word } from "./words";

/* ---- pages: one line each; the first letter is its key ---- */

interface Page {
  name: Word;
  at: string;
  key: string;
  view: (rest: string, query: Query) => VNode;
  title?: (rest: string) => string;
}

const PAGES: Page[] = [
  { name: "overview", at: "overview", key: "o", view: () => <Overview /> },
  { name: "jobs", at: "jobs", key: "j", view: (rest, query) => (rest ? <JobView key={rest} id={rest} /> : <Jobs query={query} />), title: (rest) => (rest ? `${say("job")} ${plain(rest).slice(0, 8)}` : say("jobs")) },
  { name: "dead", at: "dead", key: "d", view: (rest, query) => (rest ? <DeadEntry key={rest} id={rest} /> : <Dead query={query} />), title: (rest) => (rest ? `${say("entry")} ${plain(rest).slice(0, 20)}` : say("dead")) },
  { name: "workers", at: "workers", key: "w", view: () => <Workers /> },
  { name: "submit", at: "submit", key: "s", view: () => <Submit /> },
];
const HIDDEN: Page[] = [{ name: "find", at: "find", key: "", view: (_, query) => <Find query={query} /> }];

interface Place {
  page: Page | undefined;
  rest: string;
  query: Query;
}

function here(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [at = "", ...rest] = path.split("/");
  let text = "";
  try {
    text = decodeURIComponent(rest.join("/"));
  } catch { /* no escape: there is no such thing then */ }
  return { page: [...PAGES, ...HIDDEN].find((page) => page.at === (at || "overview")), rest: text, query: Object.fromEntries(new URLSearchParams(query)) };
}

/* ---- how it looks ---- */

const THEME = "chard.theme";
type Theme = "auto" | "light" | "dark";

function theme(): Theme {
  const kept = localStorage.getItem(THEME);
  return kept === "light" || kept === "dark" ? kept : "auto";
}

function show(as: Theme): void {
  localStorage.setItem(THEME, as);
  document.documentElement.dataset.theme = as;
}

/* ---- signing in ---- */

function SignIn({ done }: { done: () => void }): VNode {
  const [why, setWhy] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    setKey(String(new FormData(event.target as HTMLFormElement).get("key")).trim());
    try {
      await get("/v1/workers");
      done();
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 403) return done(); // a key all the same: the pages say what it lacks
      setKey(null);
      setWhy(problem instanceof Problem && problem.status === 401 ? say("key_wrong") : describe(problem));
    }
  };
  return (
    <form class="sign-in card" onSubmit={submit}>
      <h1 tabIndex={-1}>{say("sign_in")}</h1>
      <p>{say("key_help")}</p>
      <label>{say("key")}<input name="key" type="password" required autocomplete="off" spellcheck={false} /></label>
      {why && <p class="problem" role="alert">{why}</p>}
      <button type="submit" class="main">{say("sign_in")}</button>
    </form>
  );
}

/* ---- the keyboard ---- */

function useKeys(help: () => void): void {
  useEffect(() => {
    let going = 0;
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
      const page = Date.now() - going < 1500 ? PAGES.find((one) => one.key === event.key) : undefined;
      going = event.key === "g" ? Date.now() : 0;
      if (page) go(link(page.at));
      else if (event.key === "?") help();
      else if (event.key === "/") {
        event.preventDefault();
        const find = document.getElementById("find");
        if (find) find.focus();
        else {
          go(link("jobs"));
          requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById("find")?.focus()));
        }
      }
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

function Help({ close }: { close: () => void }): VNode {
  return (
    <Dialog title={say("keys_title")} close={close}>
      <dl class="keys">
        <dt><kbd>g</kbd></dt><dd>{say("keys_go")}</dd>
        <dt><kbd>/</kbd></dt><dd>{say("keys_find")}</dd>
        <dt><kbd>?</kbd></dt><dd>{say("keys_this")}</dd>
      </dl>
      <button type="button" onClick={close}>{say("close")}</button>
    </Dialog>
  );
}

/* ---- the frame ---- */

function Frame(): VNode {
  const [place, setPlace] = useState(here), [refused, setRefused] = useState(false), [helping, setHelping] = useState(false), [turn, setTurn] = useState(0);
  const head = useRef<HTMLHeadingElement>(null), begun = useRef(false);
  useKeys(() => setHelping(true));
  useEffect(() => {
    const moved = () => setPlace(here());
    addEventListener("hashchange", moved);
    whenRefused(() => setRefused(true));
    return () => removeEventListener("hashchange", moved);
  }, []);
  const title = place.page ? (place.page.title?.(place.rest) ?? say(place.page.name)) : say("page_missing");
  const page = place.page?.at, rest = place.rest;
  useEffect(() => {
    if (begun.current) head.current?.focus();
    begun.current = true;
    window.scrollTo(0, 0);
  }, [page, rest]);
  document.title = `${title} · chard`;
  document.documentElement.lang = language();
  const choose = (to: Language) => (setLanguage(to), setTurn(turn + 1));
  const paint = (as: Theme) => (show(as), setTurn(turn + 1));
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), head.current?.focus())}>{say("skip")}</a>
      <header>
        <a class="brand" href={link("overview")}><img src="/console/icon.svg" alt="" width="24" height="24" />chard</a>
        <nav aria-label={say("pages")}>
          {PAGES.map((one) => <a key={one.at} href={link(one.at)} aria-current={one.at === page ? "page" : undefined}>{say(one.name)}</a>)}
        </nav>
        <div class="row tools">
          <label><span class="unseen">{say("language")}</span><select value={language()} onChange={(event) => choose(event.currentTarget.value as Language)}><option value="en" lang="en">English</option><option value="ko" lang="ko">한국어</option></select></label>
          <label><span class="unseen">{say("theme")}</span><select value={theme()} onChange={(event) => paint(event.currentTarget.value as Theme)}>{(["auto", "light", "dark"] as const).map((one) => <option key={one} value={one}>{say(one)}</option>)}</select></label>
          {key() && <button type="button" onClick={() => (setKey(null), setRefused(true))}>{say("sign_out")}</button>}
        </div>
      </header>
      <main id="main">
        {refused ? <SignIn done={() => (setRefused(false), setTurn(turn + 1))} /> : (
          <>
            <h1 ref={head} tabIndex={-1}>{title}</h1>
            {place.page ? place.page.view(place.rest, place.query) : <p><Text of={location.hash} /></p>}
          </>
        )}
      </main>
      <footer>
        <span>{say("zone")} <bdi>{zone()}</bdi></span>
        <button type="button" class="quiet" onClick={() => setHelping(true)}>{say("keys_help")} <kbd>?</kbd></button>
        <a href="/openapi.json">OpenAPI</a>
        <a href="/console/licences.txt">Licences</a>
      </footer>
      <div id="said" class="unseen" role="status" aria-live="polite" />
      {helping && <Help close={() => setHelping(false)} />}
    </>
  );
}

show(theme());
render(<Frame />, document.getElementById("app")!);
