// `atelier login` asks through a link: may this command line act as whoever is signed in here? Only a click says yes.
import { useState } from "preact/hooks";
import { type Me, post } from "../api";
import { Once } from "../parts/dialog";
import { Rest, useForm } from "../parts/form";
import { Empty } from "../parts/page";
import { Logo } from "../shell";
import { t } from "../text";

const path = "/api/atelier/v1/cli-approvals";
const day_s = 86400;

// Nothing but this machine's own loopback is ever sent the code: the port is all that the link may choose.
function answerTo(port: string | null, answer: Record<string, string>): string | null {
  const number = Number(port ?? "");
  if (!port || !/^[0-9]{1,5}$/.test(port) || number < 1 || number > 65535) return null;
  return `http://127.0.0.1:${number}/?${new URLSearchParams(answer)}`;
}

export function ApproveCommandLine({ me, query }: { me: Me; query: URLSearchParams }) {
  const challenge = query.get("challenge") ?? "", host = query.get("host") ?? "", state = query.get("state") ?? "";
  const ttl = Number(query.get("ttl") ?? 90 * day_s);
  const [code, setCode] = useState("");
  const [over, setOver] = useState("");
  const form = useForm(async () => {
    const made = await post<{ code: string }>(path, { challenge, host, ttlSeconds: ttl });
    const back = answerTo(query.get("port"), { code: made.code, state });
    if (back) location.replace(back);
    else setCode(made.code);
  });
  const refuse = () => {
    const back = answerTo(query.get("port"), { error: "denied", state });
    if (back) location.replace(back);
    else setOver(t.approve.refused);
  };
  const told = !/^[A-Za-z0-9_-]{43}$/.test(challenge) || !host || !Number.isInteger(ttl) || ttl < 1 ? t.approve.incomplete : over;
  const term = ttl >= 2 * day_s ? t.approve.days(Math.round(ttl / day_s)) : t.approve.hours(Math.ceil(ttl / 3600));
  if (told || code) {
    return (
      <main class="narrow" id="main">
        <Logo />
        <h1>{t.approve.title}</h1>
        {told ? <Empty>{told}</Empty> : <Once label={t.approve.code} value={code} />}
      </main>
    );
  }
  return (
    <main class="narrow" id="main">
      <Logo />
      <section>
        <h1>{t.approve.ask}</h1>
        <p>{t.approve.asks(host, me.email)} {t.approve.may(term)}</p>
        <p><strong>{t.approve.only}</strong></p>
        <form onSubmit={form.onSubmit}>
          <Rest problem={form.problem} />
          <footer>
            <button type="button" onClick={refuse}>{t.approve.refuse}</button>
            <button class="primary" disabled={form.busy}>{t.approve.allow}</button>
          </footer>
        </form>
      </section>
    </main>
  );
}
