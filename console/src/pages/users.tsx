// The users of the platform, for its admins: invite, new links, disable, delete.
import { useState } from "preact/hooks";
import { call, type Me, post, type Problem, remove, type User } from "../api";
import { day } from "../format";
import { useList } from "../live";
import { Once, Sure } from "../parts/dialog";
import { Check, Field, Rest, useForm } from "../parts/form";
import { Alert, Loading, Page, State } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { t } from "../text";

type Ask = { what: "disable" | "delete" | "link"; user: User };

export function Users({ me }: { me: Me }) {
  const path = "/api/atelier/v1/users";
  const users = useList<{ items: User[] }>(path);
  const [email, setEmail] = useState("");
  const [admin, setAdmin] = useState(false);
  const [link, setLink] = useState<{ label: string; url: string } | null>(null);
  const [ask, setAsk] = useState<Ask | null>(null);
  const [failed, setFailed] = useState<Problem | null>(null);
  const own = (user: User) => `${path}/${encodeURIComponent(user.email)}`;
  const close = () => setAsk(null);
  const form = useForm(async () => {
    const made = await post<User>(path, { email, ...(admin ? { platformAdmin: true } : {}) });
    setLink({ label: t.users.link(made.email), url: made.invitationUrl ?? "" });
    setEmail("");
    setAdmin(false);
  });
  const disable = (user: User, disabled: boolean) => call("PATCH", own(user), { disabled });
  const row = (user: User): Row => ({
    key: user.email,
    cells: [user.email, user.platformAdmin ? t.users.isAdmin : t.users.isUser, <State phase={user.state} />, day(user.createdAt)],
    actions: (
      <>
        {user.state === "disabled" ? null : <button aria-label={t.users.newLinkOf(user.email)} onClick={() => setAsk({ what: "link", user })}>{t.users.newLink}</button>}
        {user.email === me.email ? null : user.state === "disabled" ? (
          <button aria-label={t.users.enableOf(user.email)} onClick={() => void disable(user, false).then(() => setFailed(null), setFailed)}>{t.users.enable}</button>
        ) : <button class="danger" aria-label={t.users.disableOf(user.email)} onClick={() => setAsk({ what: "disable", user })}>{t.users.disable}</button>}
        {user.email === me.email ? null : <button class="danger" aria-label={t.users.deleteOf(user.email)} onClick={() => setAsk({ what: "delete", user })}>{t.users.delete}</button>}
      </>
    ),
  });
  return (
    <Page title={t.users.title}>
      <section>
        <form class="inline" onSubmit={form.onSubmit} aria-label={t.users.form}>
          <Field label={t.users.email} type="email" required maxLength={254} value={email} autocomplete="off" problem={form.problem} field="email" onInput={(event) => setEmail(event.currentTarget.value)} />
          <Check label={t.users.admin} checked={admin} onChange={(event) => setAdmin(event.currentTarget.checked)} />
          <button class="primary" disabled={form.busy}>{t.users.create}</button>
        </form>
        <Rest problem={form.problem} fields={["email"]} />
      </section>
      <Alert problem={failed ?? users.problem} />
      {link ? <Once label={link.label} value={link.url} /> : null}
      {users.data ? <Table label={t.users.title} heads={[t.users.email, t.users.kind, t.users.state, t.users.made]} rows={users.data.items.map(row)} /> : users.problem ? null : <Loading />}
      {ask?.what === "link" ? (
        <Sure title={t.users.linkTitle} text={t.users.linkText(ask.user.email)} close={close} action={async () => {
          const made = await post<{ url: string }>(`${own(ask.user)}/reset-link`, {});
          setLink({ label: t.users.newLinkFor(ask.user.email), url: made.url });
        }} />
      ) : null}
      {ask?.what === "disable" ? (
        <Sure title={t.users.disableTitle} text={t.users.disableText(ask.user.email)} action={async () => { await disable(ask.user, true); }} close={close} />
      ) : null}
      {ask?.what === "delete" ? (
        <Sure title={t.users.deleteTitle} confirm={ask.user.email} text={t.users.deleteText(ask.user.email)} action={async () => { await remove(own(ask.user)); }} close={close} />
      ) : null}
    </Page>
  );
}
