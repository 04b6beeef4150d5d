// Which Ray and which Python has an image, and do a notebook's and a cluster's meet? As ray/image.c and ray/skew.c see it.
import { get, type KubeObject } from "./api";
import { useData } from "./live";

export interface Image {
  name: string;
  aliases?: string[];
  rayVersion?: string;
  pythonVersion?: string;
  reference?: string;
  ready?: boolean;
}
export const useImages = () => useData(() => get<{ items: Image[] }>("/api/atelier/v1/images"), "images").data?.items ?? [];

export function imageOf(item: KubeObject): string {
  const template = item.kind === "RayCluster" ? item.spec?.headGroupSpec?.template : item.spec?.template;
  return String(template?.spec?.containers?.[0]?.image ?? "");
}

export interface Version {
  ray: string; // "" where nobody knows
  python: string;
}
// The platform's list knows; of other images the tag tells, as in rayproject/ray:2.60.0-py311.
export function versionOf(images: Image[], image: string): Version {
  const listed = images.find((one) => one.name === image || one.reference === image || one.aliases?.includes(image));
  const tag = image.replace(/@.*$/, "").replace(/^.*\//, "").split(":")[1] ?? "";
  const minor = /-py3(\d{1,3})/.exec(tag)?.[1];
  const tagged = minor ? `3.${minor}` : "";
  return {
    ray: listed?.rayVersion ?? /^\d+\.\d+\.\d+(?=$|[-_])/.exec(tag)?.[0] ?? "",
    python: listed?.pythonVersion && (!tagged || !listed.reference) ? listed.pythonVersion : tagged,
  };
}

// Ray Client wants the same Ray, and the same minor version of Python; what is unknown clashes with nothing.
const minorOf = (python: string) => python.split(".").slice(0, 2).join(".");
export const clash = (a: Version, b: Version) =>
  Boolean((a.ray && b.ray && a.ray !== b.ray) || (a.python && b.python && minorOf(a.python) !== minorOf(b.python)));
export const said = ({ ray, python }: Version) => [ray && `Ray ${ray}`, python && `Python ${minorOf(python)}`].filter(Boolean).join(", ");
