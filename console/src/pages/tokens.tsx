// API tokens: made, shown once, revoked.
import { useState } from "preact/hooks";
import { type Me, post, remove, type Token } from "../api";
import { day } from "../format";
import { useList } from "../live";
import { Once, Sure } from "../parts/dialog";
import { Choice, Field, Rest, useForm } from "../parts/form";
import { Alert, Empty, Loading, Page } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { t } from "../text";
import { lifetimes, opens, tokensPath as path } from "./token_parts";

export function Tokens({ me }: { me: Me }) {
  const tokens = useList<{ items: Token[] }>(path);
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [fresh, setFresh] = useState<Token | null>(null);
  const [ask, setAsk] = useState<Token | null>(null);
  const form = useForm(async () => {
    const made = await post<Token>(path, { name, ttlSeconds: Number(days) * 86400 });
    setFresh(made);
    setName("");
  });
  const row = (token: Token): Row => ({
    key: String(token.id),
    cells: [token.name || t.tokens.noName, ...(me.platformAdmin ? [token.email] : []), opens(token), day(token.createdAt), day(token.expiresAt, t.time.noEnd), day(token.lastUsedAt)],
    actions: <button class="danger" aria-label={t.tokens.revokeOf(token.name || t.tokens.noNameToken)} onClick={() => setAsk(token)}>{t.tokens.revoke}</button>,
  });
  const heads = [t.tokens.what, ...(me.platformAdmin ? [t.tokens.whose] : []), t.tokens.opens, t.tokens.made, t.tokens.until, t.tokens.used];
  return (
    <Page title={t.tokens.title} lead={t.tokens.lead(me.email)}>
      <section>
        <form class="inline" onSubmit={form.onSubmit} aria-label={t.tokens.form}>
          <Field label={t.tokens.what} required maxLength={64} value={name} autocomplete="off" problem={form.problem} field="name" onInput={(event) => setName(event.currentTarget.value)} />
          <Choice label={t.tokens.valid} options={lifetimes} value={days} problem={form.problem} field="ttlSeconds" onChange={(event) => setDays(event.currentTarget.value)} />
          <button class="primary" disabled={form.busy}>{t.tokens.create}</button>
        </form>
        <Rest problem={form.problem} fields={["name", "ttlSeconds"]} />
      </section>
      <Alert problem={tokens.problem} />
      {fresh?.token ? <Once label={t.tokens.fresh} value={fresh.token} /> : null}
      {fresh?.named ? <Once label={t.tokens.named} value={fresh.named} /> : null}
      {tokens.data && tokens.data.items.length > 0 ? <Table label={t.tokens.title} heads={heads} rows={tokens.data.items.map(row)} />
        : tokens.data ? <Empty>{t.tokens.none}</Empty> : tokens.problem ? null : <Loading />}
      {ask ? (
        <Sure title={t.tokens.revokeTitle} text={t.tokens.revokeText(ask.name || t.tokens.noName)}
          action={async () => { await remove(`${path}/${ask.id}`); setFresh(null); }} close={() => setAsk(null)} />
      ) : null}
    </Page>
  );
}
