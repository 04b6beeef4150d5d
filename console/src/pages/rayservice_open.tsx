// Who may use which route of a Ray service: members, whoever holds a token for it, anybody? The profile's admins change it.
import { useState } from "preact/hooks";
import { type KubeObject, mergePatch, paths, type ProfileEntry } from "../api";
import { Sure } from "../parts/dialog";
import { type Row, Table } from "../parts/table";
import { may } from "../rights";
import { t } from "../text";
import { routesOf } from "./rayservice_parts";
import { ApplicationTokens } from "./token_parts";

const annotation = "atelier.dev/public-apps";
const openOf = (item: KubeObject) => (item.metadata.annotations?.[annotation] ?? "").split(",").map((one) => one.trim()).filter(Boolean);
// By whole segments, as the server reads it: "/a" opens "/a" and "/a/b", not "/ab".
const covers = (prefix: string, route: string) => prefix === "/" || prefix === route || route.startsWith(`${prefix}/`);

// <route> is to be opened, or <close> are the prefixes that hold it open.
type Ask = { route: string; close?: string[] } | null;

// <allowed>: the platform lets applications be opened at all. Who may change the service may always close one.
export function OpenToAll({ item, entry, allowed }: { item: KubeObject; entry: ProfileEntry; allowed: boolean }) {
  const [ask, setAsk] = useState<Ask>(null);
  const [wanted, setWanted] = useState<string | null>(null); // a token for this route
  const manages = may("manage", entry);
  const { name } = item.metadata;
  const prefixes = openOf(item);
  const routes = [...new Set([...routesOf(item), ...prefixes])];
  const write = (list: string[]) => mergePatch(`${paths.rayservices(entry.name)}/${name}`, { metadata: { annotations: { [annotation]: list.length ? list.join(", ") : null } } });
  const row = (route: string): Row => {
    const by = prefixes.filter((prefix) => covers(prefix, route));
    return {
      key: route,
      cells: [route, by.length === 0 ? t.rayServices.members : by.includes(route) ? t.rayServices.everybody : t.rayServices.everybodyBy(by.join(", "))],
      actions: <>
        {manages ? <button aria-label={t.tokens.forOf(route)} onClick={() => setWanted(route)}>{t.tokens.forIt}</button> : null}
        {by.length ? (may("change", entry, "RayService", name) ? <button aria-label={t.rayServices.closeOf(route)} onClick={() => setAsk({ route, close: by })}>{t.rayServices.closeIt}</button> : null)
        : allowed && manages ? <button aria-label={t.rayServices.openOf(route)} onClick={() => setAsk({ route })}>{t.rayServices.openIt}</button> : null}
      </>,
    };
  };
  return (
    <>
      <h2>{t.rayServices.who}</h2>
      <Table label={t.rayServices.who} heads={[t.rayServices.route, t.rayServices.who]} rows={routes.map(row)} />
      {manages && !allowed ? <p class="hint">{t.rayServices.openNever}</p> : null}
      {entry.role ? <ApplicationTokens entry={entry} name={name} route={wanted} made={() => setWanted(null)} /> : null}
      {ask ? (
        <Sure title={ask.close ? t.rayServices.closeOf(ask.close.join(", ")) : t.rayServices.openOf(ask.route)} text={ask.close ? t.rayServices.closeText : ask.route === "/" ? t.rayServices.openTextAll : t.rayServices.openText(`${location.origin}/serve/${entry.name}/${name}${ask.route}`)}
          action={() => write(ask.close ? prefixes.filter((prefix) => !ask.close?.includes(prefix)) : [...prefixes, ask.route])} close={() => setAsk(null)} />
      ) : null}
    </>
  );
}
