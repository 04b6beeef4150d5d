// What few people say of a Ray cluster: which nodes its pods may stand on, their labels, and where its head keeps what it knows.
import { Problem, type RayDefaults } from "../api";
import type { Place } from "../manifest";
import { Check, Field, Lines } from "../parts/form";
import { t } from "../text";

type Wrong = Parameters<typeof Field>[0]["problem"];

// --- where pods may stand -----------------------------------------------------------------------------------------------

const keys = ["selector", "tolerations", "labels"] as const;
const fieldOf = { selector: "spec.nodeSelector", tolerations: "spec.tolerations", labels: "metadata.labels" };
export const whereFields = (at: string) => keys.map((key) => `${at}.template.${fieldOf[key]}`);

// <at> is the group in the manifest; <title> what a person calls it, so that every control has a name of its own.
// <spot>: they may be nodes that are taken back at any time, if there are <nodes> to choose from at all; never a head's.
export function Where({ title, at, place, spot, problem, change }: { title: string; at: string; place: Place; spot?: { nodes: boolean }; problem: Wrong; change: (part: Partial<Place>) => void }) {
  const text = { selector: [t.ray.selectorOf(title), t.ray.selectorHint], tolerations: [t.ray.tolerationsOf(title), t.ray.tolerationsHint], labels: [t.ray.labelsOf(title), t.form.labelsHint] } as const;
  return (
    <fieldset>
      <legend>{t.ray.where(title)}</legend>
      {keys.map((key) => (
        <Lines key={key} label={text[key][0]} hint={text[key][1]} rows={2} value={place[key]} problem={problem} field={[`form.${at}.${key}`, `${at}.template.${fieldOf[key]}`]} onInput={(event) => change({ [key]: event.currentTarget.value })} />
      ))}
      {spot ? <Check label={t.ray.spotOf(title)} checked={place.spot ?? false} onChange={(event) => change({ spot: event.currentTarget.checked })} /> : null}
      {spot ? <p class="hint">{spot.nodes ? t.ray.spotHint : t.ray.spotNowhere}</p> : null}
    </fieldset>
  );
}

// --- a head that comes back ---------------------------------------------------------------------------------------------

export interface Remembered {
  on?: boolean; // as usual here, where nothing is said
  address: string;
  secret: string; // "name:key", of the Redis' password
}
const options = "spec.gcsFaultToleranceOptions";
export const memoryFields = [`${options}.redisAddress`, `${options}.redisPassword`];

const isOn = ({ on }: Remembered, defaults?: RayDefaults) => on ?? defaults?.faultTolerance ?? false;
export function memoryOf(kept: Remembered, defaults?: RayDefaults) {
  const { address, secret } = kept;
  if (!isOn(kept, defaults)) return undefined;
  if (!address && !secret) return defaults?.gcsFaultToleranceOptions ?? {};
  const [name, key] = secret.split(":");
  return { ...(address ? { redisAddress: address } : {}), ...(secret ? { redisPassword: { valueFrom: { secretKeyRef: { name, key } } } } : {}) };
}
export const memoryProblem = (kept: Remembered, defaults?: RayDefaults) =>
  (isOn(kept, defaults) && kept.secret && !/^[a-z0-9.-]+:[\w.-]+$/.test(kept.secret) ? new Problem(422, t.ray.secretLine(kept.secret), "form.secret") : null);

// Where there is no Redis of the profile's own, the server asks for an address: it is said at that field.
export function Memory({ kept, defaults, problem, change }: { kept: Remembered; defaults?: RayDefaults; problem: Wrong; change: (part: Partial<Remembered>) => void }) {
  return (
    <>
      <Check label={t.ray.remember} checked={isOn(kept, defaults)} onChange={(event) => change({ on: event.currentTarget.checked })} />
      <p class="hint">{t.ray.rememberHint}{defaults && !defaults.faultTolerance ? ` ${defaults.nodes ? t.ray.rememberNone : t.ray.rememberNoneHere}` : ""}</p>
      {isOn(kept, defaults) ? (
        <div class="pair">
          <Field label={t.ray.redis} autocomplete="off" spellcheck={false} hint={t.ray.redisHint} value={kept.address} problem={problem} field={`${options}.redisAddress`} onInput={(event) => change({ address: event.currentTarget.value.trim() })} />
          <Field label={t.ray.redisSecret} autocomplete="off" spellcheck={false} hint={t.ray.redisSecretHint} value={kept.secret} problem={problem} field={["form.secret", `${options}.redisPassword`]} onInput={(event) => change({ secret: event.currentTarget.value.trim() })} />
        </div>
      ) : null}
    </>
  );
}
