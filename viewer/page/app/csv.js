// The rows and columns of a list as a file for a spreadsheet.

import { fieldOf, head, valueOf } from "./columns.js";
import { announce } from "./dom.js";
import { count } from "./format.js";
import { save } from "./moment.js";
import { t } from "./texts.js";

const MOST = 10_000;

/** A cell: quoted, and never a formula, whatever was recorded. Times are ISO 8601; numbers keep the unit of their column. */
export function csvCell(value, field) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" && field?.type === "timestamp") return new Date(value).toISOString();
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** `page(cursor)` gives rows of the list. */
export async function saveCsv(table, columns, fields, page) {
  const unit = (column) => (fields.get(column)?.unit ? ` (${fields.get(column).unit})` : "");
  const lines = [columns.map((column) => csvCell(head(column, table) + unit(column))).join(",")];
  let cursor = "";
  do {
    const answer = await page(cursor);
    for (const row of answer[table])
      lines.push(
        columns
          .map((column) => {
            const name = fieldOf(column, row);
            return csvCell(valueOf(name, row), fields.get(name));
          })
          .join(","),
      );
    cursor = answer.next;
  } while (cursor && lines.length <= MOST);
  save(new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/csv" }), `${table}.csv`);
  announce(cursor ? t`The first ${count(lines.length - 1)} rows; there are more` : t`${count(lines.length - 1)} rows`);
}
