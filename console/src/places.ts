// Which pages are there for this person, and what are they called? The menu, the palette and the router ask here.
import type { Me, ProfileEntry } from "./api";
import { may, shows } from "./rights";
import { t } from "./text";

export interface Place {
  href: string;
  text: string;
  icon: string;
}
export function profilePlaces(entry: ProfileEntry | undefined): Place[] {
  if (!entry) return [];
  const base = `/p/${entry.name}`;
  const member = entry.role !== "";
  const list: (Place | false)[] = [
    { href: base, text: member ? t.menu.home : t.menu.sharedWithYou, icon: "home" },
    shows(entry, "Notebook") && { href: `${base}/notebooks`, text: t.menu.notebooks, icon: "notebook" },
    shows(entry, "RayCluster") && { href: `${base}/ray`, text: t.menu.ray, icon: "ray" },
    member && { href: `${base}/rayjobs`, text: t.menu.rayJobs, icon: "job" },
    member && { href: `${base}/rayservices`, text: t.menu.rayServices, icon: "service" },
    member && { href: `${base}/volumes`, text: t.menu.volumes, icon: "volume" },
    member && { href: `${base}/members`, text: t.menu.members, icon: "members" },
    may("manage", entry) && { href: `${base}/activity`, text: t.menu.activity, icon: "activity" },
  ];
  return list.filter((place) => place !== false);
}
export const ownPlaces = (): Place[] => [
  { href: "/tokens", text: t.menu.tokens, icon: "token" },
  { href: "/account", text: t.menu.account, icon: "account" },
];
export const adminPlaces = (me: Me): Place[] =>
  me.platformAdmin
    ? [
        { href: "/users", text: t.menu.users, icon: "users" },
        { href: "/profiles", text: t.menu.profiles, icon: "profiles" },
        { href: "/machine", text: t.menu.machine, icon: "machine" },
        { href: "/audit", text: t.menu.audit, icon: "audit" },
      ]
    : [];
