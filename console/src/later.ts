// What is deleted can be taken back for a while: the request is only sent when that while is over.
import { useEffect, useState } from "preact/hooks";
import { Problem } from "./api";

const grace_s = 10;

export interface Pending {
  key: string; // what is meant: "Notebook/alice/nb"
  text: string; // what the person is told
  left_s: number;
  failed: Problem | null;
}
interface Entry extends Pending {
  action: () => Promise<unknown>;
  sent: boolean;
}
let entries: Entry[] = [];
let held = false;
let timer = 0;
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());

async function send(entry: Entry): Promise<void> {
  entry.sent = true;
  try {
    await entry.action();
    drop(entry.key);
  } catch (error) {
    entry.failed = error instanceof Problem ? error : new Problem(0, String(error));
    tell();
  }
}
function tick(): void {
  if (held) return;
  for (const entry of entries) {
    if (entry.sent) continue;
    entry.left_s--;
    if (entry.left_s <= 0) void send(entry);
  }
  tell();
}
function drop(key: string): void {
  entries = entries.filter((entry) => entry.key !== key);
  if (entries.length === 0) {
    clearInterval(timer);
    timer = 0;
    held = false;
  }
  tell();
}

export function later(key: string, text: string, action: () => Promise<unknown>): void {
  entries = [...entries.filter((entry) => entry.key !== key), { key, text, action, left_s: grace_s, failed: null, sent: false }];
  timer ||= setInterval(tick, 1000);
  tell();
}
// Taken back, or its failure has been read. Nothing that was sent can be taken back.
export const takeBack = (key: string) => drop(key);
export function sendNow(key: string): void {
  const entry = entries.find((one) => one.key === key);
  if (entry && !entry.sent) void send(entry);
}
// The time stands still while somebody is on the notice, by pointer or by keyboard.
export function hold(yes: boolean): void {
  held = yes;
}

export function useLater(): Pending[] {
  const [list, setList] = useState<Pending[]>([]);
  useEffect(() => {
    const update = () => setList(entries.filter((entry) => !entry.sent || entry.failed).map((entry) => ({ ...entry })));
    listeners.add(update);
    update();
    return () => void listeners.delete(update);
  }, []);
  return list;
}
