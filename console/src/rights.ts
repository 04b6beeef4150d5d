// What this person may do here: the console's copy of the server's table, so that no button is shown that would be refused.
// The server decides again on every request.
import type { ProfileEntry } from "./api";
import { t } from "./text";

const ranks = ["", "viewer", "editor", "admin", "owner"];
const least = (role: string | undefined, wanted: string) => ranks.indexOf(role ?? "") >= ranks.indexOf(wanted);

export type Verb = "create" | "open" | "change" | "delete" | "manage" | "transfer";

// <kind> and <name> of the one notebook or cluster that is meant; without them, anything of the profile.
export function may(verb: Verb, entry: ProfileEntry, kind?: string, name?: string): boolean {
  const resource = entry.resources?.find((item) => item.kind === kind && item.name === name)?.role;
  switch (verb) {
    case "create":
      return least(entry.role, "editor");
    case "open": {
      const wanted = kind === "RayCluster" ? "viewer" : "editor"; // a dashboard can be read only; a notebook cannot
      return least(entry.role, wanted) || least(resource, wanted);
    }
    case "change":
      return least(entry.role, "editor") || least(resource, "editor");
    case "delete":
      return least(entry.role, "editor") || least(resource, "admin");
    case "manage":
      return least(entry.role, "admin");
    case "transfer":
      return least(entry.role, "owner");
  }
}

// Whether a kind is shown at all: members see everything, guests what is shared with them.
export const shows = (entry: ProfileEntry, kind: string) => entry.role !== "" || (entry.resources ?? []).some((item) => item.kind === kind);

// A role in the words of whoever looks.
export const roleName = (role: string) => (t.roles as Record<string, string>)[role] ?? role;
