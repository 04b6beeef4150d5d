// `atelier login` asks through a link: may this command line act as whoever is signed in here? Only a click says yes.
import { useState } from "preact/hooks";
import { type Me, post } from "./api";
import { Alert, Empty, Once, useForm } from "./parts";
import { Logo } from "./signin";

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
    else setOver("Nothing was allowed. You may close this tab.");
  };
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge) || !host || !Number.isInteger(ttl) || ttl < 1)
    return <main class="narrow" id="main"><Logo /><h1>Sign in a command line</h1><Empty>This link is incomplete: run atelier login again.</Empty></main>;
  if (over) return <main class="narrow" id="main"><Logo /><h1>Sign in a command line</h1><Empty>{over}</Empty></main>;
  if (code) {
    return (
      <main class="narrow" id="main">
        <Logo />
        <h1>Sign in a command line</h1>
        <Once label="Type or paste this code where you ran atelier login. It is good for two minutes, once." value={code} />
      </main>
    );
  }
  return (
    <main class="narrow" id="main">
      <Logo />
      <h1>Sign in a command line?</h1>
      <p>The command line on <strong>{host}</strong> asks to act as <strong>{me.email}</strong>. It will be able to do all that you can, for {ttl >= 2 * day_s ? `${Math.round(ttl / day_s)} days` : `${Math.ceil(ttl / 3600)} hours`}, or until you revoke its token.</p>
      <p><strong>Allow it only if you have just run <code>atelier login</code> yourself.</strong></p>
      <form onSubmit={form.onSubmit}>
        <Alert problem={form.problem} />
        <footer>
          <button type="button" onClick={refuse}>Refuse</button>
          <button class="primary" disabled={form.busy}>Allow</button>
        </footer>
      </form>
    </main>
  );
}
