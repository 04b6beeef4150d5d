// Members: who is in this profile, with which role, for everything or for one thing; invite, change, remove; leave no doubt.
import { useState } from "preact/hooks";
import { call, get, type Me, type Member, paths, post, type Problem, type ProfileEntry, remove } from "./api";
import { day } from "./format";
import { Alert, Choice, Dialog, Empty, Field, Page, type Row, State, Sure, Table, useData, useForm, useObjects } from "./parts";
import { may } from "./rights";
import { go } from "./router";

const roles: [string, string][] = [
  ["viewer", "viewer: sees everything but secrets"],
  ["editor", "editor: starts, stops and runs"],
  ["admin", "admin: also members and quotas"],
];
const terms: [string, string][] = [["", "no end"], ["1", "a day"], ["7", "a week"], ["30", "30 days"], ["90", "90 days"]];

function Share({ profile, base, again }: { profile: string; base: string; again: () => void }) {
  const notebooks = useObjects(paths.notebooks(profile));
  const clusters = useObjects(paths.rayclusters(profile));
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
    again();
  });
  const scopes: [string, string][] = [
    ["", "the whole profile"],
    ...(notebooks.items ?? []).map((item): [string, string] => [`Notebook/${item.metadata.name}`, `only notebook ${item.metadata.name}`]),
    ...(clusters.items ?? []).map((item): [string, string] => [`RayCluster/${item.metadata.name}`, `only Ray cluster ${item.metadata.name}`]),
  ];
  return (
    <>
      <form class="inline" onSubmit={form.onSubmit} aria-label="Share">
        <Field label="E-mail" type="email" required maxLength={254} value={email} autocomplete="off" problem={form.problem} field="subject" onInput={(event) => setEmail(event.currentTarget.value)} />
        <Choice label="Role" options={roles} value={grant} onChange={(event) => setGrant(event.currentTarget.value)} />
        <Choice label="For" options={scopes} value={scope} onChange={(event) => setScope(event.currentTarget.value)} />
        <Choice label="Until" options={terms} value={days} onChange={(event) => setDays(event.currentTarget.value)} />
        <button class="primary" disabled={form.busy}>Share</button>
      </form>
      {scope ? <p class="hint">Who opens one notebook or cluster reaches what it reaches: the profile's home files, and through the profile's Ray token its clusters.</p> : null}
      <Alert problem={form.problem && !form.problem.field.startsWith("subject") ? form.problem : null} />
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
    <Dialog title="Transfer ownership" close={close}>
      <form onSubmit={form.onSubmit}>
        <p>{profile} gets another owner, at once. Only they can give it back.</p>
        <Field label="New owner's e-mail" type="email" required maxLength={254} value={email} autocomplete="off" problem={form.problem} field="email" onInput={(event) => setEmail(event.currentTarget.value)} />
        <Alert problem={form.problem && form.problem.field !== "email" ? form.problem : null} />
        <footer>
          <button type="button" onClick={close}>Cancel</button>
          <button class="danger" disabled={form.busy}>Transfer ownership</button>
        </footer>
      </form>
    </Dialog>
  );
}

export function Members({ me, entry, done }: { me: Me; entry: ProfileEntry; done: () => Promise<void> }) {
  const profile = entry.name;
  const base = `/api/atelier/v1/profiles/${encodeURIComponent(profile)}/members`;
  const members = useData(() => get<{ items: Member[] }>(base), base);
  const [ask, setAsk] = useState<Member | "profile" | "owner" | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const mayManage = may("manage", entry);
  const close = () => setAsk(null);
  const change = (member: Member, role: string) =>
    call("PATCH", `${base}/${member.id}`, { role }).then(() => setFailed(null), setFailed).finally(members.again);
  const row = (member: Member): Row => {
    const mine = member.subject.name === me.email;
    const free = mayManage && member.role !== "owner";
    return {
      key: String(member.id),
      cells: [
        mine ? `${member.subject.name} (you)` : member.subject.name,
        free && !mine ? (
          <select aria-label={`Role of ${member.subject.name}`} value={member.role} onChange={(event) => void change(member, event.currentTarget.value)}>
            {roles.map(([value]) => <option key={value} value={value}>{value}</option>)}
          </select>
        ) : member.role,
        member.resource ? `${member.resource.kind} ${member.resource.name}` : "the whole profile",
        <State phase={member.state} text={member.state === "pending" ? "active once there is an account with this e-mail" : undefined} />,
        day(member.expiresAt, "no end"),
      ],
      actions: free ? <button class="danger" aria-label={`Remove ${member.subject.name}`} onClick={() => setAsk(member)}>Remove</button> : null,
    };
  };
  return (
    <Page title="Members">
      {mayManage ? <Share profile={profile} base={base} again={members.again} /> : null}
      <Alert problem={failed ?? members.problem} />
      {members.data ? <Table label="Members" heads={["Who", "Role", "For", "State", "Until"]} rows={members.data.items.map(row)} actions={mayManage} />
        : members.problem ? null : <Empty>Loading…</Empty>}
      {mayManage ? (
        <p class="actions">
          {may("transfer", entry) ? <button onClick={() => setAsk("owner")}>Transfer ownership…</button> : null}
          <button class="danger" onClick={() => setAsk("profile")}>Delete this profile…</button>
        </p>
      ) : null}
      {ask === "profile" ? (
        <Sure title="Delete profile" confirm={profile} text={`Every notebook, Ray cluster, file and member of ${profile} is removed. This cannot be undone.`}
          action={async () => { await remove(`${paths.profiles}/${encodeURIComponent(profile)}`); await done(); go("/"); }} close={close} />
      ) : ask === "owner" ? (
        <Transfer profile={profile} close={close} action={async (email) => {
          await call("PUT", `/api/atelier/v1/profiles/${encodeURIComponent(profile)}/owner`, { email });
          members.again();
          await done();
        }} />
      ) : ask ? (
        <Sure title="Remove member" text={`${ask.subject.name} loses access at once; their open tabs close.`}
          action={async () => { await remove(`${base}/${ask.id}`); members.again(); }} close={close} />
      ) : null}
    </Page>
  );
}
