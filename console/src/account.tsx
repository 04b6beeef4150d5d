// One's own account: API tokens, sessions, password; and for platform admins the users.
import { useState } from "preact/hooks";
import { call, get, type Me, post, type Problem, remove, type Token, type User } from "./api";
import { day } from "./format";
import { Alert, Choice, Empty, Field, Once, Page, type Row, State, Sure, Table, useData, useForm } from "./parts";

export function Tokens({ me }: { me: Me }) {
  const path = "/api/atelier/v1/tokens";
  const tokens = useData(() => get<{ items: Token[] }>(path), path);
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [fresh, setFresh] = useState<string | null>(null);
  const [ask, setAsk] = useState<Token | null>(null);
  const form = useForm(async () => {
    const made = await post<Token>(path, { name, ttlSeconds: Number(days) * 86400 });
    setFresh(made.token ?? null);
    setName("");
    tokens.again();
  });
  const row = (token: Token): Row => ({
    key: String(token.id),
    cells: [token.name || "(no name)", ...(me.platformAdmin ? [token.email] : []), day(token.createdAt), day(token.expiresAt, "no end"), day(token.lastUsedAt)],
    actions: <button class="danger" aria-label={`Revoke ${token.name || "the token without a name"}`} onClick={() => setAsk(token)}>Revoke</button>,
  });
  const heads = ["What for", ...(me.platformAdmin ? ["Whose"] : []), "Made", "Valid until", "Last used"];
  return (
    <Page title="Tokens">
      <p>A token lets a script or <code>ray job submit</code> act as {me.email}. It can do all that you can: keep it like a password.</p>
      <form class="inline" onSubmit={form.onSubmit} aria-label="New token">
        <Field label="What for" required maxLength={64} value={name} autocomplete="off" problem={form.problem} field="name" onInput={(event) => setName(event.currentTarget.value)} />
        <Choice label="Valid for" options={[["7", "a week"], ["30", "a month"], ["90", "90 days"], ["365", "a year"]]} value={days} onChange={(event) => setDays(event.currentTarget.value)} />
        <button class="primary" disabled={form.busy}>Create token</button>
      </form>
      <Alert problem={form.problem && form.problem.field !== "name" ? form.problem : tokens.problem} />
      {fresh ? <Once label="Your new token. It is shown only now." value={fresh} /> : null}
      {tokens.data && tokens.data.items.length > 0 ? <Table label="Tokens" heads={heads} rows={tokens.data.items.map(row)} />
        : tokens.data ? <Empty>No tokens yet.</Empty> : tokens.problem ? null : <Empty>Loading…</Empty>}
      {ask ? (
        <Sure title="Revoke token" text={`Whatever uses "${ask.name || "(no name)"}" is refused at once. This cannot be undone; a new token can be made.`}
          action={async () => { await remove(`${path}/${ask.id}`); setFresh(null); tokens.again(); }} close={() => setAsk(null)} />
      ) : null}
    </Page>
  );
}

interface Session {
  id: number;
  createdAt: string;
  lastSeenAt: string;
  peer: string;
  current: boolean;
}

function Password({ me, changed }: { me: Me; changed: () => void }) {
  const [oldPassword, setOld] = useState("");
  const [password, setPassword] = useState("");
  const [done, setDone] = useState(false);
  const form = useForm(async () => {
    setDone(false);
    await post("/api/atelier/v1/password", { oldPassword, password });
    setDone(true);
    setOld("");
    setPassword("");
    changed();
  });
  return (
    <section>
      <h2>Password</h2>
      <form class="inline" onSubmit={form.onSubmit} aria-label="Change password">
        <input class="unseen" type="email" autocomplete="username" value={me.email} readOnly tabIndex={-1} aria-label="Account" />
        <Field label="Old password" type="password" autocomplete="current-password" required maxLength={256} value={oldPassword} problem={form.problem} field="oldPassword" onInput={(event) => setOld(event.currentTarget.value)} />
        <Field label="New password" type="password" autocomplete="new-password" minLength={10} maxLength={256} required hint="At least 10 characters." value={password} problem={form.problem} field="password" onInput={(event) => setPassword(event.currentTarget.value)} />
        <button class="primary" disabled={form.busy}>Change password</button>
      </form>
      {form.problem && !form.problem.field ? <Alert problem={form.problem} /> : null}
      <p role="status">{done ? `Changed. All other sessions of ${me.email} have ended.` : ""}</p>
    </section>
  );
}

export function Account({ me, left }: { me: Me; left: () => Promise<void> }) {
  const path = "/api/atelier/v1/sessions";
  const sessions = useData(() => get<{ items: Session[] }>(path), path);
  const [leaving, setLeaving] = useState(false);
  const [failed, setFailed] = useState<Problem | null>(null);
  const row = (session: Session): Row => ({
    key: String(session.id),
    cells: [day(session.createdAt), session.peer, session.current ? <strong>this one, now</strong> : day(session.lastSeenAt)],
    actions: session.current ? null : (
      <button aria-label={`End the session of ${day(session.createdAt)}`} onClick={() => void remove(`${path}/${session.id}`).then(() => setFailed(null), setFailed).finally(sessions.again)}>End</button>
    ),
  });
  return (
    <Page title="Account" actions={<button onClick={() => setLeaving(true)}>Sign out everywhere…</button>}>
      <Password me={me} changed={sessions.again} />
      <h2>Sessions</h2>
      <Alert problem={failed ?? sessions.problem} />
      {sessions.data ? <Table label="Sessions" heads={["Since", "From", "Last seen"]} rows={sessions.data.items.map(row)} /> : sessions.problem ? null : <Empty>Loading…</Empty>}
      {leaving ? (
        <Sure title="Sign out everywhere" text={`Every browser that is signed in as ${me.email} is signed out, this one too. Tokens stay.`}
          action={() => post("/auth/logout-everywhere", {}).then(left)} close={() => setLeaving(false)} />
      ) : null}
    </Page>
  );
}

type Ask = { what: "disable" | "delete" | "link"; user: User };

export function Users({ me }: { me: Me }) {
  const path = "/api/atelier/v1/users";
  const users = useData(() => get<{ items: User[] }>(path), path);
  const [email, setEmail] = useState("");
  const [admin, setAdmin] = useState(false);
  const [link, setLink] = useState<{ label: string; url: string } | null>(null);
  const [ask, setAsk] = useState<Ask | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const own = (user: User) => `${path}/${encodeURIComponent(user.email)}`;
  const close = () => setAsk(null);
  const form = useForm(async () => {
    const made = await post<User>(path, { email, ...(admin ? { platformAdmin: true } : {}) });
    setLink({ label: `Send this link to ${made.email}: it sets their password, once.`, url: made.invitationUrl ?? "" });
    setEmail("");
    setAdmin(false);
    users.again();
  });
  const disable = (user: User, disabled: boolean) => call("PATCH", own(user), { disabled });
  const row = (user: User): Row => ({
    key: user.email,
    cells: [user.email, user.platformAdmin ? "platform admin" : "user", <State phase={user.state} />, day(user.createdAt)],
    actions: (
      <>
        {user.state === "disabled" ? null : <button aria-label={`New link for ${user.email}`} onClick={() => setAsk({ what: "link", user })}>New link</button>}
        {user.email === me.email ? null : user.state === "disabled" ? (
          <button aria-label={`Enable ${user.email}`} onClick={() => void disable(user, false).then(() => setFailed(null), setFailed).finally(users.again)}>Enable</button>
        ) : <button class="danger" aria-label={`Disable ${user.email}`} onClick={() => setAsk({ what: "disable", user })}>Disable</button>}
        {user.email === me.email ? null : <button class="danger" aria-label={`Delete ${user.email}`} onClick={() => setAsk({ what: "delete", user })}>Delete</button>}
      </>
    ),
  });
  return (
    <Page title="Users">
      <form class="inline" onSubmit={form.onSubmit} aria-label="New account">
        <Field label="E-mail" type="email" required maxLength={254} value={email} autocomplete="off" problem={form.problem} field="email" onInput={(event) => setEmail(event.currentTarget.value)} />
        <label class="check"><input type="checkbox" checked={admin} onChange={(event) => setAdmin(event.currentTarget.checked)} /> Platform admin</label>
        <button class="primary" disabled={form.busy}>Create account</button>
      </form>
      <Alert problem={form.problem && form.problem.field !== "email" ? form.problem : failed ?? users.problem} />
      {link ? <Once label={link.label} value={link.url} /> : null}
      {users.data ? <Table label="Users" heads={["E-mail", "Kind", "State", "Made"]} rows={users.data.items.map(row)} /> : users.problem ? null : <Empty>Loading…</Empty>}
      {ask?.what === "link" ? (
        <Sure title="Make a new link" text={`Who opens the link signs in as ${ask.user.email}, once, and sets a new password.`} close={close} action={async () => {
          const made = await post<{ url: string }>(`${own(ask.user)}/reset-link`, {});
          setLink({ label: `A new link for ${ask.user.email}`, url: made.url });
        }} />
      ) : null}
      {ask?.what === "disable" ? (
        <Sure title="Disable account" text={`${ask.user.email} is signed out everywhere and cannot sign in until the account is enabled again. Profiles and files stay.`}
          action={async () => { await disable(ask.user, true); users.again(); }} close={close} />
      ) : null}
      {ask?.what === "delete" ? (
        <Sure title="Delete account" confirm={ask.user.email} text={`${ask.user.email} leaves every profile, and their tokens end. This cannot be undone.`}
          action={async () => { await remove(own(ask.user)); users.again(); }} close={close} />
      ) : null}
    </Page>
  );
}
