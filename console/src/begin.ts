// How does a person's day begin? Where does a notebook that opens by itself lead:
// to an empty document with a kernel, where the profile has no document yet.
import { call, get, post } from "./api";

// JupyterLab asks which kernel is meant unless the document says so; every IPython kernel is known by this name.
const empty = { nbformat: 4, nbformat_minor: 5, cells: [], metadata: { kernelspec: { name: "python3", display_name: "Python 3 (ipykernel)", language: "python" }, language_info: { name: "python" } } };

// Jupyter itself chooses a name that nothing has, so no file is ever written over. Where this cannot be done (another program
// than Jupyter, a full volume) the door alone is the answer: people then see what they would have seen without it.
async function makeDocument(door: string): Promise<string> {
  const contents = `${door}api/contents`;
  try {
    const home = await get<{ content?: { type: string }[] }>(contents);
    if (!home.content || home.content.some((entry) => entry.type === "notebook")) return door;
    const { path } = await post<{ path: string }>(contents, { type: "notebook" });
    const file = encodeURIComponent(path);
    await call("PUT", `${contents}/${file}`, { type: "notebook", format: "json", content: empty });
    return `${door}lab/tree/${file}`;
  } catch {
    return door;
  }
}

// <door> is the notebook's address here, ending in "/". Asked twice, it is answered once: the second would find the first's document.
const asked = new Map<string, Promise<string>>();
export function firstDocument(door: string): Promise<string> {
  const answer = asked.get(door) ?? makeDocument(door);
  asked.set(door, answer);
  return answer;
}

// Whether a new notebook opens by itself: what this browser's person chose last.
const chosen = "atelier.opensItself";
export const opensItself = () => localStorage.getItem(chosen) !== "no";
export const chooseOpensItself = (yes: boolean) => localStorage.setItem(chosen, yes ? "yes" : "no");

// Somebody has just signed in, and nothing of the page has the focus yet. Taken once, by the page that knows what to do with it.
let arrived = false;
export const arrive = () => (arrived = true);
export function takeArrival(): boolean {
  const now = arrived && (document.activeElement === document.body || document.activeElement?.id === "main");
  arrived = false;
  return now;
}
