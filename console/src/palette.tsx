// The command palette (Ctrl-K, Cmd-K): every page, object and action of this person, found by a few letters.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, type KubeObject, type List, type Me, paths, type ProfileEntry } from "./api";
import { Icon } from "./icons";
import { Dialog } from "./parts/dialog";
import { adminPlaces, ownPlaces, profilePlaces } from "./places";
import { turn } from "./power";
import { may, shows } from "./rights";
import { go } from "./router";
import { languages, speak, t } from "./text";
import { chooseTheme, themes } from "./theme";
import { doorOf, pageOf, phaseOf, stopped } from "./workload";

interface Command {
  text: string;
  kind: string;
  icon: string;
  run: () => void;
}
const shown = 12;

// Every word of what is typed is in it somewhere; what begins with it comes first.
function match(commands: Command[], typed: string): Command[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const score = (command: Command) => {
    const text = `${command.text} ${command.kind}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return -1;
    return words.length > 0 && command.text.toLowerCase().startsWith(words[0] ?? "") ? 2 : 1;
  };
  return commands.map((command) => ({ command, at: score(command) })).filter(({ at }) => at > 0).sort((a, b) => b.at - a.at).map(({ command }) => command);
}

const kinds: Record<string, [string, string]> = { Notebook: [t.palette.notebook, "notebook"], RayCluster: [t.palette.cluster, "ray"], RayJob: [t.rayJobs.what, "job"], RayService: [t.rayServices.what, "service"] };
function objectCommands(entry: ProfileEntry, items: KubeObject[]): Command[] {
  return items.flatMap((item) => {
    const { name } = item.metadata;
    const notebook = item.kind === "Notebook";
    const [kind = "", icon = ""] = kinds[item.kind] ?? [];
    const list: Command[] = [{ text: name, kind, icon, run: () => go(pageOf(item)) }];
    if (doorOf(item) && phaseOf(item) === "Running" && may("open", entry, item.kind, name))
      list.push({ text: notebook ? t.palette.openIt(name) : t.palette.dashboard(name), kind: t.palette.action, icon, run: () => window.open(doorOf(item) ?? "", "_blank", "noopener") });
    if (notebook && may("change", entry, item.kind, name)) {
      const off = item.metadata.annotations?.[stopped] !== undefined;
      list.push({ text: off ? t.palette.start(name) : t.palette.stop(name), kind: t.palette.action, icon, run: () => void turn(item, off) });
    }
    return list;
  });
}

function commandsOf(me: Me, entry: ProfileEntry | undefined, items: KubeObject[]): Command[] {
  const page = (text: string, href: string, icon: string, kind = t.palette.page): Command => ({ text, kind, icon, run: () => go(href) });
  const base = entry ? `/p/${entry.name}` : "";
  const making = entry && may("create", entry) ? [
    page(t.notebooks.new, `${base}/notebooks?new`, "notebook", t.palette.action),
    page(t.ray.new, `${base}/ray?new`, "ray", t.palette.action),
    page(t.rayJobs.new, `${base}/rayjobs?new`, "job", t.palette.action),
    page(t.rayServices.new, `${base}/rayservices?new`, "service", t.palette.action),
    page(t.volumes.new, `${base}/volumes?new`, "volume", t.palette.action),
  ] : [];
  return [
    ...(entry ? objectCommands(entry, items) : []),
    ...[...profilePlaces(entry), ...ownPlaces(), ...adminPlaces(me)].map((place) => page(place.text, place.href, place.icon)),
    ...making,
    ...me.profiles.filter((other) => other.name !== entry?.name).map((other) => page(other.name, `/p/${other.name}`, "profiles", t.palette.profile)),
    ...languages.map(([code, name]): Command => ({ text: t.palette.speak(name), kind: t.palette.action, icon: "account", run: () => speak(code) })),
    ...themes.map((one): Command => ({ text: t.palette.theme(t.themes[one]), kind: t.palette.action, icon: "account", run: () => chooseTheme(one) })),
  ];
}

export function Palette({ me, entry, close }: { me: Me; entry: ProfileEntry | undefined; close: () => void }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const [items, setItems] = useState<KubeObject[]>([]);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (!entry) return;
    const read = (kind: string, path: string) => (shows(entry, kind) ? get<List>(path).then((found) => found.items.map((item) => ({ ...item, kind }))) : Promise.resolve([]));
    void Promise.all([read("Notebook", paths.notebooks(entry.name)), read("RayCluster", paths.rayclusters(entry.name)), read("RayJob", paths.rayjobs(entry.name)), read("RayService", paths.rayservices(entry.name))]).then((all) => setItems(all.flat()), () => {});
  }, [entry?.name]);
  const found = match(commandsOf(me, entry, items), typed).slice(0, shown);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: "nearest" }), [chosen]);
  const run = (command: Command | undefined) => {
    if (!command) return;
    close();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((chosen + step + found.length) % Math.max(found.length, 1));
    else if (event.key === "Enter") run(found[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={t.palette.title} close={close}>
      <input type="text" role="combobox" aria-expanded="true" aria-controls="commands" aria-autocomplete="list" aria-activedescendant={found.length ? `command-${chosen}` : undefined} aria-label={t.palette.label}
        placeholder={t.palette.label} autocomplete="off" value={typed} onKeyDown={onKeyDown} onInput={(event) => (setTyped(event.currentTarget.value), setAt(0))} />
      <ul class="commands" id="commands" role="listbox" aria-label={t.palette.title} ref={list}>
        {found.map((command, index) => (
          <li key={`${command.kind} ${command.text}`} id={`command-${index}`} role="option" aria-selected={index === chosen} onPointerMove={() => setAt(index)} onClick={() => run(command)}>
            <Icon name={command.icon} /><span>{command.text}</span><small>{command.kind}</small>
          </li>
        ))}
      </ul>
      <p class="hint" role="status">{found.length ? t.palette.keys : t.palette.none}</p>
    </Dialog>
  );
}
