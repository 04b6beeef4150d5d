// Members: who is in this profile, with which role, for everything or for one thing; invite, change, remove; leave no doubt.
import { useState } from "preact/hooks";
import { call, get, type List, type Me, type Member, paths, post, type Problem, type ProfileEntry, remove } from "../api";
import { day } from "../format";
import { useData, useList } from "../live";
import { Dialog, Sure } from "../parts/dialog";
import { Choice, Field, Rest, useForm } from "../parts/form";
import { Alert, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may, roleName } from "../rights";
import { go } from "../router";
import { t } from "../text";

const roles: [string, string][] = [["viewer", t.members.viewer], ["editor", t.members.editor], ["admin", t.members.admin]];
const terms: [string, string][] = [["", t.time.noEnd], ["1", t.members.termDay], ["7", t.members.termWeek], ["30", t.members.termMonth], ["90", t.members.termQuarter]];
const again_ms = 10_000; // what there is to share; the members themselves are watched

function Share({ profile, base }: { profile: string; base: string }) {
  const namesOf = (path: string) => useData(() => get<List>(path), path, { every_ms: again_ms }).data?.items.map((item) => item.metadata.name).sort() ?? [];
  const notebooks = namesOf(paths.notebooks(profile));
  const clusters = namesOf(paths.rayclusters(profile));
  const [email, setEmail] = useState("");
  const [grant, setGrant] = useState("editor");
  const [scope, setScope] = useState("");
  const [days, setDays] = useState("");
  const form = useForm(async () => {
    const [kind, name] = scope.split("/");
    await post(base, {
      subject: { kind: "User", name: email },
      role: grant,
      ...(scope ? { resource: { kind, name } } : {}),
      ...(days ? { expiresAt: new Date(Date.now() + Number(days) * 86_400_000).toISOString() } : {}),
    });
    setEmail("");
  });
  const scopes: [string, string][] = [
    ["", t.members.whole],
    ...notebooks.map((name): [string, string] => [`Notebook/${name}`, t.members.onlyNotebook(name)]),
    ...clusters.map((name): [string, string] => [`RayCluster/${name}`, t.members.onlyCluster(name)]),
  ];
  return (
    <>
      <form class="inline" onSubmit={form.onSubmit} aria-label={t.members.share}>
        <Field label={t.members.email} type="email" required maxLength={254} value={email} autocomplete="off" problem={form.problem} field="subject" onInput={(event) => setEmail(event.currentTarget.value)} />
        <Choice label={t.members.role} options={roles} value={grant} onChange={(event) => setGrant(event.currentTarget.value)} />
        <Choice label={t.members.for} options={scopes} value={scope} onChange={(event) => setScope(event.currentTarget.value)} />
        <Choice label={t.members.until} options={terms} value={days} onChange={(event) => setDays(event.currentTarget.value)} />
        <button class="primary" disabled={form.busy}>{t.members.share}</button>
      </form>
      {scope ? <p class="hint">{t.members.scopeHint}</p> : null}
      <Rest problem={form.problem} fields={["subject"]} />
    </>
  );
}

function Transfer({ profile, action, close }: { profile: string; action: (email: string) => Promise<void>; close: () => void }) {
  const [email, setEmail] = useState("");
  const form = useForm(async () => {
    await action(email);
    close();
  });
  return (
    <Dialog title={t.members.transferTitle} close={close}>
      <form onSubmit={form.onSubmit}>
        <p>{t.members.transferText(profile)}</p>
        <Field label={t.members.newOwner} type="email" required maxLength={254} value={email} autocomplete="off" problem={form.problem} field="email" onInput={(event) => setEmail(event.currentTarget.value)} />
        <Rest problem={form.problem} fields={["email"]} />
        <footer>
          <button type="button" onClick={close}>{t.cancel}</button>
          <button class="danger" disabled={form.busy}>{t.members.transferTitle}</button>
        </footer>
      </form>
    </Dialog>
  );
}

export function Members({ me, entry, done }: { me: Me; entry: ProfileEntry; done: () => Promise<void> }) {
  const profile = entry.name;
  const base = `/api/atelier/v1/profiles/${encodeURIComponent(profile)}/members`;
  const members = useList<{ items: Member[] }>(base);
  const [ask, setAsk] = useState<Member | "profile" | "owner" | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const mayManage = may("manage", entry);
  const close = () => setAsk(null);
  const change = (member: Member, role: string) =>
    call("PATCH", `${base}/${member.id}`, { role }).then(() => setFailed(null), setFailed);
  const row = (member: Member): Row => {
    const mine = member.subject.name === me.email;
    const free = mayManage && member.role !== "owner";
    return {
      key: String(member.id),
      cells: [
        mine ? t.members.you(member.subject.name) : member.subject.name,
        free && !mine ? (
          <select aria-label={t.members.roleOf(member.subject.name)} value={member.role} onChange={(event) => void change(member, event.currentTarget.value)}>
            {roles.map(([value]) => <option key={value} value={value}>{roleName(value)}</option>)}
          </select>
        ) : roleName(member.role),
        member.resource ? `${member.resource.kind === "Notebook" ? t.notebooks.what : t.ray.what} ${member.resource.name}` : t.members.whole,
        <State phase={member.state} text={member.state === "pending" ? t.members.pendingText : undefined} />,
        day(member.expiresAt, t.time.noEnd),
      ],
      actions: free ? <button class="danger" aria-label={t.members.removeOf(member.subject.name)} onClick={() => setAsk(member)}>{t.remove}</button> : null,
    };
  };
  return (
    <Page title={t.members.title}>
      {mayManage ? <section><Share profile={profile} base={base} /></section> : null}
      <Alert problem={failed ?? members.problem} />
      {members.data ? <Table label={t.members.title} heads={[t.members.who, t.members.role, t.members.for, t.members.state, t.members.until]} rows={members.data.items.map(row)} actions={mayManage} />
        : members.problem ? null : <Loading />}
      {mayManage ? (
        <p class="actions">
          {may("transfer", entry) ? <button onClick={() => setAsk("owner")}>{t.members.transfer}</button> : null}
          <button class="danger" onClick={() => setAsk("profile")}>{t.members.deleteProfile}</button>
        </p>
      ) : null}
      {ask === "profile" ? (
        <Sure title={t.members.deleteTitle} confirm={profile} text={t.members.deleteText(profile)}
          action={async () => { await remove(`${paths.profiles}/${encodeURIComponent(profile)}`); await done(); go("/"); }} close={close} />
      ) : ask === "owner" ? (
        <Transfer profile={profile} close={close} action={async (email) => {
          await call("PUT", `/api/atelier/v1/profiles/${encodeURIComponent(profile)}/owner`, { email });
          await done();
        }} />
      ) : ask ? (
        <Sure title={t.members.removeTitle} text={t.members.removeText(ask.subject.name)}
          action={async () => { await remove(`${base}/${ask.id}`); }} close={close} />
      ) : null}
    </Page>
  );
}
