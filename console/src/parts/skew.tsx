// Would ray.init be refused between this image and what stands beside it in the profile? Told before anybody tries.
import { get, type List, paths } from "../api";
import { useData } from "../live";
import { t } from "../text";
import { clash, imageOf, said, useImages, versionOf } from "../versions";

const named = 4; // more names tell nobody more

// <kind> is what has, or is to have, <image>: a cluster is held against the notebooks, a notebook against the clusters.
export function Skew({ profile, kind, image }: { profile: string; kind: "Notebook" | "RayCluster"; image: string }) {
  const path = kind === "Notebook" ? paths.rayclusters(profile) : paths.notebooks(profile);
  const other = kind === "Notebook" ? "RayCluster" : "Notebook";
  const images = useImages();
  const items = useData(() => get<List>(path), path).data?.items ?? [];
  const mine = versionOf(images, image);
  const apart = items.map((item) => ({ name: item.metadata.name, version: versionOf(images, imageOf({ ...item, kind: other })) })).filter(({ version }) => clash(mine, version));
  if (apart.length === 0) return null;
  return <p class="notice" role="status">{t.ray.skew(apart.slice(0, named).map(({ name, version }) => `${name} (${said(version)})`).join("; "), said(mine), other === "Notebook")}</p>;
}
