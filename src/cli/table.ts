/** Tables with lines around their cells, for what nodetool has no layout for. */
import Table from "cli-table3";

export interface Column {
  readonly title: string;
  /** Numbers are easier to compare with their last digits in line. */
  readonly isNumber?: boolean;
}

/** Without a line break at the end. */
export function tableText(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const table = new Table({
    head: columns.map(({ title }) => title),
    style: { head: [], border: [], compact: true },
    colAligns: columns.map(({ isNumber }) => (isNumber === true ? "right" : "left")),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
