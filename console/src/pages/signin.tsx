// The way in: e-mail and password; and the password that a person who came by link sets.
import { useState } from "preact/hooks";
import { post } from "../api";
import { arrive } from "../begin";
import { Field, Rest, useForm } from "../parts/form";
import { Languages, Logo } from "../shell";
import { t } from "../text";

function safeNext(next: string | null): string {
  return next && /^\/(?![/\\])/.test(next) && !/[\u0000-\u001f\\]/.test(next) ? next : "/";
}

export function SignIn({ next, done }: { next: string | null; done: () => Promise<void> }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const form = useForm(async () => {
    await post("/auth/login", { email, password });
    const target = safeNext(next);
    if (/^\/(notebook|ray|serve)\//.test(target)) location.assign(target);
    else {
      arrive();
      history.replaceState(null, "", target);
      await done();
    }
  });
  return (
    <main class="narrow" id="main">
      <Logo />
      <section>
        <h1>{t.signIn.title}</h1>
        <form onSubmit={form.onSubmit}>
          <Field label={t.signIn.email} type="email" autocomplete="username" required value={email} onInput={(event) => setEmail(event.currentTarget.value)} />
          <Field label={t.signIn.password} type="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
          <Rest problem={form.problem} />
          <footer><button class="primary" disabled={form.busy}>{t.signIn.title}</button></footer>
        </form>
      </section>
      <p class="hint">{t.signIn.hint}</p>
      <Languages />
    </main>
  );
}

export function SetPassword({ email, done }: { email: string; done: () => Promise<void> }) {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const form = useForm(async () => {
    await post("/api/atelier/v1/password", { password });
    await done();
  });
  const differ = again !== "" && again !== password;
  return (
    <main class="narrow" id="main">
      <Logo />
      <section>
        <h1>{t.signIn.welcome(email)}</h1>
        <p>{t.signIn.choose}</p>
        <form onSubmit={form.onSubmit}>
          <Field label={t.signIn.newPassword} type="password" autocomplete="new-password" minLength={10} maxLength={256} required hint={t.signIn.newHint} problem={form.problem} field="password" value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
          <Field label={t.signIn.repeat} type="password" autocomplete="new-password" required value={again} onInput={(event) => setAgain(event.currentTarget.value)} hint={differ ? t.signIn.differ : undefined} />
          <Rest problem={form.problem} fields={["password"]} />
          <footer><button class="primary" disabled={form.busy || differ}>{t.signIn.set}</button></footer>
        </form>
      </section>
      <Languages />
    </main>
  );
}
