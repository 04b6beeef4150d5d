// Tokens that open one application and do nothing else: which there are, and how one is made. Shown once, with a line that tries it.
import { useState } from "preact/hooks";
import { post, type ProfileEntry, remove, type Token } from "../api";
import { day } from "../format";
import { useList } from "../live";
import { Dialog, Once, Sure } from "../parts/dialog";
import { Choice, Field, Rest, useForm } from "../parts/form";
import { Alert } from "../parts/page";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { t } from "../text";

export const tokensPath = "/api/atelier/v1/tokens";
export const lifetimes: [string, string][] = [["7", t.tokens.week], ["30", t.tokens.month], ["90", t.tokens.quarter], ["365", t.tokens.year]];

// "/serve/alice/hello/hello"; without an application a token does what its person may.
export const opens = ({ application }: Token) => (application ? `/serve/${application.namespace}/${application.name}${application.prefix}` : t.tokens.everything);

function NewToken({ profile, name, route, close }: { profile: string; name: string; route: string; close: () => void }) {
  const [label, setLabel] = useState("");
  const [days, setDays] = useState("90");
  const [fresh, setFresh] = useState<Token | null>(null);
  const address = `${location.origin}/serve/${profile}/${name}${route}`;
  const form = useForm(async () => {
    setFresh(await post<Token>(tokensPath, { name: label, ttlSeconds: Number(days) * 86400, application: { namespace: profile, kind: "RayService", name, prefix: route } }));
  });
  return (
    <Dialog title={t.tokens.forOf(route)} close={close}>
      {fresh?.token ? (
        <>
          <Once label={t.tokens.fresh} value={fresh.token} />
          <Once label={t.tokens.tryIt} value={`curl -H 'Authorization: Bearer ${fresh.token}' ${address}`} />
        </>
      ) : (
        <form onSubmit={form.onSubmit}>
          <p>{t.tokens.forText(address)}</p>
          <Field label={t.tokens.what} required maxLength={64} value={label} autocomplete="off" problem={form.problem} field="name" onInput={(event) => setLabel(event.currentTarget.value)} />
          <Choice label={t.tokens.valid} options={lifetimes} value={days} problem={form.problem} field="ttlSeconds" onChange={(event) => setDays(event.currentTarget.value)} />
          <Rest problem={form.problem} fields={["name", "ttlSeconds"]} />
          <footer>
            <button type="button" onClick={close}>{t.cancel}</button>
            <button class="primary" disabled={form.busy}>{t.tokens.create}</button>
          </footer>
        </form>
      )}
    </Dialog>
  );
}

// Those of the Ray service <name>. <route>: one is to be made for it; <made>: that is over.
export function ApplicationTokens({ entry, name, route, made }: { entry: ProfileEntry; name: string; route: string | null; made: () => void }) {
  const base = `/api/atelier/v1/profiles/${encodeURIComponent(entry.name)}/tokens`;
  const tokens = useList<{ items: Token[] }>(base);
  const [ask, setAsk] = useState<Token | null>(null);
  const manages = may("manage", entry);
  const found = (tokens.data?.items ?? []).filter(({ application }) => application?.kind === "RayService" && application.name === name);
  const row = (token: Token): Row => ({
    key: String(token.id),
    cells: [token.name, token.application?.prefix, token.email, day(token.expiresAt, t.time.noEnd), day(token.lastUsedAt)],
    actions: manages ? <button class="danger" aria-label={t.tokens.revokeOf(token.name)} onClick={() => setAsk(token)}>{t.tokens.revoke}</button> : null,
  });
  return (
    <>
      <Alert problem={tokens.problem} />
      {found.length > 0 ? <Table label={t.tokens.ofService} heads={[t.tokens.what, t.rayServices.route, t.tokens.whose, t.tokens.until, t.tokens.used]} rows={found.map(row)} actions={manages} /> : null}
      {route ? <NewToken profile={entry.name} name={name} route={route} close={made} /> : null}
      {ask ? (
        <Sure title={t.tokens.revokeTitle} text={t.tokens.revokeText(ask.name)}
          action={async () => { await remove(`${base}/${ask.id}`); }} close={() => setAsk(null)} />
      ) : null}
    </>
  );
}
