// One's own account: password and sessions.
import { useEffect, useState } from "preact/hooks";
import { type Me, post, type Problem, remove } from "../api";
import { day } from "../format";
import { useList } from "../live";
import { Sure } from "../parts/dialog";
import { Choice, Field, Rest, useForm } from "../parts/form";
import { Alert, Loading, Page } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { t } from "../text";
import { chooseTheme, onTheme, theme, type Theme, themes } from "../theme";

interface Session {
  id: number;
  createdAt: string;
  lastSeenAt: string;
  peer: string;
  current: boolean;
}

function Password({ me }: { me: Me }) {
  const [oldPassword, setOld] = useState("");
  const [password, setPassword] = useState("");
  const [done, setDone] = useState(false);
  const form = useForm(async () => {
    setDone(false);
    await post("/api/atelier/v1/password", { oldPassword, password });
    setDone(true);
    setOld("");
    setPassword("");
  });
  return (
    <section>
      <h2>{t.account.password}</h2>
      <form class="inline" onSubmit={form.onSubmit} aria-label={t.account.form}>
        <input class="unseen" type="email" autocomplete="username" value={me.email} readOnly tabIndex={-1} aria-label={t.account.account} />
        <Field label={t.account.old} type="password" autocomplete="current-password" required maxLength={256} value={oldPassword} problem={form.problem} field="oldPassword" onInput={(event) => setOld(event.currentTarget.value)} />
        <Field label={t.account.new} type="password" autocomplete="new-password" minLength={10} maxLength={256} required hint={t.account.newHint} value={password} problem={form.problem} field="password" onInput={(event) => setPassword(event.currentTarget.value)} />
        <button class="primary" disabled={form.busy}>{t.account.change}</button>
      </form>
      <Rest problem={form.problem} fields={["oldPassword", "password"]} />
      <p role="status">{done ? t.account.changed(me.email) : ""}</p>
    </section>
  );
}

function Colours() {
  const [chosen, setChosen] = useState(theme());
  useEffect(() => onTheme(() => setChosen(theme())), []);
  return (
    <section>
      <Choice label={t.account.colours} options={themes.map((one) => [one, t.themes[one]])} value={chosen} onChange={(event) => chooseTheme(event.currentTarget.value as Theme)} />
    </section>
  );
}

export function Account({ me, left }: { me: Me; left: () => Promise<void> }) {
  const path = "/api/atelier/v1/sessions";
  const sessions = useList<{ items: Session[] }>(path);
  const [leaving, setLeaving] = useState(false);
  const [failed, setFailed] = useState<Problem | null>(null);
  const row = (session: Session): Row => ({
    key: String(session.id),
    cells: [day(session.createdAt), session.peer, session.current ? <strong>{t.account.current}</strong> : day(session.lastSeenAt)],
    actions: session.current ? null : (
      <button aria-label={t.account.endOf(day(session.createdAt))} onClick={() => void remove(`${path}/${session.id}`).then(() => setFailed(null), setFailed)}>{t.account.end}</button>
    ),
  });
  return (
    <Page title={t.account.title} lead={me.email} actions={<button onClick={() => setLeaving(true)}>{t.account.everywhere}</button>}>
      <Password me={me} />
      <h2>{t.account.sessions}</h2>
      <Alert problem={failed ?? sessions.problem} />
      {sessions.data ? <Table label={t.account.sessions} heads={[t.account.since, t.account.from, t.account.seen]} rows={sessions.data.items.map(row)} /> : sessions.problem ? null : <Loading />}
      <Colours />
      {leaving ? (
        <Sure title={t.account.everywhereTitle} text={t.account.everywhereText(me.email)} action={() => post("/auth/logout-everywhere", {}).then(left)} close={() => setLeaving(false)} />
      ) : null}
    </Page>
  );
}
