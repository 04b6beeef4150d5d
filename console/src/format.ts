// Numbers and times as people read them.
export function age(since: string | undefined): string {
  if (!since) return "";
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const units: Record<string, number> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
export function bytesOf(quantity: string | undefined): number {
  const match = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity ?? "");
  return match ? Number(match[1]) * (units[match[2] ?? ""] ?? 1) : 0;
}
export function cpusOf(quantity: string | undefined): number {
  const text = quantity ?? "0";
  return text.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text);
}
export function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(bytes >= 10 * 2 ** 30 ? 0 : 1)} GiB`;
}
export function cpus(count: number): string {
  return `${Math.round(count * 100) / 100} CPU`;
}
export function day(time: string | null | undefined, none = "never"): string {
  return time ? new Date(time).toLocaleString() : none;
}
