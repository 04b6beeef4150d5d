// How is a manifest written down? As YAML that says exactly what the object says; the server reads it back.

// What YAML would read as something else than a text, or not as one scalar.
const plain = /^[A-Za-z_/][A-Za-z0-9_./()@ -]*(:[A-Za-z0-9_./@-]+)*$/;
const special = /^(true|false|yes|no|on|off|null|y|n|~)$/i;
// What can stand line by line, as it was written.
const block = /^[!-~][ -~]*(\n[ -~]*)*[!-~]\n$/;
const scalar = (value: string) => (plain.test(value) && !special.test(value) && !/\s$/.test(value) ? value : JSON.stringify(value));

const isEmpty = (value: unknown) =>
  Array.isArray(value) ? value.length === 0 : typeof value === "object" && value !== null && Object.values(value).every((item) => item === undefined);

function lines(value: unknown, indent: string): string[] {
  if (typeof value === "string") return [scalar(value)];
  if (typeof value !== "object" || value === null) return [String(value)];
  if (isEmpty(value)) return [Array.isArray(value) ? "[]" : "{}"];
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const [first = "", ...rest] = lines(item, indent);
      return [`- ${first}`, ...rest.map((line) => `  ${line}`)];
    });
  }
  return Object.entries(value).filter(([, item]) => item !== undefined).flatMap(([key, item]) => {
    const inner = lines(item, indent);
    const nested = typeof item === "object" && item !== null && !isEmpty(item);
    const name = scalar(key);
    if (typeof item === "string" && block.test(item)) return [`${name}: |`, ...item.slice(0, -1).split("\n").map((line) => (line ? `${indent}${line}` : ""))];
    if (!nested) return [`${name}: ${inner[0] ?? ""}`];
    return [`${name}:`, ...inner.map((line) => `${indent}${line}`)];
  });
}

export const toYaml = (value: unknown): string => `${lines(value, "  ").join("\n")}\n`;
