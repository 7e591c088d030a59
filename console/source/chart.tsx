// SPDX-License-Identifier: Apache-2.0
// A chart of samples by uPlot, and the same as a table for who can't see it.

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import type { Sample } from "./history";
import { number, Table, Time } from "./parts";
import { language, say } from "./words";

export interface Series {
  name: string;
  of: keyof Omit<Sample, "at">;
  colour: string; // a custom property of the style sheet
  dash?: number[];
}

const HEIGHT = 190, LEAST_S = 60; // a first sample has some room before it

function columns(rows: Sample[], series: Series[]): UPlot.AlignedData {
  return [rows.map((row) => row.at), ...series.map((s) => rows.map((row) => row[s.of]))];
}

function options(series: Series[], width: number, style: CSSStyleDeclaration): UPlot.Options {
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const hour = new Intl.DateTimeFormat(language(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { range: (_, from, to) => [Math.min(from, to - LEAST_S), to] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
    axes: [
      { ...axis, values: (_, at) => at.map((s) => hour.format(new Date(s * 1000))) },
      { ...axis, size: 56, values: (_, all) => all.map((value) => number(value, 2)) },
    ],
    series: [{}, ...series.map((s) => ({ label: s.name, stroke: colour(s.colour), width: 2, dash: s.dash, points: { show: false } }))],
  };
}

export function Chart({ name, rows, series, turn }: { name: string; rows: Sample[]; series: Series[]; turn: number }): VNode {
  const place = useRef<HTMLDivElement>(null), plot = useRef<UPlot | null>(null);
  const look = `${language()} ${document.documentElement.dataset.theme} ${matchMedia("(prefers-color-scheme: dark)").matches}`;
  useEffect(() => {
    const box = place.current!;
    const made = new UPlot(options(series, box.clientWidth || 300, getComputedStyle(box)), columns(rows, series), box);
    const resized = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: HEIGHT }));
    plot.current = made;
    resized.observe(box);
    return () => {
      resized.disconnect();
      made.destroy();
    };
  }, [name, look]);
  useEffect(() => plot.current?.setData(columns(rows, series)), [turn, rows]);
  const last = rows[rows.length - 1], shown = rows.slice(-30).reverse();
  return (
    <figure>
      <figcaption>
        {name}
        <span class="legend">{series.map((s) => <span key={s.of}><i class={`swatch ${s.colour.slice(2)}${s.dash ? " dashed" : ""}`} />{s.name} {last ? number(last[s.of], 1) : "–"}</span>)}</span>
      </figcaption>
      <div class="chart" ref={place} aria-hidden="true" />
      <details>
        <summary>{say("chart_table")}</summary>
        <Table name={name} rows={shown} id={(row) => String(row.at)}
          columns={[{ head: say("time"), cell: (row) => <Time at={row.at * 1000} /> }, ...series.map((s) => ({ head: s.name, numeric: true, cell: (row: Sample) => number(row[s.of], 1) }))]} />
      </details>
    </figure>
  );
}
