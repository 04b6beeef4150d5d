// The audit log: of one profile for those who manage it, of everything for platform admins.
import { useEffect, useState } from "preact/hooks";
import { get, type Problem } from "../api";
import { day } from "../format";
import { useList } from "../live";
import { Field } from "../parts/form";
import { Alert, Empty, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { t } from "../text";

interface Entry {
  id: number;
  at: string;
  actor: string;
  action: string;
  namespace?: string;
  kind?: string;
  name?: string;
  outcome: string;
  detail?: string;
}
interface Answer {
  items: Entry[];
}
const page = 50;

export function Activity({ profile }: { profile?: string }) {
  const base = profile ? `/api/atelier/v1/profiles/${encodeURIComponent(profile)}/audit` : "/api/atelier/v1/audit";
  const latest = useList<Answer>(`${base}?limit=${page}`);
  const [seen, setSeen] = useState<Entry[]>([]);
  const [ended, setEnded] = useState(false);
  const [failed, setFailed] = useState<Problem | null>(null);
  const [filter, setFilter] = useState("");
  // What is new is put in front of what has been seen; ids only grow.
  useEffect(() => {
    if (!latest.data) return;
    const { items } = latest.data;
    setSeen((old) => [...items, ...old.filter((entry) => entry.id < (items.at(-1)?.id ?? 0))]);
    if (items.length < page) setEnded(true);
  }, [latest.data]);
  const older = () =>
    get<Answer>(`${base}?limit=${page}&before=${seen.at(-1)?.id ?? 0}`).then(({ items }) => {
      setSeen([...seen, ...items]);
      setEnded(items.length < page);
      setFailed(null);
    }, setFailed);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const textOf = (entry: Entry) => Object.values(entry).join(" ").toLowerCase();
  const shown = seen.filter((entry) => words.every((word) => textOf(entry).includes(word)));
  const row = (entry: Entry): Row => ({
    key: String(entry.id),
    cells: [
      <time class="short">{day(entry.at)}</time>, entry.actor, entry.action, ...(profile ? [] : [entry.namespace ?? ""]),
      <>{[entry.kind, entry.name].filter(Boolean).join(" ")}{entry.detail ? <small class="hint"> {entry.detail}</small> : null}</>, <State phase={entry.outcome} />,
    ],
  });
  const heads = [t.activity.when, t.activity.who, t.activity.what, ...(profile ? [] : [t.activity.where]), t.activity.on, t.activity.outcome];
  return (
    <Page title={profile ? t.activity.title : t.activity.allTitle} lead={profile ? t.activity.lead : t.activity.allLead}>
      <Field label={t.activity.filter} type="search" autocomplete="off" hint={t.activity.filterHint} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
      <Alert problem={failed ?? latest.problem} />
      {shown.length > 0 ? <Table label={t.activity.title} heads={heads} rows={shown.map(row)} actions={false} />
        : latest.data ? <Empty>{t.activity.none}</Empty> : latest.problem ? null : <Loading />}
      {ended || seen.length === 0 ? null : <button onClick={() => void older()}>{t.activity.older}</button>}
    </Page>
  );
}
