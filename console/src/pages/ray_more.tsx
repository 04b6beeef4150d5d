// What few people say of a Ray cluster: which nodes its pods may stand on, their labels, and where its head keeps what it knows.
import { Problem } from "../api";
import type { Place } from "../manifest";
import { Check, Field, Lines } from "../parts/form";
import { t } from "../text";

type Wrong = Parameters<typeof Field>[0]["problem"];

// --- where pods may stand -----------------------------------------------------------------------------------------------

const keys = ["selector", "tolerations", "labels"] as const;
const fieldOf = { selector: "spec.nodeSelector", tolerations: "spec.tolerations", labels: "metadata.labels" };
export const whereFields = (at: string) => keys.map((key) => `${at}.template.${fieldOf[key]}`);

// <at> is the group in the manifest; <title> what a person calls it, so that every control has a name of its own.
export function Where({ title, at, place, problem, change }: { title: string; at: string; place: Place; problem: Wrong; change: (part: Partial<Place>) => void }) {
  const text = { selector: [t.ray.selectorOf(title), t.ray.selectorHint], tolerations: [t.ray.tolerationsOf(title), t.ray.tolerationsHint], labels: [t.ray.labelsOf(title), t.form.labelsHint] } as const;
  return (
    <fieldset>
      <legend>{t.ray.where(title)}</legend>
      {keys.map((key) => (
        <Lines key={key} label={text[key][0]} hint={text[key][1]} rows={2} value={place[key]} problem={problem} field={[`form.${at}.${key}`, `${at}.template.${fieldOf[key]}`]} onInput={(event) => change({ [key]: event.currentTarget.value })} />
      ))}
    </fieldset>
  );
}

// --- a head that comes back ---------------------------------------------------------------------------------------------

export interface Remembered {
  on: boolean;
  address: string;
  secret: string; // "name:key", of the Redis' password
}
const options = "spec.gcsFaultToleranceOptions";
export const memoryFields = [`${options}.redisAddress`, `${options}.redisPassword`];

export function memoryOf({ on, address, secret }: Remembered) {
  if (!on) return undefined;
  const [name, key] = secret.split(":");
  return { ...(address ? { redisAddress: address } : {}), ...(secret ? { redisPassword: { valueFrom: { secretKeyRef: { name, key } } } } : {}) };
}
export const memoryProblem = ({ on, secret }: Remembered) =>
  (on && secret && !/^[a-z0-9.-]+:[\w.-]+$/.test(secret) ? new Problem(422, t.ray.secretLine(secret), "form.secret") : null);

// Where there is no Redis of the profile's own, the server asks for an address: it is said at that field.
export function Memory({ kept, problem, change }: { kept: Remembered; problem: Wrong; change: (part: Partial<Remembered>) => void }) {
  return (
    <>
      <Check label={t.ray.remember} checked={kept.on} onChange={(event) => change({ on: event.currentTarget.checked })} />
      <p class="hint">{t.ray.rememberHint}</p>
      {kept.on ? (
        <div class="pair">
          <Field label={t.ray.redis} autocomplete="off" spellcheck={false} hint={t.ray.redisHint} value={kept.address} problem={problem} field={`${options}.redisAddress`} onInput={(event) => change({ address: event.currentTarget.value.trim() })} />
          <Field label={t.ray.redisSecret} autocomplete="off" spellcheck={false} hint={t.ray.redisSecretHint} value={kept.secret} problem={problem} field={["form.secret", `${options}.redisPassword`]} onInput={(event) => change({ secret: event.currentTarget.value.trim() })} />
        </div>
      ) : null}
    </>
  );
}
