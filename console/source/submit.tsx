// SPDX-License-Identifier: Apache-2.0
// A form a pipeline, made of what the gateway's description says that it takes; what it leads to is followed beneath.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, postForm, post } from "./api";
import { JobView } from "./job";
import { announce, Failure, plain, Shown, useAsked } from "./parts";
import { language, say } from "./words";

interface Schema {
  type?: string;
  enum?: string[];
  maxLength?: number;
  contentMediaType?: string;
  const?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  oneOf?: Schema[];
}

interface Description {
  paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>>;
}

interface Pipeline {
  name: string;
  input: Schema;
  form: { path: string; schema: Schema } | null; // where its pictures can be sent with it
}

/** The pipelines, and of those that take pictures the route that takes them: the one whose JSON is the same. */
function pipelines(of: Description): Pipeline[] {
  const ways = of.paths["/v1/jobs"]?.post?.requestBody?.content["application/json"]?.schema.oneOf ?? [];
  return ways.map((way) => {
    const input = way.properties!.input!, name = way.properties!.pipeline!.const!, same = JSON.stringify(Object.keys(input.properties ?? {}));
    const route = Object.entries(of.paths).find(([, methods]) => {
      const content = methods.post?.requestBody?.content;
      const own = Object.keys(content?.["application/json"]?.schema.properties ?? {}).filter((key) => input.properties?.[key]);
      return content?.["multipart/form-data"] && JSON.stringify(own) === same;
    });
    return { name, input, form: route ? { path: route[0], schema: route[1].post!.requestBody!.content["multipart/form-data"]!.schema } : null };
  });
}

const TYPES = "image/jpeg,image/png,image/webp,image/gif";

function Picture({ name, required, chosen, choose }: { name: string; required: boolean; chosen: File | null; choose: (file: File | null) => void }): VNode {
  const [over, setOver] = useState(false), [url, setUrl] = useState("");
  useEffect(() => {
    const made = chosen ? URL.createObjectURL(chosen) : "";
    setUrl(made);
    return () => made && URL.revokeObjectURL(made);
  }, [chosen]);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer?.files[0];
    if (file) choose(file);
  };
  return (
    <label class={`drop${over ? " over" : ""}`} onDragOver={(event) => (event.preventDefault(), setOver(true))} onDragLeave={() => setOver(false)} onDrop={drop}>
      <span>{plain(name)}{required && ` (${say("required")})`}: {say("drop")}</span>
      <span class="soft">{chosen ? plain(chosen.name) : say("drop_types")}</span>
      <input type="file" accept={TYPES} onChange={(event) => choose(event.currentTarget.files?.[0] ?? null)} />
      {url && <img src={url} alt="" />}
    </label>
  );
}

function Field({ name, of, required }: { name: string; of: Schema; required: boolean }): VNode {
  const title = `${plain(name)}${required ? ` (${say("required")})` : ""}${of.type === "array" ? ` – ${say("json_help")}` : ""}`;
  const long = (of.maxLength ?? 0) > 1000 || of.type === "array";
  return (
    <label>
      {title}
      {of.enum ? <select name={name}>{of.enum.map((one) => <option key={one} value={one} selected={one === language()}>{one}</option>)}</select>
        : long ? <textarea name={name} required={required} maxLength={of.maxLength} />
        : <input name={name} required={required} maxLength={of.maxLength} autocomplete="off" />}
    </label>
  );
}

function Form({ of, done }: { of: Pipeline; done: (id: string) => void }): VNode {
  const schema = of.form?.schema ?? of.input, wanted = schema.required ?? [];
  const [pictures, setPictures] = useState<Record<string, File | null>>({}), [why, setWhy] = useState<unknown>(), [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const given = [...new FormData(event.target as HTMLFormElement)].filter(([, value]) => typeof value === "string" && value !== "") as [string, string][];
    setBusy(true);
    setWhy(undefined);
    try {
      const files = Object.entries(pictures).filter(([, file]) => file);
      if (of.form && files.length) {
        const body = new FormData();
        for (const [name, value] of given) body.append(name, value);
        for (const [name, file] of files) body.append(name, file!);
        done((await postForm<{ id: string }>(of.form.path, body)).id);
      } else {
        const input = Object.fromEntries(given.map(([name, value]) => [name, of.input.properties?.[name]?.type === "array" ? (JSON.parse(value) as unknown) : value]));
        done((await post<{ id: string }>("/v1/jobs", { pipeline: of.name, input })).id);
      }
      announce(say("sent"));
    } catch (problem) {
      setWhy(problem instanceof SyntaxError ? say("bad_json") : problem);
    }
    setBusy(false);
  };
  return (
    <form class="form" onSubmit={submit} aria-label={plain(of.name)}>
      {Object.entries(schema.properties ?? {}).filter(([name]) => of.input.properties?.[name]).map(([name, one]) =>
        one.contentMediaType ? (
          <Picture key={name} name={name} required={wanted.includes(name)} chosen={pictures[name] ?? null} choose={(file) => setPictures({ ...pictures, [name]: file })} />
        ) : <Field key={name} name={name} of={one} required={wanted.includes(name)} />)}
      {why !== undefined && <Failure why={why} />}
      <div class="row"><button type="submit" class="main" disabled={busy}>{say("submit_job")}</button></div>
    </form>
  );
}

export function Submit(): VNode {
  const asked = useAsked("openapi", (signal) => get<Description>("/openapi.json", {}, signal));
  const [chosen, setChosen] = useState(0), [job, setJob] = useState("");
  return (
    <Shown asked={asked}>
      {(value) => {
        const all = pipelines(value), of = all[chosen];
        return (
          <>
            <div class="row" role="group" aria-label={say("pipeline")}>{all.map((one, i) => <button key={one.name} type="button" aria-pressed={i === chosen} onClick={() => (setChosen(i), setJob(""))}>{plain(one.name)}</button>)}</div>
            <br />
            {of && <Form key={of.name} of={of} done={setJob} />}
            {job && <section><h2>{say("progress")}</h2><JobView key={job} id={job} brief /></section>}
          </>
        );
      }}
    </Shown>
  );
}
