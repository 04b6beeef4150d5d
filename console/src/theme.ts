// Light or dark: what was chosen here, else what the system prefers. It can change under an open page.
export type Theme = "system" | "light" | "dark";
export const themes: Theme[] = ["system", "light", "dark"];
const kept = "atelier-theme";
const media = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

export function theme(): Theme {
  const chosen = localStorage.getItem(kept);
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

// The style sheet knows what the system prefers by itself.
function paint(): void {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  for (const changed of listeners) changed();
}
media.addEventListener("change", paint);
addEventListener("storage", (event) => event.key === kept && paint()); // chosen in another tab
paint();

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(kept, chosen);
  paint();
}

// For what is drawn by script: <changed> is called after colours have become others. Returns what ends that.
export function onTheme(changed: () => void): () => void {
  listeners.add(changed);
  return () => void listeners.delete(changed);
}
