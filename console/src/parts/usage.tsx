// What a workload, or a whole profile, has used over time: CPU, memory, Ray nodes. Nothing while there are no samples.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { get, Problem } from "../api";
import { cpus, gib } from "../format";
import { useData } from "../live";
import { language, t } from "../text";
import { onTheme } from "../theme";
import { Choice } from "./form";

interface Sample {
  at: string;
  kind: string;
  name: string;
  cpu: number; // cores
  memory: number; // bytes
  cpuLimit?: number;
  memoryLimit?: number;
  nodes?: number;
}
interface Answer {
  step: number;
  items: Sample[];
}
const again_ms = 30_000;
const points = 240; // what a plot of this width can show
const spans: [string, string, number][] = [["hour", t.plots.hour, 3_600], ["day", t.plots.dayLong, 86_400], ["week", t.plots.week, 604_800]];

// --- one plot --------------------------------------------------------------------------------------------------------

interface Curve {
  title: string;
  times: number[]; // seconds
  values: (number | null)[];
  limit?: number;
  say: (value: number) => string;
  steps?: number[]; // between the lines of its grid
}
const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const height = 140;
const shortest_s = 600; // what has just begun is drawn at the right, not stretched
const minutes = [1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440].map((count) => count * 60);
const binary = Array.from({ length: 24 }, (_, at) => 2 ** (at + 20)); // 1 MiB and more

function spanOf(plot: uPlot): [number, number] {
  const times = plot.data[0];
  const last = times.at(-1) ?? 0;
  return [Math.min(times[0] ?? last, last - shortest_s), last];
}

function options(curve: Curve, width: number): uPlot.Options {
  const axis = { stroke: token("soft"), grid: { stroke: token("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const clock = (_: uPlot, values: number[]) => values.map((value) => new Date(value * 1000).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }));
  return {
    width, height, cursor: { y: false }, legend: { show: false },
    scales: { x: { time: true, range: spanOf }, y: { range: (_, __, max) => [0, Math.max(max, curve.limit ?? 0, 0.01) * 1.05] } },
    padding: [8, 24, 0, 0],
    axes: [{ ...axis, values: clock, incrs: minutes, space: 70, size: 28 }, { ...axis, size: 72, space: 28, incrs: curve.steps, values: (_, values) => values.map(curve.say) }],
    series: [{}, { stroke: token("accent"), width: 2, fill: token("tint"), points: { show: curve.times.length < 3 }, spanGaps: false }, { stroke: token("wait"), width: 1, dash: [4, 4], points: { show: false } }],
  };
}

function Plot({ curve }: { curve: Curve }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [scheme, setScheme] = useState(0);
  const data: uPlot.AlignedData = [curve.times, curve.values, curve.times.map(() => curve.limit ?? null)];
  useEffect(() => onTheme(() => setScheme((value) => value + 1)), []);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(options(curve, element.clientWidth), data, element);
    plot.current = made;
    const fit = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    fit.observe(element);
    return () => {
      fit.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [scheme, curve.title, curve.limit]);
  useEffect(() => plot.current?.setData(data), [curve.times, curve.values]);
  const last = curve.values.at(-1);
  const now = last === null || last === undefined ? "" : curve.limit ? t.plots.of(curve.say(last), curve.say(curve.limit)) : t.plots.now(curve.say(last));
  return (
    <figure>
      <figcaption><strong>{curve.title}</strong> <span class="figure">{now}</span></figcaption>
      <div class="plot" ref={box} role="img" aria-label={`${curve.title}: ${now}`} />
    </figure>
  );
}

// --- the samples -----------------------------------------------------------------------------------------------------

// Samples of several workloads at one time are added up.
function curvesOf(items: Sample[], one: boolean): Curve[] {
  const at = new Map<number, Sample>();
  for (const item of items) {
    const second = Math.round(Date.parse(item.at) / 1000);
    const old = at.get(second);
    at.set(second, old ? { ...old, cpu: old.cpu + item.cpu, memory: old.memory + item.memory, nodes: (old.nodes ?? 0) + (item.kind === "RayCluster" ? item.nodes ?? 0 : 0) } : { ...item, nodes: item.kind === "RayCluster" ? item.nodes : undefined });
  }
  const times = [...at.keys()].sort((a, b) => a - b);
  const rows = times.map((second) => at.get(second) as Sample);
  const last = rows.at(-1);
  const curves: Curve[] = [
    { title: t.plots.cpu, times, values: rows.map((row) => row.cpu), limit: one ? last?.cpuLimit : undefined, say: cpus },
    { title: t.plots.memory, times, values: rows.map((row) => row.memory), limit: one ? last?.memoryLimit : undefined, say: gib, steps: binary },
  ];
  if (rows.some((row) => row.nodes)) curves.push({ title: t.plots.nodes, times, values: rows.map((row) => row.nodes ?? null), say: (value) => String(Math.round(value * 10) / 10) });
  return curves;
}

export function Usage({ profile, kind, name }: { profile: string; kind?: string; name?: string }) {
  const [span, setSpan] = useState("hour");
  const seconds = spans.find(([key]) => key === span)?.[2] ?? 3_600;
  const query = new URLSearchParams({ ...(kind && name ? { kind, name } : {}), step: String(Math.max(60, Math.round(seconds / points))) });
  const path = `/api/atelier/v1/profiles/${encodeURIComponent(profile)}/samples?${query}`;
  const read = () => {
    const since = new Date(Date.now() - seconds * 1000).toISOString().replace(/\.\d+Z/, "Z");
    return get<Answer>(`${path}&since=${since}`).catch((error) => {
      if (error instanceof Problem && error.status === 404) return { step: 60, items: [] }; // no samples are kept here
      throw error;
    });
  };
  const { data } = useData(read, `${path} ${span}`, { every_ms: again_ms });
  const [known, setKnown] = useState(false);
  useEffect(() => {
    if (data?.items.length) setKnown(true);
  }, [data]);
  if (!known) return null;
  return (
    <section class="usage">
      <header class="page">
        <h2>{t.plots.title}</h2>
        <Choice label={t.plots.range} options={spans.map(([key, text]) => [key, text])} value={span} onChange={(event) => setSpan(event.currentTarget.value)} />
      </header>
      <div class="plots">{data ? curvesOf(data.items, Boolean(kind)).map((curve) => <Plot key={curve.title} curve={curve} />) : null}</div>
    </section>
  );
}
