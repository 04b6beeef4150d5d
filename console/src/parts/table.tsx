// A table whose rows become cards on a narrow screen: there the roles are what keeps it a table to a screen reader.
import type { ComponentChildren } from "preact";
import { t } from "../text";

export interface Row {
  key: string;
  cells: ComponentChildren[];
  actions?: ComponentChildren;
  leaving?: boolean; // its deletion waits to be sent
}
export function Table({ label, heads, rows, actions = true }: { label: string; heads: string[]; rows: Row[]; actions?: boolean }) {
  return (
    <div class="scroll">
      <table role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {heads.map((head) => <th key={head} role="columnheader" scope="col">{head}</th>)}
            {actions ? <th role="columnheader" scope="col"><span class="unseen">{t.actions}</span></th> : null}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={row.key} role="row" class={row.leaving ? "leaving" : undefined}>
              {row.cells.map((cell, at) => at === 0
                ? <th key={at} role="rowheader" scope="row">{cell}</th>
                : <td key={at} role="cell" data-label={heads[at]}>{cell}</td>)}
              {actions ? <td role="cell" class="row-actions">{row.actions}</td> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
