// An object as the server holds it, to read and to copy.
import type { KubeObject } from "../api";
import { t } from "../text";
import { toYaml } from "../yaml";

export function ManifestView({ item }: { item: KubeObject }) {
  const { apiVersion, kind, metadata, spec, status } = item;
  return (
    <details class="sheet">
      <summary>{t.manifest.title}</summary>
      <pre tabIndex={0} aria-label={t.manifest.title}>{toYaml({ apiVersion, kind, metadata, spec, status })}</pre>
    </details>
  );
}
