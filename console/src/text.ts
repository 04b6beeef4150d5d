// Which language is spoken: the one chosen here, else what the browser prefers. It holds until the page is loaded anew.
import { en, type Messages } from "./messages/en";
import { zh } from "./messages/zh";

const tables: Record<string, Messages> = { en, "zh-CN": zh };
export const languages: [string, string][] = [["en", "English"], ["zh-CN", "简体中文"]];
const kept = "atelier-language";

function choose(): string {
  const chosen = localStorage.getItem(kept);
  if (chosen && tables[chosen]) return chosen;
  for (const wanted of navigator.languages) {
    if (/^zh\b/i.test(wanted)) return "zh-CN";
    if (/^en\b/i.test(wanted)) return "en";
  }
  return "en";
}

export const language = choose();
export const t: Messages = tables[language] ?? en;
document.documentElement.lang = language;

export function speak(other: string): void {
  localStorage.setItem(kept, other);
  location.reload();
}
