// The way in: e-mail and password; and the password that a person who came by link sets.
import { useState } from "preact/hooks";
import { post } from "./api";
import { Alert, Field, useForm } from "./parts";

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
      history.replaceState(null, "", target);
      await done();
    }
  });
  return (
    <main class="narrow" id="main">
      <Logo />
      <h1>Sign in</h1>
      <form onSubmit={form.onSubmit}>
        <Field label="E-mail" type="email" autocomplete="username" required value={email} onInput={(event) => setEmail(event.currentTarget.value)} />
        <Field label="Password" type="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        <Alert problem={form.problem} />
        <footer><button class="primary" disabled={form.busy}>Sign in</button></footer>
      </form>
      <p class="hint">No account yet? Your platform's admin invites you by link. Lost your password? Ask them for a new link.</p>
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
      <h1>Welcome, {email}</h1>
      <p>Choose a password; next time you sign in with it.</p>
      <form onSubmit={form.onSubmit}>
        <Field label="New password" type="password" autocomplete="new-password" minLength={10} maxLength={256} required hint="At least 10 characters. A sentence is easier to remember." problem={form.problem} field="password" value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        <Field label="Repeat it" type="password" autocomplete="new-password" required value={again} onInput={(event) => setAgain(event.currentTarget.value)} hint={differ ? "The two differ." : undefined} />
        {form.problem && !form.problem.field ? <Alert problem={form.problem} /> : null}
        <footer><button class="primary" disabled={form.busy || differ}>Set password</button></footer>
      </form>
    </main>
  );
}

export function Logo() {
  return (
    <p class="logo">
      <img src="/favicon.svg" alt="" width="28" height="28" />
      Atelier
    </p>
  );
}
