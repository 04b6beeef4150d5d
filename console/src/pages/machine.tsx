// The machine, for platform admins: capacity, images, and whether every part is in order.
import { get, type Me, type Usage } from "../api";
import { useData } from "../live";
import { Capacity } from "../parts/capacity";
import { Alert, Announce, Empty, Loading, Page, State } from "../parts/page";
import { t } from "../text";
import type { Image } from "../versions";

interface Health {
  checks: { name: string; ok: boolean; detail?: string }[];
}
const again_ms = 10_000;

export function Machine({ me }: { me: Me }) {
  const usage = useData(() => get<Usage>("/api/atelier/v1/usage"), "usage", { every_ms: again_ms });
  const images = useData(() => get<{ items: Image[] }>("/api/atelier/v1/images"), "images", { every_ms: again_ms });
  const health = useData(() => get<Health>("/api/atelier/v1/health"), "health", { every_ms: again_ms });
  const names: Record<string, string> = { policy: t.machine.policy, database: t.machine.database, engine: t.machine.engine, disk: t.machine.disk };
  const checks = health.data?.checks ?? [];
  return (
    <Page title={t.machine.title} lead={t.machine.release(me.settings.version)}>
      <Announce states={checks.map(({ name, ok }) => [names[name] ?? name, ok ? "ok" : "wrong"])} />
      <div class="cards">
        <section>
          <h2>{t.machine.health}</h2>
          <Alert problem={health.problem} />
          {health.data ? (
            <ul class="plain">
              {checks.map(({ name, ok, detail }) => <li key={name}><span>{names[name] ?? name}</span><State phase={ok ? "ok" : "wrong"} text={detail} /></li>)}
            </ul>
          ) : health.problem ? null : <Loading />}
        </section>
        <section>
          <h2>{t.machine.capacity}</h2>
          <Alert problem={usage.problem} />
          {usage.data ? <Capacity usage={usage.data} all /> : usage.problem ? null : <Loading />}
        </section>
        <section>
          <h2>{t.machine.images}</h2>
          <Alert problem={images.problem} />
          {images.data ? (
            images.data.items.length === 0 ? <Empty>{t.machine.noImages}</Empty> : (
              <table>
                <thead><tr><th scope="col">{t.machine.image}</th><th scope="col">{t.machine.version}</th><th scope="col">{t.machine.state}</th></tr></thead>
                <tbody>
                  {images.data.items.map((image) => (
                    <tr key={image.name}>
                      <th scope="row">{image.name}{image.aliases?.length ? <small class="hint"><br />{image.aliases.join(", ")}</small> : null}</th>
                      <td>{image.rayVersion}</td><td>{image.ready === false ? t.machine.notReady : t.machine.ready}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )
          ) : images.problem ? null : <Loading />}
        </section>
      </div>
    </Page>
  );
}
