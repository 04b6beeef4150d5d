// Numbers and times as people read them.
import { language, t } from "./text";

export function age(since: string | undefined): string {
  if (!since) return "";
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 60) return t.time.seconds(seconds);
  if (seconds < 3600) return t.time.minutes(Math.floor(seconds / 60));
  if (seconds < 86400) return t.time.hours(Math.floor(seconds / 3600));
  return t.time.days(Math.floor(seconds / 86400));
}

const units: Record<string, number> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
export function bytesOf(quantity: string | undefined): number {
  const match = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity ?? "");
  return match ? Number(match[1]) * (units[match[2] ?? ""] ?? 1) : 0;
}
export function cpusOf(quantity: string | number | undefined): number {
  const text = String(quantity ?? "0");
  return text.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text) || 0;
}
export function gib(bytes: number): string {
  const whole = bytes >= 10 * 2 ** 30 || bytes % 2 ** 30 === 0;
  return bytes > 0 && bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(whole ? 0 : 1)} GiB`;
}
export function cpus(count: number): string {
  return `${Math.round(count * 100) / 100} CPU`;
}
export function held({ cpu, memory, gpu }: { cpu: number; memory: number; gpu: number }): string {
  return [cpus(cpu), gib(memory), ...(gpu ? [`${gpu} GPU`] : [])].join(", ");
}
export function day(time: string | number | null | undefined, none = t.time.never): string {
  return time ? new Date(time).toLocaleString(language, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }) : none;
}
